#include "controlplane/store/reader.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "controlplane/store/row_codec.h"
#include "shared/base/status.h"
#include "shared/schema/sum.h"

namespace aurora::store {
namespace {

#define AURORA_ENTRY_COLUMNS "r.kind, r.id, r.row, r.seq, r.parked, v.spec"
#define AURORA_ENTRY_FROM " FROM row r LEFT JOIN resolved v ON v.kind = r.kind AND v.id = r.id "

constexpr std::string_view kGet =
    "SELECT " AURORA_ENTRY_COLUMNS AURORA_ENTRY_FROM "WHERE r.kind = ?1 AND r.id = ?2";
constexpr std::string_view kListAll = "SELECT " AURORA_ENTRY_COLUMNS AURORA_ENTRY_FROM
                                      "WHERE r.kind = ?1 AND r.id > ?2 ORDER BY r.id LIMIT ?3";
constexpr std::string_view kListLive =
    "SELECT " AURORA_ENTRY_COLUMNS
    " FROM resolved v JOIN row r ON r.kind = v.kind AND r.id = v.id "
    "WHERE v.kind = ?1 AND v.id > ?2 ORDER BY v.id LIMIT ?3";
constexpr std::string_view kChanges =
    "SELECT " AURORA_ENTRY_COLUMNS
    " FROM change c JOIN row r ON r.kind = c.kind AND r.id = c.id "
    "LEFT JOIN resolved v ON v.kind = r.kind AND v.id = r.id WHERE c.seq > ?1 ORDER BY c.seq LIMIT "
    "?2";
// After a negative number: the last so many.
constexpr std::string_view kEvents =
    "SELECT seq, at_ms, severity, type, message FROM event WHERE seq > "
    "CASE WHEN ?1 < 0 THEN ?1 + (SELECT COALESCE(MAX(seq), 0) FROM event) ELSE ?1 END ORDER BY seq LIMIT ?2";
constexpr std::string_view kAudit =
    "SELECT seq, at_ms, actor, action, kind, id, detail FROM audit_admin WHERE seq < ?1 "
    "ORDER BY seq DESC LIMIT ?2";
constexpr std::string_view kMeta = "SELECT value FROM meta WHERE key = ?1";

constexpr std::string_view kFeedBulk =
    "SELECT c.seq, r.kind, r.id, r.row FROM change c JOIN row r ON r.kind = c.kind AND r.id = c.id "
    "WHERE c.seq > ?1 ORDER BY c.seq LIMIT ?2";
constexpr std::string_view kFeedRevoke =
    "SELECT c.seq, r.kind, r.id, r.row FROM change c INDEXED BY change_urgent JOIN row r ON r.kind = c.kind AND "
    "r.id = c.id WHERE c.urgent = 1 AND c.seq > ?1 ORDER BY c.seq LIMIT ?2";
constexpr std::string_view kCursors = "SELECT peer_uid, epoch, lane, seq FROM cursor ORDER BY peer_uid, position";
constexpr std::string_view kParked = "SELECT " AURORA_ENTRY_COLUMNS AURORA_ENTRY_FROM
                                     "WHERE r.parked IS NOT NULL AND (r.kind, r.id) > (?1, ?2) "
                                     "ORDER BY r.kind, r.id LIMIT ?3";
constexpr std::string_view kParkedNames =
    "SELECT kind, id FROM row WHERE parked IS NOT NULL ORDER BY kind, id LIMIT ?1";
constexpr std::string_view kConflicts = "SELECT " AURORA_ENTRY_COLUMNS AURORA_ENTRY_FROM
                                        "WHERE r.siblings > 1 AND (r.kind, r.id) > (?1, ?2) "
                                        "ORDER BY r.kind, r.id LIMIT ?3";
constexpr std::string_view kCounts =
    "SELECT COUNT(*), COALESCE(SUM(dead), 0), COALESCE(SUM(parked IS NOT NULL), 0), COALESCE(SUM(siblings > 1), 0) "
    "FROM row";
constexpr std::string_view kBucket = "SELECT id, digest FROM row WHERE kind = ?1 AND bucket = ?2 ORDER BY id";
constexpr std::string_view kBucketContent = "SELECT id, row FROM row WHERE kind = ?1 AND bucket = ?2 ORDER BY id";
constexpr std::string_view kAllRows = "SELECT kind, id, row FROM row";

// Over the primary key, without a look at the values.
constexpr std::string_view kCount = "SELECT COUNT(*) FROM resolved WHERE kind = ?1";

#undef AURORA_ENTRY_COLUMNS
#undef AURORA_ENTRY_FROM

int64_t Limit(size_t limit) {
  return static_cast<int64_t>(std::min(limit, kListMax));
}

// Steps `s` to its end and collects what `read` makes of each row.
template <class T, class F>
absl::StatusOr<std::vector<T>> Collect(sqlite::Statement& s, const F& read) {
  const sqlite::ResetGuard reset(s);
  std::vector<T> out;
  while (true) {
    AURORA_ASSIGN_OR_RETURN(const bool row, s.Step());
    if (!row) {
      return out;
    }
    absl::StatusOr<T> value = read(s);
    if (!value.ok()) {
      return value.status();
    }
    out.push_back(*std::move(value));
  }
}

}  // namespace

Reader::~Reader() {
  // Statements before the database they belong to.
  for (sqlite::Statement* s :
       {&get_, &list_live_, &list_all_, &changes_, &events_, &audit_, &meta_, &count_, &feed_revoke_, &feed_bulk_,
        &cursors_, &parked_, &conflicts_, &bucket_, &parked_names_, &content_}) {
    *s = sqlite::Statement();
  }
}

absl::StatusOr<std::unique_ptr<Reader>> Reader::Open(std::string_view path) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Database db, schema::OpenAuroraForRead(path));
  auto reader = std::make_unique<Reader>(nullptr);
  reader->own_.emplace(std::move(db));
  reader->db_ = &*reader->own_;
  return reader;
}

