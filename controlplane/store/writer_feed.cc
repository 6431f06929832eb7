// Writer, the part that other nodes drive: merges, cursors, and what is computed of all rows when the file is opened.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/store/row_codec.h"
#include "controlplane/store/writer.h"
#include "shared/base/check.h"
#include "shared/base/status.h"
#include "shared/schema/sum.h"

namespace aurora::store {
namespace {

constexpr size_t kPage = 1'000;

}  // namespace

// [A7] What stays in force of a row whose siblings this program cannot read. A kind without a rule: the last good
// value, unless new facts speak against it: stricter, never laxer.
std::optional<std::string> Writer::LastGood(const Entry& before, const replication::Facts& facts) const {
  if (!before.resolved.has_value()) {
    return std::nullopt;
  }
  if (const auto apply = options_.facts.find(before.kind); apply != options_.facts.end()) {
    return apply->second(*before.resolved, facts);
  }
  const bool against =
      facts.ended_at.has_value() || facts.Disabled() || facts.revoked != before.row.facts.revoked;
  return against ? std::nullopt : before.resolved;
}

absl::StatusOr<MergeResult> Writer::Merge(std::span<const WireRow> rows, std::string_view peer_uid,
                                          const std::optional<FeedRange>& range, uint64_t wall_ms) {
  AURORA_ASSIGN_OR_RETURN(const std::vector<RemoteRow> decoded, DecodeRows(rows));
  return Merge(decoded, peer_uid, range, wall_ms);
}

absl::StatusOr<MergeResult> Writer::Merge(std::span<const RemoteRow> rows, std::string_view peer_uid,
                                          const std::optional<FeedRange>& range, uint64_t wall_ms) {
  MergeResult result;
  AURORA_RETURN_IF_ERROR(MergeRows(rows, wall_ms, result));
  AURORA_RETURN_IF_ERROR(EndMerge(peer_uid, range, result));
  return result;
}

absl::Status Writer::MergeRows(std::span<const RemoteRow> rows, uint64_t wall_ms, MergeResult& result) {
  parked_changed_ = false;
  for (const RemoteRow& row : rows) {
    AURORA_RETURN_IF_ERROR(MergeOne(row, wall_ms, result));
  }
  result.parked_moved |= parked_changed_;
  return RaiseMark(clock_->now());
}

absl::Status Writer::EndMerge(std::string_view peer_uid, const std::optional<FeedRange>& range, MergeResult& result) {
  if (range.has_value()) {
    AURORA_RETURN_IF_ERROR(MoveCursor(peer_uid, *range, result));
  }
  if (result.parked_moved) {
    absl::StatusOr<replication::Parked> names = reader_.ParkedNames();
    AURORA_RETURN_IF_ERROR(Note(names.status()));
    result.parked_now = *std::move(names);
  }
  result.head = head_;
  return absl::OkStatus();
}

absl::Status Writer::MergeOne(const RemoteRow& remote, uint64_t wall_ms, MergeResult& result) {
  for (const replication::Sibling& sibling : remote.row.siblings) {
    if (!clock_->Observe(sibling.hlc, wall_ms)) {
      ++result.skewed;
      const uint64_t by_ms = sibling.hlc.unix_ms - wall_ms;
      if (by_ms > result.skewed_by_ms) {
        result.skewed_by_ms = by_ms;
        result.skewed_node_uid = sibling.dot.origin.node_uid;
      }
    }
  }
  absl::StatusOr<Entry> current = Current(remote.kind, remote.id);
  if (!current.ok()) {
    return Note(current.status());  // rows before this one are in the transaction: all or none
  }
  Entry& entry = *current;
  replication::Row row = replication::Merge(entry.row, remote.row);
  if (row == entry.row) {
    return absl::OkStatus();  // nothing new, no change entry: relaying ends here
  }
  if (entry.row.version == remote.row.version) {
    result.diverged.Add(remote.kind, remote.id);
  }
  std::optional<std::string> resolved;
  std::optional<std::string> parked;
  const auto resolve = options_.resolve.find(remote.kind);
  if (resolve == options_.resolve.end()) {
    parked = "unknown kind";
  } else if (auto value = resolve->second(remote.kind, remote.id, row); value.ok()) {
    resolved = *std::move(value);
  } else {
    parked = std::string(Std(value.status().message()));  // kept and relayed all the same
  }
  if (parked.has_value()) {
    resolved = LastGood(entry, row.facts);
    result.parked.Add(remote.kind, remote.id);
  }
  if (row.siblings.size() > 1) {
    result.conflicts.Add(remote.kind, remote.id);
  }
  ++result.changed;
  return Put(entry, std::move(row), std::move(resolved), std::move(parked));
}

// ---- Cursors ----

absl::StatusOr<uint64_t> Writer::CursorAt(uint64_t epoch, Lane lane) {
  const sqlite::ResetGuard reset(get_cursor_);
  get_cursor_.Bind(1, static_cast<int64_t>(epoch)).Bind(2, static_cast<int64_t>(lane));
  absl::StatusOr<bool> row = get_cursor_.Step();
  if (!row.ok()) {
    return Note(row.status());
  }
  return *row ? static_cast<uint64_t>(get_cursor_.Int64(0)) : 0;
}

absl::Status Writer::PutCursor(const FeedCursor& cursor) {
  put_cursor_.BindText(1, cursor.peer_uid).Bind(2, static_cast<int64_t>(cursor.epoch));
  put_cursor_.Bind(3, static_cast<int64_t>(cursor.lane)).Bind(4, static_cast<int64_t>(cursor.seq));
  return Note(put_cursor_.Run());
}

// [A10] Only a batch without a gap before it moves the cursor, and only forward.
absl::Status Writer::MoveCursor(std::string_view peer_uid, const FeedRange& range, MergeResult& result) {
  AURORA_ASSIGN_OR_RETURN(const uint64_t stored, CursorAt(range.epoch, range.lane));
  result.moved = range.from_seq <= stored && stored < range.to_seq;
  result.cursor = result.moved ? range.to_seq : stored;
  return result.moved ? PutCursor({std::string(peer_uid), range.epoch, range.lane, range.to_seq}) : absl::OkStatus();
}

// [A9] What both histories share is the most that any known epoch says; nothing in common is the full state.
absl::StatusOr<replication::FeedOpened> Writer::OpenFeed(std::string_view peer_uid,
                                                         std::span<const FeedEpoch> history) {
  AURORA_CHECK(!history.empty());
  replication::FeedOpened opened;
  opened.head = head_;
  for (const Lane lane : replication::kAllLanes) {
    uint64_t& from = opened.seq[lane];
    for (const FeedEpoch& epoch : history) {
      AURORA_ASSIGN_OR_RETURN(const uint64_t cursor, CursorAt(epoch.epoch, lane));
      from = std::max(from, std::min(cursor, epoch.last_seq));
    }
    AURORA_RETURN_IF_ERROR(PutCursor({std::string(peer_uid), history.back().epoch, lane, from}));
  }
  for (const FeedEpoch& epoch : history) {
    for (const Lane lane : replication::kAllLanes) {
      AURORA_ASSIGN_OR_RETURN(const uint64_t cursor, CursorAt(epoch.epoch, lane));
      opened.rolled_back_epoch = cursor > epoch.last_seq ? epoch.epoch : opened.rolled_back_epoch;
    }
  }
  trim_cursors_.BindText(1, peer_uid).Bind(2, static_cast<int64_t>(kEpochsKept * replication::kLanes));
  AURORA_RETURN_IF_ERROR(Note(trim_cursors_.Run()));
  return opened;
}

absl::Status Writer::Settle() {
  AURORA_RETURN_IF_ERROR(Note(drop_meta_.BindText(1, schema::kMetaRestored).Run()));
  return SetMeta(schema::kMetaSettledEpoch, std::to_string(origin_.epoch));
}

absl::StatusOr<std::vector<replication::DigestEntry>> Writer::Digest(replication::DigestLevel level,
                                                                     std::string_view kind, uint32_t bucket) {
  using replication::DigestLevel;
  std::vector<replication::DigestEntry> out;
  if (level == DigestLevel::kKinds) {
    for (const auto& [name, buckets] : digests_.kinds()) {
      const SetDigest root = digests_.Root(name);
      if (root.count > 0) {
        out.push_back({name, root.count, root.sum});
      }
    }
  } else if (level == DigestLevel::kBuckets) {
    const DigestTree::Buckets* const buckets = digests_.Of(kind);
    for (uint32_t i = 0; buckets != nullptr && i < kBuckets; ++i) {
      if ((*buckets)[i].count > 0) {
        const std::string digits = std::to_string(i);
        out.push_back({std::string(3 - digits.size(), '0') + digits, (*buckets)[i].count, (*buckets)[i].sum});
      }
    }
  } else {
    AURORA_ASSIGN_OR_RETURN(const auto rows, reader_.BucketRows(kind, bucket));
    for (const auto& [id, digest] : rows) {
      if (out.size() == replication::kDigestEntriesMax) {
        break;
      }
      out.push_back({id, 1, digest});
    }
  }
  return out;
}

// ---- At the opening of the file ----

absl::Status Writer::FillColumns() {
  AURORA_ASSIGN_OR_RETURN(const std::string wanted, MetaOr(schema::kMetaFillColumns, ""));
  if (wanted.empty()) {
    return absl::OkStatus();
  }
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement page,
                          db_.Prepare("SELECT kind, id, row, seq FROM row WHERE (kind, id) > (?1, ?2) "
                                      "ORDER BY kind, id LIMIT ?3"));
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement put,
                          db_.Prepare("UPDATE row SET siblings = ?3, dead = ?4, bucket = ?5, digest = ?6 "
                                      "WHERE kind = ?1 AND id = ?2"));
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement urgent, db_.Prepare("UPDATE change SET urgent = 1 WHERE seq = ?1"));
  RowRef after;
  while (true) {
    std::vector<std::pair<RemoteRow, int64_t>> rows;
    page.BindText(1, after.kind).BindText(2, after.id).Bind(3, int64_t{kPage});
    while (true) {
      AURORA_ASSIGN_OR_RETURN(const bool there, page.Step());
      if (!there) {
        break;
      }
      absl::StatusOr<replication::Row> row = DecodeStored(page.Text(0), page.Text(1), page.Blob(2));
      AURORA_RETURN_IF_ERROR(WithContext(db_.path(), row.status()));
      rows.push_back({{std::string(page.Text(0)), std::string(page.Text(1)), *std::move(row)}, page.Int64(3)});
    }
    page.Reset();
    for (const auto& [r, seq] : rows) {
      put.BindText(1, r.kind).BindText(2, r.id).Bind(3, static_cast<int64_t>(r.row.siblings.size()));
      put.Bind(4, IsTombstone(r.row) ? 1 : 0).Bind(5, int64_t{BucketOf(r.id)});
      AURORA_RETURN_IF_ERROR(put.BindBlob(6, DigestBytes(DigestOf(r.id, r.row))).Run());
      if (r.row.Urgent()) {
        AURORA_RETURN_IF_ERROR(urgent.Bind(1, seq).Run());
      }
    }
    if (rows.size() < kPage) {
      break;
    }
    after = {rows.back().first.kind, rows.back().first.id};
  }
  return drop_meta_.BindText(1, schema::kMetaFillColumns).Run();
}

