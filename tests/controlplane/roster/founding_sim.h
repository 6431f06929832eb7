// A small world of nodes that found: streams that delay, cut and lose, disks that are kept or lost, crashes between a
// write and its announcement. Every choice comes from one seed. Source: ours. Thread: the test's.
//
// The assumptions of docs/adr/0010-founding.md, and no others: one live process per node id; a stream is in order and
// ends before the next one to the same node id begins; what OnPersisted called stored stays, unless the disk is wiped.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controlplane/roster/founding.h"

namespace aurora::roster {

class FoundingSim {
 public:
  struct Setup {
    size_t nodes = 3;
    uint32_t expect = 3;
    bool wipes = true;
  };

  FoundingSim(Setup setup, uint64_t seed)
      : setup_(setup),
        rng_(seed),
        calm_(8 + rng_.Below(40) * setup.nodes * setup.nodes / 4),
        nodes_(setup.nodes),
        links_(setup.nodes * setup.nodes) {}

  // One random thing happens: mostly something that helps, now and then a fault; how often is the seed's.
  void Chaos() {
    const size_t i = rng_.Below(nodes_.size());
    const size_t j = rng_.Below(nodes_.size());
    if (rng_.OneIn(calm_)) {
      Fault(i, j);
      return;
    }
    switch (rng_.Below(8)) {
      case 0:
        if (nodes_[i].core == nullptr) {
          Start(i);
        }
        break;
      case 1:
        Connect(i, j);
        break;
      case 2:
        Advance(Duration::Millis(static_cast<int64_t>(rng_.Below(900))));
        break;
      case 3:
      case 4:
        FinishWrite(i, !rng_.OneIn(20));
        break;
      default:
        Deliver(i, j);
    }
  }

  // Everything comes up, connects, and works for a minute.
  void Heal() {
    for (int round = 0; round < 240 && !Done(); ++round) {
      for (size_t i = 0; i < nodes_.size(); ++i) {
        if (nodes_[i].core == nullptr) {
          Start(i);
        }
        for (size_t j = 0; j < nodes_.size(); ++j) {
          while (Deliver(i, j)) {
          }
          Connect(i, j);
        }
        FinishWrite(i, true);
      }
      Advance(Duration::Millis(250));
    }
  }

  bool Done() const {
    for (const Node& node : nodes_) {
      if (node.disk.cluster_id.empty()) {
        return false;
      }
    }
    return ClusterIds().size() == 1;
  }

  // Of every initialised disk, running or not.
  std::set<std::string> ClusterIds() const {
    std::set<std::string> ids;
    for (const Node& node : nodes_) {
      if (!node.disk.cluster_id.empty()) {
        ids.insert(node.disk.cluster_id);
      }
    }
    return ids;
  }

  std::string Describe() const {
    std::string text;
    for (const Node& node : nodes_) {
      text += "\n  " + node.uid + " cluster=" + node.disk.cluster_id;
      if (node.disk.proposal.has_value()) {
        text += " holds " + node.disk.proposal->cluster_id + " round " + std::to_string(node.disk.proposal->round) +
                " of";
        for (const Founder& f : node.disk.proposal->founders) {
          text += " " + f.uid;
        }
      }
      text += node.core == nullptr ? " (down)" : "; " + node.core->Waiting(now_);
    }
    return text;
  }

  size_t initialised() const {
    size_t n = 0;
    for (const Node& node : nodes_) {
      n += node.disk.cluster_id.empty() ? 0U : 1U;
    }
    return n;
  }

 private:
  struct Frame {
    bool close = false;
    FoundingPeer word;
  };
  struct Node {
    std::string uid;
    FoundingRecord disk;
    std::unique_ptr<Founding> core;
    std::optional<FoundingRecord> writing;
    int lives = 0;
  };
  // One direction of a stream as its receiver sees it.
  struct Link {
    bool open = false;
    std::deque<Frame> frames;
  };

  void Fault(size_t i, size_t j) {
    if (rng_.OneIn(2)) {
      Cut(i, j);
      return;
    }
    if (nodes_[i].core != nullptr) {
      Crash(i);
    }
    if (setup_.wipes && rng_.OneIn(2)) {
      nodes_[i].disk = {};
      nodes_[i].uid.clear();
    }
  }

