#include "controlplane/replication/hlc.h"

#include <algorithm>

namespace aurora::replication {
namespace {

constexpr uint32_t kCounterMax = 0xffff;

}  // namespace

HlcClock::HlcClock(uint64_t mark_ms, uint64_t wall_ms)
    : now_{mark_ms <= wall_ms + kHlcAheadMs ? mark_ms : wall_ms, 0} {}

Hlc HlcClock::Tick(uint64_t wall_ms) {
  if (wall_ms > now_.unix_ms) {
    now_ = Hlc{wall_ms, 0};
  } else if (now_.counter >= kCounterMax) {
    now_ = Hlc{now_.unix_ms + 1, 0};  // the counter has 16 bits: borrow from the next millisecond
  } else {
    ++now_.counter;
  }
  return now_;
}

bool HlcClock::Observe(const Hlc& remote, uint64_t wall_ms) {
  if (remote.unix_ms > wall_ms + kHlcAheadMs) {
    return false;
  }
  now_ = std::max(now_, remote);
  return true;
}

}  // namespace aurora::replication
