// Server-sent events: finding where events end, and reading one.
// Source: WHATWG HTML, "Parsing an event stream": lines end in CR, LF or CRLF; comments; multi-line
// data; `event:`. Thread: pure. Memory: SseSplitter is three flags; it keeps no bytes, the caller
// carries an event that straddles reads. Invariant: any chunking of the same bytes splits into the
// same events, but that the LF of a final CRLF may become the first byte of the next event (where
// it is an ignored blank line).
#pragma once

#include <cstddef>
#include <string_view>

namespace aurora::llm {

class SseSplitter {
 public:
  struct Step {
    size_t bytes = 0;       // consumed from the front
    bool complete = false;  // those bytes end an event (its blank line included)
  };
  Step Next(std::string_view in);
  void Reset() { *this = SseSplitter(); }

 private:
  bool line_started_ = false;
  bool event_started_ = false;
  bool skip_lf_ = false;
};

struct SseEvent {
  std::string_view event;  // "" = message
  std::string_view data;
  bool has_data = false;
};

// Reads the lines of one event. Data of one line is a view into `raw`; of several lines it is joined in `scratch`,
// which must hold raw.size() bytes (plus kJsonPadding readable ones when the data will be parsed).
SseEvent ParseSseEvent(std::string_view raw, char* scratch);

}  // namespace aurora::llm
