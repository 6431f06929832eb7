// How long the kernel held this process back for want of CPU quota: the cgroup's cpu.stat.
// Source: Linux cgroup v2 (cpu.stat throttled_usec) and v1 (throttled_time, nanoseconds). Thread:
// owner's. One small file read a call. Errors: where there is no such file, it reports none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shared/base/time.h"

namespace aurora::peers {

class Throttle {
 public:
  Throttle();                                // finds the file of this process
  explicit Throttle(std::string stat_path);  // for tests

  // Time spent throttled since the last call; zero at the first one.
  Duration Since();
  bool available() const { return !path_.empty(); }

 private:
  std::string path_;
  std::optional<Duration> last_;
};

// The throttled time a cpu.stat text tells of; nullopt when it tells none.
std::optional<Duration> ParseThrottled(std::string_view stat);

}  // namespace aurora::peers
