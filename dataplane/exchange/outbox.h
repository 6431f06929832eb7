// Outbox: what an Exchange wants done, drained by the driver after every step.
// Source: architecture.md §2 (backpressure as data). Thread: one per loop, reused.
// Lifetime: every span points into the read buffer, a Snapshot constant or the loop's Arena and is valid until the
// driver has drained this Outbox; the driver writes at once and copies only what the socket did not take.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "dataplane/model/types.h"
#include "shared/base/check.h"

namespace aurora::exchange {

// Gathered pieces of one write. Bounds: 24 pieces; a step that needs more joins them in the Arena.
class Pieces {
 public:
  void Add(std::string_view s) {
    if (s.empty()) {
      return;
    }
    bytes_ += s.size();
    if (count_ > 0) {
      std::string_view& last = pieces_[count_ - 1];
      if (last.data() + last.size() == s.data()) {  // rendered next to each other: one piece
        last = {last.data(), last.size() + s.size()};
        return;
      }
    }
    AURORA_CHECK(count_ < pieces_.size());
    pieces_[count_++] = s;
  }
  void Clear() {
    count_ = 0;
    bytes_ = 0;
  }
  bool empty() const { return count_ == 0; }
  size_t count() const { return count_; }
  size_t bytes() const { return bytes_; }
  std::string_view operator[](size_t i) const { return pieces_[i]; }

 private:
  std::array<std::string_view, 24> pieces_;
  size_t count_ = 0;
  size_t bytes_ = 0;
};

struct Outbox {
  // In the order the driver acts on them.
  bool release_upstream = false;  // the connection is clean: back to the pool
  bool close_upstream = false;
  const model::Provider* dial = nullptr;  // take a pooled connection or connect; answer with UpstreamReady/Failed.
                                          // Valid as long as the exchange holds its Snapshot.
  bool fresh_connection = false;          // with dial: not a pooled one (the last pooled one was stale)
  bool expect_no_body = false;            // with the upstream request: the response to HEAD
  Pieces upstream;
  Pieces client;
  bool pause_client = false;
  bool resume_client = false;
  bool pause_upstream = false;
  bool resume_upstream = false;
  // The gate closed before anything of the request went out: the driver takes head and body to whoever may serve it
  // (Exchange::held_body), and recycles the exchange unmetered.
  bool hand_over = false;
  bool gate_closed = false;  // found by a look before a write; with hand_over, or with an answer that says so
  bool finished = false;    // the exchange is over: record() is final, the driver may recycle it
  bool close_client = false;  // after `client` was flushed

  void Clear() {
    release_upstream = close_upstream = fresh_connection = expect_no_body = false;
    pause_client = resume_client = pause_upstream = resume_upstream = finished = close_client = false;
    hand_over = gate_closed = false;
    dial = nullptr;
    upstream.Clear();
    client.Clear();
  }
};

}  // namespace aurora::exchange
