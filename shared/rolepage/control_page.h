// ControlPage: the control plane's side of the role page.
// Source: failover.md section 3. Thread: one writes (the control loop); reads of the data half may
// be anywhere. Order at Open: own lock, deadline := 0, header checked or rewritten; only if no data
// plane holds its lock are `synced` and `sync_ok_until_ns` cleared too. Units: ns on
// CLOCK_BOOTTIME. Invariant: close_seq never falls, also over restarts. Errors: Unavailable =
// another control plane holds the lock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "shared/rolepage/mapped_page.h"

namespace aurora::rolepage {

struct Leader {
  uint64_t term = 0;
  std::string node_id;  // cut at kTextBytes
  std::string address;  // its 7950
  bool operator==(const Leader&) const = default;
};

struct Applied {
  uint64_t epoch = 0;
  uint64_t seq = 0;
  bool operator==(const Applied&) const = default;
};

// What the data plane says; meaningless unless it holds its lock.
struct DataState {
  uint64_t start_nonce = 0;
  uint64_t tick_ns = 0;
  Applied applied;  // (0, 0) when torn
  bool draining = false;
  bool ready = false;
  uint64_t in_flight = 0;
};

class ControlPage {
 public:
  // `boot_id`: for tests; otherwise the kernel's.
  static absl::StatusOr<std::unique_ptr<ControlPage>> Open(std::string_view path,
                                                           std::optional<BootId> boot_id = {});

  // Why the header found at Open was rewritten; empty if it matched.
  const std::string& rewritten() const { return rewritten_; }

  void SetActiveUntil(uint64_t ns);
  uint64_t active_until() const;
  // Zeroes the deadline, then asks every loop to say so. Returns the number to wait for.
  uint64_t Close();
  // True once every loop of the living data plane has seen `close_seq`.
  bool CloseAcknowledged(uint64_t close_seq) const;

  void SetSyncOkUntil(uint64_t ns);
  void SetSynced(uint64_t start_nonce);
  // As last set, by this start or the one before; 0: never.
  uint64_t synced() const;
  void SetLeader(const Leader& leader);

  bool DataPlaneAlive() const;
  // Nothing when no data plane holds its lock.
  std::optional<DataState> Data() const;

 private:
  explicit ControlPage(MappedPage page) : mapped_(std::move(page)) {}
  void Adopt(const BootId& boot_id);
  MappedPage mapped_;
  std::string rewritten_;
};

}  // namespace aurora::rolepage
