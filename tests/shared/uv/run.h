// Runs a loop until a condition holds or a deadline passes.
#pragma once

#include "shared/uv/loop.h"
#include "shared/uv/timer.h"

namespace aurora::uv {

template <class Condition>
bool RunUntil(Loop& loop, Condition condition, Duration limit = Duration::Seconds(20)) {
  const Instant deadline = Loop::Now() + limit;
  // Wakes the loop now and then, so that the condition is looked at even when nothing happens.
  Timer tick(loop, [] {});
  tick.StartRepeating(Duration::Millis(5));
  while (!condition()) {
    if (Loop::Now() > deadline) {
      return false;
    }
    loop.RunOnce(true);
  }
  return true;
}

}  // namespace aurora::uv
