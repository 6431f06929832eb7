// Two small limiters of the gossip driver: how often a thing is told, and how many datagrams are
// opened. Source: ours; token bucket. Thread: owner's. Bounds: kMaxKeys keys remembered; beyond
// that new ones stay silent until old ones expire. Errors: none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "shared/base/string_map.h"
#include "shared/base/time.h"

namespace aurora::peers {

// True at most once a `period` for each key.
class Seldom {
 public:
  static constexpr size_t kMaxKeys = 1024;
  explicit Seldom(Duration period) : period_(period) {}

  bool Allow(Instant now, std::string_view key) {
    if (auto it = until_.find(key); it != until_.end()) {
      return now >= it->second && (it->second = now + period_, true);
    }
    if (until_.size() >= kMaxKeys) {
      absl::erase_if(until_, [&](const auto& entry) { return entry.second <= now; });
    }
    if (until_.size() >= kMaxKeys) {
      return false;
    }
    until_.emplace(std::string(key), now + period_);
    return true;
  }
  size_t size() const { return until_.size(); }

 private:
  Duration period_;
  StringMap<Instant> until_;
};

class TokenBucket {
 public:
  TokenBucket(int64_t per_second, Instant now)
      : per_second_(std::max<int64_t>(1, per_second)), tokens_(per_second_), at_(now) {}

  bool Take(Instant now) {
    if (now - at_ >= Duration::Seconds(1)) {
      tokens_ = per_second_;
      at_ = now;
    }
    const int64_t fresh = (now - at_).micros() * per_second_ / 1'000'000;
    tokens_ = std::min(per_second_, tokens_ + fresh);
    at_ = at_ + Duration::Micros(fresh * 1'000'000 / per_second_);
    return tokens_ > 0 && (--tokens_, true);
  }

 private:
  int64_t per_second_;
  int64_t tokens_;
  Instant at_;
};

}  // namespace aurora::peers
