#include "controlplane/store/writer.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controlplane/store/row_codec.h"
#include "shared/base/check.h"
#include "shared/base/status.h"
#include "shared/schema/sum.h"

namespace aurora::store {
namespace {

uint64_t ParseOr(std::string_view text, uint64_t fallback) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : fallback;
}

// The newest kEpochsKept entries of "epoch:first_seq,...", with one more.
std::string AppendEpoch(std::string list, uint64_t epoch, uint64_t first_seq) {
  if (!list.empty()) {
    list += ',';
  }
  list += std::to_string(epoch) + ":" + std::to_string(first_seq);
  size_t entries = 1;
  for (size_t i = list.size(); i > 0; --i) {
    if (list[i - 1] == ',' && entries++ == kEpochsKept) {
      return list.substr(i);
    }
  }
  return list;
}

// A dot as a row's id.
std::string DotId(const replication::Dot& dot) {
  return absl::StrCat(Absl(dot.origin.node_uid), "-", absl::Hex(dot.origin.epoch), "-", dot.counter);
}

}  // namespace

int64_t HlcColumn(const replication::Row& row) {
  const replication::Sibling* newest = row.Newest();
  return newest == nullptr
             ? 0
             : static_cast<int64_t>((newest->hlc.unix_ms << 16) | (newest->hlc.counter & 0xffffU));
}

bool IsTombstone(const replication::Row& row) {
  return !row.siblings.empty() && std::all_of(row.siblings.begin(), row.siblings.end(),
                                              [](const replication::Sibling& s) { return s.deleted; });
}

Writer::Writer(sqlite::Database db, const StoreOptions& options)
    : db_(std::move(db)), reader_(&db_), options_(options) {}

absl::StatusOr<std::unique_ptr<Writer>> Writer::Open(const StoreOptions& options, uint64_t wall_ms,
                                                     const std::function<void(double)>& took) {
  AURORA_CHECK(options.epoch != 0);
  AURORA_ASSIGN_OR_RETURN(sqlite::Database db,
                          schema::OpenAuroraForWrite(options.path, options.vfs));
  AURORA_RETURN_IF_ERROR(db.QuickCheck());
  // Rows come in any order of ids: with SQLite's 2 MB and 1000 pages a catch-up of 100 000 rows reads and writes the
  // same pages again and again.
  AURORA_RETURN_IF_ERROR(db.Execute("PRAGMA cache_size=-24576"));
  db.AutoCheckpoint(kCheckpointPages, took);
  std::unique_ptr<Writer> writer(new Writer(std::move(db), options));
  AURORA_RETURN_IF_ERROR(writer->PrepareAll());
  AURORA_RETURN_IF_ERROR(writer->Begin());
  AURORA_RETURN_IF_ERROR(writer->StartEpoch(wall_ms));
  AURORA_RETURN_IF_ERROR(writer->FillColumns());
  AURORA_RETURN_IF_ERROR(writer->LoadSums());
  AURORA_RETURN_IF_ERROR(writer->ProjectParked(wall_ms));
  AURORA_RETURN_IF_ERROR(writer->Commit());
  return writer;
}