absl::StatusOr<sqlite::Statement*> Reader::Prepared(sqlite::Statement& slot, std::string_view sql) {
  if (!slot.prepared()) {
    AURORA_ASSIGN_OR_RETURN(slot, db_->Prepare(sql));
  }
  return &slot;
}

absl::StatusOr<Entry> Reader::ReadEntry(const sqlite::Statement& s) {
  Entry entry;
  entry.kind = s.Text(0);
  entry.id = s.Text(1);
  AURORA_ASSIGN_OR_RETURN(entry.row, DecodeStored(entry.kind, entry.id, s.Blob(2)));
  entry.seq = static_cast<uint64_t>(s.Int64(3));
  if (!s.IsNull(4)) {
    entry.parked = std::string(s.Text(4));
  }
  if (!s.IsNull(5)) {
    AURORA_ASSIGN_OR_RETURN(entry.resolved,
                            schema::WithoutSum(schema::kSpecColumn, entry.kind, entry.id, s.Blob(5)));
  }
  return entry;
}

absl::StatusOr<Entry> Reader::Get(std::string_view kind, std::string_view id) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement* const s, Prepared(get_, kGet));
  const sqlite::ResetGuard reset(*s);
  s->BindText(1, kind).BindText(2, id);
  AURORA_ASSIGN_OR_RETURN(const bool row, s->Step());
  if (!row) {
    return NotFound("no " + std::string(kind) + " \"" + std::string(id) + "\"");
  }
  return ReadEntry(*s);
}

absl::StatusOr<std::vector<Entry>> Reader::List(std::string_view kind, std::string_view after,
                                                size_t limit, bool live_only) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement* const s, live_only ? Prepared(list_live_, kListLive)
                                                                : Prepared(list_all_, kListAll));
  s->BindText(1, kind).BindText(2, after).Bind(3, Limit(limit));
  return Collect<Entry>(*s, ReadEntry);
}

absl::StatusOr<int64_t> Reader::CountLive(std::string_view kind) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement* const s, Prepared(count_, kCount));
  const sqlite::ResetGuard reset(*s);
  s->BindText(1, kind);
  AURORA_ASSIGN_OR_RETURN(const bool row, s->Step());
  return row ? s->Int64(0) : 0;
}

absl::StatusOr<std::vector<Entry>> Reader::Changes(uint64_t after_seq, size_t limit) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement* const s, Prepared(changes_, kChanges));
  s->Bind(1, static_cast<int64_t>(after_seq)).Bind(2, Limit(limit));
  return Collect<Entry>(*s, ReadEntry);
}

absl::StatusOr<std::vector<Event>> Reader::Events(int64_t after_seq, size_t limit) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement* const s, Prepared(events_, kEvents));
  s->Bind(1, after_seq).Bind(2, Limit(limit));
  return Collect<Event>(*s, [](const sqlite::Statement& row) -> absl::StatusOr<Event> {
    return Event{row.Int64(0), row.Int64(1), std::string(row.Text(2)), std::string(row.Text(3)),
                 std::string(row.Text(4))};
  });
}

