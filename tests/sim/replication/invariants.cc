// World: what must hold after every step, and what must hold once everything is up and quiet.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "tests/sim/replication/world.h"

namespace aurora::repsim {

std::vector<std::pair<replication::Dot, const Truth*>> World::SeenBy(const RowRef& ref,
                                                                     const replication::Row& row) const {
  std::vector<std::pair<replication::Dot, const Truth*>> out;
  const auto it = by_row_.find(ref);
  if (it != by_row_.end()) {
    for (const replication::Dot& dot : it->second) {
      if (row.version.Covers(dot)) {
        out.push_back({dot, &writes_.at(dot)});
      }
    }
  }
  return out;
}

// I3: nothing that was ended or disabled works, and no limit is looser than that of any sibling.
void World::CheckKey(Node& n, const RowRef& ref, const Loaded& row) {
  if (ref.kind != "Key" || !row.value.has_value()) {
    return;
  }
  const bool active = row.value->back() == '+';
  const auto seen = SeenBy(ref, row.row);
  for (const auto& [dot, w] : seen) {
    if (!w->acked) {
      continue;  // it may never have been: later counters of its origin cover its dot all the same
    }
    Need(!active || (w->op != "deactivate" && w->op != "delete"), "I3",
         n.node_id + " " + Describe(ref) + " works although it was ended");
    if (w->op == "disable" && active) {
      const bool undone = std::any_of(seen.begin(), seen.end(), [&, d = dot](const auto& e) {
        return e.second->op == "enable" && e.second->seen.Covers(d);
      });
      Need(undone, "I3", n.node_id + " " + Describe(ref) + ": a disable was undone by nobody who saw it");
    }
  }
  const int limit = std::atoi(row.value->c_str());
  for (const auto& s : row.row.siblings) {
    int schema = 0, own = 0;
    std::sscanf(s.spec.c_str(), "%d|%d|", &schema, &own);
    Need(row.parked || own == 0 || (limit != 0 && limit <= own), "I3", Describe(ref) + ": a limit was loosened");
  }
}

void World::CheckRows(Node& n) {
  for (const auto& [ref, row] : *n.view) {
    for (const auto& s : row.row.siblings) {
      const auto it = writes_.find(s.dot);
      const bool same = it != writes_.end() && it->second.sibling.has_value() && *it->second.sibling == s;
      Need(same, "I5", n.node_id + " " + Describe(ref) + ": a dot has another value than was written");
    }
    Need(row.row.siblings.size() <= nodes_.size() + static_cast<size_t>(faults_), "I9", "siblings without bound");
    CheckKey(n, ref, row);
  }
  std::map<std::string, size_t> waiting;
  for (const auto& op : n.ops) {
    if (const auto* commit = std::get_if<replication::Commit>(&op); commit != nullptr) {
      ++waiting[commit->uid];
    }
  }
  for (const auto& [uid, count] : waiting) {
    Need(count <= 2 * 2 * config_.window * 8, "I9", "commits of one peer without bound");
  }
}

// I6: what an admitting data plane has loaded never shrinks.
void World::CheckFloor(Node& n) {
  if (!n.dp_up || !n.admitting) {
    return;
  }
  for (const Loop& loop : n.loops) {
    for (const auto& [ref, version] : n.floor) {
      const auto it = loop.view->find(ref);
      Need(it != loop.view->end() && version.LessOrEqual(it->second.row.version), "I6",
           n.node_id + " " + Describe(ref) + " enforces less than before");
    }
  }
  if (n.tainted || n.frozen) {
    return;
  }
  const Loop& low = n.loops[0].seq <= n.loops[1].seq ? n.loops[0] : n.loops[1];
  for (const auto& [ref, row] : *low.view) {
    n.floor[ref] = row.row.version;
  }
}

// I12: a file that is open is not replaced by us, and one that somebody replaced takes nothing more.
void World::CheckFile(Node& n) {
  Need(n.newcomer.has_value() || InodeOf(n.path()) == n.inode, "I12",
       n.node_id + " has another file under the name of the one that it has open");
  Need(!n.took_in_vain, "I12", n.node_id + " took a peer's rows into a file that nobody finds");
}

// W: who is said to enforce a write does.
void World::CheckWaits() {
  for (size_t i = 0; i < waits_.size();) {
    Wait& w = waits_[i];
    Node& n = node(w.node);
    const auto row = n.view->find(w.row);
    bool done = n.down() || n.boot != w.boot || row == n.view->end();
    if (!done) {
      const bool old = mutant_ == Mutant::kWaitOnOldSeq;
      auto report = n.core->Report(w.row, old ? w.seq : row->second.seq, old ? w.urgent : row->second.row.Urgent(),
                                   row->second.parked, w.waiter);
      MutateReport(n, report);
      if (report.complete()) {
        promises_.push_back({w.row, w.dot});
        done = true;
      }
    }
    if (done) {
      waits_.erase(waits_.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  for (const auto& [ref, dot] : promises_) {
    for (const auto& n : nodes_) {
      if (!n->dp_up || !n->admitting || n->tainted) {
        continue;
      }
      for (const Loop& loop : n->loops) {
        const auto it = loop.view->find(ref);
        Need(it != loop.view->end() && it->second.row.version.Covers(dot), "W",
             "said to be enforced everywhere, but " + n->node_id + " admits without " + writes_.at(dot).op + " of " +
                 Describe(ref));
      }
    }
  }
}

void World::Check() {
  for (const auto& n : nodes_) {
    if (!n->down()) {
      CheckRows(*n);
      CheckFloor(*n);
      CheckFile(*n);
    }
  }
  CheckWaits();
}

// Everything up, no loss, and any connected topology, often not a complete one.
void World::Quiesce() {
  calm_ = true;
  for (const auto& n : nodes_) {
    n->vfs->SetDiskFull(false);
    n->vfs->SetFailSyncs(false);
    n->vfs->CutPowerAfter(0);
    if (n->down() || !n->guard.refusal().ok()) {
      CutAll(n->addr);
      n->core.reset();
      n->writer.reset();
      StartNode(n->addr);
    }
    Mend(n->addr);
    CutAll(n->addr);
  }
  net_.clear();
  const std::vector<int> up = UpNodes();
  std::vector<int> order = up;
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[rng_.Below(i)]);
  }
  std::set<std::pair<int, int>> pairs;
  for (size_t i = 1; i < order.size(); ++i) {
    pairs.insert(std::minmax(order[i], order[rng_.Below(i)]));
  }
  if (rng_.OneIn(2)) {
    for (const int x : up) {
      for (const int y : up) {
        if (x < y) {
          pairs.insert({x, y});
        }
      }
    }
  }
  blocked_.clear();
  for (const auto& [x, y] : pairs) {
    node(x).members[node(y).uid] = node(y).node_id;
    Connect(x, y);
  }
  if (rng_.OneIn(2)) {
    for (const auto& n : nodes_) {  // parked rows get their value at the next opening
      n->schema = 2;
      RestartControl(n->addr, true);
    }
    for (const auto& [x, y] : pairs) {
      Connect(x, y);
    }
  }
  // Anti-entropy asks one peer at a time; what it has to bring takes some rounds.
  const int quiet = any_damage_ ? 100 : 8;
  int idle = 0;
  for (int round = 0; round < 600 && idle <= quiet && failure_.empty(); ++round) {
    size_t rows = 0;
    while (!net_.empty() && failure_.empty()) {
      rows += std::holds_alternative<replication::Rows>(net_.front().frame) ? 1U : 0U;
      Deliver(0);
    }
    t_ms_ += 60;
    now_ = now_ + Duration::Millis(60);
    for (const int a : up) {
      Tick(a);
    }
    for (const int a : up) {
      if (!node(a).guard.refusal().ok()) {  // found at last
        ++tally_.found;
        StartWiped(a);
        for (const auto& [x, y] : pairs) {
          if (x == a || y == a) {
            Connect(x, y);
          }
        }
      }
    }
    rows += static_cast<size_t>(std::count_if(net_.begin(), net_.end(), [](const Message& m) {
      return std::holds_alternative<replication::Rows>(m.frame);
    }));
    Check();
    idle = rows > 0 ? 0 : idle + 1;
  }
  Need(idle > quiet, "T", "rows are sent without end");
  if (failure_.empty()) {
    CheckQuiet(up);
  }
}

void World::CheckQuiet(const std::vector<int>& up) {
  const View& first = *node(up[0]).view;
  for (const int a : up) {
    Node& n = node(a);
    Need(n.view->size() == first.size(), "I1", n.node_id + " has another number of rows");
    Need(n.writer->digests() == node(up[0]).writer->digests() || mutant_ == Mutant::kTombstonesCollected, "I1",
         n.node_id + " has other digests");
    for (const auto& [ref, row] : first) {
      const auto it = n.view->find(ref);
      Need(it != n.view->end() && it->second.row == row.row, "I1", n.node_id + " differs in " + Describe(ref));
    }
  }
  for (const auto& [dot, w] : writes_) {
    if (!w.acked || lost_.contains(dot) || !failure_.empty()) {
      continue;
    }
    const auto it = first.find(w.row);
    if (it == first.end() || !it->second.row.version.Covers(dot)) {
      Need(mutant_ == Mutant::kTombstonesCollected && it == first.end(), "I4",
           "an acknowledged " + w.op + " of " + Describe(w.row) + " is lost");
      continue;
    }
    const auto& siblings = it->second.row.siblings;
    if (w.op == "delete") {
      for (const auto& s : siblings) {
        Need(s.deleted || !w.seen.Covers(s.dot), "I7", Describe(w.row) + ": what a delete had seen is back");
      }
      Need(w.row.kind != "Key" || !it->second.value.has_value() || it->second.value->back() == '-', "I7",
           "a deleted key works");
    }
    const auto is_it = [&, d = dot](const auto& s) { return s.dot == d; };
    const bool there = std::any_of(siblings.begin(), siblings.end(), is_it);
    if (w.sibling.has_value() && !there) {
      const auto seen = SeenBy(w.row, it->second.row);
      const bool replaced = std::any_of(seen.begin(), seen.end(), [&, d = dot](const auto& x) {
        return x.second->sibling.has_value() && x.second->seen.Covers(d);
      });
      Need(replaced, "I4", "an acknowledged " + w.op + " of " + Describe(w.row) + " was dropped by nobody who saw it");
    }
  }
}

}  // namespace aurora::repsim
