// What a fresh node waits for, in words: the texts of Founding::Waiting.
#include <algorithm>
#include <string>

#include "controlplane/roster/founding.h"

namespace aurora::roster {
namespace {

void Append(std::string& list, std::string_view item) {
  if (!list.empty()) {
    list += ", ";
  }
  list += item;
}

}  // namespace

std::string Founding::Waiting(Instant now) const {
  if (!fresh()) {
    return "";
  }
  if (persist_failed_) {
    return "founding waits: election.db takes no writes (disk full or read-only?)";
  }
  if (pending_.has_value()) {
    return "founding waits for election.db";
  }
  if (durable_.proposal.has_value()) {
    return WaitingForFounders();
  }
  if (now < seen_at_ + config_.alone_after) {
    return "fresh, and an initialised node is there: " + seen_why_;
  }
  return config_.expect > 0 ? WaitingForPeers() : WaitingAlone(now);
}

std::string Founding::WaitingForFounders() const {
  const Proposal& mine = *durable_.proposal;
  std::string all, missing, renewed;
  for (const Founder& f : mine.founders) {
    Append(all, f.node_id);
    const auto peer = peers_.find(f.node_id);
    if (f.uid != config_.uid && peer != peers_.end() && peer->second.uid != f.uid) {
      Append(renewed, f.node_id);
    } else if (f.uid != config_.uid && f.uid != mine.founders.front().uid && !announced_.contains(f.uid)) {
      Append(missing, f.node_id);
    }
  }
  std::string text = "founding with " + all;
  if (!renewed.empty()) {
    text += ": " + renewed + " came back with an empty disk; waits until all of them are there and " +
            mine.founders.front().node_id + " proposes anew";
  } else {
    text += ": waits until " + (missing.empty() ? mine.founders.front().node_id : missing) + " has agreed";
  }
  return text + ". If one of them never comes back, start a node with its node_id";
}

std::string Founding::WaitingForPeers() const {
  std::string seen, other, busy;
  for (const Founder& f : candidates_) {
    Append(seen, f.node_id);
  }
  for (const auto& [id, peer] : peers_) {
    if (peer.expect != config_.expect) {
      Append(other, id + " (" + std::to_string(peer.expect) + ")");
    } else if (peer.proposal.has_value()) {
      Append(busy, id);
    }
  }
  const std::string expect = std::to_string(config_.expect);
  std::string text = "fresh, cluster.bootstrap_expect = " + expect + ": ";
  if (config_.expect > kFoundersMax) {
    return text + "more than " + std::to_string(kFoundersMax) + " nodes cannot form a cluster";
  }
  if (const Proposal* former = FormerLife()) {
    std::string away;
    for (const Founder& f : former->founders) {
      if (f.node_id != config_.node_id && !peers_.contains(f.node_id)) {
        Append(away, f.node_id);
      }
    }
    text += "its earlier life proposed a cluster; waits for " + (away.empty() ? "election.db" : away);
  } else if (!busy.empty()) {
    text += "waits for the cluster that " + busy + " found";
  } else if (candidates_.size() < config_.expect) {
    text += "waits for " + std::to_string(config_.expect - candidates_.size()) + " more fresh nodes (sees " + seen +
            ") or for an initialised one";
  } else if (candidates_.front().uid != config_.uid) {
    text += "waits for " + candidates_.front().node_id + " to propose the cluster";
  } else {
    text += "waits until " + seen + " see each other";
  }
  if (!other.empty()) {
    text += "; other settings of bootstrap_expect: " + other + ": make them equal";
  }
  return text;
}

std::string Founding::WaitingAlone(Instant now) const {
  if (seed_.entry.empty()) {
    return "fresh and without cluster.seed_nodes: waits to be found by an initialised node; to found a cluster set "
           "cluster.bootstrap_expect (1 for this node alone)";
  }
  if (AloneBlocked()) {
    return "fresh, and other fresh nodes have cluster.bootstrap_expect set: set the same here";
  }
  if (seed_.addresses == 0) {
    return "fresh: waits for an initialised node; the first seed " + seed_.entry + " does not resolve yet";
  }
  if (seed_.addresses > 1) {
    return "fresh: the first seed " + seed_.entry + " has " + std::to_string(seed_.addresses) +
           " addresses, so nobody knows who founds: set cluster.bootstrap_expect to the number of first nodes, on each";
  }
  if (!seed_.mine) {
    return "fresh: waits for an initialised node; the node behind the first seed, " + seed_.entry + ", founds";
  }
  const Duration left = AloneAt() - now;
  return "fresh: looks for an initialised node, founds a cluster in " +
         std::to_string(std::max<int64_t>(0, (left.millis() + 999) / 1000)) + " s";
}

}  // namespace aurora::roster
