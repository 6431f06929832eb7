// ClusterImpl: the parts of Cluster and how they meet. Internal to controlplane/node; the contract is cluster.h.
// cluster.cc: opening, the roster's outbox, links, gossip, seeds. cluster_keys.cc: the keyring. cluster_answers.cc: the
// admin API. cluster_failover*.cc: who leads. Thread: the control loop's. Errors: cluster.h.
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
#include "controlplane/node/command_relay.h"
#include "controlplane/node/failover.h"
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
  void StepDown(std::function<void()> done) override;
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
  void FailoverStatus(ClusterReply<v1::GetFailoverStatusResponse> reply) override;
  void Transfer(const std::string& actor, const v1::TransferLeadershipRequest& request,
                ClusterReply<v1::TransferLeadershipResponse> reply) override;
  void Drain(const std::string& actor, const std::string& node_id, ClusterReply<v1::DrainNodeResponse> reply) override;
  void Undrain(const std::string& actor, const std::string& node_id,
               ClusterReply<v1::UndrainNodeResponse> reply) override;
  void AddVoters(const std::string& actor, const v1::AddVotersRequest& request,
                 ClusterReply<v1::AddVotersResponse> reply) override;
  void RemoveVoters(const std::string& actor, const v1::RemoveVotersRequest& request,
                    ClusterReply<v1::RemoveVotersResponse> reply) override;
  void UnsafeRecover(const std::string& actor, const v1::UnsafeRecoverRequest& request,
                     ClusterReply<v1::UnsafeRecoverResponse> reply) override;

 private:
  // An operator's switchover that was begun.
  struct Switch {
    election::Uid from;
    std::string target;  // a node id; empty: anyone else
    Instant began;
    Instant until;
    std::shared_ptr<ClusterReply<v1::TransferLeadershipResponse>> reply;
  };

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
  void TellAs(std::string_view severity, std::string_view type, const std::string& text);
  void Tell(bool warning, std::string_view type, const std::string& text) {
    TellAs(warning ? "warning" : "info", type, text);
  }
  void OnGossipEvents(std::span<const membership::Event> events);
  void OnGossipRefused(const peers::PeerRefused& refused);
  void SyncMembers();
  std::unique_ptr<PolicySync> MakeSync(std::shared_ptr<const peers::ControlTls> tls);
  // Who counts for wait=all: every member that has not left.
  void TellLocal();
  void TellSync();
  void MeetInGossip(const roster::NodeInfo& peer);
  membership::NodeMeta GossipMeta() const;
  void LookAtSeed();
  void OnFoundingStored(bool ok);
  void OnSecond();
  void Publish();
  void Arm();
  static int64_t WallMs();
  static bool IsWildcard(const std::string& host);

  // cluster_keys.cc
  // An operator's change: applied here, stored, told to everyone.
  void ChangeRing(const RingChange& change, const std::string& actor);
  void ApplyRing();
  void SendRing(std::string_view uid);
  bool ToFrame(const RingChange& change, v1::ControlFrame* frame) const;
  void OnKeyChange(const peers::PeerState& from, const v1::GossipKeyChange& change);
  v1::GossipKeyInfo KeyInfo(const std::string& fingerprint) const;

  // cluster_failover.cc
  // Whether leadership means anything in this node's mode.
  bool Leads() const;
  // Whether one node at a time serves.
  bool Exclusive() const;
  std::unique_ptr<Failover> MakeFailover();
  std::string PeerAddr() const;
  void BeginFailover();
  void TellFailover(const roster::ClusterView& view);
  std::string RoleNow() const;
  v1::Heartbeat ToFrame() const;
  absl::Status Execute(const v1::FailoverCommand& command);
  void Note(const v1::FailoverCommand& command, const absl::Status& status);
  void OnCommand(const peers::PeerState& from, const v1::FailoverCommand& command);
  void Command(const election::Uid& to, v1::FailoverCommand command, CommandRelay::Done done);
  absl::StatusOr<election::Uid> LeaderToAsk() const;
  absl::StatusOr<election::Uid> UidOf(const std::string& node_id) const;
  std::string NodeIdOf(const election::Uid& uid) const;
  void LookAtSwitches();
  template <class Response>
  void DrainOrNot(bool drain, const std::string& actor, const std::string& node_id, ClusterReply<Response> reply);
  template <class Response>
  void ChangeVoters(bool add, const std::string& actor, const std::vector<std::string>& pair,
                    ClusterReply<Response> reply);

  // cluster_failover_status.cc
  size_t VotersReached(const election::Config& config) const;
  void AddVotersTo(const FailoverView& view, google::protobuf::RepeatedPtrField<v1::Voter>* out) const;
  std::vector<std::string> FailoverReasons(const FailoverView& view) const;
  std::string ClusterState(const FailoverView& view, const std::string& otherwise) const;
  void AddFailoverTo(v1::GetClusterStatusResponse* out) const;
  void AddFailoverTo(const roster::NodeView& node, const FailoverView& view, v1::ClusterNode* out) const;

  // Runs `ask` on the control loop with the reply in hand, or replies Unavailable when that cannot be.
  template <class Response, class F>
  void OnLoopLater(ClusterReply<Response> reply, F ask) {
    auto shared = std::make_shared<ClusterReply<Response>>(std::move(reply));
    if (!deps_.mailbox->Post([shared, ask = std::move(ask)]() mutable { ask(shared); })) {
      (*shared)(Unavailable("the control loop is stopping or overloaded; try again"));
    }
  }
  // For what is answered at once.
  template <class Response, class F>
  void OnLoop(ClusterReply<Response> reply, F answer) {
    OnLoopLater(std::move(reply), [answer = std::move(answer)](const auto& shared) mutable { (*shared)(answer()); });
  }

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
  std::unique_ptr<Failover> failover_;
  std::vector<election::Member> failover_members_;  // as it was told
  CommandRelay relay_{[this](std::string_view uid, const v1::ControlFrame& frame) { return links_->Send(uid, frame); }};
  std::vector<Switch> switches_;
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
