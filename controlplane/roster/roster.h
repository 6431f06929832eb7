// Roster: who belongs to this cluster. Judges who may link, founds or joins (founding.h), combines Control streams with
// gossip into one status per node (health.h), and says what to store, send, dial and tell. Source: ours (failover.md
// section 5, product contract section 3; docs/protocols/founding.md).
//
// A pure core: the driver brings what arrives and both clocks, and carries out the Outbox. After every call ask
// NextDeadline() again. Thread: one owner. Units: `now` monotonic, `wall_ms` Unix milliseconds. Bounds: types.h.
// Errors: none; what peers send beyond the bounds is cut. Always: at most one live uid per node id; a peer of another
// cluster is never a member; nothing of a founding record is announced before it is stored.
//
// Streams: OnHello judges only. A peer is linked from OnLinkUp (again for another stream or Hello of the same uid) to
// OnLinkClosed.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/roster/health.h"
#include "controlplane/roster/outbox.h"
#include "controlplane/roster/types.h"

namespace aurora::roster {

// A node that has just started gives the others this long to show before it forgets anyone.
inline constexpr Duration kForgetGrace = Duration::Seconds(600);

struct RosterConfig {
  uint32_t bootstrap_expect = 0;
  Duration heartbeat_interval = Duration::Seconds(30);
  size_t nodes_max = kNodesMax;
  Duration clock_skew_max = Duration::Seconds(60);
  Duration failed_memory = Duration::Seconds(24 * 3600);
  Duration left_memory = Duration::Seconds(3600);
  // The same complaint about the same peer is an event again after this.
  Duration repeat_after = Duration::Seconds(600);
};

// What changes about ourselves and travels in heartbeats.
struct LocalState {
  std::string data_plane = "down";
  bool drained = false;
  uint64_t load = 0;
  int64_t lag_ms = 0;
  std::vector<std::string> gossip_keys;
};

// The other side would not have us, or said so in a Bye.
struct Refusal {
  Refuse reason = Refuse::kNone;
  std::string node_id;  // may be empty: not known
  std::string uid;
  std::string address;
  std::string message;
};

// Everything of it but times, in one text: equal means nothing to store.
std::string Short(const RosterRecord& record);

enum class RemoveResult : uint8_t { kRemoved, kUnknown, kIsSelf, kStillHere };

class Roster {
 public:
  Roster(Instant now, int64_t wall_ms, RosterConfig config, NodeInfo self, FoundingRecord founding,
         RosterRecord roster, uint64_t seed);

  Admission OnHello(Instant now, int64_t wall_ms, const PeerHello& hello, Outbox& out);
  void OnLinkUp(Instant now, int64_t wall_ms, const PeerHello& hello, Outbox& out);
  void OnHeartbeat(Instant now, int64_t wall_ms, std::string_view uid, const PeerHeartbeat& heartbeat, Outbox& out);
  void OnLinkClosed(Instant now, int64_t wall_ms, std::string_view uid, bool leaving, Outbox& out);
  void OnRefused(Instant now, const Refusal& refusal, Outbox& out);
  void OnGossip(Instant now, int64_t wall_ms, const GossipNews& news, Outbox& out);
  // Gossip itself refused a peer of another cluster.
  void OnGossipForeign(Instant now, std::string_view node_id, std::string_view detail, Outbox& out);
  void OnSeed(Instant now, int64_t wall_ms, const SeedFacts& facts, Outbox& out);
  void OnFoundingStored(Instant now, int64_t wall_ms, bool ok, Outbox& out);
  void SetLocal(Instant now, int64_t wall_ms, LocalState local, Outbox& out);
  // Forgets a node that failed or left, here and, through heartbeats, on every member.
  RemoveResult Remove(Instant now, int64_t wall_ms, std::string_view node_id, Outbox& out);
  void Tick(Instant now, int64_t wall_ms, Outbox& out);
  Instant NextDeadline() const;

