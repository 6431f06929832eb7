// ClusterImpl: the parts of Cluster and how they meet. Internal to controlplane/node; the contract is cluster.h.
// cluster.cc: opening, the roster's outbox, links, gossip, seeds. cluster_keys.cc: the keyring. cluster_answers.cc: the
// admin API. Thread: the control loop's. Errors: cluster.h.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "controlplane/membership/meta.h"
#include "controlplane/node/cluster.h"
#include "controlplane/node/cluster_metrics.h"
#include "controlplane/node/gossip_ring.h"
#include "controlplane/node/policy_sync.h"
#include "controlplane/peers/control_links.h"
#include "controlplane/peers/control_server.h"
#include "controlplane/peers/gossip.h"
#include "shared/uv/resolver.h"
#include "shared/uv/timer.h"

namespace aurora::v1 {
class GossipKeyChange;
}  // namespace aurora::v1

namespace aurora::node {

class ClusterImpl final : public Cluster {
 public:
  explicit ClusterImpl(ClusterDeps deps);
  ~ClusterImpl() override;

  absl::Status Open();

  void Leave(std::function<void()> done) override;
  std::shared_ptr<metrics::Source> metrics() override { return metrics_; }
  void OnHead(uint64_t head, uint64_t urgent) override { sync_->OnHead(head, urgent); }
  void Report(replication::RowRef row, Duration timeout, std::function<void(v1::Propagation)> done) override {
    sync_->Report(std::move(row), timeout, std::move(done));
  }

  void Status(ClusterReply<v1::GetClusterStatusResponse> reply) override;
  void Nodes(ClusterReply<v1::ListNodesResponse> reply) override;
  void Restored() override { sync_->Restored(); }
  void SyncStatus(ClusterReply<v1::GetSyncStatusResponse> reply) override;
  void VerifySync(bool repair, Duration timeout, ClusterReply<v1::VerifySyncResponse> reply) override;
  void Remove(const std::string& actor, const std::string& node_id,
              ClusterReply<v1::RemoveNodeResponse> reply) override;
  void Keys(ClusterReply<v1::ListGossipKeysResponse> reply) override;
  void InstallKey(const std::string& actor, const std::string& key_base64,
                  ClusterReply<v1::InstallGossipKeyResponse> reply) override;
  void UseKey(const std::string& actor, const std::string& fingerprint,
              ClusterReply<v1::UseGossipKeyResponse> reply) override;
  void RemoveKey(const std::string& actor, const std::string& fingerprint,
                 ClusterReply<v1::RemoveGossipKeyResponse> reply) override;

 private:
  // cluster.cc
  absl::Status OpenLinks();
  absl::Status OpenGossip();
  void OpenRoster(uint16_t sync_port);
  roster::NodeInfo SelfInfo() const;
  peers::LinksCallbacks LinkCallbacks();
  peers::GossipCallbacks GossipHooks();
  // Calls the roster and carries out what it wants; a call from within that is carried out after it.
  template <class F>
  void Step(F&& call) {
    roster::Outbox out;
    std::forward<F>(call)(uv::Loop::Now(), WallMs(), out);
    Enqueue(std::move(out));
  }
  void Enqueue(roster::Outbox out);
  void Carry(roster::Outbox& out);
  void Tell(bool warning, std::string_view type, const std::string& text);
  void OnGossipEvents(std::span<const membership::Event> events);
  void OnGossipRefused(const peers::PeerRefused& refused);
  void SyncMembers();
  std::unique_ptr<PolicySync> MakeSync(std::shared_ptr<const peers::ControlTls> tls);
  // Who counts for wait=all: every member that has not left.
  void TellSync();
  void MeetInGossip(const roster::NodeInfo& peer);
  membership::NodeMeta GossipMeta() const;
  void LookAtSeed();
  void OnFoundingStored(bool ok);
  void OnSecond();
  void Publish();
  void Arm();
  static int64_t WallMs();

  // cluster_keys.cc
  // An operator's change: applied here, stored, told to everyone.
  void ChangeRing(const RingChange& change, const std::string& actor);
  void ApplyRing();
  void SendRing(std::string_view uid);
  bool ToFrame(const RingChange& change, v1::ControlFrame* frame) const;
  void OnKeyChange(const peers::PeerState& from, const v1::GossipKeyChange& change);
  v1::GossipKeyInfo KeyInfo(const std::string& fingerprint) const;

  // cluster_answers.cc
  // Runs `answer` on the control loop, or replies Unavailable when that cannot be.
  template <class Response, class F>
  void OnLoop(ClusterReply<Response> reply, F answer);

  ClusterDeps deps_;
  const config::Cluster& settings_;
  GossipRing ring_;
  std::shared_ptr<ClusterMetrics> metrics_ = std::make_shared<ClusterMetrics>();
  uv::Timer tick_;
  uv::Timer second_;
  uv::Resolver resolver_;
  uint64_t seed_question_ = 0;
  int seconds_ = 0;
  std::unique_ptr<roster::Roster> roster_;
  std::unique_ptr<peers::Links> links_;
  std::unique_ptr<PolicySync> sync_;
  std::unique_ptr<peers::ControlServer> server_;
  std::unique_ptr<peers::Gossip> gossip_;
  std::string advertised_ip_;
  std::string sync_ip_;
  // What became of a founding write whose answer found the mailbox full.
  static constexpr int kNoAnswer = 0;
  static constexpr int kStored = 1;
  static constexpr int kNotStored = 2;
  std::shared_ptr<std::atomic<int>> late_answer_ = std::make_shared<std::atomic<int>>(kNoAnswer);
  std::set<std::string> seen_in_gossip_;
  std::deque<roster::Outbox> outboxes_;
  bool carrying_ = false;
  bool leaving_ = false;
  uint64_t heartbeats_in_ = 0;
  uint64_t links_up_ = 0;
  std::map<std::string, double> synced_at_;  // by uid, Unix seconds
  uint64_t refusals_ = 0;
};

}  // namespace aurora::node
