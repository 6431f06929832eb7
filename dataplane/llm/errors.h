// Errors as the caller's SDK expects them.
// Source: OpenAI {"error":{"type","message","param","code"}}; Anthropic {"type":"error","error":{"type","message"}}.
// Thread: pure. Bounds: writes into the caller's buffer, at most ErrorBytesMax(). Every value is JSON-escaped.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "dataplane/model/types.h"
#include "shared/http/encoder.h"

namespace aurora::llm {

struct ApiError {
  int status = 500;
  std::string_view code;     // stable machine word, "" = null
  std::string_view message;  // one sentence for people
  std::string_view param;    // "" = null
};

// An upper bound of what RenderError and RenderErrorEvent write for it.
size_t ErrorBytesMax(const ApiError& error);

// "invalid_request_error", "authentication_error", ...: the type that goes with a status in that dialect.
std::string_view ErrorType(model::Dialect dialect, int status);

void RenderError(model::Dialect dialect, const ApiError& error, http::Buffer& out);
// The same as one server-sent event, its blank line included.
void RenderErrorEvent(model::Dialect dialect, const ApiError& error, http::Buffer& out);

// Appends `s` as a JSON string with its quotes. Bytes >= 0x80 are written as they are.
void AppendJsonString(http::Buffer& out, std::string_view s);
void AppendJsonString(std::string& out, std::string_view s);

}  // namespace aurora::llm