  Link& LinkTo(size_t from, size_t to) { return links_[from * nodes_.size() + to]; }

  void Start(size_t i) {
    Node& node = nodes_[i];
    if (node.uid.empty()) {
      node.uid = "n" + std::to_string(i) + "#" + std::to_string(++node.lives);
    }
    FoundingConfig config;
    config.uid = node.uid;
    config.node_id = "n" + std::to_string(i);
    config.expect = setup_.expect;
    node.core = std::make_unique<Founding>(now_, config, node.disk, rng_.Next());
    Poll(i);
  }

  // The write under way may have reached the disk, or not; a torn one is none (SQLite).
  void Crash(size_t i) {
    Node& node = nodes_[i];
    if (node.writing.has_value() && rng_.OneIn(2)) {
      node.disk = *node.writing;
    }
    node.writing.reset();
    node.core.reset();
    for (size_t j = 0; j < nodes_.size(); ++j) {
      LinkTo(j, i) = Link();
      Close(LinkTo(i, j));
    }
  }

  // Some of what was under way is lost, always the last part; the receiver notices after the rest.
  void Close(Link& link) {
    if (link.open && (link.frames.empty() || !link.frames.back().close)) {
      link.frames.resize(link.frames.size() - rng_.Below(link.frames.size() + 1));
      link.frames.push_back({true, {}});
    }
  }

  void Cut(size_t i, size_t j) {
    Close(LinkTo(i, j));
    Close(LinkTo(j, i));
  }

  void Connect(size_t i, size_t j) {
    if (i == j || nodes_[i].core == nullptr || nodes_[j].core == nullptr || LinkTo(i, j).open || LinkTo(j, i).open) {
      return;
    }
    LinkTo(i, j) = {true, {}};
    LinkTo(j, i) = {true, {}};
    Announce(i);
    Announce(j);
  }

  // To everyone connected: what is on disk, and whom this node sees.
  void Announce(size_t i) {
    const Node& node = nodes_[i];
    FoundingPeer word;
    word.uid = node.uid;
    word.node_id = node.core->config().node_id;
    word.cluster_id = node.core->durable().cluster_id;
    word.proposal = node.core->durable().proposal;
    word.expect = setup_.expect;
    for (size_t j = 0; j < nodes_.size(); ++j) {
      if (LinkTo(j, i).open) {
        word.sees.push_back(nodes_[j].uid);
      }
    }
    for (size_t j = 0; j < nodes_.size(); ++j) {
      Link& link = LinkTo(i, j);
      if (link.open && (link.frames.empty() || !link.frames.back().close)) {
        link.frames.push_back({false, word});
      }
    }
  }

  bool Deliver(size_t from, size_t to) {
    Link& link = LinkTo(from, to);
    if (!link.open || link.frames.empty() || nodes_[to].core == nullptr) {
      return false;
    }
    const Frame frame = std::move(link.frames.front());
    link.frames.pop_front();
    if (frame.close) {
      link.open = false;
      nodes_[to].core->OnPeerGone(now_, last_uid_[{from, to}]);
      Announce(to);
    } else {
      last_uid_[{from, to}] = frame.word.uid;
      nodes_[to].core->OnPeer(now_, frame.word);
    }
    Poll(to);
    return true;
  }

  void Poll(size_t i) {
    Node& node = nodes_[i];
    if (auto record = node.core->Step(now_)) {
      node.writing = std::move(record);
    }
  }

  void FinishWrite(size_t i, bool ok) {
    Node& node = nodes_[i];
    if (node.core == nullptr || !node.writing.has_value()) {
      return;
    }
    if (ok || rng_.OneIn(2)) {
      node.disk = *node.writing;  // also a write that reported an error may be there
    }
    node.writing.reset();
    node.core->OnPersisted(now_, ok);
    if (ok) {
      Announce(i);
    }
    Poll(i);
  }

  void Advance(Duration d) {
    now_ = now_ + d;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].core != nullptr) {
        Poll(i);
      }
    }
  }

  const Setup setup_;
  Rng rng_;
  const uint64_t calm_;  // one step in so many is a fault
  Instant now_ = Instant::FromMicros(1'000'000);
  std::vector<Node> nodes_;
  std::vector<Link> links_;
  std::map<std::pair<size_t, size_t>, std::string> last_uid_;
};

}  // namespace aurora::roster
