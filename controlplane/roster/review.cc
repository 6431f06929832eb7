// What follows from the evidence after each call: statuses, events, what to store, send and dial; and the view.
#include <algorithm>
#include <cstdlib>
#include <utility>

#include "controlplane/roster/roster.h"

namespace aurora::roster {
namespace {

constexpr Duration kReviewSoon = Duration::Seconds(1);
constexpr Duration kReviewLater = Duration::Seconds(60);
constexpr int64_t kHourMs = 3600LL * 1000;

std::string Missing(const std::vector<std::string>& wanted, const std::vector<std::string>& there) {
  std::string out;
  for (const std::string& key : wanted) {
    if (std::find(there.begin(), there.end(), key) == there.end()) {
      out += (out.empty() ? "" : ", ") + key;
    }
  }
  return out;
}

std::string Or(std::string_view text, std::string_view otherwise) {
  return std::string(text.empty() ? otherwise : text);
}

}  // namespace

std::string Short(const RosterRecord& record) {
  std::string out;
  for (const KnownPeer& p : record.peers) {
    for (const std::string* text : {&p.node.uid, &p.node.node_id, &p.node.node_name, &p.node.region, &p.node.zone,
                                    &p.node.version, &p.node.failover_mode, &p.node.cluster_role,
                                    &p.node.advertise_url, &p.node.gossip_addr, &p.node.sync_addr}) {
      out += *text + '\x1f';
    }
    out += std::to_string(p.last_seen_ms / kHourMs) + (p.left ? "L" : "") + std::to_string(p.former_uids.size()) + '\n';
  }
  for (const RemovedNode& r : record.removed) {
    out += r.uid + '\x1f' + std::to_string(r.at_ms) + '\n';
  }
  return out;
}

Evidence Roster::EvidenceOf(const Peer& peer) const {
  Evidence e;
  e.linked = peer.linked;
  e.link_changed = peer.link_changed;
  e.heard = peer.heard;
  e.last_frame = peer.last_frame;
  e.interval = std::max(peer.interval, config_.heartbeat_interval);
  e.gossip = peer.gossip;
  e.gossip_since = peer.gossip_since;
  e.other_uid = peer.known && !peer.gossip_uid.empty() && peer.gossip_uid != peer.node.uid;
  if (peer.guest || !peer.known) {
    // Gossip is all there is of a guest; of a node without a Hello the stream is still to come.
    e.linked = peer.guest && peer.gossip == GossipState::kAlive;
  }
  return e;
}

bool Roster::IsMember(const Peer& peer) const {
  return !peer.guest && (peer.known || !peer.gossip_uid.empty()) &&
         (peer.cluster_id.empty() || cluster_id().empty() || peer.cluster_id == cluster_id());
}

void Roster::Emit(Outbox& out, Event::Kind kind, bool warning, const Peer& peer, std::string text) const {
  out.events.push_back({kind, warning, peer.node.node_id, peer.node.uid, std::move(text)});
}

bool Roster::Flag(bool& flag, bool value) { return std::exchange(flag, value) != value && value; }

void Roster::ReviewStatus(Instant now, Peer& peer, Outbox& out) {
  const Evidence evidence = EvidenceOf(peer);
  const Status status = roster::Judge(now, evidence);
  const Status before = std::exchange(peer.status, status);
  if (status == before || peer.guest || !peer.known) {
    return;
  }
  const std::string& id = peer.node.node_id;
  if (status == Status::kFailed) {
    Emit(out, Event::Kind::kNodeFailed, true, peer, id + " has failed: " + std::string(Explain(evidence, status)));
    peer.ended = status;
  } else if (status == Status::kLeft) {
    Emit(out, Event::Kind::kNodeLeft, false, peer, id + " left");
    peer.ended = status;
  } else if (status == Status::kAlive && peer.ended == Status::kFailed) {
    Emit(out, Event::Kind::kNodeRecovered, false, peer, id + " is back");
    peer.ended = status;
  } else if (status == Status::kAlive && peer.ended == Status::kLeft) {
    Emit(out, Event::Kind::kNodeJoined, false, peer, id + " joined again");
    peer.ended = status;
  }
}

std::string Roster::RingDifference(const Peer& peer) const {
  if (!peer.heartbeat.has_value()) {
    return "";
  }
  const std::string lacks = Missing(local_.gossip_keys, peer.heartbeat->gossip_keys);
  const std::string more = Missing(peer.heartbeat->gossip_keys, local_.gossip_keys);
  const std::string& id = peer.node.node_id;
  std::string text = lacks.empty() ? "" : id + " lacks gossip key " + lacks;
  if (!more.empty()) {
    text += (text.empty() ? "" : "; ") + self_.node_id + " lacks gossip key " + more + " of " + id;
  }
  return text;
}

void Roster::ReviewSettings(Peer& peer, Outbox& out) {
  if (!peer.known || !peer.linked) {
    return;
  }
  const std::string& id = peer.node.node_id;
  if (Flag(peer.clock_off, std::llabs(peer.skew_ms) > config_.clock_skew_max.millis())) {
    Emit(out, Event::Kind::kClockSkew, true, peer,
         "the clock of " + id + " is " + std::to_string(peer.skew_ms / 1000) + " s off ours: check its time service");
  }
  if (Flag(peer.key_differs, KeysDiffer(peer.node, self_))) {
    Emit(out, Event::Kind::kKeyDiffers, true, peer,
         "AURORA_ENCRYPTION_KEY differs: " + Or(peer.node.key_fingerprint, "none") + " on " + id + ", " +
             Or(self_.key_fingerprint, "none") + " on " + self_.node_id);
  }
  const bool witness = peer.node.cluster_role == "witness" || self_.cluster_role == "witness";
  if (Flag(peer.mode_differs, !witness && peer.node.failover_mode != self_.failover_mode)) {
    Emit(out, Event::Kind::kModeDiffers, true, peer,
         "mixed failover_mode: " + peer.node.failover_mode + " on " + id + ", " + self_.failover_mode + " on " +
             self_.node_id);
  }
  // Both have been told of a change within a moment; what still differs then is worth a word.
  const std::string ring = RingDifference(peer);
  if (Flag(peer.ring_differs, !ring.empty())) {
    Emit(out, Event::Kind::kRingDiffers, true, peer, "gossip keys differ: " + ring);
  }
}

// After as long as gossip remembers. A node that has just started waits for the others to show first.
bool Roster::Forgettable(int64_t wall_ms, const Peer& peer) const {
  if (peer.linked) {
    return false;
  }
  if (!peer.known && peer.gossip == GossipState::kUnknown) {
    return true;
  }
  const int64_t age = wall_ms - peer.last_seen_ms;
  return (peer.status == Status::kLeft && age > config_.left_memory.millis()) ||
         (peer.status == Status::kFailed && age > config_.failed_memory.millis());
}

RosterRecord Roster::Record() const {
  RosterRecord record;
  for (const auto& [id, peer] : peers_) {
    if (peer.known && !cluster_id().empty() && peer.cluster_id == cluster_id()) {
      record.peers.push_back({peer.node, peer.last_seen_ms, peer.status == Status::kLeft, peer.former_uids});
    }
  }
  record.removed = removed_;
  return record;
}

void Roster::Review(Instant now, int64_t wall_ms, Outbox& out) {
  Instant next = now + kReviewLater;
  for (auto at = peers_.begin(); at != peers_.end();) {
    Peer& peer = at->second;
    if (peer.linked || peer.gossip == GossipState::kAlive) {
      peer.last_seen_ms = wall_ms;
    }
    ReviewStatus(now, peer, out);
    ReviewSettings(peer, out);
    const bool settled = peer.status == Status::kFailed || peer.status == Status::kLeft ||
                         (peer.status == Status::kAlive && (peer.linked || peer.guest));
    next = settled ? next : std::min(next, now + kReviewSoon);
    if (now >= started_ + kForgetGrace && Forgettable(wall_ms, peer)) {
      if (peer.known) {
        Emit(out, Event::Kind::kNodeForgotten, false, peer, peer.node.node_id + " is forgotten: away too long");
      }
      at = peers_.erase(at);
    } else {
      ++at;
    }
  }
  std::erase_if(removed_, [&](const RemovedNode& r) { return r.at_ms < wall_ms - kRemovedKeptMs; });
  if (removed_.size() > kRemovedMax) {
    removed_.erase(removed_.begin(), removed_.end() - kRemovedMax);
  }
  next_review_ = next;
  reviewed_ms_ = wall_ms;
  PeerHeartbeat heartbeat = Heartbeat();
  heartbeat.load = 0;
  heartbeat.lag_ms = 0;
  if (told_ != heartbeat) {
    told_ = std::move(heartbeat);
    out.heartbeat_changed = true;
  }
  if (auto targets = Targets(); targets != told_targets_) {
    told_targets_ = std::move(targets);
    out.targets_changed = true;
  }
  if (std::string record = Short(Record()); record != stored_) {
    stored_ = std::move(record);
    out.roster = Record();
  }
}

PeerHeartbeat Roster::Heartbeat() const {
  PeerHeartbeat out;
  out.role = RoleOf(self_);
  out.data_plane = local_.data_plane;
  out.drained = local_.drained;
  out.load = local_.load;
  out.lag_ms = local_.lag_ms;
  out.cluster_id = cluster_id();
  out.expect = config_.bootstrap_expect;
  out.proposal = founding_.durable().proposal;
  out.gossip_keys = local_.gossip_keys;
  for (const auto& [id, peer] : peers_) {
    if (peer.linked) {
      out.roster.push_back({peer.node.uid, id, peer.node.sync_addr, peer.node.gossip_addr});
    }
  }
  out.removed = removed_;
  return out;
}

std::vector<DialTarget> Roster::Targets() const {
  std::vector<DialTarget> out;
  for (const auto& [id, peer] : peers_) {
    if (!IsMember(peer) || peer.gossip == GossipState::kLeft) {
      continue;
    }
    // Gossip's address is newer than the Hello's when it sees the node; another uid there is another life.
    const bool seen = peer.gossip == GossipState::kAlive && !peer.gossip_sync_addr.empty();
    const std::string& address = seen ? peer.gossip_sync_addr : peer.node.sync_addr;
    if (!address.empty()) {
      out.push_back({id, seen ? peer.gossip_uid : peer.node.uid, address});
    }
  }
  return out;
}

NodeView Roster::ViewOf(Instant now, const Peer& peer) const {
  NodeView view;
  const NodeInfo& node = peer.node;
  view.node_id = node.node_id;
  view.node_name = Or(node.node_name, node.node_id);
  view.region = node.region;
  view.zone = node.zone;
  view.status = roster::Judge(now, EvidenceOf(peer));
  view.guest = peer.guest;
  view.uid = peer.known ? node.uid : peer.gossip_uid;
  view.role = peer.guest ? "guest" : RoleOf(peer.known ? node : self_);
  view.data_plane = "down";
  if (peer.heartbeat.has_value() && (view.status == Status::kAlive || view.status == Status::kSuspect)) {
    view.data_plane = peer.heartbeat->data_plane;
    view.drained = peer.heartbeat->drained;
    view.lag_ms = peer.heartbeat->lag_ms;
    view.load = peer.heartbeat->load;
    view.gossip_keys = peer.heartbeat->gossip_keys;
  }
  view.advertise_url = node.advertise_url;
  view.gossip_addr = Or(peer.gossip_addr, node.gossip_addr);
  view.sync_addr = Or(node.sync_addr, peer.gossip_sync_addr);
  view.last_heartbeat_ms = peer.last_heartbeat_ms;
  view.version = node.version;
  return view;
}

void Roster::AddReasons(Instant now, ClusterView& view) const {
  if (std::string waiting = founding_.Waiting(now); !waiting.empty()) {
    view.reasons.push_back(std::move(waiting));
  }
  for (const auto& [id, peer] : peers_) {
    if (!IsMember(peer)) {
      continue;
    }
    const Evidence evidence = EvidenceOf(peer);
    const Status status = roster::Judge(now, evidence);
    if (status == Status::kSuspect) {
      view.reasons.push_back(id + " is suspect: " + std::string(Explain(evidence, status)));
    } else if (status == Status::kFailed) {
      view.reasons.push_back(id + " has failed: " + std::string(Explain(evidence, status)) +
                             "; start it again or run `aurora-ctl nodes remove " + id + "`");
    }
    if (status == Status::kFailed || status == Status::kLeft) {
      continue;
    }
    if (peer.clock_off) {
      view.reasons.push_back("the clock of " + id + " is " + std::to_string(peer.skew_ms / 1000) + " s off");
    }
    if (peer.key_differs) {
      view.reasons.push_back("AURORA_ENCRYPTION_KEY differs on " + id + ": it cannot open credentials stored here");
    }
    if (peer.mode_differs) {
      view.reasons.push_back("mixed failover_mode: " + peer.node.failover_mode + " on " + id + ", " +
                             self_.failover_mode + " here");
    }
    if (const std::string ring = RingDifference(peer); peer.ring_differs && !ring.empty()) {
      view.reasons.push_back("gossip keys differ: " + ring);
    }
  }
}

ClusterView Roster::View(Instant now) const {
  ClusterView view;
  view.cluster_id = cluster_id();
  view.role = RoleOf(self_);
  view.node_count = 1;
  view.healthy_count = 1;
  for (const auto& [id, peer] : peers_) {
    view.nodes.push_back(ViewOf(now, peer));
    const Status status = view.nodes.back().status;
    if (IsMember(peer) && status != Status::kLeft) {
      ++view.node_count;
      view.healthy_count += status == Status::kAlive ? 1 : 0;
      view.max_lag_ms = std::max(view.max_lag_ms, view.nodes.back().lag_ms);
    }
  }
  Peer own;
  own.node = self_;
  own.known = true;
  own.linked = true;
  own.heartbeat = Heartbeat();
  own.last_heartbeat_ms = reviewed_ms_;  // it has just been looked at
  NodeView self = ViewOf(now, own);
  self.self = true;
  view.nodes.push_back(std::move(self));
  std::sort(view.nodes.begin(), view.nodes.end(),
            [](const NodeView& a, const NodeView& b) { return a.node_id < b.node_id; });
  AddReasons(now, view);
  view.state = view.reasons.empty() ? "healthy" : "degraded";
  return view;
}

}  // namespace aurora::roster
