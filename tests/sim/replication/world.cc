#include "tests/sim/replication/world.h"

#include <algorithm>

#include "shared/base/check.h"
#include "shared/base/status.h"

namespace aurora::repsim {
namespace {

using replication::Frame;

const std::vector<RowRef>& Keys() {
  static const std::vector<RowRef> keys = {
      {"Key", "k0"}, {"Key", "k1"}, {"Key", "k2"}, {"Alias", "a0"}, {"Alias", "a1"}};
  return keys;
}

constexpr int64_t kDayMs = 86'400'000;

replication::Config SimConfig(uint64_t seed) {
  replication::Config config;
  config.batch_rows = 4;
  config.keepalive = Duration::Millis(300);
  config.rewind_after = Duration::Millis(400);
  config.resend_min = Duration::Millis(60);
  config.resend_max = Duration::Millis(200);
  config.silence = Duration::Seconds(3600);
  // Anti-entropy would mend what a wrong rule breaks: only some seeds have it.
  config.anti_entropy = seed % 5 == 4 ? Duration::Millis(700) : Duration::Seconds(36'000);
  config.admit_stale = false;
  config.marks_max = 8;
  return config;
}

}  // namespace

World::World(uint64_t seed, Mutant mutant, int nodes)
    : seed_(seed), mutant_(mutant), rng_(seed * 2 + 1), config_(SimConfig(seed)), bias_(seed % 4), manual_(nodes > 0) {
  const int n = nodes > 0 ? nodes : 2 + static_cast<int>(rng_.Below(4));
  parking_ = !manual_ && rng_.OneIn(3);
  // A place in a peer's feed has no sum: what a changed one skips, anti-entropy brings.
  damages_ = !manual_ && seed % 5 == 4;
  if (!manual_ && rng_.OneIn(3)) {
    slow_.insert(static_cast<int>(rng_.Below(static_cast<uint64_t>(n))));
  }
  std::vector<int> all;
  for (int i = 0; i < n; ++i) {
    all.push_back(i);
  }
  for (int i = 0; i < n; ++i) {
    AddNode(all);
  }
}

Tally World::tally() const {
  Tally t = tally_;
  t.promises = promises_.size();
  for (const auto& n : nodes_) {
    t.lost_pages += n->vfs->lost_writes();
    t.commits += n->commits;
  }
  return t;
}

void World::Need(bool ok, const std::string& invariant, const std::string& text) {
  if (!ok && failure_.empty()) {
    failure_ = invariant + ": " + text;
  }
}

uint64_t World::Wall(int a) const {
  const auto it = skew_.find(a);
  return static_cast<uint64_t>(t_ms_ + (it == skew_.end() ? 0 : it->second));
}

std::vector<int> World::UpNodes() const {
  std::vector<int> up;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (!nodes_[i]->down()) {
      up.push_back(static_cast<int>(i));
    }
  }
  return up;
}

int World::IndexOf(std::string_view uid) const {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i]->uid == uid) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

int World::AddNode(const std::vector<int>& seeds, const DiskCopy* clone) {
  const int addr = static_cast<int>(nodes_.size());
  auto n = std::make_unique<Node>();
  n->addr = addr;
  n->uid = std::string(31, '0') + static_cast<char>('a' + addr);
  n->node_id = "n" + std::to_string(addr);
  n->dir = dir_.path() + "/" + std::to_string(addr);
  std::filesystem::create_directory(n->dir);
  n->mutant = mutant_;
  n->schema = manual_ ? 1 : 1 + static_cast<int>(rng_.Below(2));
  n->vfs = NewVfs();
  if (clone != nullptr) {
    n->Replace(*clone, n->uid, false);
    n->tainted = true;
  }
  for (const int s : seeds) {
    n->members[std::string(31, '0') + static_cast<char>('a' + s)] = "n" + std::to_string(s);
  }
  nodes_.push_back(std::move(n));
  StartNode(addr);
  return addr;
}

// ---- Processes ----

// The node starts: control plane and data plane.
void World::StartNode(int a) {
  Node& n = node(a);
  n.frozen = n.admitting = n.was_caught_up = false;
  n.synced.clear();
  n.old_loops.clear();
  if (!OpenDisk(a)) {
    n.StopDataPlane();
    return;
  }
  n.frozen = false;
  n.StartDataPlane();
  ++n.boot;
  n.max_wall = Wall(a);
  Call(a, [&](replication::Outbox& out) { n.StartCore(now_, config_, false, rng_.Next(), out); });
}

