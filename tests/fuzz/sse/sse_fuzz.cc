// SSE framing: two chunkings of the same bytes give the same events.
#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/llm/sse.h"
#include "dataplane/llm/usage.h"
#include "shared/base/check.h"

namespace {

std::vector<std::string> Split(std::string_view text, size_t piece) {
  aurora::llm::SseSplitter splitter;
  std::vector<std::string> data;
  std::string carry;
  const auto end = [&] {
    std::string scratch(carry.size() + 1, '\0');
    const aurora::llm::SseEvent event = aurora::llm::ParseSseEvent(carry, scratch.data());
    if (event.has_data) {
      data.emplace_back(event.data);
    }
    carry.clear();
  };
  while (!text.empty()) {
    std::string_view part = text.substr(0, piece);
    text.remove_prefix(part.size());
    while (!part.empty()) {
      const auto step = splitter.Next(part);
      AURORA_CHECK(step.bytes > 0 && step.bytes <= part.size());
      carry += part.substr(0, step.bytes);
      part.remove_prefix(step.bytes);
      if (step.complete) {
        end();
      }
    }
  }
  end();
  return data;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) {
    return 0;
  }
  std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (text.substr(0, 1) == "\xEF") {
    return 0;  // a byte order mark is only one at the start of the stream
  }
  for (size_t at = text.find('\xEF'); at != std::string::npos; at = text.find('\xEF', at)) {
    text[at] = 'x';
  }
  AURORA_CHECK(Split(text, text.size() + 1) == Split(text, 1 + data[0] % 16));
  aurora::model::TokenCounts tokens;
  aurora::llm::ExtractUsage(text, tokens);
  AURORA_CHECK(tokens.input >= 0 && tokens.output >= 0);
  return 0;
}
