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
#include "controlplane/store/guard.h"
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
  store::Guard guard;                     // of writer
  uint64_t inode = 0;                     // of the file that writer has open
  bool damaged = false;                   // bytes of the file changed since it was opened or written
  std::optional<DiskCopy> newcomer;       // what somebody put in the place of the file that is open
  std::unique_ptr<replication::Replicator> core;
  std::map<std::string, std::string> members;  // uid -> node id
  std::deque<std::variant<replication::OpenFeed, replication::Commit>> ops;
  std::shared_ptr<const View> view = std::make_shared<View>();
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
  bool took_in_vain = false;  // rows of a peer's into a file that nobody finds

  std::string path() const { return dir + "/" + std::to_string(life) + ".db"; }
  bool down() const { return writer == nullptr; }

  // Opens the file as this start; empty, or what went wrong.
  std::string OpenDisk(Rng& rng, uint64_t wall_ms);
  void StartCore(Instant now, const replication::Config& config, bool caught_up, uint64_t seed,
                 replication::Outbox& out);
  // As Store asks it: before a transaction or a read, and after a commit.
  absl::Status Usable();
  // After a commit: `view` and `head` are what is on disk, unless that is damaged.
  void Refresh(bool all);
  void LoadLoop(size_t i);
  void StartDataPlane();
  void StopDataPlane();
  // [A13] The lowest over the loops, as the role page says it.
  replication::Applied Applied();

  // Reads and transactions for the core; false: the power is gone.
  void AnswerReads(Instant now, const replication::Outbox& in, replication::Outbox& out);
  bool RunOps(Instant now, uint64_t wall_ms, size_t at_most, replication::Outbox& out);

  DiskCopy Copy() const;
  // Somebody puts `copy` (empty: nothing) in the file's place while it is open, and takes its journal away too or not.
  void ReplaceUnder(const DiskCopy& copy, bool journal_too);
  // One bit of the first place where the file, without its journal, holds `text`.
  bool ChangeByte(std::string_view text);
  // On a new file and a new VFS, with a uid of its own if given.
  void Replace(const DiskCopy& copy, std::string_view new_uid, bool restored);

 private:
  struct Answer;
  // What a damaged page holds of it no longer matters.
  const std::vector<replication::FeedEpoch>& History();
  std::vector<replication::FeedEpoch> history_;
  absl::Status RunOne(const replication::Commit& commit, uint64_t wall_ms, replication::CommitResult& result);
};

uint64_t InodeOf(const std::string& path);  // 0: nothing is there
// In one file, without a journal.
DiskCopy Whole(const DiskCopy& copy, const std::string& scratch);
std::string Describe(const RowRef& row);
std::unique_ptr<testing::FaultyVfs> NewVfs();
// The resolve tables of the simulated kinds: Key (limit, facts) and Alias (newest wins).
void FillTables(store::StoreOptions& options, const Node& node);

}  // namespace aurora::repsim