absl::StatusOr<std::vector<AuditEntry>> Reader::Audit(int64_t before_seq, size_t limit) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement* const s, Prepared(audit_, kAudit));
  s->Bind(1, before_seq == 0 ? std::numeric_limits<int64_t>::max() : before_seq)
      .Bind(2, Limit(limit));
  return Collect<AuditEntry>(*s, [](const sqlite::Statement& row) -> absl::StatusOr<AuditEntry> {
    return AuditEntry{row.Int64(0),
                      row.Int64(1),
                      std::string(row.Text(2)),
                      std::string(row.Text(3)),
                      std::string(row.Text(4)),
                      std::string(row.Text(5)),
                      std::string(row.Text(6))};
  });
}

absl::StatusOr<schema::Position> Reader::Head() {
  return schema::HeadPosition(*db_);
}

absl::StatusOr<std::string> Reader::Meta(std::string_view key) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement* const s, Prepared(meta_, kMeta));
  const sqlite::ResetGuard reset(*s);
  s->BindText(1, key);
  AURORA_ASSIGN_OR_RETURN(const bool row, s->Step());
  if (!row) {
    return NotFound("no meta \"" + std::string(key) + "\"");
  }
  return std::string(s->Text(0));
}

// ---- What replication asks ----

absl::StatusOr<replication::FeedBatch> Reader::FeedBatch(Lane lane, uint64_t after_seq, size_t max_rows,
                                                        size_t max_bytes) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement* const s, lane == Lane::kRevoke ? Prepared(feed_revoke_, kFeedRevoke)
                                                                            : Prepared(feed_bulk_, kFeedBulk));
  // Rows and head from one view of the file; on the Store's own connection nobody writes in between.
  std::optional<sqlite::Transaction> view;
  if (own_.has_value()) {
    AURORA_ASSIGN_OR_RETURN(sqlite::Transaction tx, sqlite::Transaction::BeginRead(*db_));
    view.emplace(std::move(tx));
  }
  replication::FeedBatch out;
  out.done = true;
  out.to_seq = after_seq;
  const size_t most = std::min(std::max<size_t>(max_rows, 1), kListMax);
  {
    const sqlite::ResetGuard reset(*s);
    s->Bind(1, static_cast<int64_t>(after_seq)).Bind(2, static_cast<int64_t>(most) + 1);
    size_t bytes = 0;
    while (true) {
      AURORA_ASSIGN_OR_RETURN(const bool there, s->Step());
      if (!there) {
        break;
      }
      WireRow row{std::string(s->Text(1)), std::string(s->Text(2)), ""};
      AURORA_ASSIGN_OR_RETURN(row.row, schema::WithoutSum(schema::kRowColumn, row.kind, row.id, s->Blob(3)));
      if (out.rows.size() == most || (!out.rows.empty() && bytes + row.bytes() > max_bytes)) {
        out.done = false;
        break;
      }
      bytes += row.bytes();
      out.to_seq = static_cast<uint64_t>(s->Int64(0));
      out.rows.push_back(std::move(row));
    }
  }
  if (out.done) {
    AURORA_ASSIGN_OR_RETURN(const schema::Position head, Head());
    out.to_seq = std::max(out.to_seq, head.seq);
  }
  return out;
}

absl::StatusOr<std::vector<WireRow>> Reader::Rows(std::span<const RowRef> rows) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement* const s, Prepared(get_, kGet));
  std::vector<WireRow> out;
  for (const RowRef& row : rows) {
    const sqlite::ResetGuard reset(*s);
    s->BindText(1, row.kind).BindText(2, row.id);
    AURORA_ASSIGN_OR_RETURN(const bool there, s->Step());
    if (there) {
      AURORA_ASSIGN_OR_RETURN(const std::string_view bytes,
                              schema::WithoutSum(schema::kRowColumn, row.kind, row.id, s->Blob(2)));
      out.push_back({row.kind, row.id, std::string(bytes)});
    }
  }
  return out;
}

absl::StatusOr<replication::Parked> Reader::ParkedNames() {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement* const s, Prepared(parked_names_, kParkedNames));
  s->Bind(1, static_cast<int64_t>(replication::kParkedMax) + 1);
  replication::Parked out;
  AURORA_ASSIGN_OR_RETURN(out.rows,
                          Collect<RowRef>(*s, [](const sqlite::Statement& row) -> absl::StatusOr<RowRef> {
                            return RowRef{std::string(row.Text(0)), std::string(row.Text(1))};
                          }));
  out.overflow = out.rows.size() > replication::kParkedMax;
  out.rows.resize(std::min(out.rows.size(), replication::kParkedMax));
  return out;
}

