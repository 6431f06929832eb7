#include "tests/sim/replication/node.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "controlplane/store/row_codec.h"
#include "shared/base/check.h"
#include "shared/base/status.h"
#include "shared/schema/sum.h"
#include "shared/sqlite/file_identity.h"

namespace aurora::repsim {
namespace {

using replication::Facts;
using replication::Row;
using replication::Sibling;

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// A spec is "schema|limit|name"; limit 0: none.
struct Spec {
  int schema = 1;
  int limit = 0;
};

Spec Parse(const std::string& text) {
  Spec spec;
  std::sscanf(text.c_str(), "%d|%d|", &spec.schema, &spec.limit);
  return spec;
}

bool Active(const Row& row, Mutant mutant) {
  const Facts& f = row.facts;
  bool ended = f.ended_at.has_value();
  if (mutant == Mutant::kEndedCleared && ended && row.Newest() != nullptr) {
    ended = row.Newest()->hlc < *f.ended_at;
  }
  const bool disabled = mutant == Mutant::kDisableForgotten ? f.Disabled() && f.undone.empty() : f.Disabled();
  return !ended && !disabled;
}

absl::StatusOr<std::optional<std::string>> ResolveKey(const Row& row, const Node& node) {
  int limit = 0;
  for (const Sibling& s : row.siblings) {
    if (s.deleted) {
      return std::optional<std::string>();
    }
    const Spec spec = Parse(s.spec);
    if (spec.schema > node.schema) {
      return InvalidArgument("schema " + std::to_string(spec.schema));
    }
    if (spec.limit != 0 && (limit == 0 || spec.limit < limit)) {
      limit = spec.limit;
    }
  }
  if (row.siblings.empty()) {
    return std::optional<std::string>();
  }
  if (node.mutant == Mutant::kLimitNewest) {
    limit = Parse(row.Newest()->spec).limit;
  }
  return std::optional(std::to_string(limit) + (Active(row, node.mutant) ? "+" : "-"));
}

absl::StatusOr<std::optional<std::string>> ResolveAlias(const Row& row) {
  const Sibling* top = row.Newest();
  return top == nullptr || top->deleted ? std::optional<std::string>() : std::optional(top->spec);
}

uint64_t Number(const absl::StatusOr<std::string>& text) {
  return text.ok() ? std::strtoull(text->c_str(), nullptr, 10) : 0;
}

}  // namespace

std::unique_ptr<testing::FaultyVfs> NewVfs() {
  static int count = 0;  // names are the process's
  return std::make_unique<testing::FaultyVfs>("repsim" + std::to_string(++count));
}

std::string Describe(const RowRef& row) {
  return row.kind + " " + row.id;
}

void FillTables(store::StoreOptions& options, const Node& node) {
  using std::string_view;
  options.resolve["Key"] = [&node](string_view, string_view, const Row& row) { return ResolveKey(row, node); };
  options.resolve["Alias"] = [](string_view, string_view, const Row& row) { return ResolveAlias(row); };
  options.facts["Key"] = [](std::string_view last, const Facts& facts) -> std::optional<std::string> {
    std::string value(last);
    if (facts.ended_at.has_value() || facts.Disabled()) {
      value.back() = '-';
    }
    return value;
  };
}

namespace {

// kDamageTaken: every value gets the sum of the bytes that are there.
void SumAnew(const std::string& path, const std::string& vfs) {
  auto db = schema::OpenAuroraForWrite(path, vfs);
  const std::pair<const char*, std::string_view> columns[] = {{"row", schema::kRowColumn},
                                                              {"resolved", schema::kSpecColumn}};
  for (const auto& [table, column] : columns) {
    const std::string name(column);
    auto all = db.ok() ? db->Prepare("SELECT kind, id, " + name + " FROM " + table) : db.status();
    std::vector<std::tuple<std::string, std::string, std::string>> values;
    while (all.ok() && all->Step().value_or(false)) {
      values.emplace_back(all->Text(0), all->Text(1), all->Blob(2));
    }
    for (const auto& [kind, id, stored] : values) {
      auto put = db->Prepare("UPDATE " + std::string(table) + " SET " + name + " = ?3 WHERE kind = ?1 AND id = ?2");
      if (put.ok() && stored.size() > schema::kSumBytes && !schema::WithoutSum(column, kind, id, stored).ok()) {
        const std::string_view value = std::string_view(stored).substr(0, stored.size() - schema::kSumBytes);
        (void)put->BindText(1, kind).BindText(2, id).BindBlob(3, schema::WithSum(column, kind, id, value)).Run();
      }
    }
  }
}

}  // namespace

std::string Node::OpenDisk(Rng& rng, uint64_t wall_ms) {
  options.path = path();
  options.vfs = vfs->name();
  options.fresh_node_uid = uid;
  options.epoch = (rng.Next() & kEpochBits) | 1;
  if (mutant == Mutant::kEpochKept) {
    // As many starts as the file remembers: an old copy counts again from where it was.
    auto file = schema::OpenAuroraForWrite(options.path, options.vfs);
    const auto epochs = file.ok() ? store::Reader(&*file).Meta(schema::kMetaEpochs) : absl::StatusOr<std::string>("");
    const auto starts = epochs.ok() && !epochs->empty() ? std::count(epochs->begin(), epochs->end(), ',') + 1 : 0;
    options.epoch = 1'000'000 * static_cast<uint64_t>(addr + 1) + static_cast<uint64_t>(starts) + 1;
  }
  FillTables(options, *this);
  if (mutant == Mutant::kDamageTaken && damaged) {
    SumAnew(options.path, options.vfs);
  }
  const uint64_t mark_wall = mutant == Mutant::kMarkKept ? uint64_t{1} << 47 : wall_ms;
  auto opened = store::Writer::Open(options, mark_wall);
  if (!opened.ok()) {
    return std::string(Std(opened.status().message()));
  }
  writer = *std::move(opened);
  guard = store::Guard();
  inode = InodeOf(path());
  (void)Usable();
  if (mutant == Mutant::kLateSync) {
    (void)writer->db().Execute("PRAGMA synchronous=OFF");
  }
  view = std::make_shared<View>();
  Refresh(true);
  return "";
}

void Node::StartCore(Instant now, const replication::Config& config, bool caught_up, uint64_t seed,
                     replication::Outbox& out) {
  replication::StartState start;
  start.cluster_id = "c";
  start.uid = uid;
  start.node_id = node_id;
  start.history = History();
  start.restored = writer->reader().Meta(schema::kMetaRestored).ok();
  start.settled_epoch = Number(writer->reader().Meta(schema::kMetaSettledEpoch));
  start.caught_up = caught_up;
  if (mutant == Mutant::kOneIsEnough) {
    start.restored = false;
  }
  if (mutant == Mutant::kAdmitsAtOnce) {
    start.caught_up = true;
  }
  for (const auto& [ref, row] : *view) {
    if (row.parked) {
      start.parked.push_back(ref);
    }
  }
  core = std::make_unique<replication::Replicator>(now, config, std::move(start), seed);
  std::vector<replication::Member> known;
  for (const auto& [id, name] : members) {
    known.push_back({id, name});
  }
  core->SetMembers(now, std::move(known), {}, out);
  core->OnApplied(now, Applied(), out);
}

absl::Status Node::Usable() {
  return mutant == Mutant::kReplacedUnseen ? absl::OkStatus() : guard.Check(*writer);
}

const std::vector<replication::FeedEpoch>& Node::History() {
  if (auto now = writer->reader().History(); now.ok()) {
    history_ = *std::move(now);
  } else {
    AURORA_CHECK(damaged);
    guard.Note(*writer, now.status());
  }
  return history_;
}

void Node::Refresh(bool all) {
  const uint64_t after = all ? 0 : head;
  const auto changes = writer->reader().Changes(after, 1'000);
  if (!changes.ok()) {
    AURORA_CHECK(damaged);
    guard.Note(*writer, changes.status());
    return;
  }
  if (!changes->empty()) {
    auto next = std::make_shared<View>(all ? View() : *view);
    for (const store::Entry& e : *changes) {
      (*next)[{e.kind, e.id}] = {e.seq, e.row, e.resolved, e.parked.has_value()};
    }
    view = std::move(next);
  }
  head = writer->head().seq;
}

void Node::LoadLoop(size_t i) {
  loops[i] = {writer != nullptr ? writer->origin().epoch : loops[i].epoch, head, view};
}

void Node::StartDataPlane() {
  dp_up = true;
  for (size_t i = 0; i < loops.size(); ++i) {
    LoadLoop(i);
  }
  if (mutant == Mutant::kLoadsBeforeLock && !old_loops.empty()) {
    loops = old_loops;
  }
}

void Node::StopDataPlane() {
  dp_up = false;
  old_loops = loops;
}

replication::Applied Node::Applied() {
  if (!dp_up) {
    return {};
  }
  const std::vector<replication::FeedEpoch>& history = History();
  const auto place = [&](const Loop& loop) -> uint64_t {
    for (const auto& e : history) {
      if (e.epoch == loop.epoch) {
        return std::min(loop.seq, e.last_seq);
      }
    }
    return 0;
  };
  Loop chosen = loops[0];
  for (const Loop& loop : loops) {
    const bool lower = place(loop) < place(chosen);
    if (mutant == Mutant::kHighestLoop ? !lower : lower) {
      chosen = loop;
    }
  }
  return {mutant == Mutant::kAppliedWithoutEpoch ? writer->origin().epoch : chosen.epoch, chosen.seq, true};
}

// ---- What the core wants of the store ----

void Node::AnswerReads(Instant now, const replication::Outbox& in, replication::Outbox& out) {
  const absl::Status usable = Usable();
  for (const replication::ReadFeed& read : in.feed_reads) {
    auto batch = usable.ok() ? writer->reader().FeedBatch(read.lane, read.after_seq, read.max_rows, read.max_bytes)
                             : absl::StatusOr<replication::FeedBatch>(usable);
    guard.Note(*writer, batch.status());
    if (batch.ok() && (mutant == Mutant::kNoRelay || (mutant == Mutant::kNoRevokeLane && read.lane == Lane::kRevoke))) {
      std::erase_if(batch->rows, [&](const replication::WireRow& row) {
        return mutant == Mutant::kNoRevokeLane || merged.contains(RowRef{row.kind, row.id});
      });
    }
    core->OnFeed(now, read.token, std::move(batch), out);
  }
  for (const replication::ReadDigest& read : in.digest_reads) {
    auto digest = usable.ok() ? writer->Digest(read.level, read.kind, read.bucket)
                              : absl::StatusOr<std::vector<replication::DigestEntry>>(usable);
    guard.Note(*writer, digest.status());
    core->OnDigest(now, read.token, std::move(digest), out);
  }
  for (const replication::ReadRows& read : in.row_reads) {
    auto rows = usable.ok() ? writer->reader().Rows(read.rows)
                            : absl::StatusOr<std::vector<replication::WireRow>>(usable);
    guard.Note(*writer, rows.status());
    core->OnRows(now, read.token, std::move(rows), out);
  }
}

namespace {

Row NewestOnly(const Row& row) {
  Row out = row;
  if (const Sibling* top = row.Newest(); top != nullptr && !top->deleted) {
    out.siblings = {*top};
  }
  return out;
}

}  // namespace

absl::Status Node::RunOne(const replication::Commit& commit, uint64_t wall_ms, replication::CommitResult& result) {
  std::optional<replication::FeedRange> range = commit.range;
  std::vector<replication::WireRow> rows = commit.rows;
  if (mutant == Mutant::kGapAccepted && range.has_value()) {
    range->from_seq = 0;
  }
  for (replication::WireRow& row : rows) {
    merged.insert({row.kind, row.id});
    auto decoded = store::DecodeRow(row.row);
    if (decoded.ok() && mutant == Mutant::kSiblingsDropped) {
      const auto mine = view->find({row.kind, row.id});
      Row whole = mine == view->end() ? *decoded : replication::Merge(*decoded, mine->second.row);
      row.row = store::EncodeRow(NewestOnly(whole));
    }
    if (decoded.ok() && mutant == Mutant::kParkedSkipped && row.kind == "Key" && !ResolveKey(*decoded, *this).ok()) {
      row.kind.clear();
    }
  }
  std::erase_if(rows, [](const replication::WireRow& row) { return row.kind.empty(); });
  const uint64_t wall = mutant == Mutant::kClockFollows ? uint64_t{1} << 47 : wall_ms;
  auto merge = writer->Merge(std::span<const replication::WireRow>(rows), commit.uid, range, wall);
  if (!merge.ok()) {
    return merge.status();
  }
  if (mutant == Mutant::kOneCursor && range.has_value() && range->lane == Lane::kRevoke && merge->moved) {
    const replication::FeedRange bulk{range->epoch, Lane::kBulk, 0, range->to_seq};
    (void)writer->Merge(std::span<const replication::WireRow>(), commit.uid, bulk, wall_ms);
  }
  result.head = merge->head;
  result.cursor = merge->cursor;
  result.changed = merge->changed;
  result.conflicts = merge->conflicts.count;
  result.diverged = merge->diverged.first;
  result.parked = merge->parked_now;
  if (mutant == Mutant::kNoopAtOnce && merge->changed == 0) {
    result.head = 0;
  }
  return absl::OkStatus();
}

bool Node::RunOps(Instant now, uint64_t wall_ms, size_t at_most, replication::Outbox& out) {
  // Revocations and positions before bulk, as Store does it.
  std::stable_partition(ops.begin(), ops.end(), [](const auto& op) {
    const auto* commit = std::get_if<replication::Commit>(&op);
    return commit == nullptr || (commit->range.has_value() && commit->range->lane == Lane::kRevoke);
  });
  const size_t n = std::min(at_most, ops.size());
  if (n == 0) {
    return true;
  }
  absl::Status status = Usable();
  status = status.ok() ? writer->Begin() : status;
  std::vector<replication::CommitResult> results(n);
  std::vector<absl::StatusOr<replication::FeedOpened>> opened(n, absl::UnavailableError(""));
  for (size_t i = 0; i < n && status.ok(); ++i) {
    if (const auto* open = std::get_if<replication::OpenFeed>(&ops[i]); open != nullptr) {
      opened[i] = writer->OpenFeed(open->uid, open->history);
      status = opened[i].status();
    } else {
      status = RunOne(std::get<replication::Commit>(ops[i]), wall_ms, results[i]);
    }
  }
  if (status.ok()) {
    status = writer->Commit();
  } else if (writer->begun()) {
    writer->Abandon();
  }
  if (vfs->off()) {
    return false;
  }
  guard.Note(*writer, status);
  if (status.ok()) {
    commits += n;
    Refresh(false);
    status = Usable();
  }
  took_in_vain |= status.ok() && newcomer.has_value();
  for (size_t i = 0; i < n; ++i) {
    const auto op = std::move(ops.front());
    ops.pop_front();
    if (const auto* open = std::get_if<replication::OpenFeed>(&op); open != nullptr) {
      core->OnFeedOpened(now, open->token, status.ok() ? opened[i] : status, out);
    } else {
      results[i].status = absl::IsInvalidArgument(status) ? absl::InternalError("a row does not decode") : status;
      core->Committed(now, std::get<replication::Commit>(op).token, results[i], out);
    }
  }
  return true;
}

// ---- Copies of the disk ----

uint64_t InodeOf(const std::string& path) {
  const auto identity = sqlite::FileIdentity::OfPath(path);
  return identity.ok() ? identity->inode : 0;
}

DiskCopy Whole(const DiskCopy& copy, const std::string& scratch) {
  WriteFile(scratch, copy.db);
  WriteFile(scratch + "-wal", copy.wal);
  if (auto db = schema::OpenAuroraForWrite(scratch); db.ok()) {
    (void)db->Execute("PRAGMA wal_checkpoint(TRUNCATE)");
  }
  DiskCopy whole{ReadFile(scratch), "", copy.members};
  for (const char* const end : {"", "-wal", "-shm"}) {
    std::filesystem::remove(scratch + end);
  }
  return whole;
}

void Node::ReplaceUnder(const DiskCopy& copy, bool journal_too) {
  if (copy.db.empty()) {
    std::filesystem::remove(path());
  } else {
    WriteFile(path() + ".new", copy.db);
    std::filesystem::rename(path() + ".new", path());
  }
  if (journal_too) {
    std::filesystem::remove(path() + "-wal");
    std::filesystem::remove(path() + "-shm");
  }
  newcomer = DiskCopy();
  (void)Usable();  // it looks every second
  newcomer = DiskCopy{ReadFile(path()), ReadFile(path() + "-wal"), members};
}

bool Node::ChangeByte(std::string_view text) {
  (void)writer->db().Execute("PRAGMA wal_checkpoint(TRUNCATE)");
  const size_t at = ReadFile(path()).find(text);
  if (at == std::string::npos) {
    return false;
  }
  std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(text[0] ^ 1));
  damaged = true;
  return file.good();
}

DiskCopy Node::Copy() const {
  return {ReadFile(path()), ReadFile(path() + "-wal"), members};
}

void Node::Replace(const DiskCopy& copy, std::string_view new_uid, bool restored) {
  writer.reset();
  damaged = false;
  newcomer.reset();
  ++life;
  WriteFile(path(), copy.db);
  if (!copy.wal.empty()) {
    WriteFile(path() + "-wal", copy.wal);
  }
  members = copy.members;
  if (auto db = schema::OpenAuroraForWrite(path()); !db.ok()) {
    damaged = true;  // what a wrong rule has left there
  } else {
    if (!new_uid.empty()) {
      const std::string sql = "UPDATE meta SET value = '" + std::string(new_uid) + "' WHERE key = 'node_uid'";
      AURORA_CHECK(db->Execute(sql).ok());
    }
    AURORA_CHECK(db->Execute("DELETE FROM meta WHERE key = 'restored'").ok());
    if (restored) {
      AURORA_CHECK(db->Execute("INSERT INTO meta (key, value) VALUES ('restored', '1')").ok());
    }
  }
  vfs = NewVfs();
  ops.clear();
}

}  // namespace aurora::repsim
