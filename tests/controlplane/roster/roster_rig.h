// A few rosters wired to each other by perfect streams, with disks: what the driver does, without sockets. Source:
// ours. Thread: the test's.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/roster/roster.h"

namespace aurora::roster {

struct RigNode {
  NodeInfo info;
  RosterConfig config;
  FoundingRecord founding;
  RosterRecord roster;
  std::unique_ptr<Roster> core;
  Outbox out;
  std::vector<Event> events;
  int64_t clock_off_ms = 0;
  int closes = 0;
};

class Rig {
 public:
  Instant now = Instant::FromMicros(1'000'000'000);
  int64_t wall_ms = 1'800'000'000'000;
  std::map<std::string, RigNode> nodes;

  static NodeInfo Info(const std::string& id) {
    NodeInfo info;
    info.uid = "uid-" + id;
    info.node_id = id;
    info.node_name = "name of " + id;
    info.version = "1.0";
    info.gossip_addr = id + ":7946";
    info.sync_addr = id + ":7947";
    return info;
  }

  RigNode& Add(const std::string& id, uint32_t expect = 0, const std::string& cluster = "") {
    RigNode& node = nodes[id];
    node.info = Info(id);
    node.config.bootstrap_expect = expect;
    node.founding.cluster_id = cluster;
    return node;
  }

  void Start(const std::string& id) {
    RigNode& node = nodes[id];
    node.core = std::make_unique<Roster>(now, Wall(node), node.config, node.info, node.founding, node.roster, 7);
    node.core->Tick(now, Wall(node), node.out);
    Pump();
  }
  void StartAll() {
    for (auto& [id, node] : nodes) {
      Start(id);
    }
  }

  PeerHello HelloOf(const RigNode& node) const {
    PeerHello hello;
    hello.node = node.info;
    hello.cluster_id = node.core->cluster_id();
    hello.wall_ms = Wall(node);
    return hello;
  }

  // What each says to the other's Hello; linked when both agree.
  std::pair<Admission, Admission> Link(const std::string& a, const std::string& b) {
    RigNode& x = nodes[a];
    RigNode& y = nodes[b];
    const PeerHello hx = HelloOf(x);
    const PeerHello hy = HelloOf(y);
    auto answers = std::pair(x.core->OnHello(now, Wall(x), hy, x.out), y.core->OnHello(now, Wall(y), hx, y.out));
    if (answers.first.ok() && answers.second.ok()) {
      links_.insert({a, b});
      links_.insert({b, a});
      x.core->OnLinkUp(now, Wall(x), hy, x.out);
      y.core->OnLinkUp(now, Wall(y), hx, y.out);
      x.out.heartbeat_changed = y.out.heartbeat_changed = true;  // each tells a new peer its latest
    }
    Pump();
    return answers;
  }
  void LinkAll() {
    for (const auto& [a, x] : nodes) {
      for (const auto& [b, y] : nodes) {
        if (a < b && x.core != nullptr && y.core != nullptr && !links_.contains({a, b})) {
          Link(a, b);
        }
      }
    }
  }

  void Unlink(const std::string& a, const std::string& b, bool leaving = false) {
    for (const auto& [from, to] : {std::pair(a, b), std::pair(b, a)}) {
      if (links_.erase({from, to}) > 0 && nodes[from].core != nullptr) {
        nodes[from].core->OnLinkClosed(now, Wall(nodes[from]), nodes[to].info.uid, leaving, nodes[from].out);
      }
    }
    Pump();
  }

  void Kill(const std::string& id) {
    nodes[id].core.reset();
    nodes[id].out.Clear();
    for (auto& [other, node] : nodes) {
      Unlink(other, id);
    }
  }

  void Gossip(const std::string& at, const std::string& about, GossipState state, bool guest = false) {
    RigNode& node = nodes[at];
    GossipNews news;
    news.node_id = about;
    news.state = state;
    news.guest = guest;
    news.gossip_addr = about + ":7946";
    if (!guest) {
      news.uid = nodes.contains(about) ? nodes[about].info.uid : "uid-" + about;
      news.sync_addr = about + ":7947";
    }
    node.core->OnGossip(now, Wall(node), news, node.out);
    Pump();
  }

  void Run(Duration d) {
    const Instant end = now + d;
    while (now < end) {
      const Instant step = std::min(end, now + Duration::Seconds(30));
      Instant next = step;
      for (auto& [id, node] : nodes) {
        if (node.core != nullptr) {
          next = std::min(next, std::max(node.core->NextDeadline(), now + Duration::Millis(1)));
        }
      }
      wall_ms += (next - now).millis();
      now = next;
      for (auto& [id, node] : nodes) {
        if (node.core != nullptr) {
          node.core->Tick(now, Wall(node), node.out);
          node.out.heartbeat_changed = node.out.heartbeat_changed || now == step;
        }
      }
      Pump();
    }
  }

  void Pump() {
    bool busy = true;
    while (busy) {
      busy = false;
      for (auto& [id, node] : nodes) {
        busy = (node.core != nullptr && PumpOne(id, node)) || busy;
      }
    }
  }

  ClusterView View(const std::string& id) { return nodes[id].core->View(now); }
  Status StatusOf(const std::string& at, const std::string& about) {
    const ClusterView view = View(at);
    for (const NodeView& node : view.nodes) {
      if (node.node_id == about) {
        return node.status;
      }
    }
    return Status::kLeft;
  }
  bool Lists(const std::string& at, const std::string& about) {
    const ClusterView view = View(at);
    return std::any_of(view.nodes.begin(), view.nodes.end(), [&](const NodeView& n) { return n.node_id == about; });
  }
  int Count(const std::string& at, Event::Kind kind) {
    const auto& events = nodes[at].events;
    return static_cast<int>(
        std::count_if(events.begin(), events.end(), [&](const Event& e) { return e.kind == kind; }));
  }
  int64_t Wall(const RigNode& node) const { return wall_ms + node.clock_off_ms; }

 private:
  bool PumpOne(const std::string& id, RigNode& node) {
    const Outbox out = std::exchange(node.out, Outbox());
    node.events.insert(node.events.end(), out.events.begin(), out.events.end());
    if (out.founding.has_value()) {
      node.founding = *out.founding;
      node.core->OnFoundingStored(now, Wall(node), true, node.out);
    }
    if (out.roster.has_value()) {
      node.roster = *out.roster;
    }
    for (const Outbox::Close& close : out.closes) {
      ++node.closes;
      for (auto& [other, peer] : nodes) {
        if (peer.info.uid == close.uid && links_.contains({id, other})) {
          Unlink(id, other);
        }
      }
    }
    if (out.heartbeat_changed) {
      PeerHeartbeat heartbeat = node.core->Heartbeat();
      heartbeat.wall_ms = Wall(node);
      for (auto& [other, peer] : nodes) {
        if (peer.core != nullptr && links_.contains({id, other})) {
          peer.core->OnHeartbeat(now, Wall(peer), node.info.uid, heartbeat, peer.out);
        }
      }
    }
    return out.founding.has_value() || out.heartbeat_changed || !out.closes.empty();
  }

  std::set<std::pair<std::string, std::string>> links_;
};

}  // namespace aurora::roster