// Every byte of policy is looked at on the way: what changed on the disk is served and sent to nobody.
absl::Status Writer::LoadSums() {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement v, db_.Prepare("SELECT kind, id, spec FROM resolved"));
  for (absl::StatusOr<bool> there = v.Step();; there = v.Step()) {
    AURORA_RETURN_IF_ERROR(there.status());
    if (!*there) {
      break;
    }
    AURORA_RETURN_IF_ERROR(
        WithContext(db_.path(), schema::WithoutSum(schema::kSpecColumn, v.Text(0), v.Text(1), v.Blob(2)).status()));
  }
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement s,
                          db_.Prepare("SELECT kind, bucket, digest, dead, parked IS NOT NULL, siblings > 1, id, row "
                                      "FROM row"));
  while (true) {
    AURORA_ASSIGN_OR_RETURN(const bool there, s.Step());
    if (!there) {
      return absl::OkStatus();
    }
    AURORA_RETURN_IF_ERROR(
        WithContext(db_.path(), schema::WithoutSum(schema::kRowColumn, s.Text(0), s.Text(6), s.Blob(7)).status()));
    digests_.Add(s.Text(0), static_cast<uint32_t>(s.Int64(1)), DigestFrom(s.Blob(2)));
    counts_.rows += 1;
    counts_.tombstones += s.Int64(3);
    counts_.parked += s.Int64(4);
    counts_.conflicts += s.Int64(5);
  }
}

