// What an Exchange knows of the answer it is relaying.
// Source: ours. Thread: one loop. Memory: the carry holds memory only while an event straddles reads, or the tail of
// a JSON answer that comes in several reads.
#pragma once

#include <cstdint>

#include "dataplane/exchange/buffer_pool.h"
#include "dataplane/llm/sse.h"
#include "shared/base/time.h"

namespace aurora::exchange {

// An event longer than this is forwarded in parts and not metered.
inline constexpr size_t kEventBytesMax = 64 * 1024;
// How much of a JSON answer's end is searched for usage.
inline constexpr size_t kUsageTailBytes = 16 * 1024;

struct AnswerState {
  BodyBuffer carry;
  uint64_t length_left = 0;  // of a Content-Length body
  Instant keepalive_at = Instant::Never();
  llm::SseSplitter splitter;
  bool head_sent = false;
  bool sse = false;
  bool chunked = false;
  bool no_body = false;     // HEAD, 204, 304
  bool has_length = false;
  bool metered = false;     // its bytes are searched for usage
  bool any_body = false;
  bool oversized = false;   // in the middle of an event that was too long to hold
  bool client_blocked = false;
};

}  // namespace aurora::exchange
