// Rig: Replicators with a feed in memory, frames delivered at once and in order, and every way to hold some back.
// Source: ours. A row is "version" or "version!" (with facts); merging takes the larger, facts stay. Thread: one.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/replication/replicator.h"

namespace aurora::replication::testing {

inline std::string Uid(int n) {
  std::string uid(kUidSize, '0');
  uid.back() = static_cast<char>('a' + n);
  return uid;
}

class Rig {
 public:
  struct Node {
    std::string uid;
    std::unique_ptr<Replicator> core;
    uint64_t epoch = 0;
    std::map<std::string, std::pair<uint64_t, std::string>> rows;  // id -> (seq, value)
    std::vector<FeedEpoch> history;
    std::map<std::pair<uint64_t, Lane>, uint64_t> cursors;
    uint64_t head = 0;
    uint64_t settled = 0;
    std::vector<Event> events;
    std::vector<std::pair<std::string, CloseReason>> closed;
    std::vector<Commit> held;  // while hold_commits
    bool hold_commits = false;
    absl::Status fail_commits;
    bool auto_apply = true;
    bool mute = false;  // its frames are lost
    size_t learned = 0;
    std::vector<std::pair<std::string, Frame>> sent;
  };

  explicit Rig(int n, Config config = {}) : config_(config) {
    for (int i = 0; i < n; ++i) {
      nodes_.push_back(std::make_unique<Node>());
      nodes_.back()->uid = Uid(i);
    }
    for (int i = 0; i < n; ++i) {
      Start(i);
    }
  }

  Node& node(int i) { return *nodes_[static_cast<size_t>(i)]; }
  Replicator& core(int i) { return *node(i).core; }
  Instant now() const { return now_; }

  // The control plane starts (again), on the disk as it is.
  void Start(int i, bool restored = false, bool know_all = true) {
    Node& n = node(i);
    n.epoch = next_epoch_++;
    n.history.push_back({n.epoch, n.head});
    StartState start;
    start.cluster_id = "c";
    start.uid = n.uid;
    start.node_id = "n" + std::to_string(i);
    start.history = n.history;
    start.restored = restored;
    start.settled_epoch = n.settled;
    n.core = std::make_unique<Replicator>(now_, config_, start, 7 + n.epoch);
    std::erase_if(up_, [&](const auto& pair) { return pair.first == i || pair.second == i; });
    if (know_all) {
      std::vector<Member> members;
      for (size_t k = 0; k < nodes_.size(); ++k) {
        members.push_back({Uid(static_cast<int>(k)), "n" + std::to_string(k)});
      }
      Do(i, [&](Outbox& out) { n.core->SetMembers(now_, members, {}, out); });
    }
    Apply(i);
  }

  template <class F>
  void Do(int i, F&& f) {
    Outbox out;
    f(out);
    Carry(i, out);
  }

  void Write(int i, const std::string& id, const std::string& value) {
    Node& n = node(i);
    n.rows[id] = {++n.head, value};
    n.history.back().last_seq = n.head;
    Do(i, [&](Outbox& out) { n.core->OnHead(now_, n.head, out); });
    if (n.auto_apply) {
      Apply(i);
    }
  }

  void Apply(int i) {
    Node& n = node(i);
    Do(i, [&](Outbox& out) { n.core->OnApplied(now_, {n.epoch, n.head, true}, out); });
  }

  void Link(int a, int b) {
    up_.push_back({a, b});
    up_.push_back({b, a});
    const Hello to_b = core(a).MakeHello();
    const Hello to_a = core(b).MakeHello();
    Do(a, [&](Outbox& out) { core(a).PeerUp(now_, to_a, out); });
    Do(b, [&](Outbox& out) { core(b).PeerUp(now_, to_b, out); });
  }

  void Cut(int a, int b) {
    std::erase_if(up_, [&](const auto& p) { return p == std::pair(a, b) || p == std::pair(b, a); });
    Do(a, [&](Outbox& out) { core(a).PeerDown(now_, Uid(b), out); });
    Do(b, [&](Outbox& out) { core(b).PeerDown(now_, Uid(a), out); });
  }

  // Delivers everything, and time goes on by `d` in steps at the deadlines.
  void Run(Duration d) {
    const Instant end = now_ + d;
    while (true) {
      Deliver();
      Instant next = end;
      for (const auto& n : nodes_) {
        next = std::min(next, std::max(n->core->NextDeadline(), now_ + Duration::Micros(1)));
      }
      now_ = next;
      for (size_t i = 0; i < nodes_.size(); ++i) {
        Do(static_cast<int>(i), [&](Outbox& out) { nodes_[i]->core->Tick(now_, out); });
      }
      Deliver();
      if (now_ >= end) {
        return;
      }
    }
  }

  void Deliver() {
    while (!net_.empty()) {
      Flight flight = std::move(net_.front());
      net_.pop_front();
      if (IsUp(flight.from, flight.to) && !node(flight.from).mute) {
        Do(flight.to,
           [&](Outbox& out) { core(flight.to).Receive(now_, Uid(flight.from), std::move(flight.frame), out); });
      }
    }
  }

  // Answers the commits that were held back.
  void Release(int i) {
    std::vector<Commit> held = std::move(node(i).held);
    node(i).held.clear();
    for (Commit& commit : held) {
      DoCommit(i, std::move(commit));
    }
  }

  WaitReport Report(int i, const std::string& id, Waiter& waiter) {
    const auto& [seq, value] = node(i).rows[id];
    return core(i).Report({"Alias", id}, seq, value.back() == '!', false, waiter);
  }

  template <class F>
  size_t Sent(int i) const {
    size_t count = 0;
    for (const auto& [to, frame] : nodes_[static_cast<size_t>(i)]->sent) {
      count += std::holds_alternative<F>(frame) ? 1U : 0U;
    }
    return count;
  }

