// World, what hand-written scenarios and answers need: one step at a time, and wrong rules that live in reports.
#include <algorithm>

#include "shared/base/check.h"
#include "tests/sim/replication/world.h"

namespace aurora::repsim {

void World::Link(int a, int b) {
  Connect(a, b);
  for (int round = 0; round < 3; ++round) {
    while (!net_.empty() && !std::holds_alternative<replication::Rows>(net_.front().frame)) {
      Deliver(0);
    }
    RunOps(a, 100);
    RunOps(b, 100);
  }
}

void World::SwapOne(int a, size_t loop) {
  Swap(a, loop);
  now_ = now_ + Duration::Millis(10);
  Call(a, [&](replication::Outbox& out) { node(a).core->OnApplied(now_, node(a).Applied(), out); });
  Call(a, [&](replication::Outbox& out) { node(a).core->Tick(now_, out); });
}

void World::RestoreNode(int a, const DiskCopy& copy) {
  node(a).core.reset();
  Restore(a, copy, true);
  StartNode(a);
}

bool World::Restart(int a) {
  RestartControl(a, true);
  return Up(a);
}

void World::StartWiped(int a) {
  CutAll(a);
  node(a).core.reset();
  Wipe(a);
  StartNode(a);
}

bool World::Refuses(int a) {
  return !Operate(a, {"Alias", "refused"}, "put");
}

size_t World::Waiting(int a, int b, std::optional<Lane> lane) const {
  return static_cast<size_t>(std::count_if(net_.begin(), net_.end(), [&](const Message& m) {
    const auto* rows = std::get_if<replication::Rows>(&m.frame);
    return m.from == a && m.to == b && rows != nullptr && rows->lane == lane;
  }));
}

void World::Flow(int a, int b, bool revoke, bool bulk) {
  for (size_t i = 0; i < net_.size();) {
    const auto* rows = std::get_if<replication::Rows>(&net_[i].frame);
    const bool wanted = rows == nullptr || (rows->lane == Lane::kRevoke ? revoke : bulk);
    if (net_[i].from == a && net_[i].to == b && wanted) {
      Deliver(i);
      i = 0;
    } else {
      ++i;
    }
  }
  RunOps(b, 100);
  for (const int x : {b, a}) {
    SwapOne(x, 0);
    SwapOne(x, 1);
    node(x).admitting = node(x).admitting || node(x).core->may_admit();
  }
  for (size_t i = 0; i < net_.size();) {
    if (net_[i].from == b && net_[i].to == a && std::holds_alternative<replication::Ack>(net_[i].frame)) {
      Deliver(i);
      i = 0;
    } else {
      ++i;
    }
  }
}

replication::Dot World::Write(int a, const RowRef& row, const std::string& op) {
  AURORA_CHECK(Operate(a, row, op));
  return by_row_[row].back();
}

replication::WaitReport World::Report(int a, const RowRef& row, std::optional<uint64_t> old_seq) {
  Node& n = node(a);
  const Loaded& now = n.view->at(row);
  replication::Waiter waiter;
  const uint64_t seq = mutant_ == Mutant::kWaitOnOldSeq && old_seq.has_value() ? *old_seq : now.seq;
  auto report = n.core->Report(row, seq, now.row.Urgent(), now.parked, waiter);
  MutateReport(n, report);
  return report;
}

// Wrong rules that live in answers.
void World::MutateReport(const Node& n, replication::WaitReport& report) const {
  if (mutant_ == Mutant::kUnreachableDone) {
    report.unreachable.clear();
  }
  if (mutant_ == Mutant::kNotServingEarly) {
    const auto peers = n.core->Peers(now_);
    std::erase_if(report.pending, [&](const replication::Member& m) {
      const auto down = [&](const auto& p) { return p.member.uid == m.uid && !p.serving; };
      return std::any_of(peers.begin(), peers.end(), down);
    });
  }
}

void World::DeliverFirstRows(int a, int b) {
  for (size_t i = 0; i < net_.size(); ++i) {
    if (net_[i].from == a && net_[i].to == b && std::holds_alternative<replication::Rows>(net_[i].frame)) {
      Deliver(i);
      return;
    }
  }
}

void World::StopDataPlane(int a) {
  node(a).StopDataPlane();
  Call(a, [&](replication::Outbox& out) { node(a).core->OnApplied(now_, node(a).Applied(), out); });
}

}  // namespace aurora::repsim
