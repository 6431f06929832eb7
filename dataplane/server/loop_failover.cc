#include "dataplane/server/loop_failover.h"

#include <utility>

#include "shared/config/hostport.h"
#include "shared/log/log.h"
#include "shared/rolepage/boottime.h"

namespace aurora::server {

bool SharedHoldBudget::Enter() {
  if (requests_.fetch_add(1, std::memory_order_relaxed) < failover::kHeldRequestsMax) {
    return true;
  }
  requests_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

bool SharedHoldBudget::TakeBytes(size_t bytes) {
  if (bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= failover::kHeldBytesMax) {
    return true;
  }
  bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  return false;
}

void SharedHoldBudget::Leave(size_t bytes) {
  bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  requests_.fetch_sub(1, std::memory_order_relaxed);
}

LoopFailover::LoopFailover(FailoverOptions options) : options_(std::move(options)) {
  peer_.name = "peer";
  peer_.slot = kPeerSlot;
  peer_.tls = options_.peer_tls;
  peer_.timeouts.connect = Duration::Seconds(1);
  (void)Refresh();
}

uint64_t LoopFailover::Now() const {
  return options_.clock == nullptr ? rolepage::BoottimeNs() : options_.clock();
}

exchange::GateLook LoopFailover::Look() const {
  const uint64_t now = Now();
  const rolepage::GateReading reading = options_.page->ReadGate(now);
  return {reading.open, reading.term, now};
}

bool LoopFailover::ShutAfterStall(uint64_t looked_ns) const {
  const uint64_t now = Now();
  return now - looked_ns > kStallNs && !options_.page->GateOpen(now);
}

bool LoopFailover::Refresh() {
  const bool was_here = std::exchange(serving_.here, Look().open);
  bool changed = was_here != serving_.here;
  if (const uint64_t version = options_.page->leader_version(); version != page_version_) {
    if (const auto leader = options_.page->leader(); leader.has_value()) {
      page_version_ = version;  // a later one, if it changed meanwhile, is seen next time
      changed = TakeLeader(*leader) || changed;
    } else if (!options_.page->problem().empty()) {
      page_version_ = version;
      changed = TakeLeader({}) || changed;
    }
  }
  return changed;
}

// False: it is the same as before.
bool LoopFailover::TakeLeader(const rolepage::Leader& leader) {
  if (leader == leader_) {
    return false;
  }
  leader_ = leader;
  ++serving_.version;
  serving_.leader_id = leader.node_id;
  serving_.peer = nullptr;
  if (leader.node_id.empty() || leader.node_id == options_.node_id) {
    return true;
  }
  const auto address = config::ParseHostPort(leader.address);
  if (!address.ok() || address->port == 0) {
    log::Warn("the leader's peer address cannot be used", {{"leader", leader.node_id}, {"address", leader.address}});
    return true;
  }
  peer_.host = address->host;
  peer_.port = address->port;
  peer_.authority = address->ToString();
  serving_.peer = &peer_;
  return true;
}

}  // namespace aurora::server
