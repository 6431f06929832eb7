#include "dataplane/llm/usage.h"

#include <cstring>

#include "dataplane/llm/json_impl.h"

namespace aurora::llm {
namespace {

constexpr std::string_view kUsage = "\"usage\"";
constexpr simdjson::error_code kOk = simdjson::SUCCESS;

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

size_t SkipSpace(std::string_view s, size_t pos) {
  while (pos < s.size() && IsSpace(s[pos])) {
    ++pos;
  }
  return pos;
}

// The end of the object that begins at `pos`, or npos. Usage objects are small: a byte loop will do.
size_t ObjectEnd(std::string_view s, size_t pos) {
  int depth = 0;
  bool in_string = false;
  for (; pos < s.size(); ++pos) {
    const char c = s[pos];
    if (in_string) {
      if (c == '\\') {
        ++pos;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return pos + 1;
    }
  }
  return std::string_view::npos;
}

struct Report {
  model::TokenCounts tokens;
  bool has_input = false;
  bool has_output = false;
  bool has_cached = false;
  bool has_creation = false;
  bool has_reasoning = false;
  bool anthropic = false;
};

void Details(json::Value& value, std::string_view wanted, int64_t& out, bool& has) {
  json::Object object;
  if (value.get_object().get(object) != kOk) {
    return;
  }
  for (auto item : object) {
    std::string_view key;
    json::Value member;
    if (item.unescaped_key().get(key) != kOk || item.value().get(member) != kOk) {
      return;
    }
    int64_t number = 0;
    if (key == wanted && member.get_int64().get(number) == kOk && number >= 0) {
      out = number;
      has = true;
    }
  }
}

void Number(json::Value& value, int64_t& out, bool& has) {
  int64_t number = 0;
  if (value.get_int64().get(number) == kOk && number >= 0) {
    out = number;
    has = true;
  }
}

void Field(std::string_view key, json::Value& value, Report& report) {
  model::TokenCounts& t = report.tokens;
  if (key == "prompt_tokens" || key == "input_tokens") {
    Number(value, t.input, report.has_input);
  } else if (key == "completion_tokens" || key == "output_tokens") {
    Number(value, t.output, report.has_output);
  } else if (key == "prompt_tokens_details" || key == "input_tokens_details") {
    Details(value, "cached_tokens", t.cached_input, report.has_cached);
  } else if (key == "completion_tokens_details" || key == "output_tokens_details") {
    Details(value, "reasoning_tokens", t.reasoning, report.has_reasoning);
  } else if (key == "prompt_cache_hit_tokens") {
    Number(value, t.cached_input, report.has_cached);
  } else if (key == "cache_read_input_tokens") {
    report.anthropic = true;
    Number(value, t.cached_input, report.has_cached);
  } else if (key == "cache_creation_input_tokens") {
    report.anthropic = true;
    Number(value, t.cache_creation_input, report.has_creation);
  }
}

void Merge(const Report& report, model::TokenCounts& tokens) {
  const model::TokenCounts& t = report.tokens;
  if (report.has_cached) {
    tokens.cached_input = t.cached_input;
  }
  if (report.has_creation) {
    tokens.cache_creation_input = t.cache_creation_input;
  }
  if (report.has_reasoning) {
    tokens.reasoning = t.reasoning;
  }
  if (report.has_output) {
    tokens.output = t.output;
  }
  if (report.has_input) {
    const bool apart = report.anthropic;
    tokens.input = t.input + (apart ? t.cached_input + t.cache_creation_input : 0);
  }
}

}  // namespace

std::string_view FindUsageObject(std::string_view text) {
  std::string_view found;
  size_t from = 0;
  while (from < text.size()) {
    const void* hit = ::memmem(text.data() + from, text.size() - from, kUsage.data(), kUsage.size());
    if (hit == nullptr) {
      break;
    }
    from = static_cast<size_t>(static_cast<const char*>(hit) - text.data()) + kUsage.size();
    size_t pos = SkipSpace(text, from);
    if (pos >= text.size() || text[pos] != ':') {
      continue;
    }
    pos = SkipSpace(text, pos + 1);
    if (pos >= text.size() || text[pos] != '{') {
      continue;
    }
    const size_t end = ObjectEnd(text, pos);
    if (end != std::string_view::npos) {
      found = text.substr(pos, end - pos);
      from = end;
    }
  }
  return found;
}

bool ExtractUsage(JsonParser& parser, std::string_view text, model::TokenCounts& tokens) {
  const std::string_view usage = FindUsageObject(text);
  if (usage.empty()) {
    return false;
  }
  json::Document document;
  json::Object object;
  if (!json::Parse(parser, usage, document) || document.get_object().get(object) != kOk) {
    return false;
  }
  Report report;
  for (auto item : object) {
    std::string_view key;
    json::Value value;
    if (item.unescaped_key().get(key) != kOk || item.value().get(value) != kOk) {
      return false;
    }
    Field(key, value, report);
  }
  Merge(report, tokens);
  return true;
}

bool IsUsageOnlyChunk(std::string_view data) {
  constexpr std::string_view kChoices = "\"choices\"";
  const void* hit = ::memmem(data.data(), data.size(), kChoices.data(), kChoices.size());
  if (hit == nullptr) {
    return false;
  }
  size_t pos = static_cast<size_t>(static_cast<const char*>(hit) - data.data()) + kChoices.size();
  for (const char wanted : {':', '[', ']'}) {
    pos = SkipSpace(data, pos);
    if (pos >= data.size() || data[pos] != wanted) {
      return false;
    }
    ++pos;
  }
  return !FindUsageObject(data).empty();
}

}  // namespace aurora::llm
