// Who may link: the judgement of a Hello, and complaints, told once per peer and reason in a while.
#include <algorithm>
#include <cstdlib>

#include "controlplane/roster/roster.h"

namespace aurora::roster {
namespace {

constexpr size_t kComplaintsMax = 64;

std::optional<Event::Kind> KindOf(Refuse reason) {
  switch (reason) {
    case Refuse::kForeignCluster:
      return Event::Kind::kForeignCluster;
    case Refuse::kProtocolVersion:
      return Event::Kind::kProtocolVersion;
    case Refuse::kDuplicateNodeId:
      return Event::Kind::kDuplicateNodeId;
    case Refuse::kLabel:
      return Event::Kind::kLabelMismatch;
    case Refuse::kFull:
      return Event::Kind::kClusterFull;
    case Refuse::kNone:
    case Refuse::kLeaving:
    case Refuse::kBadFrame:
    case Refuse::kWrongNode:
      return std::nullopt;
  }
  return std::nullopt;
}

std::string Range(uint32_t low, uint32_t high) {
  return std::to_string(low) + (low == high ? "" : "-" + std::to_string(high));
}

std::string Quoted(std::string_view text) { return text.empty() ? "none" : "\"" + std::string(text) + "\""; }

}  // namespace

Admission Roster::OnHello(Instant now, int64_t wall_ms, const PeerHello& hello, Outbox& out) {
  Admission answer = Judge(now, hello);
  if (answer.ok()) {
    answer.warning = Warnings(wall_ms, hello);
  } else {
    if (!hello.cluster_id.empty()) {
      NoteInitialised(now, answer.reason, answer.message);
    }
    Complain(now, answer.reason, hello.node.node_id, hello.node.uid, "refused: " + answer.message, out);
  }
  return answer;
}

Admission Roster::Judge(Instant now, const PeerHello& hello) const {
  const NodeInfo& node = hello.node;
  if (node.uid.empty() || node.node_id.empty() || node.node_id.size() > kTextMax) {
    return {Refuse::kBadFrame, "Hello without a node uid or node id", ""};
  }
  if (!hello.dialled_node_id.empty() && hello.dialled_node_id != self_.node_id) {
    return {Refuse::kWrongNode, "this is node " + self_.node_id, ""};
  }
  if (node.protocol_max < self_.protocol_min || node.protocol_min > self_.protocol_max) {
    return {Refuse::kProtocolVersion,
            node.node_id + " (" + node.version + ") speaks control protocol " +
                Range(node.protocol_min, node.protocol_max) + ", " + self_.node_id + " (" + self_.version + ") " +
                Range(self_.protocol_min, self_.protocol_max) + ": upgrade the older one",
            ""};
  }
  if (node.label != self_.label) {
    return {Refuse::kLabel,
            "cluster.label is " + Quoted(node.label) + " on " + node.node_id + " and " + Quoted(self_.label) + " on " +
                self_.node_id,
            ""};
  }
  if (!hello.cluster_id.empty() && !cluster_id().empty() && hello.cluster_id != cluster_id()) {
    return {Refuse::kForeignCluster,
            node.node_id + " belongs to cluster " + hello.cluster_id + ", " + self_.node_id + " to " + cluster_id() +
                ": clusters that meet stay apart; to move a node, wipe its state directory",
            ""};
  }
  return JudgeIdentity(now, node);
}

Admission Roster::JudgeIdentity(Instant now, const NodeInfo& node) const {
  if (node.uid == self_.uid) {
    return {Refuse::kDuplicateNodeId,
            node.node_id + " has the node uid of " + self_.node_id + ": a copied state directory; remove its "
            "election.db", ""};
  }
  if (node.node_id == self_.node_id) {
    return {Refuse::kDuplicateNodeId,
            "cluster.node_id " + node.node_id + " is taken: another node (uid " + self_.uid + ") is up under it", ""};
  }
  const auto at = peers_.find(node.node_id);
  const bool known = at != peers_.end() && at->second.known;
  if (known && at->second.node.uid != node.uid) {
    const Peer& old = at->second;
    const bool former = std::find(old.former_uids.begin(), old.former_uids.end(), node.uid) != old.former_uids.end();
    if (!Silent(now, old, node.uid) || (former && founding_.fresh())) {
      return {Refuse::kDuplicateNodeId,
              "cluster.node_id " + node.node_id + " is taken: another node (uid " + old.node.uid + ") is up under it",
              ""};
    }
  }
  for (const auto& [id, peer] : peers_) {
    if (id != node.node_id && peer.linked && peer.node.uid == node.uid) {
      return {Refuse::kDuplicateNodeId,
              "node uid " + node.uid + " is up as " + id + ": a copied state directory; remove its election.db", ""};
    }
  }
  if (!known && MemberCount() >= config_.nodes_max) {
    return {Refuse::kFull,
            "the cluster has " + std::to_string(config_.nodes_max) + " nodes, the most it takes: remove one first", ""};
  }
  return {};
}

// The uid we knew is gone: no stream, or one that says nothing while gossip already meets the newcomer.
bool Roster::Silent(Instant now, const Peer& peer, std::string_view newcomer) const {
  return !peer.linked || (peer.gossip_uid == newcomer && now > peer.last_frame + peer.interval + kFrameSlack);
}

size_t Roster::MemberCount() const {
  return 1 + static_cast<size_t>(std::count_if(peers_.begin(), peers_.end(), [&](const auto& entry) {
           return entry.second.known && IsMember(entry.second) && entry.second.status != Status::kLeft;
         }));
}

std::string Roster::Warnings(int64_t wall_ms, const PeerHello& hello) const {
  std::string text;
  if (KeysDiffer(hello.node, self_)) {
    text = "AURORA_ENCRYPTION_KEY differs from that of " + hello.node.node_id;
  }
  const int64_t skew = hello.wall_ms - wall_ms;
  if (std::llabs(skew) > config_.clock_skew_max.millis()) {
    text += (text.empty() ? "" : "; ") + std::string("the clock of ") + hello.node.node_id + " is " +
            std::to_string(skew / 1000) + " s off";
  }
  return text;
}

void Roster::OnRefused(Instant now, const Refusal& refusal, Outbox& out) {
  NoteInitialised(now, refusal.reason, refusal.message.substr(0, kTextMax * 2));
  std::string text = "refused by " + (refusal.node_id.empty() ? refusal.address : refusal.node_id) + ": " +
                     refusal.message.substr(0, kTextMax * 2);
  Complain(now, refusal.reason, refusal.node_id.empty() ? refusal.address : refusal.node_id, refusal.uid,
           std::move(text), out);
}

void Roster::OnGossipForeign(Instant now, std::string_view node_id, std::string_view detail, Outbox& out) {
  Complain(now, Refuse::kForeignCluster, node_id, "",
           "gossip met " + std::string(node_id.substr(0, kTextMax)) + " of another cluster: " +
               std::string(detail.substr(0, kTextMax)),
           out);
}

void Roster::Complain(Instant now, Refuse reason, std::string_view node_id, std::string_view uid, std::string text,
                      Outbox& out) {
  const std::optional<Event::Kind> kind = KindOf(reason);
  if (!kind.has_value()) {
    return;
  }
  std::erase_if(complaints_, [&](const Complaint& c) { return now >= c.at + config_.repeat_after; });
  const std::string about(node_id.substr(0, kTextMax));
  if (std::any_of(complaints_.begin(), complaints_.end(),
                  [&](const Complaint& c) { return c.reason == reason && c.about == about; })) {
    return;
  }
  if (complaints_.size() >= kComplaintsMax) {
    complaints_.pop_front();
  }
  complaints_.push_back({reason, about, now});
  out.events.push_back({*kind, true, about, std::string(uid.substr(0, kTextMax)), std::move(text)});
}

}  // namespace aurora::roster
