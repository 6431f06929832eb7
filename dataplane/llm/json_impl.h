// The simdjson side of JsonParser. Private to dataplane/llm's .cc files: it costs seconds of compile time.
// Source: simdjson 3.0 on-demand. Thread: one loop. Errors: as simdjson error codes; exceptions are never used.
#pragma once

// Without its throwing conversions a forgotten error code is a compile error, not a process that dies on bad input.
#define SIMDJSON_EXCEPTIONS 0
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wpedantic"
#include <simdjson.h>
#pragma GCC diagnostic pop

#include <string_view>

#include "dataplane/llm/json_parser.h"

namespace aurora::llm {

struct JsonParser::Impl {
  simdjson::ondemand::parser parser;
};

namespace json {

using Document = simdjson::ondemand::document;
using Object = simdjson::ondemand::object;
using Value = simdjson::ondemand::value;
using Type = simdjson::ondemand::json_type;

// Requires: kJsonPadding readable bytes after `text`. False when it is not JSON.
inline bool Parse(JsonParser& parser, std::string_view text, Document& out) {
  return parser.impl().parser.iterate(text.data(), text.size(), text.size() + kJsonPadding).get(out) ==
         simdjson::SUCCESS;
}

}  // namespace json
}  // namespace aurora::llm