absl::StatusOr<std::vector<FeedEpoch>> Reader::History() {
  std::optional<sqlite::Transaction> view;
  if (own_.has_value()) {
    AURORA_ASSIGN_OR_RETURN(sqlite::Transaction tx, sqlite::Transaction::BeginRead(*db_));
    view.emplace(std::move(tx));
  }
  absl::StatusOr<std::string> list = Meta(schema::kMetaEpochs);
  if (absl::IsNotFound(list.status())) {
    return std::vector<FeedEpoch>();
  }
  if (!list.ok()) {
    return list.status();
  }
  AURORA_ASSIGN_OR_RETURN(const schema::Position head, Head());
  std::vector<FeedEpoch> out;
  for (std::string_view left = *list; !left.empty();) {
    const std::string_view item = left.substr(0, left.find(','));
    left.remove_prefix(std::min(item.size() + 1, left.size()));
    FeedEpoch epoch;
    uint64_t first = 0;
    const char* const end = item.data() + item.size();
    const auto [colon, error] = std::from_chars(item.data(), end, epoch.epoch);
    if (error != std::errc() || colon == end || *colon != ':' ||
        std::from_chars(colon + 1, end, first).ptr != end || first == 0) {
      return DataLoss(db_->path() + ": the list of epochs is unreadable");
    }
    if (!out.empty()) {
      out.back().last_seq = first - 1;
    }
    out.push_back(epoch);
  }
  if (!out.empty()) {
    out.back().last_seq = head.seq;
  }
  return out;
}

absl::StatusOr<std::vector<FeedCursor>> Reader::Cursors() {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement* const s, Prepared(cursors_, kCursors));
  return Collect<FeedCursor>(*s, [](const sqlite::Statement& row) -> absl::StatusOr<FeedCursor> {
    return FeedCursor{std::string(row.Text(0)), static_cast<uint64_t>(row.Int64(1)), static_cast<Lane>(row.Int64(2)),
                      static_cast<uint64_t>(row.Int64(3))};
  });
}

absl::StatusOr<std::vector<Entry>> Reader::Parked(const RowRef& after, size_t limit) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement* const s, Prepared(parked_, kParked));
  s->BindText(1, after.kind).BindText(2, after.id).Bind(3, Limit(limit));
  return Collect<Entry>(*s, ReadEntry);
}

absl::StatusOr<std::vector<Entry>> Reader::Conflicts(const RowRef& after, size_t limit) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement* const s, Prepared(conflicts_, kConflicts));
  s->BindText(1, after.kind).BindText(2, after.id).Bind(3, Limit(limit));
  return Collect<Entry>(*s, ReadEntry);
}

absl::StatusOr<RowCounts> Reader::Counts() {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement s, db_->Prepare(kCounts));
  AURORA_ASSIGN_OR_RETURN(const bool row, s.Step());
  return row ? RowCounts{s.Int64(0), s.Int64(1), s.Int64(2), s.Int64(3)} : RowCounts();
}

absl::StatusOr<std::vector<std::pair<std::string, RowDigest>>> Reader::BucketRows(std::string_view kind,
                                                                                  uint32_t bucket) {
  using Row = std::pair<std::string, RowDigest>;
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement* const s, Prepared(bucket_, kBucket));
  s->BindText(1, kind).Bind(2, int64_t{bucket});
  return Collect<Row>(*s, [](const sqlite::Statement& row) -> absl::StatusOr<Row> {
    return Row{std::string(row.Text(0)), DigestFrom(row.Blob(1))};
  });
}

// A row that does not decode is equal to none.
absl::StatusOr<std::vector<std::pair<std::string, RowDigest>>> Reader::BucketContent(std::string_view kind,
                                                                                     uint32_t bucket) {
  using Row = std::pair<std::string, RowDigest>;
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement* const s, Prepared(content_, kBucketContent));
  s->BindText(1, kind).Bind(2, int64_t{bucket});
  return Collect<Row>(*s, [kind](const sqlite::Statement& at) -> absl::StatusOr<Row> {
    const absl::StatusOr<replication::Row> row = DecodeStored(kind, at.Text(0), at.Blob(1));
    return Row{std::string(at.Text(0)), row.ok() ? ContentDigestOf(at.Text(0), *row) : RowDigest{}};
  });
}

absl::StatusOr<DigestTree> Reader::Recount() {
  DigestTree tree;
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement s, db_->Prepare(kAllRows));
  while (true) {
    AURORA_ASSIGN_OR_RETURN(const bool there, s.Step());
    if (!there) {
      return tree;
    }
    const std::string_view id = s.Text(1);
    AURORA_ASSIGN_OR_RETURN(const replication::Row row, DecodeStored(s.Text(0), id, s.Blob(2)));
    tree.Add(s.Text(0), BucketOf(id), DigestOf(id, row));
  }
}

}  // namespace aurora::store
