#include "controlplane/peers/control_mesh.h"

#include <algorithm>
#include <utility>

namespace aurora::peers {
namespace {

constexpr int kFailuresCounted = 16;  // 0.1 s << 16 is far beyond any backoff_max

MeshAction CloseAction(LinkId id, ByeReason reason, std::string_view message) {
  MeshAction action;
  action.kind = MeshAction::Kind::kClose;
  action.link = id;
  action.reason = reason;
  action.message = std::string(message);
  return action;
}

}  // namespace

std::string_view Name(ByeReason reason) {
  switch (reason) {
    case ByeReason::kNone:
      return "lost";
    case ByeReason::kShutdown:
      return "shutdown";
    case ByeReason::kForeignCluster:
      return "foreign_cluster";
    case ByeReason::kProtocolVersion:
      return "protocol_version";
    case ByeReason::kDuplicateNodeId:
      return "duplicate_node_id";
    case ByeReason::kLabel:
      return "label";
    case ByeReason::kFull:
      return "full";
    case ByeReason::kSupersededStream:
      return "superseded_stream";
    case ByeReason::kLeaving:
      return "leaving";
    case ByeReason::kBadFrame:
      return "bad_frame";
    case ByeReason::kWrongNode:
      return "wrong_node";
    case ByeReason::kIdle:
      return "idle";
    case ByeReason::kSlow:
      return "slow";
    case ByeReason::kNotLinked:
      return "not_linked";
  }
  return "unknown";
}

bool IsRefusal(ByeReason reason) {
  switch (reason) {
    case ByeReason::kForeignCluster:
    case ByeReason::kProtocolVersion:
    case ByeReason::kDuplicateNodeId:
    case ByeReason::kLabel:
    case ByeReason::kFull:
    case ByeReason::kBadFrame:
    case ByeReason::kWrongNode:
      return true;
    case ByeReason::kNone:
    case ByeReason::kShutdown:
    case ByeReason::kSupersededStream:
    case ByeReason::kLeaving:
    case ByeReason::kIdle:
    case ByeReason::kSlow:
    case ByeReason::kNotLinked:
      return false;
  }
  return false;
}

Mesh::Mesh(MeshConfig config, uint64_t seed) : config_(std::move(config)), rng_(seed) {}

Duration Mesh::Between(Duration low, Duration high) {
  const auto span = static_cast<uint64_t>((high - low).micros());
  return low + Duration::Micros(static_cast<int64_t>(rng_.Below(span + 1)));
}

bool Mesh::Linked(std::string_view node_id) const {
  return std::any_of(links_.begin(), links_.end(),
                     [&](const auto& entry) { return entry.second.up && entry.second.peer.node_id == node_id; });
}

LinkId Mesh::Find(std::string_view uid) const {
  for (const auto& [id, link] : links_) {
    if (link.up && link.peer.uid == uid) {
      return id;
    }
  }
  return 0;
}

size_t Mesh::up_count() const {
  return static_cast<size_t>(
      std::count_if(links_.begin(), links_.end(), [](const auto& entry) { return entry.second.up; }));
}

bool Mesh::MayDial(const Dial& dial) const {
  return !shut_ && dial.link == 0 && !Linked(dial.target.node_id);
}

Instant Mesh::NextDial(std::string_view node_id) const {
  const auto found = dials_.find(node_id);
  return found == dials_.end() || !MayDial(found->second) ? Instant::Never() : found->second.next;
}

void Mesh::SetTargets(Instant now, const std::vector<Target>& targets, MeshActions& out) {
  std::map<std::string, Dial, std::less<>> old = std::move(dials_);
  dials_.clear();
  std::vector<Target> ordered = targets;
  std::stable_partition(ordered.begin(), ordered.end(), [&](const Target& target) {
    return old.contains(target.node_id) || Linked(target.node_id);
  });
  for (const Target& target : ordered) {
    if (target.node_id.empty() || target.node_id == config_.node_id || dials_.contains(target.node_id) ||
        dials_.size() >= config_.peers_max) {
      continue;
    }
    Dial& dial = dials_[target.node_id];
    if (const auto found = old.find(target.node_id); found != old.end()) {
      dial = std::move(found->second);
      old.erase(found);
    }
    const bool news = dial.target.address != target.address ||
                      (!dial.target.uid.empty() && dial.target.uid != target.uid);
    dial.target = target;
    if (news) {
      dial.failures = 0;
      dial.refused = false;
      dial.next = now;
    }
  }
  for (const auto& [node_id, dial] : old) {
    if (const auto link = links_.find(dial.link); link != links_.end() && !link->second.up) {
      out.push_back(CloseAction(dial.link, ByeReason::kSupersededStream, "no longer wanted"));
      const Link given_up = std::move(link->second);
      links_.erase(link);
      TellDown(dial.link, given_up, ByeReason::kSupersededStream, "no longer wanted", out);
    }
  }
  DialDue(now, out);
}

void Mesh::DialNow(Instant now, std::string_view node_id, MeshActions& out) {
  const auto found = dials_.find(node_id);
  if (found == dials_.end() || found->second.refused) {
    return;
  }
  Dial& dial = found->second;
  dial.failures = 0;
  dial.next = std::min(dial.next, std::max(now, dial.started + config_.backoff_min));
  DialDue(now, out);
}

LinkId Mesh::Accept(Instant now, MeshActions& out) {
  const LinkId id = ++last_id_;
  if (shut_) {
    out.push_back(CloseAction(id, ByeReason::kShutdown, "shutting down"));
    return id;
  }
  const auto inbound = static_cast<size_t>(
      std::count_if(links_.begin(), links_.end(), [](const auto& entry) { return !entry.second.outbound; }));
  if (inbound >= config_.inbound_max) {
    out.push_back(CloseAction(id, ByeReason::kFull, "too many streams"));
    return id;
  }
  Link& link = links_[id];
  link.since = now;
  link.deadline = now + config_.hello_timeout;
  return id;
}

void Mesh::DialDue(Instant now, MeshActions& out) {
  for (auto& [node_id, dial] : dials_) {
    if (dial.next > now || !MayDial(dial)) {
      continue;
    }
    const LinkId id = ++last_id_;
    Link& link = links_[id];
    link.outbound = true;
    link.target = node_id;
    link.since = now;
    link.deadline = now + config_.hello_timeout;
    dial.link = id;
    dial.started = now;
    dial.refused = false;
    MeshAction action;
    action.kind = MeshAction::Kind::kDial;
    action.link = id;
    action.node_id = node_id;
    action.uid = dial.target.uid;
    action.address = dial.target.address;
    out.push_back(std::move(action));
  }
}

void Mesh::BackOff(Instant now, Dial& dial, ByeReason reason, bool steady) {
  if (IsRefusal(reason)) {
    dial.refused = true;
    dial.next = now + Between(config_.refusal_min, config_.refusal_max);
    return;
  }
  if (steady) {
    dial.failures = 0;
  }
  Duration limit = config_.backoff_min;
  for (int i = 0; i < dial.failures && limit < config_.backoff_max; ++i) {
    limit = limit * 2;
  }
  limit = std::min(limit, config_.backoff_max);
  dial.failures = std::min(dial.failures + 1, kFailuresCounted);
  dial.next = now + Between(limit / 2, limit);
}

void Mesh::Forget(Instant now, LinkMap::iterator entry, ByeReason reason, std::string_view message, MeshActions& out) {
  const LinkId id = entry->first;
  const Link link = std::move(entry->second);
  links_.erase(entry);
  // A refusal of a stream that came in holds for our dial too; but who only claims a node id must not hold up ours to
  // the node that has it.
  const std::string& node_id = link.outbound ? link.target : link.peer.node_id;
  const auto dial = dials_.find(node_id);
  const bool ours = dial != dials_.end() && (dial->second.link == id || dial->second.link == 0);
  if (ours && (link.up || link.outbound || (!Linked(node_id) && reason != ByeReason::kDuplicateNodeId))) {
    dial->second.link = 0;
    if (dial->second.next <= now || IsRefusal(reason)) {
      BackOff(now, dial->second, reason, link.up && now - link.since >= config_.steady);
    }
  }
  // The peer prefers our dial, and said so before its Hello came on it.
  if (link.up && reason == ByeReason::kSupersededStream && dial != dials_.end()) {
    const auto heir = links_.find(dial->second.link);
    if (heir != links_.end() && !heir->second.up) {
      heir->second.owed_down = link.peer.uid;
      return;
    }
  }
  TellDown(id, link, reason, message, out);
}

void Mesh::TellDown(LinkId id, const Link& link, ByeReason reason, std::string_view message, MeshActions& out) {
  const std::string& uid = link.up ? link.peer.uid : link.owed_down;
  if (uid.empty() || Find(uid) != 0) {
    return;
  }
  MeshAction action;
  action.kind = MeshAction::Kind::kDown;
  action.link = id;
  action.node_id = link.up ? link.peer.node_id : link.target;
  action.uid = uid;
  action.reason = reason;
  action.message = std::string(message);
  out.push_back(std::move(action));
}

void Mesh::Refuse(Instant now, LinkId id, ByeReason reason, std::string_view message, MeshActions& out) {
  const auto found = links_.find(id);
  if (found == links_.end()) {
    return;
  }
  out.push_back(CloseAction(id, reason, message));
  Forget(now, found, reason, message, out);
}

void Mesh::Close(Instant now, LinkId id, ByeReason reason, std::string_view message, MeshActions& out) {
  Refuse(now, id, reason, message, out);
}

void Mesh::OnClosed(Instant now, LinkId id, ByeReason reason, std::string_view message, MeshActions& out) {
  if (const auto found = links_.find(id); found != links_.end()) {
    Forget(now, found, reason, message, out);
  }
}

void Mesh::Shutdown(Instant now, ByeReason reason, std::string_view message, MeshActions& out) {
  shut_ = true;
  while (!links_.empty()) {
    Refuse(now, links_.begin()->first, reason, message, out);
  }
}

void Mesh::Touch(Instant now, LinkId id) {
  if (const auto found = links_.find(id); found != links_.end() && found->second.up) {
    found->second.deadline = now + found->second.peer.idle;
  }
}

bool Mesh::DialsFirst(const Link& link) const {
  const bool we_are_lower = config_.node_id < link.peer.node_id;
  return link.outbound == we_are_lower;
}

bool Mesh::Keeps(Instant now, const Link& old, const Link& fresh) const {
  if (old.peer.epoch != fresh.peer.epoch || old.peer.uid != fresh.peer.uid || old.outbound == fresh.outbound ||
      now - old.since > config_.race) {
    return false;
  }
  return DialsFirst(old);
}

// Targets hold a place while they are away, so that a stranger does not take it.
bool Mesh::Full(const MeshPeer& peer) const {
  size_t others = 0;
  for (const auto& [id, link] : links_) {
    if (link.up && link.peer.node_id != peer.node_id) {
      ++others;
    }
  }
  if (others >= config_.peers_max) {
    return true;
  }
  if (dials_.contains(peer.node_id)) {
    return false;
  }
  for (const auto& [node_id, dial] : dials_) {
    others += Linked(node_id) ? 0U : 1U;
  }
  return others >= config_.peers_max;
}

void Mesh::OnHello(Instant now, LinkId id, const MeshPeer& peer, const Verdict& verdict, MeshActions& out) {
  const auto found = links_.find(id);
  if (found == links_.end() || found->second.up) {
    return;
  }
  Link& link = found->second;
  link.peer = peer;
  if (peer.uid == config_.uid && (peer.node_id == config_.node_id || verdict.reason == ByeReason::kNone)) {
    Refuse(now, id, ByeReason::kWrongNode, "this is the dialling node itself", out);
  } else if (link.outbound && link.target != peer.node_id) {
    Refuse(now, id, ByeReason::kWrongNode, "dialled " + link.target + ", " + peer.node_id + " answered", out);
  } else if (verdict.reason != ByeReason::kNone) {
    Refuse(now, id, verdict.reason, verdict.message, out);
  } else if (Full(peer)) {
    Refuse(now, id, ByeReason::kFull,
           "a cluster has at most " + std::to_string(config_.peers_max + 1) + " nodes", out);
  } else {
    Raise(now, id, out);
  }
}

void Mesh::Raise(Instant now, LinkId id, MeshActions& out) {
  Link& fresh = links_.at(id);
  for (auto it = links_.begin(); it != links_.end();) {
    const auto at = it++;
    Link& old = at->second;
    const bool same_peer =
        old.up && (old.peer.uid == fresh.peer.uid || old.peer.node_id == fresh.peer.node_id);
    if (same_peer && Keeps(now, old, fresh)) {
      Refuse(now, id, ByeReason::kSupersededStream, "another stream links the two nodes", out);
      return;
    }
  }
  const Link as_dialled = fresh;
  fresh.up = true;
  fresh.since = now;
  fresh.deadline = now + fresh.peer.idle;
  MeshAction up;
  up.kind = MeshAction::Kind::kUp;
  up.link = id;
  up.uid = fresh.peer.uid;
  up.node_id = fresh.peer.node_id;
  out.push_back(std::move(up));
  for (auto it = links_.begin(); it != links_.end();) {
    const auto at = it++;
    const Link& old = at->second;
    if (at->first == id) {
      continue;
    }
    const bool same_peer =
        old.up && (old.peer.uid == fresh.peer.uid || old.peer.node_id == fresh.peer.node_id);
    // Our own dial under way to a peer that dials first is not needed any more; the other way round it will win.
    const bool needless_dial =
        !old.up && old.outbound && old.target == fresh.peer.node_id && DialsFirst(fresh);
    if (same_peer || needless_dial) {
      Refuse(now, at->first, ByeReason::kSupersededStream, "another stream links the two nodes", out);
    }
  }
  TellDown(id, as_dialled, ByeReason::kSupersededStream, "another life of the node answered", out);
  fresh.owed_down.clear();
  if (const auto dial = dials_.find(fresh.peer.node_id); dial != dials_.end()) {
    dial->second.refused = false;
  }
}

void Mesh::Tick(Instant now, MeshActions& out) {
  std::vector<LinkId> late;
  for (const auto& [id, link] : links_) {
    if (link.deadline <= now) {
      late.push_back(id);
    }
  }
  for (const LinkId id : late) {
    const auto found = links_.find(id);
    if (found == links_.end()) {
      continue;
    }
    const Link& link = found->second;
    if (link.up) {
      Refuse(now, id, ByeReason::kIdle, "nothing came for three heartbeats", out);
    } else if (link.outbound) {
      // Whether it could not connect or got no Hello: nobody is there to refuse us.
      out.push_back(CloseAction(id, ByeReason::kNone, "no answer"));
      Forget(now, found, ByeReason::kNone, "no answer", out);
    } else {
      Refuse(now, id, ByeReason::kBadFrame, "no Hello in time", out);
    }
  }
  DialDue(now, out);
}

Instant Mesh::NextDeadline() const {
  Instant next = Instant::Never();
  for (const auto& [id, link] : links_) {
    next = std::min(next, link.deadline);
  }
  for (const auto& [node_id, dial] : dials_) {
    if (MayDial(dial)) {
      next = std::min(next, dial.next);
    }
  }
  return next;
}

}  // namespace aurora::peers
