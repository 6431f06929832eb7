// Node: one member of the simulated cluster: the real Replicator over the real store Writer on a disk that loses
// unsynced pages, with a data plane of two loops. Source: ours; the reference simulator's Node. Thread: one.
// Always: what the power takes is what FaultyVfs says; `members` and the disk come back with a backup together.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "controlplane/replication/replicator.h"
#include "controlplane/store/writer.h"
#include "shared/base/rng.h"
#include "tests/sim/replication/mutants.h"
#include "tests/support/faulty_vfs.h"

namespace aurora::repsim {

using replication::Lane;
using replication::RowRef;

inline constexpr uint64_t kEpochBits = (uint64_t{1} << 62) - 1;

struct Loaded {
  uint64_t seq = 0;
  replication::Row row;
  std::optional<std::string> value;
  bool parked = false;
};
using View = std::map<RowRef, Loaded>;

struct Loop {
  uint64_t epoch = 0;
  uint64_t seq = 0;
  std::shared_ptr<const View> view;
};

// What a backup or a clone takes along.
struct DiskCopy {
  std::string db;
  std::string wal;
  std::map<std::string, std::string> members;
};

struct Node {
  int addr = 0;
  std::string uid;
  std::string node_id;
  std::string dir;
  int life = 0;     // of the file
  int schema = 1;
  Mutant mutant = Mutant::kNone;
  std::unique_ptr<testing::FaultyVfs> vfs;
  store::StoreOptions options;
  std::unique_ptr<store::Writer> writer;  // null: the control plane is down
  std::unique_ptr<replication::Replicator> core;
  std::map<std::string, std::string> members;  // uid -> node id
  std::deque<std::variant<replication::OpenFeed, replication::Commit>> ops;
  std::shared_ptr<const View> view;
  uint64_t head = 0;
  std::vector<DiskCopy> backups;
  std::map<std::pair<std::string, Lane>, uint64_t> sender_cursors;  // kSenderCursor
  std::set<RowRef> merged;                                          // kNoRelay: rows whose state came from a peer

  bool dp_up = false;
  bool frozen = false;     // its data plane keeps the snapshot of a file that was replaced
  std::vector<Loop> loops = std::vector<Loop>(2);
  std::vector<Loop> old_loops;
  bool admitting = false;
  bool was_caught_up = false;
  bool tainted = false;    // came back from an old disk and nobody noticed yet
  std::map<std::string, uint64_t> targets;  // uid -> head in its Hello
  std::set<std::string> synced;
  int boot = 0;
  uint64_t max_wall = 0;
  std::map<RowRef, replication::VersionVector> floor;
  size_t commits = 0;

  std::string path() const { return dir + "/" + std::to_string(life) + ".db"; }
  bool down() const { return writer == nullptr; }

  // Opens the file as this start; empty, or what went wrong.
  std::string OpenDisk(Rng& rng, uint64_t wall_ms);
  void StartCore(Instant now, const replication::Config& config, bool caught_up, uint64_t seed,
                 replication::Outbox& out);
  // After a commit: `view` and `head` are what is on disk.
  void Refresh(bool all);
  void LoadLoop(size_t i);
  void StartDataPlane();
  void StopDataPlane();
  // [A13] The lowest over the loops, as the role page says it.
  replication::Applied Applied() const;

  // Reads and transactions for the core; false: the power is gone.
  void AnswerReads(Instant now, const replication::Outbox& in, replication::Outbox& out);
  bool RunOps(Instant now, uint64_t wall_ms, size_t at_most, replication::Outbox& out);

  DiskCopy Copy() const;
  // On a new file and a new VFS, with a uid of its own if given.
  void Replace(const DiskCopy& copy, std::string_view new_uid, bool restored);

 private:
  struct Answer;
  absl::Status RunOne(const replication::Commit& commit, uint64_t wall_ms, replication::CommitResult& result);
};

std::string Describe(const RowRef& row);
std::unique_ptr<testing::FaultyVfs> NewVfs();
// The resolve tables of the simulated kinds: Key (limit, facts) and Alias (newest wins).
void FillTables(store::StoreOptions& options, const Node& node);

}  // namespace aurora::repsim
