// LexHead: the start line and headers of a head that looks as nearly all do. Beside llhttp, not
// instead of it: whatever is unusual is left to the strict parser, so this never refuses anything.
// Source: RFC 9112, a strict subset: HTTP/1.1, seven methods, origin-form targets, values of
// printable ASCII, CR LF. Thread: pure. Memory: none; views point into `bytes`.
// Invariant: what it takes llhttp takes too, with the same outcome (head_lexer_test, fuzz/http).
#pragma once

#include <cstddef>
#include <string_view>

#include "shared/http/decoder.h"
#include "shared/http/message.h"

namespace aurora::http {

// The size of the head at the front of `bytes`, or 0: incomplete, too large or unusual. Fills in
// method_text, target, status, headers and their count of a cleared head.
size_t LexHead(Decoder::Kind kind, const Limits& limits, std::string_view bytes, Head* head);

}  // namespace aurora::http
