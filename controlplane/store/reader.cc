#include "controlplane/store/reader.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "controlplane/store/row_codec.h"
#include "shared/base/status.h"

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
constexpr std::string_view kEvents =
    "SELECT seq, at_ms, severity, type, message FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2";
constexpr std::string_view kAudit =
    "SELECT seq, at_ms, actor, action, kind, id, detail FROM audit_admin WHERE seq < ?1 "
    "ORDER BY seq DESC LIMIT ?2";
constexpr std::string_view kMeta = "SELECT value FROM meta WHERE key = ?1";

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
       {&get_, &list_live_, &list_all_, &changes_, &events_, &audit_, &meta_, &count_}) {
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
  absl::StatusOr<replication::Row> row = DecodeRow(s.Blob(2));
  if (!row.ok()) {
    return DataLoss(entry.kind + " " + entry.id + ": " + std::string(row.status().message()));
  }
  entry.row = *std::move(row);
  entry.seq = static_cast<uint64_t>(s.Int64(3));
  if (!s.IsNull(4)) {
    entry.parked = std::string(s.Text(4));
  }
  if (!s.IsNull(5)) {
    entry.resolved = std::string(s.Blob(5));
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

}  // namespace aurora::store
