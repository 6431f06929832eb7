// Answer: a whole response as data: what the driver writes, at what pace, and how it ends.
// Source: the public OpenAI, Anthropic and Gemini response bodies. Thread: pure.
// Invariant: parts is never empty; a body that is not streamed is exactly one part.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/demo-provider/ask.h"

namespace aurora::demo {

struct Answer {
  enum class End : uint8_t { kClean, kReset, kNever };  // kReset: RST after half the parts; kNever: no byte at all
  int status = 200;
  bool stream = false;
  int gap_ms = 0;  // between parts of a stream
  End end = End::kClean;
  std::string retry_after;
  std::vector<std::string> parts;
  std::string model;
  int64_t input_tokens = 0;
  int64_t output_tokens = 0;
};

struct Request {
  std::string_view method;
  std::string_view path;   // without the query
  std::string_view query;
  std::string_view body;
  bool anthropic = false;  // carries anthropic-version: decides whose list GET /v1/models is
  int64_t unix_s = 0;
  uint64_t serial = 0;     // makes ids unique
};

// Every endpoint but /arrivals and /stats; 404 in OpenAI's error shape for what it does not know.
Answer Respond(const Request& request);

// One dialect each.
Answer RenderOpenAi(const Ask& ask, const Saying& saying, const Request& request);
Answer RenderAnthropic(const Ask& ask, const Saying& saying, const Request& request);
Answer RenderGemini(const Ask& ask, const Saying& saying, const Request& request);
// An error in the dialect's own shape.
Answer RenderError(Dialect dialect, int status, std::string_view type, std::string_view message);

// One JSON body.
Answer Whole(int status, const Json& body);

}  // namespace aurora::demo