  // Ours, wall_ms not filled in.
  PeerHeartbeat Heartbeat() const;
  // Persisted roster and whom gossip sees, by node id; not those who left.
  std::vector<DialTarget> Targets() const;
  ClusterView View(Instant now) const;
  const NodeInfo& self() const { return self_; }
  const std::string& cluster_id() const { return founding_.durable().cluster_id; }
  // Of this cluster, if this node is one of them; else empty.
  const std::vector<Founder>& founders() const { return founding_.durable().founders; }
  size_t tracked() const { return peers_.size(); }

 private:
  struct Peer {
    NodeInfo node;
    std::string cluster_id;
    bool known = false;  // there was a Hello, now or in an earlier life of ours
    bool guest = false;
    bool linked = false;
    bool heard = false;
    Instant link_changed;
    Instant last_frame;
    Duration interval = Duration::Seconds(30);
    std::optional<PeerHeartbeat> heartbeat;
    int64_t last_heartbeat_ms = 0;
    int64_t last_seen_ms = 0;
    int64_t skew_ms = 0;
    GossipState gossip = GossipState::kUnknown;
    Instant gossip_since;
    std::string gossip_uid;
    std::string gossip_cluster;
    std::string gossip_addr;
    std::string gossip_sync_addr;
    std::vector<std::string> former_uids;
    Status status = Status::kSuspect;  // as of the last Review
    Status ended = Status::kAlive;     // how it was last told to have ended; alive: it has not
    bool key_differs = false;
    bool ring_differs = false;
    bool mode_differs = false;
    bool clock_off = false;
  };
  using Peers = std::map<std::string, Peer, std::less<>>;  // by node id

  // admission.cc
  Admission Judge(Instant now, const PeerHello& hello) const;
  Admission JudgeIdentity(Instant now, const NodeInfo& node) const;
  bool Silent(Instant now, const Peer& peer, std::string_view newcomer) const;
  size_t MemberCount() const;
  std::string Warnings(int64_t wall_ms, const PeerHello& hello) const;
  void Complain(Instant now, Refuse reason, std::string_view node_id, std::string_view uid, std::string text,
                Outbox& out);

  // roster.cc
  Peer* FindUid(std::string_view uid);
  Peer* Slot(Instant now, std::string_view node_id);
  void Supersede(Instant now, Peer& peer, const PeerHello& hello, Outbox& out);
  void DropRenamed(Instant now, const NodeInfo& node, Outbox& out);
  bool DropForeign(Instant now, const Peer& peer, Outbox& out);
  void MergeRemoved(const std::vector<RemovedNode>& removed, int64_t wall_ms, Outbox& out);
  void TellFounding(Instant now, const Peer& peer);
  void NoteInitialised(Instant now, Refuse reason, std::string_view text);
  void StepFounding(Instant now, Outbox& out);
  void Settle(Instant now, int64_t wall_ms, Outbox& out);

  // review.cc
  Evidence EvidenceOf(const Peer& peer) const;
  bool IsMember(const Peer& peer) const;
  void Review(Instant now, int64_t wall_ms, Outbox& out);
  void ReviewStatus(Instant now, Peer& peer, Outbox& out);
  void ReviewSettings(Peer& peer, Outbox& out);
  bool Forgettable(int64_t wall_ms, const Peer& peer) const;
  bool Flag(bool& flag, bool value);
  RosterRecord Record() const;
  std::string RingDifference(const Peer& peer) const;
  void AddReasons(Instant now, ClusterView& view) const;
  NodeView ViewOf(Instant now, const Peer& peer) const;
  void Emit(Outbox& out, Event::Kind kind, bool warning, const Peer& peer, std::string text) const;

  struct Complaint {
    Refuse reason = Refuse::kNone;
    std::string about;
    Instant at;
  };

  const Instant started_;
  const RosterConfig config_;
  const NodeInfo self_;
  Founding founding_;
  LocalState local_;
  Peers peers_;
  std::vector<RemovedNode> removed_;
  std::deque<Complaint> complaints_;
  bool persist_failed_ = false;
  // As last said in an Outbox.
  std::optional<PeerHeartbeat> told_;
  std::vector<DialTarget> told_targets_;
  std::string stored_;  // Record() in short
  Instant next_review_;
  int64_t reviewed_ms_ = 0;
};

}  // namespace aurora::roster