absl::Status Writer::PrepareAll() {
  const std::pair<sqlite::Statement*, std::string_view> all[] = {
      {&put_row_,
       "INSERT INTO row (kind, id, row, hlc, seq, parked, siblings, dead, bucket, digest) VALUES "
       "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (kind, id) "
       "DO UPDATE SET row = ?3, hlc = ?4, seq = ?5, parked = ?6, siblings = ?7, dead = ?8, bucket = ?9, digest = ?10"},
      {&put_resolved_,
       "INSERT INTO resolved (kind, id, spec) VALUES (?1, ?2, ?3) ON CONFLICT (kind, id) DO UPDATE "
       "SET spec = ?3"},
      {&drop_resolved_, "DELETE FROM resolved WHERE kind = ?1 AND id = ?2"},
      {&put_change_, "INSERT INTO change (seq, kind, id, urgent) VALUES (?1, ?2, ?3, ?4)"},
      {&drop_change_, "DELETE FROM change WHERE seq = ?1"},
      {&put_meta_,
       "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2"},
      {&put_event_, "INSERT INTO event (at_ms, severity, type, message) VALUES (?1, ?2, ?3, ?4)"},
      {&trim_events_, "DELETE FROM event WHERE seq <= ?1"},
      {&put_audit_,
       "INSERT INTO audit_admin (at_ms, actor, action, kind, id, detail) VALUES (?1, ?2, ?3, ?4, "
       "?5, ?6)"},
      {&drop_meta_, "DELETE FROM meta WHERE key = ?1"},
      {&get_cursor_, "SELECT seq FROM cursor WHERE epoch = ?1 AND lane = ?2"},
      {&put_cursor_,
       "INSERT INTO cursor (peer_uid, epoch, lane, seq) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (epoch, lane) DO UPDATE "
       "SET seq = ?4"},
      {&trim_cursors_,
       "DELETE FROM cursor WHERE peer_uid = ?1 AND position <= (SELECT position FROM cursor WHERE peer_uid = ?1 "
       "ORDER BY position DESC LIMIT 1 OFFSET ?2)"},
  };
  for (const auto& [statement, sql] : all) {
    AURORA_ASSIGN_OR_RETURN(*statement, db_.Prepare(sql));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Writer::MetaOr(std::string_view key, std::string_view fallback) {
  absl::StatusOr<std::string> value = reader_.Meta(key);
  return absl::IsNotFound(value.status()) ? std::string(fallback) : value;
}

// Before the first change of this start: its dots and feed positions can exist nowhere else,
// whatever disk or clone this is.
absl::Status Writer::StartEpoch(uint64_t wall_ms) {
  AURORA_ASSIGN_OR_RETURN(origin_.node_uid, MetaOr(schema::kMetaNodeUid, options_.fresh_node_uid));
  origin_.epoch = options_.epoch;
  AURORA_ASSIGN_OR_RETURN(const schema::Position head, schema::HeadPosition(db_));
  head_ = head.seq;
  AURORA_ASSIGN_OR_RETURN(const std::string epochs, MetaOr(schema::kMetaEpochs, ""));
  AURORA_ASSIGN_OR_RETURN(const std::string mark, MetaOr(schema::kMetaHlcMark, "0"));
  clock_.emplace(ParseOr(mark, 0), wall_ms);
  AURORA_RETURN_IF_ERROR(SetMeta(schema::kMetaNodeUid, origin_.node_uid));
  return SetMeta(schema::kMetaEpochs, AppendEpoch(epochs, origin_.epoch, head_ + 1));
}

absl::Status Writer::Begin() {
  AURORA_CHECK(!tx_.has_value());
  failure_ = absl::OkStatus();
  AURORA_ASSIGN_OR_RETURN(sqlite::Transaction tx, sqlite::Transaction::Begin(db_));
  tx_.emplace(std::move(tx));
  return absl::OkStatus();
}

absl::Status Writer::Commit() {
  AURORA_CHECK(tx_.has_value());
  if (absl::Status status = Note(std::move(*tx_).Commit()); !status.ok()) {
    Abandon();
    return status;
  }
  tx_.reset();
  committed_head_ = head_;
  committed_mark_ms_ = mark_ms_;
  committed_counts_ = counts_;
  steps_.clear();
  return absl::OkStatus();
}

void Writer::Abandon() {
  tx_.reset();
  head_ = committed_head_;
  mark_ms_ = committed_mark_ms_;
  counts_ = committed_counts_;
  TakeBack(0);
}

// What was done to the sums since there were so many steps.
void Writer::TakeBack(size_t steps) {
  for (; steps_.size() > steps; steps_.pop_back()) {
    const Step& step = steps_.back();
    digests_.Join(step.kind, step.bucket, step.delta.Negated());
  }
}

absl::Status Writer::Note(absl::Status status) {
  if (failure_.ok()) {
    failure_ = status;
  }
  return status;
}

absl::StatusOr<Entry> Writer::Current(std::string_view kind, std::string_view id) {
  absl::StatusOr<Entry> entry = reader_.Get(kind, id);
  if (absl::IsNotFound(entry.status())) {
    Entry fresh;
    fresh.kind = kind;
    fresh.id = id;
    return fresh;
  }
  return entry;
}

absl::StatusOr<WriteResult> Writer::Write(const WriteRequest& request, uint64_t wall_ms) {
  if (!request.then) {
    return WriteOne(request, wall_ms);
  }
  AURORA_RETURN_IF_ERROR(Note(db_.Execute("SAVEPOINT both")));
  const uint64_t head = head_;
  const uint64_t mark_ms = mark_ms_;
  const RowCounts counts = counts_;
  const size_t steps = steps_.size();
  absl::StatusOr<WriteResult> first = WriteOne(request, wall_ms);
  absl::Status status = first.status();
  if (first.ok() && first->changed) {
    absl::StatusOr<WriteResult> second = WriteOne(request.then(first->entry.id), wall_ms);
    status = second.status();
    if (second.ok()) {
      first->followed = std::move(second->entry);
    }
  }
  AURORA_RETURN_IF_ERROR(failure_);
  if (!status.ok()) {
    AURORA_RETURN_IF_ERROR(Note(db_.Execute("ROLLBACK TO both")));
    head_ = head;
    mark_ms_ = mark_ms;
    counts_ = counts;
    TakeBack(steps);
  }
  AURORA_RETURN_IF_ERROR(Note(db_.Execute("RELEASE both")));
  if (!status.ok()) {
    return status;
  }
  return first;
}

absl::StatusOr<WriteResult> Writer::WriteOne(const WriteRequest& request, uint64_t wall_ms) {
  WriteResult result;
  const replication::Dot dot{origin_, counter_ + 1};
  AURORA_ASSIGN_OR_RETURN(result.entry,
                          Current(request.kind, request.id.empty() ? DotId(dot) : request.id));
  Entry& entry = result.entry;
  const replication::Hlc hlc = clock_->Tick(wall_ms);
  AURORA_ASSIGN_OR_RETURN(const std::optional<replication::Write> write,
                          request.edit(EditContext{entry, dot, hlc, reader_}));
  if (!write.has_value()) {
    return result;
  }
  if (entry.parked.has_value() && write->spec.has_value()) {
    return FailedPrecondition(entry.kind + " " + entry.id +
                              " holds a value this version cannot read (" + *entry.parked +
                              "): only disable, enable, revoke or deactivate it here");
  }
  replication::Row row = replication::WriteRow(entry.row, dot, hlc, *write);
  if (write->spec.has_value()) {
    const size_t bytes = replication::WireRow{entry.kind, entry.id, EncodeRow(row)}.bytes();
    if (bytes > replication::kWrittenBytesMax) {
      return InvalidArgument("spec: with it " + entry.kind + " " + entry.id + " takes " + std::to_string(bytes) +
                             " bytes; at most " + std::to_string(replication::kWrittenBytesMax) +
                             " reach the other nodes");
    }
  }
  const auto resolve = options_.resolve.find(entry.kind);
  if (resolve == options_.resolve.end()) {
    return InvalidArgument("unknown kind \"" + entry.kind + "\"");
  }
  std::optional<std::string> resolved = entry.resolved;
  absl::StatusOr<std::optional<std::string>> value = resolve->second(entry.kind, entry.id, row);
  if (value.ok()) {
    resolved = *std::move(value);
    entry.parked.reset();
  } else if (!entry.parked.has_value()) {
    return value.status();
  } else {
    resolved = LastGood(entry, row.facts);
  }
  ++counter_;
  const bool created = !entry.resolved.has_value() && resolved.has_value();
  AURORA_RETURN_IF_ERROR(Put(entry, std::move(row), std::move(resolved), entry.parked));
  AURORA_RETURN_IF_ERROR(RaiseMark(hlc));
  if (request.audit.has_value()) {
    AURORA_RETURN_IF_ERROR(Audit(*request.audit, entry, wall_ms));
  }
  result.changed = true;
  result.created = created;
  return result;
}

// What is known of all rows at once, with `row` in the place of `before`'s.
RowDigest Writer::Account(const Entry& before, const replication::Row& row, bool parked) {
  const RowDigest digest = DigestOf(before.id, row);
  Step step{before.kind, BucketOf(before.id), {1, digest}};
  if (before.seq != 0) {
    step.delta.Remove(DigestOf(before.id, before.row));
    counts_.rows -= 1;
    counts_.tombstones -= IsTombstone(before.row) ? 1 : 0;
    counts_.parked -= before.parked.has_value() ? 1 : 0;
    counts_.conflicts -= before.row.siblings.size() > 1 ? 1 : 0;
  }
  parked_changed_ |= parked != before.parked.has_value();
  digests_.Join(step.kind, step.bucket, step.delta);
  counts_.rows += 1;
  counts_.tombstones += IsTombstone(row) ? 1 : 0;
  counts_.parked += parked ? 1 : 0;
  counts_.conflicts += row.siblings.size() > 1 ? 1 : 0;
  steps_.push_back(std::move(step));
  return digest;
}

absl::Status Writer::Put(Entry& entry, replication::Row row, std::optional<std::string> resolved,
                         std::optional<std::string> parked) {
  const uint64_t old_seq = entry.seq;
  const bool same_value = old_seq == 0 ? !resolved.has_value() : entry.resolved == resolved;
  const RowDigest digest = Account(entry, row, parked.has_value());
  entry.row = std::move(row);
  entry.resolved = std::move(resolved);
  entry.parked = std::move(parked);
  entry.seq = ++head_;
  const auto seq = static_cast<int64_t>(entry.seq);
  if (old_seq != 0) {
    AURORA_RETURN_IF_ERROR(Note(drop_change_.Bind(1, static_cast<int64_t>(old_seq)).Run()));
  }
  put_change_.Bind(1, seq).BindText(2, entry.kind).BindText(3, entry.id).Bind(4, entry.row.Urgent() ? 1 : 0);
  AURORA_RETURN_IF_ERROR(Note(put_change_.Run()));
  put_row_.BindText(1, entry.kind).BindText(2, entry.id).BindBlob(
      3, schema::WithSum(schema::kRowColumn, entry.kind, entry.id, EncodeRow(entry.row)));
  put_row_.Bind(4, HlcColumn(entry.row)).Bind(5, seq);
  if (entry.parked.has_value()) {
    put_row_.BindText(6, *entry.parked);
  } else {
    put_row_.BindNull(6);
  }
  put_row_.Bind(7, static_cast<int64_t>(entry.row.siblings.size())).Bind(8, IsTombstone(entry.row) ? 1 : 0);
  put_row_.Bind(9, int64_t{BucketOf(entry.id)}).BindBlob(10, DigestBytes(digest));
  AURORA_RETURN_IF_ERROR(Note(put_row_.Run()));
  if (same_value) {
    return absl::OkStatus();
  }
  if (!entry.resolved.has_value()) {
    return Note(drop_resolved_.BindText(1, entry.kind).BindText(2, entry.id).Run());
  }
  return Note(put_resolved_.BindText(1, entry.kind)
                  .BindText(2, entry.id)
                  .BindBlob(3, schema::WithSum(schema::kSpecColumn, entry.kind, entry.id, *entry.resolved))
                  .Run());
}

absl::Status Writer::RaiseMark(const replication::Hlc& hlc) {
  if (hlc.unix_ms < mark_ms_) {
    return absl::OkStatus();
  }
  mark_ms_ = hlc.unix_ms + replication::kHlcReserveMs;
  return SetMeta(schema::kMetaHlcMark, std::to_string(mark_ms_));
}

absl::Status Writer::Audit(AuditEntry audit, const Entry& entry, uint64_t wall_ms) {
  audit.kind = entry.kind;
  audit.id = entry.id;
  return AppendAudit(audit, wall_ms);
}

absl::Status Writer::AppendAudit(const AuditEntry& audit, uint64_t wall_ms) {
  put_audit_.Bind(1, static_cast<int64_t>(wall_ms))
      .BindText(2, audit.actor)
      .BindText(3, audit.action);
  put_audit_.BindText(4, audit.kind).BindText(5, audit.id).BindText(6, audit.detail);
  return Note(put_audit_.Run());
}

absl::Status Writer::AppendEvent(uint64_t wall_ms, std::string_view severity, std::string_view type,
                                 std::string_view message) {
  put_event_.Bind(1, static_cast<int64_t>(wall_ms)).BindText(2, severity);
  AURORA_RETURN_IF_ERROR(Note(put_event_.BindText(3, type).BindText(4, message).Run()));
  return Note(trim_events_.Bind(1, db_.LastInsertRowid() - kEventsKept).Run());
}

absl::Status Writer::SetMeta(std::string_view key, std::string_view value) {
  return Note(put_meta_.BindText(1, key).BindText(2, value).Run());
}

}  // namespace aurora::store