// The control plane alone starts again; `same_start`: the data plane ran on and admits as before.
void World::RestartControl(int a, bool same_start) {
  Node& n = node(a);
  CutAll(a);
  bool caught_up = same_start && n.core != nullptr && n.core->caught_up();
  n.core.reset();
  n.writer.reset();
  n.ops.clear();
  const int life = n.life;
  if (!OpenDisk(a)) {
    return;
  }
  if (n.life != life) {  // another file: the data plane keeps what it has, and nothing is known of the members
    n.frozen = n.dp_up;
    caught_up = false;
  }
  ++n.boot;
  n.max_wall = Wall(a);
  n.was_caught_up = caught_up;
  n.synced.clear();
  Call(a, [&](replication::Outbox& out) { n.StartCore(now_, config_, caught_up, rng_.Next(), out); });
}

void World::PowerOff(int a) {
  Node& n = node(a);
  if (n.vfs->off()) {
    ++tally_.power_cuts;
  } else {
    n.vfs->CutPowerAfter(1);
    (void)n.writer->db().Execute("UPDATE meta SET value = value");  // the write that does not come through
  }
  CutAll(a);
  n.core.reset();
  n.writer.reset();
  n.ops.clear();
  n.StopDataPlane();
  n.vfs->Restore(rng_.Next());
}

// ---- Network ----

void World::Post(int a, int b, Frame frame) {
  const auto it = streams_.find(std::minmax(a, b));
  const bool handshake = std::holds_alternative<replication::Hello>(frame) ||
                         std::holds_alternative<replication::Cursor>(frame);
  if (it == streams_.end() || blocked_.contains({a, b})) {
    return;
  }
  if (!calm_ && !manual_ && !handshake) {
    if (rng_.Below(100) < 12) {
      return;
    }
    if (rng_.Below(100) < 8) {
      net_.push_back({a, b, it->second, frame});
    }
  }
  net_.push_back({a, b, it->second, std::move(frame)});
}

void World::Carry(int a, replication::Outbox& out) {
  Node& n = node(a);
  while (true) {
    replication::Outbox more;
    for (const auto& member : out.members_learned) {
      n.members[member.uid] = member.node_id;
    }
    if (out.settled && n.Usable().ok() && n.writer->Begin().ok()) {
      const bool ok = n.writer->Settle().ok() && n.writer->Commit().ok();
      if (!ok && n.writer->begun()) {
        n.writer->Abandon();
      }
    }
    for (auto& open : out.feed_opens) {
      n.ops.emplace_back(std::move(open));
    }
    for (auto& commit : out.commits) {
      n.ops.emplace_back(std::move(commit));
    }
    for (auto& send : out.sends) {
      const int b = IndexOf(send.uid);
      if (b >= 0) {
        Mutate(a, b, send.frame);
        Post(a, b, std::move(send.frame));
      }
    }
    for (const auto& close : out.closes) {
      Need(false, "T", n.node_id + " closes a stream: " + close.message);
    }
    for (const auto& event : out.events) {
      Need(event.type != "replication_diverged" || mutant_ != Mutant::kNone || any_damage_, "I5", event.text);
    }
    n.AnswerReads(now_, out, more);
    if (more.feed_opens.empty() && more.commits.empty() && more.sends.empty() && more.feed_reads.empty() &&
        more.digest_reads.empty() && more.row_reads.empty() && more.members_learned.empty() && more.closes.empty()) {
      return;
    }
    out = std::move(more);
  }
}

