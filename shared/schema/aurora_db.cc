#include "shared/schema/aurora_db.h"

#include <array>
#include <charconv>
#include <string>

#include "shared/base/status.h"
#include "shared/schema/migrate.h"

namespace aurora::schema {
namespace {

constexpr std::array<std::string_view, kAuroraVersion> kAuroraScripts = {R"sql(
CREATE TABLE row (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  row BLOB NOT NULL,         -- aurora.v1.Row
  hlc INTEGER NOT NULL,      -- of the newest sibling: unix_ms << 16 | counter
  seq INTEGER NOT NULL,      -- its entry in change
  parked TEXT,               -- why its newest siblings are not in force here
  PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE resolved (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  spec BLOB NOT NULL,
  PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE change (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL);
CREATE TABLE event (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms INTEGER NOT NULL,
  severity TEXT NOT NULL,
  type TEXT NOT NULL,
  message TEXT NOT NULL
);
CREATE TABLE audit_admin (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  detail TEXT NOT NULL
);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE peer (
  node_uid TEXT PRIMARY KEY,
  node_id TEXT NOT NULL,
  address TEXT NOT NULL,
  last_seen_ms INTEGER NOT NULL
) WITHOUT ROWID;
)sql",
R"sql(
ALTER TABLE row ADD COLUMN siblings INTEGER NOT NULL DEFAULT 1;
ALTER TABLE row ADD COLUMN dead INTEGER NOT NULL DEFAULT 0;     -- every sibling is a delete
ALTER TABLE row ADD COLUMN bucket INTEGER NOT NULL DEFAULT 0;   -- of the digests, by id
ALTER TABLE row ADD COLUMN digest BLOB NOT NULL DEFAULT x'';    -- 16 bytes
CREATE INDEX row_bucket ON row (kind, bucket);
CREATE INDEX row_conflict ON row (kind, id) WHERE siblings > 1;
CREATE INDEX row_parked ON row (kind, id) WHERE parked IS NOT NULL;
ALTER TABLE change ADD COLUMN urgent INTEGER NOT NULL DEFAULT 0;  -- the row has facts
CREATE INDEX change_urgent ON change (seq) WHERE urgent = 1;
CREATE TABLE cursor (
  position INTEGER PRIMARY KEY AUTOINCREMENT,  -- by age of the epoch
  peer_uid TEXT NOT NULL,
  epoch INTEGER NOT NULL,    -- of the peer, 64 bits
  lane INTEGER NOT NULL,     -- 0 = REVOKE, 1 = BULK
  seq INTEGER NOT NULL,
  UNIQUE (epoch, lane)
);
CREATE INDEX cursor_peer ON cursor (peer_uid, position);
-- SQL cannot look into aurora.v1.Row: the control plane computes the new columns of the rows that are there.
INSERT INTO meta (key, value) SELECT 'fill_columns', '2' WHERE EXISTS (SELECT 1 FROM row);
)sql"};

}  // namespace

absl::StatusOr<sqlite::Database> OpenAuroraForWrite(std::string_view path, std::string_view vfs) {
  sqlite::Options options;
  options.vfs = vfs;
  return OpenOwned(path, options, kAuroraScripts);
}

absl::StatusOr<sqlite::Database> OpenAuroraForRead(std::string_view path, std::string_view vfs) {
  return OpenBeside(path, vfs, kAuroraVersion);
}

absl::StatusOr<Position> HeadPosition(sqlite::Database& db) {
  // One statement: both values from one snapshot of the file.
  AURORA_ASSIGN_OR_RETURN(
      sqlite::Statement s,
      db.Prepare("SELECT (SELECT MAX(seq) FROM change), (SELECT value FROM meta WHERE key = ?1)"));
  s.BindText(1, kMetaEpochs);
  AURORA_ASSIGN_OR_RETURN(const bool row, s.Step());
  Position position;
  if (!row) {
    return position;
  }
  position.seq = static_cast<uint64_t>(s.Int64(0));
  std::string_view epochs = s.Text(1);
  if (const size_t comma = epochs.rfind(','); comma != std::string_view::npos) {
    epochs.remove_prefix(comma + 1);
  }
  if (!epochs.empty() &&
      std::from_chars(epochs.data(), epochs.data() + epochs.size(), position.epoch).ec !=
          std::errc()) {
    return DataLoss(db.path() + ": the list of epochs is unreadable");
  }
  return position;
}

}  // namespace aurora::schema
