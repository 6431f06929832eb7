// HlcClock: the hybrid logical clock of one control-plane start.
// Source: Kulkarni et al. 2014; replication.md section 1 [A8].
// Thread: one. Pure: the caller passes wall time in Unix ms.
// Invariant: Tick never returns the same or an earlier time twice. A remote time more than kAheadMs
// ahead is not followed, so a skewed node cannot drag others.
#pragma once

#include <cstdint>

#include "controlplane/replication/row.h"

namespace aurora::replication {

inline constexpr uint64_t kHlcAheadMs = 60'000;
// The persisted mark is moved this far ahead at a time, so that most ticks write nothing extra.
inline constexpr uint64_t kHlcReserveMs = 1'000;

class HlcClock {
 public:
  // `mark_ms`: no time given out before is at or above it. One far ahead of the wall is an old
  // clock fault and is dropped (safe: the origin is new with this start).
  HlcClock(uint64_t mark_ms, uint64_t wall_ms);

  Hlc Tick(uint64_t wall_ms);
  // False: too far ahead; the row is taken, the clock not followed, the caller alarms.
  bool Observe(const Hlc& remote, uint64_t wall_ms);
  Hlc now() const { return now_; }

 private:
  Hlc now_;
};

}  // namespace aurora::replication