// Wrong rules that live in frames.
void World::Mutate(int a, int b, Frame& frame) {
  if (auto* ack = std::get_if<replication::Ack>(&frame); ack != nullptr) {
    if (mutant_ == Mutant::kAckDurable) {
      for (const Lane lane : replication::kAllLanes) {
        ack->lanes[lane].enforced = static_cast<int64_t>(ack->lanes[lane].durable);
      }
    }
    if (mutant_ == Mutant::kMembersNotLearned) {
      ack->members.clear();
    }
    if (mutant_ == Mutant::kOneIsEnough) {
      ack->caught_up = true;
    }
    if (mutant_ == Mutant::kSenderCursor) {
      for (const Lane lane : replication::kAllLanes) {
        auto& kept = node(b).sender_cursors[{node(a).uid, lane}];
        kept = std::max(kept, ack->lanes[lane].durable);
      }
    }
  }
  if (auto* cursor = std::get_if<replication::Cursor>(&frame); cursor != nullptr) {
    if (mutant_ == Mutant::kOneIsEnough) {
      cursor->rolled_back_epoch = 0;
    }
    if (mutant_ == Mutant::kSenderCursor) {
      for (const Lane lane : replication::kAllLanes) {
        cursor->seq[lane] = std::min(node(b).head, node(b).sender_cursors[{node(a).uid, lane}]);
      }
    }
  }
  if (auto* hello = std::get_if<replication::Hello>(&frame); hello != nullptr && mutant_ == Mutant::kOneIsEnough) {
    hello->caught_up = true;
  }
}

void World::Deliver(size_t i) {
  // Nothing overtakes a Hello of its own stream and direction.
  const auto first = std::find_if(net_.begin(), net_.end(), [&](const Message& m) {
    return m.stream == net_[i].stream && m.from == net_[i].from && std::holds_alternative<replication::Hello>(m.frame);
  });
  if (first != net_.end()) {
    i = static_cast<size_t>(first - net_.begin());
  }
  Message m = std::move(net_[i]);
  net_.erase(net_.begin() + static_cast<std::ptrdiff_t>(i));
  const auto it = streams_.find(std::minmax(m.from, m.to));
  if (it == streams_.end() || it->second != m.stream || !Up(m.to)) {
    return;
  }
  Handle(m.from, m.to, std::move(m.frame));
}

void World::Handle(int a, int b, Frame frame) {
  Node& n = node(b);
  const std::string from = node(a).uid;
  if (mutant_ == Mutant::kCursorBeforeRows) {
    if (const auto* rows = std::get_if<replication::Rows>(&frame); rows != nullptr && rows->lane.has_value()) {
      const replication::FeedRange range{rows->epoch, *rows->lane, rows->from_seq, rows->to_seq};
      if (n.writer->Begin().ok()) {
        (void)n.writer->Merge(std::span<const replication::WireRow>(), from, range, Wall(b));
        (void)n.writer->Commit();
      }
    }
  }
  Call(b, [&](replication::Outbox& out) {
    if (auto* hello = std::get_if<replication::Hello>(&frame); hello != nullptr) {
      n.targets[from] = hello->history.back().last_seq;
      n.core->PeerUp(now_, std::move(*hello), out);
    } else {
      n.core->Receive(now_, from, std::move(frame), out);
    }
  });
  NoteSynced(b);
}

void World::Connect(int a, int b) {
  if (a == b || !Up(a) || !Up(b) || (blocked_.contains({a, b}) && blocked_.contains({b, a}))) {
    return;
  }
  if (!node(a).members.contains(node(b).uid) && !node(b).members.contains(node(a).uid)) {
    return;
  }
  Cut(a, b);
  streams_[std::minmax(a, b)] = next_stream_++;
  for (const auto& [x, y] : {std::pair(a, b), std::pair(b, a)}) {
    Frame hello = node(x).core->MakeHello();
    Mutate(x, y, hello);
    Post(x, y, std::move(hello));
  }
}

void World::Cut(int a, int b) {
  const auto it = streams_.find(std::minmax(a, b));
  if (it == streams_.end()) {
    return;
  }
  std::erase_if(net_, [&](const Message& m) { return m.stream == it->second; });
  streams_.erase(it);
  for (const auto& [x, y] : {std::pair(a, b), std::pair(b, a)}) {
    if (Up(x)) {
      Call(x, [&, x = x, y = y](replication::Outbox& out) { node(x).core->PeerDown(now_, node(y).uid, out); });
      node(x).targets.erase(node(y).uid);
    }
  }
}

void World::CutAll(int a) {
  for (int b = 0; b < static_cast<int>(nodes_.size()); ++b) {
    if (b != a) {
      Cut(a, b);
    }
  }
}

// ---- One node's turn ----

