// Usage extraction: token counts out of JSON answers and stream events of the OpenAI and Anthropic dialects.
// Source: OpenAI chat, responses and embeddings objects (prompt_tokens, input_tokens, *_details), DeepSeek's
// prompt_cache_hit_tokens; Anthropic's message_start and message_delta. Thread: pure.
// Units: tokens. `input` counts all input tokens, the cached and cache-writing ones included, in both dialects
// (Anthropic reports them apart; they are added up here), so that rows of different providers compare.
// Errors: no usage or a malformed one changes nothing.
#pragma once

#include <string_view>

#include "dataplane/model/usage_record.h"

namespace aurora::llm {

// Whether `text` has the key at all: the cheap question before an event is read.
bool MayReportUsage(std::string_view text);

// Merges what the last whole `"usage": {…}` object in `text` reports into `tokens`: a later report of a field replaces
// an earlier one, absent fields stay (Anthropic reports input first and output last). True when there was one.
// An unescaped `"usage"` cannot occur inside a JSON string, so text need not be a whole document.
bool ExtractUsage(std::string_view text, model::TokenCounts& tokens);

// Whether a stream event's data is the usage-only chunk that include_usage adds: `"choices":[]` with usage.
bool IsUsageOnlyChunk(std::string_view data);

}  // namespace aurora::llm