// What an older program could not read may be in force now; peers see a change that brings them nothing.
absl::Status Writer::ProjectParked(uint64_t wall_ms) {
  RowRef after;
  RowNames projected;
  while (true) {
    AURORA_ASSIGN_OR_RETURN(std::vector<Entry> page, reader_.Parked(after, kPage));
    const bool last = page.size() < kPage;
    if (!last) {
      after = {page.back().kind, page.back().id};
    }
    for (Entry& entry : page) {
      const auto resolve = options_.resolve.find(entry.kind);
      if (resolve == options_.resolve.end()) {
        continue;
      }
      absl::StatusOr<std::optional<std::string>> value = resolve->second(entry.kind, entry.id, entry.row);
      if (!value.ok()) {
        continue;
      }
      projected.Add(entry.kind, entry.id);
      replication::Row row = entry.row;
      AURORA_RETURN_IF_ERROR(Put(entry, std::move(row), *std::move(value), std::nullopt));
    }
    if (last) {
      break;
    }
  }
  if (projected.count == 0) {
    return absl::OkStatus();
  }
  const RowRef& first = projected.first.front();
  return AppendEvent(wall_ms, "info", "parked_rows_in_force",
                     std::to_string(projected.count) + " parked rows are in force now, among them " + first.kind + " " +
                         first.id);
}

}  // namespace aurora::store
