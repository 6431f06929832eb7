#include "dataplane/llm/sse.h"

#include <cstring>

namespace aurora::llm {
namespace {

// The offset of the first CR or LF at or after `from`; in.size() when there is none.
size_t FindLineEnd(std::string_view in, size_t from) {
  const char* begin = in.data() + from;
  const size_t n = in.size() - from;
  const void* lf = std::memchr(begin, '\n', n);
  const size_t to_lf = lf == nullptr ? n : static_cast<size_t>(static_cast<const char*>(lf) - begin);
  const void* cr = std::memchr(begin, '\r', to_lf);
  return from + (cr == nullptr ? to_lf : static_cast<size_t>(static_cast<const char*>(cr) - begin));
}

}  // namespace

SseSplitter::Step SseSplitter::Next(std::string_view in) {
  size_t pos = 0;
  while (pos < in.size()) {
    if (skip_lf_) {
      skip_lf_ = false;
      if (in[pos] == '\n') {
        ++pos;
        continue;
      }
    }
    const size_t end = FindLineEnd(in, pos);
    if (end > pos) {
      line_started_ = true;
    }
    if (end == in.size()) {
      return {in.size(), false};
    }
    pos = end + 1;
    if (in[end] == '\r') {
      if (pos == in.size()) {
        skip_lf_ = true;
      } else if (in[pos] == '\n') {
        ++pos;
      }
    }
    if (line_started_) {
      line_started_ = false;
      event_started_ = true;
    } else if (event_started_) {
      event_started_ = false;
      return {pos, true};
    }
  }
  return {in.size(), false};
}

SseEvent ParseSseEvent(std::string_view raw, char* scratch) {
  SseEvent out;
  size_t joined = 0;
  bool copied = false;
  if (raw.substr(0, 3) == "\xEF\xBB\xBF") {
    raw.remove_prefix(3);
  }
  while (!raw.empty()) {
    const size_t end = FindLineEnd(raw, 0);
    const std::string_view line = raw.substr(0, end);
    raw.remove_prefix(end < raw.size() ? end + 1 : end);  // the LF of a CRLF reads as one more blank line
    const size_t colon = line.find(':');
    const std::string_view field = line.substr(0, colon);
    // A field without a colon has an empty value; one with an address, so that it can be copied.
    std::string_view value = line.substr(colon == std::string_view::npos ? line.size() : colon + 1);
    if (!value.empty() && value.front() == ' ') {
      value.remove_prefix(1);
    }
    if (field == "event") {
      out.event = value;
    } else if (field == "data") {
      if (!out.has_data) {
        out.has_data = true;
        out.data = value;
        continue;
      }
      if (!copied) {
        std::memcpy(scratch, out.data.data(), out.data.size());
        joined = out.data.size();
        copied = true;
      }
      scratch[joined++] = '\n';
      std::memcpy(scratch + joined, value.data(), value.size());
      joined += value.size();
      out.data = {scratch, joined};
    }
  }
  return out;
}

}  // namespace aurora::llm