 private:
  struct Flight {
    int from;
    int to;
    Frame frame;
  };

  bool IsUp(int a, int b) const { return std::find(up_.begin(), up_.end(), std::pair(a, b)) != up_.end(); }

  void Carry(int i, Outbox& out) {
    Node& n = node(i);
    n.events.insert(n.events.end(), out.events.begin(), out.events.end());
    n.learned += out.members_learned.size();
    if (out.settled) {
      n.settled = n.epoch;
    }
    for (OpenFeed& open : out.feed_opens) {
      Open(i, open);
    }
    for (Commit& commit : out.commits) {
      if (n.hold_commits) {
        n.held.push_back(std::move(commit));
      } else {
        DoCommit(i, std::move(commit));
      }
    }
    for (Send& send : out.sends) {
      n.sent.push_back({send.uid, send.frame});
      net_.push_back({i, send.uid.back() - 'a', std::move(send.frame)});
    }
    for (const ReadFeed& read : out.feed_reads) {
      Feed(i, read);
    }
    for (const ReadDigest& read : out.digest_reads) {
      Digests(i, read);
    }
    for (const ReadRows& read : out.row_reads) {
      std::vector<WireRow> rows;
      for (const RowRef& ref : read.rows) {
        if (n.rows.contains(ref.id)) {
          rows.push_back({ref.kind, ref.id, n.rows[ref.id].second});
        }
      }
      Do(i, [&](Outbox& more) { n.core->OnRows(now_, read.token, rows, more); });
    }
    for (const Close& close : out.closes) {
      n.closed.push_back({close.uid, close.reason});
    }
  }

  void Open(int i, const OpenFeed& open) {
    Node& n = node(i);
    FeedOpened opened;
    opened.head = n.head;
    for (const Lane lane : kAllLanes) {
      for (const FeedEpoch& e : open.history) {
        const uint64_t kept = n.cursors[{e.epoch, lane}];
        opened.seq[lane] = std::max(opened.seq[lane], std::min(kept, e.last_seq));
        if (kept > e.last_seq) {
          opened.rolled_back_epoch = e.epoch;
        }
      }
      n.cursors[{open.history.back().epoch, lane}] = opened.seq[lane];
    }
    Do(i, [&](Outbox& out) { n.core->OnFeedOpened(now_, open.token, opened, out); });
  }

  void DoCommit(int i, Commit commit) {
    Node& n = node(i);
    CommitResult result;
    result.status = n.fail_commits;
    if (result.status.ok()) {
      for (const WireRow& row : commit.rows) {
        auto& [seq, value] = n.rows[row.id];
        const std::string merged = std::max(Number(value), Number(row.row)) +
                                   (value.find('!') != std::string::npos || row.row.back() == '!' ? "!" : "");
        if (merged != value) {
          value = merged;
          seq = ++n.head;
          ++result.changed;
        }
      }
      n.history.back().last_seq = n.head;
      result.head = n.head;
      if (commit.range.has_value()) {
        uint64_t& cursor = n.cursors[{commit.range->epoch, commit.range->lane}];
        if (commit.range->from_seq <= cursor && cursor < commit.range->to_seq) {
          cursor = commit.range->to_seq;
        }
        result.cursor = cursor;
      }
    }
    Do(i, [&](Outbox& out) { n.core->Committed(now_, commit.token, std::move(result), out); });
    if (n.auto_apply) {
      Apply(i);
    }
  }

  static std::string Number(const std::string& value) { return value.substr(0, value.find('!')); }

  void Feed(int i, const ReadFeed& read) {
    Node& n = node(i);
    std::map<uint64_t, WireRow> found;
    for (const auto& [id, row] : n.rows) {
      if (row.first > read.after_seq && (read.lane == Lane::kBulk || row.second.back() == '!')) {
        found[row.first] = {"Alias", id, row.second};
      }
    }
    FeedBatch batch;
    batch.to_seq = n.head;
    batch.done = true;
    for (auto& [seq, row] : found) {
      if (batch.rows.size() == read.max_rows) {
        batch.done = false;
        break;
      }
      batch.rows.push_back(std::move(row));
      batch.to_seq = batch.rows.size() == read.max_rows ? seq : n.head;
    }
    Do(i, [&](Outbox& out) { n.core->OnFeed(now_, read.token, std::move(batch), out); });
  }

  void Digests(int i, const ReadDigest& read) {
    Node& n = node(i);
    std::map<std::string, DigestEntry> entries;
    for (const auto& [id, row] : n.rows) {
      const uint64_t hash = std::hash<std::string>{}(id + "=" + row.second);
      const std::string bucket = std::to_string(1000 + std::hash<std::string>{}(id) % kDigestBuckets).substr(1);
      if (read.level == DigestLevel::kRows && std::stoul(bucket) != read.bucket) {
        continue;
      }
      const bool rows = read.level == DigestLevel::kRows;
      const std::string key = read.level == DigestLevel::kKinds ? "Alias" : rows ? id : bucket;
      DigestEntry& entry = entries[key];
      entry.key = key;
      ++entry.count;
      entry.hash[0] += hash;
    }
    std::vector<DigestEntry> list;
    for (auto& [key, entry] : entries) {
      list.push_back(std::move(entry));
    }
    Do(i, [&](Outbox& out) { n.core->OnDigest(now_, read.token, std::move(list), out); });
  }

  const Config config_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::pair<int, int>> up_;
  std::deque<Flight> net_;
  Instant now_ = Instant::FromMicros(1'000'000);
  uint64_t next_epoch_ = 100;
};

}  // namespace aurora::replication::testing
