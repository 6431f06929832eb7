// Writer: turns finished requests into rows of traffic.db, on a thread of its own.
// Source: architecture.md (usage); schema in shared/schema/traffic_db.h. Thread: the constructor
// opens the file on the caller's thread, everything after runs on the writer's; SaveDiscovered,
// LoadDiscovered and counters may be called from any thread; on_alarm runs on the writer's.
// Units: transactions of at most 2048 records of each ring, every 50 ms, paced so that no request
// waits for a batch; caps are enforced every 60 s in batches of 2000 rows. Errors: never fatal.
// While the file cannot be written (error, disk nearly full, directory gone) the alarm is up, each
// ring keeps its newest 2048 records and older ones are dropped and counted; the file is opened
// again each second. Lifetime: the rings outlive the writer.
// Invariant: a metered record ends as exactly one row or one count in dropped_*.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/metering/usage_ring.h"
#include "shared/base/time.h"

namespace aurora::metering {

struct Options {
  std::string path;
  std::string node_id;
  uint64_t min_free_bytes = uint64_t{64} << 20;
  Duration max_age = Duration::Max();  // of rows, by their start
  uint64_t max_bytes = 0;              // of the file without its free pages; 0 = no cap
  Duration flush_every = Duration::Millis(50);
  Duration upkeep_every = Duration::Seconds(60);
  Duration retry_every = Duration::Seconds(1);
  // At each change: why rows are not written; empty when they are again.
  std::function<void(std::string_view why)> on_alarm;
  // Free bytes where `path` is; empty = ask the file system.
  std::function<absl::StatusOr<uint64_t>(const std::string& path)> free_bytes;
};

// Rows of `counter` in traffic.db: usage rows lost over all runs, and why.
inline constexpr std::string_view kLostRing = "usage_lost_ring";
inline constexpr std::string_view kLostDisk = "usage_lost_disk";

struct Counters {
  uint64_t written = 0;
  uint64_t dropped_ring = 0;  // a ring was full
  uint64_t dropped_disk = 0;  // the file could not be written
  uint64_t errors = 0;        // failed opens, drains and upkeeps
  bool alarm = false;
};

struct DiscoveredList {
  std::string provider;
  std::vector<std::string> models;
  int64_t fetched_unix_ms = 0;
};

class Writer {
 public:
  Writer(Options options, std::vector<UsageRing*> rings);
  ~Writer();  // Stop
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Writes what is in the rings and joins. Idempotent. Nothing pushed later is written.
  void Stop();

  // Replaces the stored list of `provider`; kept in memory until the file takes it.
  void SaveDiscovered(std::string provider, std::vector<std::string> models);
  // The lists of earlier runs, by provider; empty if there is no file yet.
  absl::StatusOr<std::vector<DiscoveredList>> LoadDiscovered() const;

  Counters counters() const;

 private:
  class Thread;
  std::unique_ptr<Thread> thread_;
};

}  // namespace aurora::metering
