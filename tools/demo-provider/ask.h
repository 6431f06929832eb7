// Ask: what a client wants, the same for the three dialects, and what the demo answers to it.
// Source: the public OpenAI, Anthropic and Gemini request bodies. Thread: pure.
// Units: tokens are estimated as a quarter of the bytes, rounded up, plus 3 for each message.
// Errors: ParseAsk answers nullopt for a body that is not an object or names no model.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aurora::demo {

using Json = nlohmann::json;

enum class Dialect : uint8_t { kOpenAi, kAnthropic, kGemini };

struct Ask {
  Dialect dialect = Dialect::kOpenAi;
  std::string model;
  bool stream = false;
  bool include_usage = false;
  std::string last_user;                   // text of the last user message
  std::optional<std::string> tool_result;  // set when the last message carries one
  std::string tool_name;                   // the first tool offered, or ""
  Json tool_schema;
  int64_t input_tokens = 0;
  int64_t max_tokens = 0;  // 0 = no limit asked for
};

// `model` is given by the path in the Gemini dialect, otherwise read from the body.
std::optional<Ask> ParseAsk(Dialect dialect, std::string_view body, std::string_view path_model);

// What the model "says": either text or one tool call.
struct Saying {
  std::vector<std::string> pieces;  // the text, one piece for each streamed chunk; never empty without a tool call
  bool calls_tool = false;
  std::string arguments;  // JSON text of the call
  bool cut = false;       // ended by max_tokens
  int64_t output_tokens = 0;
  std::string Text() const;
};
Saying Say(const Ask& ask);

int64_t EstimateTokens(std::string_view text);
// An object with each required property of a JSON schema filled with a value of its type.
Json SampleArguments(const Json& schema);

// Lenient member access: null, "" or 0 when absent or of another type.
const Json& Member(const Json& object, std::string_view name);
std::string Text(const Json& value);
std::string Dump(const Json& value);

}  // namespace aurora::demo
