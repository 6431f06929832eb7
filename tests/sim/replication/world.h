// World: a cluster of Nodes on one clock and one network of bad habits, and the truth about every write, kept outside.
// Source: ours; the reference simulator. Deterministic in (seed, mutant). Thread: one. Times are virtual.
// Invariants as in the design (I1 to I11, W): some after every step, the others at quiescence; the first one that is
// broken is `failure()` and stops the run.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/replication/node.h"
#include "tests/support/temp_dir.h"

namespace aurora::repsim {

struct Truth {
  RowRef row;
  std::string op;
  bool acked = false;
  replication::VersionVector seen;         // the row's version before the write
  std::optional<replication::Sibling> sibling;
  replication::Hlc hlc;
};

struct Tally {
  uint64_t writes = 0;
  uint64_t promises = 0;
  uint64_t power_cuts = 0;
  uint64_t lost_pages = 0;
  uint64_t commits = 0;
  uint64_t steps = 0;
  uint64_t replaced = 0;  // files, under a running process
  uint64_t damaged = 0;   // disks that changed bytes
  uint64_t found = 0;     // by a start or a statement that said so
  uint64_t went_back = 0;  // disks that came back without writes they had held
};

class World {
 public:
  World(uint64_t seed, Mutant mutant, int nodes = 0);

  // Random faults, then everything up and calm; false: failure() says what broke.
  bool Run(int steps = 220);
  const std::string& failure() const { return failure_; }
  Tally tally() const;

  // --- for hand-written scenarios: no faults, everything at once ---
  Node& node(int i) { return *nodes_.at(static_cast<size_t>(i)); }
  void Link(int a, int b);
  void Cut(int a, int b);
  // a's frames of these lanes reach b, are enforced there and acknowledged.
  void Flow(int a, int b, bool revoke = true, bool bulk = true);
  replication::Dot Write(int a, const RowRef& row, const std::string& op);
  replication::WaitReport Report(int a, const RowRef& row, std::optional<uint64_t> old_seq = std::nullopt);
  // The node comes back on an older disk, as its operator knows.
  void RestoreNode(int a, const DiskCopy& copy);
  // Of frames that wait to be delivered.
  size_t Waiting(int a, int b, std::optional<Lane> lane) const;
  void SwapOne(int a, size_t loop);
  void DeliverFirstRows(int a, int b);
  void StopDataPlane(int a);
  void Need(bool ok, const std::string& invariant, const std::string& text = "");
  // The control plane alone starts again; false: its disk does not open.
  bool Restart(int a);
  // Its files are taken away, and it starts with what it knows of the cluster.
  void StartWiped(int a);
  bool Refuses(int a);
  int AddNode(const std::vector<int>& seeds, const DiskCopy* clone = nullptr);

 private:
  struct Message {
    int from;
    int to;
    uint64_t stream;
    replication::Frame frame;
  };
  struct Wait {
    int node;
    int boot;
    RowRef row;
    replication::Dot dot;
    uint64_t seq;  // of the write
    bool urgent;
    replication::Waiter waiter;
  };

  uint64_t Wall(int a) const;
  bool Up(int a) const { return !nodes_[static_cast<size_t>(a)]->down(); }
  std::vector<int> UpNodes() const;
  int IndexOf(std::string_view uid) const;
  template <class F>
  void Call(int a, F&& f) {
    replication::Outbox out;
    f(out);
    Carry(a, out);
  }
  void Carry(int a, replication::Outbox& out);
  void Post(int a, int b, replication::Frame frame);
  void Deliver(size_t i);
  void Handle(int a, int b, replication::Frame frame);
  void Mutate(int a, int b, replication::Frame& frame);
  void MutateReport(const Node& n, replication::WaitReport& report) const;
  void Connect(int a, int b);
  void CutAll(int a);
  void Tick(int a);
  void RunOps(int a, size_t at_most);
  void PowerOff(int a);
  bool OpenDisk(int a);
  void StartNode(int a);
  void Restore(int a, const DiskCopy& copy, bool known);
  void RestartControl(int a, bool same_start);
  void NoteSynced(int a);
  void Step();
  void Fault(double x, int a);
  bool FaultOfDisk(int a);
  void Wipe(int a);
  // Writes that this node held and its disk holds no more, nor any other's, are gone with the disk.
  void NoteLost(Node& n, const View& before, const View& now);
  bool Operate(int a, const RowRef& row, const std::string& op);
  std::string PickOp(const RowRef& row);
  void CollectTombstones(int a);
  void Swap(int a, size_t loop);

  // invariants.cc
  void Check();
  void CheckRows(Node& n);
  void CheckKey(Node& n, const RowRef& ref, const Loaded& row);
  void CheckFloor(Node& n);
  void CheckFile(Node& n);
  void Mend(int a);
  void CheckWaits();
  void Quiesce();
  void CheckQuiet(const std::vector<int>& up);
  std::vector<std::pair<replication::Dot, const Truth*>> SeenBy(const RowRef& ref, const replication::Row& row) const;

  const uint64_t seed_;
  const Mutant mutant_;
  Rng rng_;
  testing::TempDir dir_;
  replication::Config config_;
  uint64_t bias_ = 0;
  bool calm_ = false;
  bool manual_ = false;
  bool parking_ = false;
  bool damages_ = false;     // disks may change bytes
  bool any_damage_ = false;  // one did
  std::set<int> slow_;
  int64_t t_ms_ = 1'000'000'000;
  Instant now_ = Instant::FromMicros(1'000'000);
  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<int, int64_t> skew_;
  std::vector<Message> net_;
  std::map<std::pair<int, int>, uint64_t> streams_;
  std::set<std::pair<int, int>> blocked_;
  uint64_t next_stream_ = 1;
  std::map<replication::Dot, Truth> writes_;
  std::map<RowRef, std::vector<replication::Dot>> by_row_;
  std::set<replication::Dot> lost_;  // by an operator's hand, with an old disk
  std::map<replication::Origin, replication::Hlc> last_hlc_;
  std::vector<Wait> waits_;
  std::vector<std::pair<RowRef, replication::Dot>> promises_;
  int faults_ = 0;
  Tally tally_;
  std::string failure_;
};

// Hand-written interleavings that random seeds rarely reach; the name and what broke (empty: nothing).
std::vector<std::pair<std::string, std::string>> RunScenarios(Mutant mutant);

}  // namespace aurora::repsim
