// SyncGate: whether this data plane may admit by what its control plane says of the cluster: caught up since the start,
// and heard from within max_staleness. Source: replication.md section 3, failover.md section 3 (`synced`,
// `sync_ok_until`). Thread: one. Pure; ns on CLOCK_BOOTTIME. Invariants: once caught up it stays so for the life of the
// process, whatever becomes of the page; a page that counts as absent takes nothing back. With clustering off it is
// open.
#pragma once

#include <cstdint>
#include <string_view>

#include "dataplane/exchange/context.h"

namespace aurora::server {

struct SyncSays {
  bool present = false;  // the role page matches
  bool synced = false;
  uint64_t ok_until_ns = 0;  // 0: nothing said yet
};

class SyncGate {
 public:
  struct Settings {
    bool clustered = false;
    bool refuse_when_stale = false;
  };

  explicit SyncGate(Settings settings) : settings_(settings) {}

  exchange::Admission Look(const SyncSays& says, uint64_t now_ns);
  // As of the last Look: no peer was in touch for too long. It may serve all the same.
  bool stale() const { return stale_; }

 private:
  const Settings settings_;
  bool synced_ = false;
  bool stale_ = false;
  uint64_t ok_until_ns_ = 0;
};

// For people: why nothing is admitted; "" when it is.
std::string_view WhyNot(exchange::Admission admission);

}  // namespace aurora::server
