// Parses one complete head (start line to blank line) and decides how its body is framed. Used by
// Decoder only. Source: llhttp strict for the grammar; RFC 9112 6.3 for framing, 3.2 for Host and
// targets. Thread: pure.   Requires: `bytes` ends with the blank line, has CRLF line ends and no
// folded lines. Errors: false, and `error` filled in with the status a server answers. Invariant:
// anything two parsers might read differently is refused.
#pragma once

#include <string_view>

#include "shared/http/decoder.h"
#include "shared/http/message.h"

namespace aurora::http {

bool ParseHead(Decoder::Kind kind, const Limits& limits, std::string_view bytes, Head* head,
               Error* error);

// The same for a head at the front of `bytes`, if it is whole and as nearly all heads are: its size.
// 0 = ScanLines and ParseHead must say what it is.
size_t ParseUsualHead(Decoder::Kind kind, const Limits& limits, std::string_view bytes, Head* head);

}  // namespace aurora::http
