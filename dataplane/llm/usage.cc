#include "dataplane/llm/usage.h"

#include <algorithm>
#include <bit>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace aurora::llm {
namespace {

constexpr std::string_view kUsage = "\"usage\"";

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

size_t SkipSpace(std::string_view s, size_t pos) {
  while (pos < s.size() && IsSpace(s[pos])) {
    ++pos;
  }
  return pos;
}

bool IsUsageAt(std::string_view s, size_t pos) { return s.compare(pos, kUsage.size(), kUsage) == 0; }

// The last `"usage"` that begins before `end`, or npos. From the back, where answers report it.
size_t FindLastUsageKey(std::string_view s, size_t end) {
  if (s.size() < kUsage.size()) {
    return std::string_view::npos;
  }
  end = std::min(end, s.size() - kUsage.size() + 1);
#if defined(__SSE2__)
  // Sixteen places at a time where `"u` begins; a place has kUsage.size() bytes, so one more can be read.
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i u = _mm_set1_epi8('u');
  while (end >= 16) {
    const char* at = s.data() + end - 16;
    const __m128i first = _mm_cmpeq_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)), quote);
    const __m128i second = _mm_cmpeq_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at + 1)), u);
    auto mask = static_cast<uint32_t>(_mm_movemask_epi8(_mm_and_si128(first, second)));
    while (mask != 0) {
      const auto bit = static_cast<size_t>(31 - std::countl_zero(mask));
      if (IsUsageAt(s, end - 16 + bit)) {
        return end - 16 + bit;
      }
      mask &= ~(1u << bit);
    }
    end -= 16;
  }
#endif
  while (end > 0) {
    if (IsUsageAt(s, --end)) {
      return end;
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

// Reads one usage object, byte by byte: it is small. What it does not know it steps over.
class Reader {
 public:
  Reader(std::string_view text, size_t pos) : at_(text.data() + pos), end_(text.data() + text.size()) {}

  // The object at the front. False when it is cut short or malformed.
  bool Usage(Report& report) {
    return Object([&](std::string_view key) { return Field(key, report); });
  }

 private:
  bool Take(char c) {
    Space();
    if (at_ == end_ || *at_ != c) {
      return false;
    }
    ++at_;
    return true;
  }

  void Space() {
    while (at_ != end_ && IsSpace(*at_)) {
      ++at_;
    }
  }

  // The text between the quotes, escapes and all: no key of ours has one.
  bool String(std::string_view& out) {
    if (!Take('"')) {
      return false;
    }
    const char* const begin = at_;
    while (true) {
      ToQuoteOrEscape();
      if (at_ == end_ || *at_ == '"') {
        break;
      }
      at_ += end_ - at_ > 1 ? 2 : 1;
    }
    if (at_ == end_) {
      return false;
    }
    out = {begin, static_cast<size_t>(at_ - begin)};
    ++at_;
    return true;
  }

  void ToQuoteOrEscape() {
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i escape = _mm_set1_epi8('\\');
    while (end_ - at_ >= 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at_));
      const auto hits = static_cast<uint32_t>(
          _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, escape))));
      if (hits != 0) {
        at_ += std::countr_zero(hits);
        return;
      }
      at_ += 16;
    }
#endif
    while (at_ != end_ && *at_ != '"' && *at_ != '\\') {
      ++at_;
    }
  }

  template <class F>
  bool Object(F&& member) {
    if (!Take('{')) {
      return false;
    }
    if (Take('}')) {
      return true;
    }
    do {
      std::string_view key;
      if (!String(key) || !Take(':') || !member(key)) {
        return false;
      }
    } while (Take(','));
    return Take('}');
  }

  bool Skip() {
    Space();
    int depth = 0;
    while (at_ != end_) {
      const char c = *at_;
      if (c == '"') {
        std::string_view ignored;
        if (!String(ignored)) {
          return false;
        }
      } else if (c == '{' || c == '[') {
        ++depth;
        ++at_;
      } else if (c == '}' || c == ']') {
        if (depth == 0) {
          return true;
        }
        --depth;
        ++at_;
      } else if (c == ',' && depth == 0) {
        return true;
      } else {
        ++at_;
      }
    }
    return false;
  }

  // A whole number that is not negative; anything else is stepped over.
  bool Number(int64_t& out, bool& has) {
    Space();
    const char* const begin = at_;
    int64_t number = 0;
    while (at_ != end_ && *at_ >= '0' && *at_ <= '9' && at_ - begin < 18) {
      number = number * 10 + (*at_ - '0');
      ++at_;
    }
    if (at_ != begin && at_ != end_ && (*at_ == ',' || *at_ == '}' || IsSpace(*at_))) {
      out = number;
      has = true;
    }
    return Skip();
  }

  bool Details(std::string_view wanted, int64_t& out, bool& has) {
    Space();
    if (at_ == end_ || *at_ != '{') {
      return Skip();
    }
    return Object([&](std::string_view key) { return key == wanted ? Number(out, has) : Skip(); });
  }

  bool Field(std::string_view key, Report& report) {
    model::TokenCounts& t = report.tokens;
    if (key == "prompt_tokens" || key == "input_tokens") {
      return Number(t.input, report.has_input);
    }
    if (key == "completion_tokens" || key == "output_tokens") {
      return Number(t.output, report.has_output);
    }
    if (key == "prompt_tokens_details" || key == "input_tokens_details") {
      return Details("cached_tokens", t.cached_input, report.has_cached);
    }
    if (key == "completion_tokens_details" || key == "output_tokens_details") {
      return Details("reasoning_tokens", t.reasoning, report.has_reasoning);
    }
    if (key == "prompt_cache_hit_tokens") {
      return Number(t.cached_input, report.has_cached);
    }
    if (key == "cache_read_input_tokens") {
      report.anthropic = true;
      return Number(t.cached_input, report.has_cached);
    }
    if (key == "cache_creation_input_tokens") {
      report.anthropic = true;
      return Number(t.cache_creation_input, report.has_creation);
    }
    return Skip();
  }

  const char* at_;
  const char* const end_;
};

// The last usage object that is whole.
bool ReadLast(std::string_view text, Report& report) {
  size_t end = text.size();
  while ((end = FindLastUsageKey(text, end)) != std::string_view::npos) {
    size_t pos = SkipSpace(text, end + kUsage.size());
    if (pos >= text.size() || text[pos] != ':') {
      continue;
    }
    pos = SkipSpace(text, pos + 1);
    report = Report{};
    if (pos < text.size() && text[pos] == '{' && Reader(text, pos).Usage(report)) {
      return true;
    }
  }
  return false;
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

bool MayReportUsage(std::string_view text) {
  return FindLastUsageKey(text, text.size()) != std::string_view::npos;
}

bool ExtractUsage(std::string_view text, model::TokenCounts& tokens) {
  Report report;
  if (!ReadLast(text, report)) {
    return false;
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
  Report report;
  return ReadLast(data, report);
}

}  // namespace aurora::llm
