#include "controlplane/peers/gossip_throttle.h"

#include <charconv>
#include <fstream>
#include <sstream>
#include <utility>

namespace aurora::peers {
namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

std::optional<int64_t> Value(std::string_view stat, std::string_view key) {
  for (size_t at = stat.find(key); at != std::string_view::npos; at = stat.find(key, at + 1)) {
    if (at != 0 && stat[at - 1] != '\n') {
      continue;
    }
    const std::string_view rest = stat.substr(at + key.size());
    int64_t value = 0;
    if (std::from_chars(rest.data(), rest.data() + rest.size(), value).ec == std::errc()) {
      return value;
    }
  }
  return std::nullopt;
}

// Version 2 has one line "0::PATH" of the process; inside a container's namespace PATH is "/".
// Version 1 has a line of the cpu controller, whose path may belong to the host.
std::string FindStat() {
  const std::string mine = ReadAll("/proc/self/cgroup");
  std::string path = "/";
  if (const size_t at = mine.find("0::"); at != std::string::npos) {
    path = mine.substr(at + 3, mine.find('\n', at) - at - 3);
  }
  for (const std::string& candidate :
       {"/sys/fs/cgroup" + path + "/cpu.stat", std::string("/sys/fs/cgroup/cpu.stat"),
        std::string("/sys/fs/cgroup/cpu/cpu.stat")}) {
    if (ParseThrottled(ReadAll(candidate))) {
      return candidate;
    }
  }
  return {};
}

}  // namespace

std::optional<Duration> ParseThrottled(std::string_view stat) {
  if (const auto micros = Value(stat, "throttled_usec ")) {
    return Duration::Micros(*micros);
  }
  if (const auto nanos = Value(stat, "throttled_time ")) {
    return Duration::Micros(*nanos / 1000);
  }
  return std::nullopt;
}

Throttle::Throttle() : Throttle(FindStat()) {}
Throttle::Throttle(std::string stat_path) : path_(std::move(stat_path)) {}

Duration Throttle::Since() {
  if (path_.empty()) {
    return {};
  }
  const auto total = ParseThrottled(ReadAll(path_));
  if (!total) {
    return {};
  }
  const Duration since = last_ && *total > *last_ ? *total - *last_ : Duration();
  last_ = total;
  return since;
}

}  // namespace aurora::peers
