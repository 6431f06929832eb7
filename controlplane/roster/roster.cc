#include "controlplane/roster/roster.h"

#include <algorithm>
#include <utility>

namespace aurora::roster {
namespace {

constexpr int64_t kFutureMs = 5LL * 60 * 1000;

FoundingConfig FoundingOf(const RosterConfig& config, const NodeInfo& self) {
  FoundingConfig out;
  out.uid = self.uid;
  out.node_id = self.node_id;
  out.expect = config.bootstrap_expect;
  out.peers_max = kTrackedMax;
  return out;
}

}  // namespace

Roster::Roster(Instant now, int64_t wall_ms, RosterConfig config, NodeInfo self, FoundingRecord founding,
               RosterRecord roster, uint64_t seed)
    : started_(now),
      config_(std::move(config)),
      self_(std::move(self)),
      founding_(now, FoundingOf(config_, self_), std::move(founding), seed),
      next_review_(now) {
  if (founding_.fresh()) {
    return;  // of no cluster: nobody belongs to it
  }
  for (KnownPeer& known : roster.peers) {
    if (known.node.node_id == self_.node_id || known.node.uid == self_.uid || peers_.size() >= kTrackedMax) {
      continue;
    }
    Peer& peer = peers_[known.node.node_id];
    peer.node = std::move(known.node);
    peer.cluster_id = cluster_id();
    peer.known = true;
    peer.link_changed = now;
    peer.gossip = known.left ? GossipState::kLeft : GossipState::kUnknown;
    peer.gossip_since = now;
    peer.status = known.left ? Status::kLeft : Status::kSuspect;
    peer.ended = known.left ? Status::kLeft : Status::kAlive;
    peer.last_seen_ms = std::min(known.last_seen_ms, wall_ms);
    peer.former_uids = std::move(known.former_uids);
  }
  removed_ = std::move(roster.removed);
  stored_ = Short(Record());
}

Roster::Peer* Roster::FindUid(std::string_view uid) {
  for (auto& [id, peer] : peers_) {
    if (peer.known && peer.node.uid == uid) {
      return &peer;
    }
  }
  return nullptr;
}

// Full: strangers and guests give way first, then those who left.
Roster::Peer* Roster::Slot(Instant now, std::string_view node_id) {
  if (const auto at = peers_.find(node_id); at != peers_.end()) {
    return &at->second;
  }
  if (peers_.size() >= kTrackedMax) {
    auto victim = std::find_if(peers_.begin(), peers_.end(),
                               [](const auto& e) { return !e.second.linked && !e.second.known; });
    if (victim == peers_.end()) {
      victim = std::find_if(peers_.begin(), peers_.end(),
                            [](const auto& e) { return !e.second.linked && e.second.status == Status::kLeft; });
    }
    if (victim == peers_.end()) {
      return nullptr;
    }
    peers_.erase(victim);
  }
  Peer& peer = peers_[std::string(node_id)];
  peer.node.node_id = node_id;
  peer.link_changed = now;
  peer.gossip_since = now;
  return &peer;
}

void Roster::Supersede(Instant now, Peer& peer, const PeerHello& hello, Outbox& out) {
  const std::string old = peer.node.uid;
  const bool lost = hello.cluster_id.empty() && !cluster_id().empty();
  Emit(out, lost ? Event::Kind::kNodeDiskLost : Event::Kind::kNodeSuperseded, true, peer,
       lost ? peer.node.node_id + " came back with an empty disk (uid " + hello.node.uid + ", before " + old +
                  ") and joins again"
            : "node uid " + hello.node.uid + " takes the place of " + old + ", which is silent, as " +
                  peer.node.node_id);
  founding_.OnPeerGone(now, old);
  if (peer.linked) {
    out.closes.push_back({old, Refuse::kDuplicateNodeId, "uid " + hello.node.uid + " took the place of this node"});
  }
  std::erase(peer.former_uids, hello.node.uid);
  peer.former_uids.push_back(old);
  if (peer.former_uids.size() > kFormerMax) {
    peer.former_uids.erase(peer.former_uids.begin());
  }
  peer.heartbeat.reset();
  peer.last_heartbeat_ms = 0;
  if (peer.gossip_uid != hello.node.uid) {
    peer.gossip = GossipState::kUnknown;  // that was about the old one
    peer.gossip_uid.clear();
  }
}

// The same disk under a new node id: the old entry was this node.
void Roster::DropRenamed(Instant now, const NodeInfo& node, Outbox& out) {
  for (auto at = peers_.begin(); at != peers_.end();) {
    if (at->first != node.node_id && at->second.known && at->second.node.uid == node.uid) {
      Emit(out, Event::Kind::kNodeForgotten, false, at->second, at->first + " is now called " + node.node_id);
      founding_.OnPeerGone(now, node.uid);
      at = peers_.erase(at);
    } else {
      ++at;
    }
  }
}

void Roster::OnLinkUp(Instant now, int64_t wall_ms, const PeerHello& hello, Outbox& out) {
  if (const Admission again = Judge(now, hello); !again.ok()) {
    out.closes.push_back({hello.node.uid, again.reason, again.message});  // not any more
    return;
  }
  DropRenamed(now, hello.node, out);
  Peer* peer = Slot(now, hello.node.node_id);
  if (peer == nullptr) {
    return;
  }
  const bool first = !peer->known;
  if (!first && peer->node.uid != hello.node.uid) {
    Supersede(now, *peer, hello, out);
  }
  peer->node = hello.node;
  Cut(peer->node);
  peer->cluster_id = hello.cluster_id;
  peer->known = true;
  peer->guest = false;
  peer->heard = true;
  if (!peer->linked) {
    peer->linked = true;
    peer->link_changed = now;
  }
  if (peer->gossip == GossipState::kLeft) {
    peer->gossip = GossipState::kUnknown;  // it is back; gossip will say so
  }
  peer->last_frame = now;
  peer->interval = std::clamp(hello.heartbeat_interval, Duration::Millis(100), Duration::Seconds(3600));
  peer->last_seen_ms = wall_ms;
  peer->skew_ms = hello.wall_ms - wall_ms;
  std::erase_if(removed_, [&](const RemovedNode& r) { return r.uid == peer->node.uid; });
  if (first) {
    Emit(out, Event::Kind::kNodeJoined, false, *peer, peer->node.node_id + " joined");
    peer->status = Status::kAlive;
  }
  TellFounding(now, *peer);
  Settle(now, wall_ms, out);
}

void Roster::OnHeartbeat(Instant now, int64_t wall_ms, std::string_view uid, const PeerHeartbeat& heartbeat,
                         Outbox& out) {
  Peer* peer = FindUid(uid);
  if (peer == nullptr || !peer->linked) {
    return;
  }
  peer->heartbeat = heartbeat;
  Cut(*peer->heartbeat);
  peer->last_frame = now;
  peer->last_heartbeat_ms = wall_ms;
  peer->last_seen_ms = wall_ms;
  peer->skew_ms = heartbeat.wall_ms - wall_ms;
  // A word older than the Hello cannot make an initialised node fresh again.
  if (!peer->heartbeat->cluster_id.empty()) {
    peer->cluster_id = peer->heartbeat->cluster_id;
  }
  if (DropForeign(now, *peer, out)) {
    Settle(now, wall_ms, out);
    return;
  }
  TellFounding(now, *peer);
  if (!cluster_id().empty() && peer->cluster_id == cluster_id()) {
    MergeRemoved(heartbeat.removed, wall_ms, out);
  }
  Settle(now, wall_ms, out);
}

// True: it was of another cluster, its stream is closed and it is forgotten.
bool Roster::DropForeign(Instant now, const Peer& peer, Outbox& out) {
  if (cluster_id().empty() || peer.cluster_id.empty() || peer.cluster_id == cluster_id()) {
    return false;
  }
  const std::string text =
      peer.node.node_id + " belongs to cluster " + peer.cluster_id + ", " + self_.node_id + " to " + cluster_id();
  Complain(now, Refuse::kForeignCluster, peer.node.node_id, peer.node.uid, text, out);
  if (peer.linked) {
    out.closes.push_back({peer.node.uid, Refuse::kForeignCluster, text});
  }
  founding_.OnPeerGone(now, peer.node.uid);
  peers_.erase(std::string(peer.node.node_id));
  return true;
}

void Roster::TellFounding(Instant now, const Peer& peer) {
  if (!peer.linked || !founding_.fresh() || (!peer.heartbeat.has_value() && peer.cluster_id.empty())) {
    return;  // a fresh one tells what it expects with its first heartbeat
  }
  FoundingPeer word{peer.node.uid, peer.node.node_id, peer.cluster_id, 0, std::nullopt, {}};
  if (peer.heartbeat.has_value()) {
    word.expect = peer.heartbeat->expect;
    word.proposal = peer.heartbeat->proposal;
    for (const RosterEntry& entry : peer.heartbeat->roster) {
      word.sees.push_back(entry.uid);
    }
  }
  founding_.OnPeer(now, word);
}

void Roster::MergeRemoved(const std::vector<RemovedNode>& removed, int64_t wall_ms, Outbox& out) {
  for (const RemovedNode& r : removed) {
    const bool mine = std::any_of(removed_.begin(), removed_.end(), [&](const RemovedNode& own) {
      return own.uid == r.uid && own.at_ms >= r.at_ms;
    });
    if (mine || r.uid == self_.uid || r.at_ms > wall_ms + kFutureMs || r.at_ms < wall_ms - kRemovedKeptMs) {
      continue;
    }
    Peer* peer = FindUid(r.uid);
    if (peer != nullptr && (peer->linked || peer->status == Status::kAlive || peer->status == Status::kSuspect)) {
      continue;  // it is here: whoever removed it will see
    }
    std::erase_if(removed_, [&](const RemovedNode& own) { return own.uid == r.uid; });
    removed_.push_back(r);
    if (peer != nullptr) {
      Emit(out, Event::Kind::kNodeRemoved, false, *peer, peer->node.node_id + " was removed by an operator");
      peers_.erase(std::string(peer->node.node_id));
    }
  }
}

void Roster::OnLinkClosed(Instant now, int64_t wall_ms, std::string_view uid, bool leaving, Outbox& out) {
  founding_.OnPeerGone(now, uid);
  if (Peer* peer = FindUid(uid); peer != nullptr && peer->linked) {
    peer->linked = false;
    peer->link_changed = now;
    peer->last_seen_ms = wall_ms;
    if (leaving) {
      peer->gossip = GossipState::kLeft;
      peer->gossip_since = now;
    }
  }
  Settle(now, wall_ms, out);
}

void Roster::OnGossip(Instant now, int64_t wall_ms, const GossipNews& news, Outbox& out) {
  if (news.node_id.empty() || news.node_id == self_.node_id || news.node_id.size() > kTextMax) {
    return;
  }
  if (!news.cluster_id.empty() && !cluster_id().empty() && news.cluster_id != cluster_id()) {
    OnGossipForeign(now, news.node_id, "cluster " + news.cluster_id.substr(0, kTextMax), out);
    return;
  }
  const bool here = news.state == GossipState::kAlive || news.state == GossipState::kSuspect;
  if (!here && !peers_.contains(news.node_id)) {
    return;  // removed, or never known: its end is no news
  }
  Peer* peer = Slot(now, news.node_id);
  if (peer == nullptr) {
    return;
  }
  if (peer->gossip != news.state) {
    peer->gossip = news.state;
    peer->gossip_since = now;
  }
  peer->guest = news.guest && !peer->known;
  peer->gossip_uid = news.uid.substr(0, kTextMax);
  peer->gossip_cluster = news.cluster_id.substr(0, kTextMax);
  if (!news.gossip_addr.empty()) {
    peer->gossip_addr = news.gossip_addr.substr(0, kTextMax);
  }
  if (!news.sync_addr.empty()) {
    peer->gossip_sync_addr = news.sync_addr.substr(0, kTextMax);
  }
  peer->last_seen_ms = wall_ms;
  Settle(now, wall_ms, out);
}

void Roster::OnSeed(Instant now, int64_t wall_ms, const SeedFacts& facts, Outbox& out) {
  founding_.OnSeed(facts);
  Settle(now, wall_ms, out);
}

// Refused, by us or by it, but one of ours: it must not be overlooked when a cluster is founded. Another label is
// another cluster's business.
void Roster::NoteInitialised(Instant now, Refuse reason, std::string_view text) {
  if (founding_.fresh() && (reason == Refuse::kDuplicateNodeId || reason == Refuse::kProtocolVersion ||
                            reason == Refuse::kFull)) {
    founding_.OnInitialisedSeen(now, std::string(text));
  }
}

void Roster::StepFounding(Instant now, Outbox& out) {
  if (founding_.fresh()) {
    for (const auto& [id, peer] : peers_) {
      const bool here = peer.gossip == GossipState::kAlive || peer.gossip == GossipState::kSuspect;
      if (here && !peer.linked && !peer.gossip_cluster.empty()) {
        founding_.OnInitialisedSeen(now, "gossip sees " + id + " of cluster " + peer.gossip_cluster +
                                             "; waits for the Control stream to it (port 7947)");
      }
    }
  }
  if (auto record = founding_.Step(now)) {
    out.founding = std::move(record);
  }
}

void Roster::OnFoundingStored(Instant now, int64_t wall_ms, bool ok, Outbox& out) {
  const Founding::Outcome outcome = founding_.OnPersisted(now, ok);
  const auto say = [&](Event::Kind kind, std::string text) {
    out.events.push_back({kind, false, self_.node_id, self_.uid, std::move(text)});
  };
  switch (outcome) {
    case Founding::Outcome::kFounded:
      say(Event::Kind::kClusterFounded, "cluster " + cluster_id() + " is founded");
      break;
    case Founding::Outcome::kJoined:
      say(Event::Kind::kClusterJoined, "joined cluster " + cluster_id() + " through " + founding_.joined_through());
      break;
    case Founding::Outcome::kProposed:
      say(Event::Kind::kFoundingProposed, "proposes a cluster: " + founding_.Waiting(now));
      break;
    case Founding::Outcome::kAccepted:
    case Founding::Outcome::kNone:
      break;
  }
  if (!ok && !persist_failed_) {
    out.events.push_back(
        {Event::Kind::kPersistFailed, true, self_.node_id, self_.uid, "election.db takes no writes: founding waits"});
  }
  persist_failed_ = !ok;
  if (ok && !founding_.fresh()) {
    out.cluster_id_changed = true;
    for (auto at = peers_.begin(); at != peers_.end();) {
      const Peer& peer = (at++)->second;  // DropForeign may erase it
      DropForeign(now, peer, out);
    }
  }
  Settle(now, wall_ms, out);
}

void Roster::SetLocal(Instant now, int64_t wall_ms, LocalState local, Outbox& out) {
  local_ = std::move(local);
  Settle(now, wall_ms, out);
}

RemoveResult Roster::Remove(Instant now, int64_t wall_ms, std::string_view node_id, Outbox& out) {
  if (node_id == self_.node_id) {
    return RemoveResult::kIsSelf;
  }
  const auto at = peers_.find(node_id);
  if (at == peers_.end()) {
    return RemoveResult::kUnknown;
  }
  const Peer& peer = at->second;
  const Status status = roster::Judge(now, EvidenceOf(peer));
  if (peer.linked || status == Status::kAlive || status == Status::kSuspect) {
    return RemoveResult::kStillHere;
  }
  Emit(out, Event::Kind::kNodeRemoved, false, peer, std::string(node_id) + " was removed by an operator");
  if (peer.known) {
    std::erase_if(removed_, [&](const RemovedNode& r) { return r.uid == peer.node.uid; });
    removed_.push_back({peer.node.uid, std::string(node_id), wall_ms});
  }
  peers_.erase(at);
  Settle(now, wall_ms, out);
  return RemoveResult::kRemoved;
}

void Roster::Tick(Instant now, int64_t wall_ms, Outbox& out) { Settle(now, wall_ms, out); }

Instant Roster::NextDeadline() const { return std::min(founding_.NextDeadline(), next_review_); }

void Roster::Settle(Instant now, int64_t wall_ms, Outbox& out) {
  StepFounding(now, out);
  Review(now, wall_ms, out);
}

}  // namespace aurora::roster