void World::RunOps(int a, size_t at_most) {
  Node& n = node(a);
  bool on = true;
  Call(a, [&](replication::Outbox& out) { on = n.RunOps(now_, Wall(a), at_most, out); });
  if (!on || n.vfs->off()) {
    PowerOff(a);
  }
}

void World::Swap(int a, size_t loop) {
  Node& n = node(a);
  if (n.dp_up && !n.frozen) {
    n.LoadLoop(loop);
  }
}

// Keeps track of who came back from an old disk without anyone noticing: what such a node promises is not held against
// the rules.
void World::NoteSynced(int a) {
  Node& n = node(a);
  if (n.core == nullptr) {
    return;
  }
  for (const auto& peer : n.core->Peers(now_)) {
    const auto target = n.targets.find(peer.member.uid);
    if (peer.cursor[Lane::kBulk] > 0 || peer.synced) {
      if (target != n.targets.end() && peer.cursor[Lane::kBulk] >= target->second && peer.synced) {
        n.synced.insert(peer.member.uid);
      }
    }
  }
  const bool all_tainted = std::all_of(n.synced.begin(), n.synced.end(),
                                       [&](const std::string& uid) { return node(IndexOf(uid)).tainted; });
  const bool everyone = std::all_of(n.members.begin(), n.members.end(), [&](const auto& m) {
    return m.first == n.uid || n.synced.contains(m.first);
  });
  if (n.core->caught_up() && !n.was_caught_up && !n.synced.empty() && all_tainted) {
    n.tainted = true;
  } else if (everyone && !n.synced.empty() && !all_tainted) {
    n.tainted = false;
  }
  n.was_caught_up = n.core->caught_up();
}

