// BoottimeNs: the clock of the role page: CLOCK_BOOTTIME, which goes on while the machine sleeps. Source: failover.md
// section 3. Thread: any.
#pragma once

#include <cstdint>

#include <time.h>

namespace aurora::rolepage {

inline uint64_t BoottimeNs() {
  timespec t{};
  clock_gettime(CLOCK_BOOTTIME, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

}  // namespace aurora::rolepage
