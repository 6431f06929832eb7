#include "controlplane/peers/gossip_outlet.h"

namespace aurora::peers {

void GossipOutlet::PublishMembers(std::shared_ptr<const MemberList> members) {
  const std::lock_guard lock(mu_);
  members_.swap(members);  // the old list dies outside the lock
}

void GossipOutlet::PublishStats(const GossipStats& stats) {
  const std::lock_guard lock(mu_);
  stats_ = stats;
}

std::shared_ptr<const MemberList> GossipOutlet::Members() const {
  const std::lock_guard lock(mu_);
  return members_;
}

GossipStats GossipOutlet::Stats() const {
  const std::lock_guard lock(mu_);
  return stats_;
}

bool GossipOutlet::Post(const std::shared_ptr<GossipBatch>& batch) {
  return home_.Post([self = shared_from_this(), batch] { self->Run(*batch); });
}

void GossipOutlet::Run(GossipBatch& batch) {
  // A callback may close us (by destroying the Gossip): look again before each.
  if (!closed_ && batch.persist && callbacks_.on_persist) {
    callbacks_.on_persist(*batch.persist);
  }
  if (!closed_ && !batch.events.empty() && callbacks_.on_events) {
    callbacks_.on_events(batch.events);
  }
  for (const PeerRefused& refused : batch.refused) {
    if (!closed_ && callbacks_.on_refused) {
      callbacks_.on_refused(refused);
    }
  }
  for (const UserMessage& user : batch.users) {
    if (!closed_ && callbacks_.on_user) {
      callbacks_.on_user(user);
    }
  }
  for (auto& done : batch.done) {
    if (!closed_) {
      done();
    }
  }
}

}  // namespace aurora::peers