void World::Tick(int a) {
  Node& n = node(a);
  if (!slow_.contains(a) || calm_ || rng_.OneIn(5)) {
    RunOps(a, calm_ || manual_ ? 1'000 : 1 + rng_.Below(6));
  }
  if (n.down()) {
    return;
  }
  Swap(a, rng_.Below(n.loops.size()));
  Call(a, [&](replication::Outbox& out) {
    n.core->OnApplied(now_, n.Applied(), out);
    n.core->Tick(now_, out);
  });
  NoteSynced(a);
  if (n.core->may_admit()) {
    n.admitting = true;
  }
}

// ---- Writes ----

std::string World::PickOp(const RowRef& row) {
  static const std::vector<std::string> key = {"create", "create", "edit",   "edit",       "disable",
                                               "enable", "enable", "edit", "deactivate", "delete"};
  static const std::vector<std::string> other = {"put", "put", "put", "delete"};
  const auto& from = row.kind == "Key" ? key : other;
  return from[rng_.Below(from.size())];
}

namespace {

// What the admin API would write; nothing: refused.
std::optional<replication::Write> Edit(const std::string& op, const store::EditContext& c, int schema, int limit,
                                       bool newer) {
  const replication::Row& row = c.current.row;
  const bool deleted = std::any_of(row.siblings.begin(), row.siblings.end(), [](const auto& s) { return s.deleted; });
  const std::string spec = std::to_string(newer ? schema : 1) + "|" + std::to_string(limit) + "|" +
                           std::to_string(c.dot.counter) + "@" + std::to_string(c.dot.origin.epoch);
  replication::Write write;
  if (c.current.kind != "Key") {
    write.deleted = op == "delete";
    write.spec = write.deleted ? "" : spec;
    return write.deleted && row.siblings.empty() ? std::nullopt : std::optional(write);
  }
  if (op == "create") {
    write.spec = spec;
    return row.empty() ? std::optional(write) : std::nullopt;  // an id once seen is not used again [A3]
  }
  if (row.siblings.empty() || deleted) {
    return std::nullopt;
  }
  if (op == "edit") {
    write.spec = spec;
  } else if (op == "disable") {
    const auto it = row.facts.disables.counters.find(c.dot.origin);
    write.facts.disables.counters[c.dot.origin] = it == row.facts.disables.counters.end() ? 1 : it->second + 1;
  } else if (op == "enable") {
    write.facts.undone = row.facts.disables;
  } else {
    write.facts.ended_at = c.hlc;
    write.deleted = op == "delete";
    if (write.deleted) {
      write.spec = "";
    }
  }
  return write;
}

}  // namespace

bool World::Operate(int a, const RowRef& row, const std::string& op) {
  Node& n = node(a);
  std::optional<replication::Dot> dot;
  store::WriteRequest request;
  request.kind = row.kind;
  request.id = row.id;
  const int limit = static_cast<int>(rng_.Below(4)) * 3;
  const bool newer = parking_ && n.schema == 2 && rng_.OneIn(2);
  request.edit = [&](const store::EditContext& c) -> absl::StatusOr<std::optional<replication::Write>> {
    auto write = Edit(op, c, n.schema, limit, newer);
    if (write.has_value()) {
      dot = c.dot;
      Need(!writes_.contains(c.dot), "I5", "a dot names two writes of " + Describe(row));
      Need(last_hlc_[c.dot.origin] < c.hlc, "I8", "the clock of " + n.node_id + " did not rise");
      Need(c.hlc.unix_ms <= n.max_wall + replication::kHlcAheadMs, "I8", n.node_id + " was dragged by a skewed peer");
      last_hlc_[c.dot.origin] = c.hlc;
      Truth truth{row, op, false, c.current.row.version, std::nullopt, c.hlc};
      if (write->spec.has_value()) {
        truth.sibling = replication::Sibling{c.dot, *write->spec, c.hlc, write->deleted};
      }
      writes_[c.dot] = std::move(truth);
      by_row_[row].push_back(c.dot);
    }
    return write;
  };
  if (!n.Usable().ok() || !n.writer->Begin().ok()) {
    if (n.vfs->off()) {
      PowerOff(a);
    }
    return false;
  }
  const auto result = n.writer->Write(request, Wall(a));
  absl::Status status = result.status();
  if (n.writer->failure().ok()) {
    status = n.writer->Commit();
  } else {
    n.writer->Abandon();
  }
  if (n.vfs->off()) {
    PowerOff(a);
    return false;
  }
  n.guard.Note(*n.writer, status);
  status = status.ok() ? n.Usable() : status;
  n.Refresh(false);
  if (!result.ok() || !status.ok() || !dot.has_value()) {
    if (dot.has_value() && !result.ok() && n.writer->failure().ok()) {
      writes_.erase(*dot);  // refused after the edit: the dot was not used
      by_row_[row].pop_back();
    }
    return false;
  }
  Need(!n.newcomer.has_value(), "I12", n.node_id + " acknowledged a write into a file that nobody finds");
  writes_[*dot].acked = true;
  ++tally_.writes;
  n.merged.erase(row);
  const auto now = n.view->find(row);
  if (now == n.view->end() || !now->second.row.version.Covers(*dot)) {
    Need(!n.guard.refusal().ok(), "I4", n.node_id + " does not find what it has just written");
    return true;
  }
  waits_.push_back({a, n.boot, row, *dot, now->second.seq, now->second.row.Urgent(), {}});
  Call(a, [&](replication::Outbox& out) { n.core->OnHead(now_, n.head, out); });
  return true;
}

// ---- Random steps ----

void World::Step() {
  ++tally_.steps;
  const int64_t dt = 1 + static_cast<int64_t>(rng_.Below(40));
  t_ms_ += dt;
  now_ = now_ + Duration::Millis(dt);
  const std::vector<int> up = UpNodes();
  if (up.empty()) {
    StartNode(static_cast<int>(rng_.Below(nodes_.size())));
    return;
  }
  const int a = up[rng_.Below(up.size())];
  const double x = static_cast<double>(rng_.Below(100'000)) / 100'000;
  if (FaultOfDisk(a)) {
    // That was it.
  } else if (bias_ == 1 && rng_.Below(100) < 15) {
    Node& n = node(a);
    if (!n.frozen) {
      n.dp_up ? n.StopDataPlane() : n.StartDataPlane();
      Call(a, [&](replication::Outbox& out) { n.core->OnApplied(now_, n.Applied(), out); });
    }
  } else if (bias_ == 2 && rng_.Below(100) < 2 && nodes_.size() < 6) {
    ++faults_;
    AddNode({a});
  } else if (bias_ == 3 && rng_.Below(100) < 20) {
    static const std::vector<std::string> ops = {"create", "disable", "enable", "edit", "edit"};
    Operate(a, Keys()[0], ops[rng_.Below(ops.size())]);
  } else if (x < .22) {
    const RowRef& row = Keys()[rng_.Below(Keys().size())];
    Operate(a, row, PickOp(row));
  } else if (x < .55) {
    for (uint64_t i = 1 + rng_.Below(6); i > 0 && !net_.empty(); --i) {
      Deliver(rng_.Below(net_.size()));
    }
  } else if (x < .78) {
    Tick(a);
  } else if (x < .87) {
    Connect(a, static_cast<int>(rng_.Below(nodes_.size())));
  } else {
    Fault(x, a);
  }
  for (const int i : UpNodes()) {
    node(i).max_wall = std::max(node(i).max_wall, Wall(i));
  }
  Check();
}

void World::Fault(double x, int a) {
  Node& n = node(a);
  if (x < .90) {
    const int b = static_cast<int>(rng_.Below(nodes_.size()));
    const bool both = !rng_.OneIn(3);
    for (const auto& pair : {std::pair(a, b), std::pair(b, a)}) {
      if (both || pair.first == a) {
        blocked_.contains(pair) ? blocked_.erase(pair) : (blocked_.insert(pair), 0U);
      }
    }
  } else if (x < .915) {
    CutAll(a);
  } else if (x < .922) {
    PowerOff(a);
  } else if (x < .930) {
    n.vfs->CutPowerAfter(1 + rng_.Below(60));  // somewhere in a later transaction
  } else if (x < .95) {
    for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) {
      if (!Up(i)) {
        StartNode(i);
        break;
      }
    }
  } else if (x < .955) {
    if (n.frozen) {
      n.admitting = false;
    }
    n.frozen = false;
    n.dp_up ? n.StopDataPlane() : n.StartDataPlane();
    Call(a, [&](replication::Outbox& out) { n.core->OnApplied(now_, n.Applied(), out); });
  } else if (x < .96) {
    RestartControl(a, true);
  } else if (x < .967) {
    static constexpr int64_t kSkews[] = {0, 0, kDayMs, -kDayMs};
    skew_[a] = kSkews[rng_.Below(4)];
  } else if (x < .972) {
    const uint64_t which = rng_.Below(3);
    n.vfs->SetDiskFull(which == 0);
    n.vfs->SetFailSyncs(which == 1);
  } else if (x < .980) {
    if (n.guard.refusal().ok() && !n.damaged) {
      n.backups.push_back(n.Copy());
      if (mutant_ == Mutant::kMovedInPlace) {
        const std::string made = n.path() + ".made";
        (void)n.writer->db().Execute("VACUUM INTO '" + made + "'");
        std::filesystem::rename(made, n.path());
      }
    }
  } else if (x < .990) {
    if (!n.backups.empty()) {
      const DiskCopy copy = n.backups[rng_.Below(n.backups.size())];
      if (rng_.Below(10) < 7 || n.frozen) {
        CutAll(a);
        n.core.reset();
        Restore(a, copy, rng_.OneIn(2));
        StartNode(a);
      } else {  // the file is replaced under a live data plane, which keeps its snapshot
        CutAll(a);
        n.core.reset();
        Restore(a, copy, true);
        n.frozen = true;
        RestartControl(a, false);
      }
    }
  } else if (x < .994 && nodes_.size() < 6 && n.guard.refusal().ok() && !n.damaged) {
    ++faults_;
    if (rng_.OneIn(2)) {
      const DiskCopy copy = n.backups.empty() ? n.Copy() : n.backups[rng_.Below(n.backups.size())];
      AddNode({}, &copy);
    } else {
      AddNode({a});
    }
  } else if (mutant_ == Mutant::kTombstonesCollected) {
    CollectTombstones(a);
  }
}

void World::CollectTombstones(int a) {
  Node& n = node(a);
  auto& db = n.writer->db();
  (void)db.Execute("DELETE FROM change WHERE seq IN (SELECT seq FROM row WHERE kind = 'Alias' AND dead = 1)");
  (void)db.Execute("DELETE FROM row WHERE kind = 'Alias' AND dead = 1");
  n.Refresh(true);
}

bool World::Run(int steps) {
  for (int i = 0; i < steps && failure_.empty(); ++i) {
    Step();
  }
  if (failure_.empty()) {
    Quiesce();
  }
  return failure_.empty();
}

}  // namespace aurora::repsim
