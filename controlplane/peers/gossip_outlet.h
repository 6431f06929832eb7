// GossipOutlet: what leaves the gossip thread: published snapshots, and batches of callbacks for
// the home loop. Source: ours. Thread: Publish* and Post from the gossip thread, Close and the
// callbacks on the home thread, the getters from any. Bounds: one batch at a time; the engine
// collects while the home mailbox is full. Invariant: no callback after Close.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "controlplane/peers/gossip.h"

namespace aurora::peers {

struct GossipBatch {
  std::vector<membership::Event> events;
  std::vector<PeerRefused> refused;
  std::vector<UserMessage> users;
  std::optional<uint32_t> persist;
  std::vector<absl::AnyInvocable<void()>> done;

  bool empty() const {
    return events.empty() && refused.empty() && users.empty() && !persist && done.empty();
  }
};

class GossipOutlet : public std::enable_shared_from_this<GossipOutlet> {
 public:
  GossipOutlet(uv::Mailbox& home, GossipCallbacks callbacks)
      : wants_users(callbacks.on_user != nullptr), home_(home), callbacks_(std::move(callbacks)) {}

  void PublishMembers(std::shared_ptr<const MemberList> members);
  void PublishStats(const GossipStats& stats);
  // False: the home mailbox is full, and the batch is as it was.
  bool Post(const std::shared_ptr<GossipBatch>& batch);

  std::shared_ptr<const MemberList> Members() const;
  GossipStats Stats() const;

  void Close() { closed_ = true; }

  const bool wants_users;

 private:
  void Run(GossipBatch& batch);

  uv::Mailbox& home_;
  GossipCallbacks callbacks_;  // home thread
  bool closed_ = false;        // home thread

  mutable std::mutex mu_;
  std::shared_ptr<const MemberList> members_ = std::make_shared<MemberList>();  // guarded by mu_
  GossipStats stats_;                                                           // guarded by mu_
};

}  // namespace aurora::peers
