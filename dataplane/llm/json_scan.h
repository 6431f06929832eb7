// ScanRequest: one walk over the top level of a request body: the fields the gateway acts on, and where they stand.
// Source: OpenAI and Anthropic request bodies; simdjson on-demand. Thread: pure. Units: byte offsets into the text.
// Bounds: nesting of skipped values is walked without recursion; string structure and UTF-8 of the whole text are
// validated, values that are not read are the provider's to judge.
// Errors: a duplicate `model` or `stream` is refused, so that gateway and provider can never read different values.
// Invariant: offsets delimit exactly the value's bytes; `model` points into the text or into the parser's own memory
// and is valid until the parser is used again.
#pragma once

#include <cstdint>
#include <string_view>

#include "dataplane/llm/json_parser.h"

namespace aurora::llm {

struct ByteRange {
  uint32_t begin = 0;
  uint32_t end = 0;
};

enum class ScanError : uint8_t { kNone, kInvalidJson, kNotAnObject, kDuplicateKey, kWrongType };

// What must be written where so that the provider reports usage at the end of a stream.
enum class UsageEdit : uint8_t {
  kNone,             // the client asked for it
  kInsertMember,     // `"stream_options":{"include_usage":true},` at usage_at.begin, right after '{'
  kInsertInOptions,  // `"include_usage":true,` (or without the comma) at usage_at.begin, inside stream_options
  kInsertInEmptyOptions,
  kReplaceOptions,   // stream_options was null: the whole value
  kReplaceFlag,      // include_usage was false or null: the flag's value
};

struct RequestScan {
  ScanError error = ScanError::kNone;
  std::string_view param;  // with error: the field, when one is to blame
  bool has_model = false;
  bool stream = false;
  bool has_max_tokens = false;
  bool empty_object = false;
  std::string_view model;
  std::string_view user;
  ByteRange model_at;  // the value with its quotes
  UsageEdit usage_edit = UsageEdit::kInsertMember;
  ByteRange usage_at;
};

// Requires: kJsonPadding readable bytes after `text`; text.size() < 4 GiB.
void ScanRequest(JsonParser& parser, std::string_view text, RequestScan& out);

// The text a UsageEdit writes.
std::string_view UsageEditText(UsageEdit edit, bool empty_object);

}  // namespace aurora::llm
