// DataPage: the data plane's side of the role page.
// Source: failover.md section 3.
// Thread: Open on one; CopyCloseSeq(i) by loop i between its callbacks; the publishing setters
// by one thread; the reads by any. Units: ns on CLOCK_BOOTTIME. Nothing blocks, nothing allocates
// except leader(). Invariant: a page whose header does not match (missing, forged, of another boot
// or layout) counts as absent: the gate is closed, the rest reads as nothing, and modes that do not
// use the gate serve on. Errors: Unavailable = another data plane holds the lock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "shared/rolepage/control_page.h"
#include "shared/rolepage/mapped_page.h"

namespace aurora::rolepage {

inline constexpr uint64_t kGateMarginNs = 20'000'000;
inline constexpr uint64_t kGateHorizonNs = 10'000'000'000;

// Why the page counts as absent; empty = it matches.
std::string_view HeaderProblem(const Header& header, const BootId& boot_id);

// The gate and the term it is open in, read so that they belong together as long as the control plane writes the term
// before it opens and closes before it writes another.
struct GateReading {
  bool open = false;
  uint64_t term = 0;  // 0 when absent
};

class DataPage {
 public:
  // `fresh_nonce`: random, not 0; taken if no control plane is alive (or the page has none), else
  // the old one is kept.
  static absl::StatusOr<std::unique_ptr<DataPage>> Open(std::string_view path, size_t loops,
                                                        uint64_t fresh_nonce,
                                                        std::optional<BootId> boot_id = {});

  std::string_view problem() const { return HeaderProblem(mapped_.page().header, boot_id_); }
  bool ControlPlaneAlive() const;

  // The gate rule: header matches, now < deadline - 20 ms, and the deadline is less than 10 s
  // ahead.
  bool GateOpen(uint64_t now_ns) const;
  GateReading ReadGate(uint64_t now_ns) const;
  uint64_t active_until() const;   // 0 when absent
  uint64_t sync_ok_until() const;  // 0 when absent
  // The control plane has caught up for this start of ours.
  bool synced() const;
  // Nothing when absent or torn.
  std::optional<Leader> leader() const;
  uint64_t term() const;  // 0 when absent
  // Changes whenever leader() may: an even number, so that loops need not copy the texts to know.
  uint64_t leader_version() const;

  uint64_t start_nonce() const;
  // Loop `i` says that it has seen the close: never between a check and its write.
  void CopyCloseSeq(size_t i);
  void SetTick(uint64_t now_ns);
  void SetApplied(const Applied& applied);
  void SetDraining(bool draining);
  void SetReady(bool ready);
  void SetInFlight(uint64_t n);

 private:
  DataPage(MappedPage page, const BootId& boot_id) : mapped_(std::move(page)), boot_id_(boot_id) {}
  MappedPage mapped_;
  BootId boot_id_;
};

}  // namespace aurora::rolepage
