#include "shared/schema/traffic_db.h"

#include <array>

#include "shared/base/status.h"
#include "shared/schema/migrate.h"
#include "shared/schema/usage_table.h"

namespace aurora::schema {
namespace {

constexpr std::string_view kVersion1 = R"sql(
CREATE TABLE usage (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  request_id TEXT NOT NULL,
  started_at_us INTEGER NOT NULL,
  auth_key_id TEXT NOT NULL,
  auth_key_name TEXT NOT NULL,
  user_path TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  status INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  stream INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cached_input_tokens INTEGER NOT NULL,
  cache_creation_input_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  latency_us INTEGER NOT NULL,
  time_to_first_token_us INTEGER NOT NULL,
  node_id TEXT NOT NULL,
  term INTEGER NOT NULL,
  attempts INTEGER NOT NULL
);
CREATE INDEX usage_by_time ON usage (started_at_us);
CREATE INDEX usage_by_key ON usage (auth_key_id, started_at_us);
CREATE TABLE discovered_model (
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  fetched_at_ms INTEGER NOT NULL,
  PRIMARY KEY (provider, model)
) WITHOUT ROWID;
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE request_audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  started_at_us INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  event TEXT NOT NULL,
  detail TEXT NOT NULL
);
CREATE INDEX request_audit_by_time ON request_audit (started_at_us);
)sql";

// Ids that are times instead of indexes, and nothing checked that the one writer sees to: what a row
// costs is what a request costs.
constexpr std::string_view kVersion2 = R"sql(
CREATE TABLE usage_2 (
  id INTEGER PRIMARY KEY,
  request_id TEXT,
  started_at_us INTEGER,
  auth_key_id TEXT,
  auth_key_name TEXT,
  user_path TEXT,
  endpoint TEXT,
  provider TEXT,
  model TEXT,
  status INTEGER,
  outcome TEXT,
  stream INTEGER,
  input_tokens INTEGER,
  output_tokens INTEGER,
  cached_input_tokens INTEGER,
  cache_creation_input_tokens INTEGER,
  reasoning_tokens INTEGER,
  latency_us INTEGER,
  time_to_first_token_us INTEGER,
  node_id TEXT,
  term INTEGER,
  attempts INTEGER
);
INSERT INTO usage_2
  SELECT MAX(started_at_us + latency_us) OVER (ORDER BY id) + id, request_id, started_at_us,
         auth_key_id, auth_key_name, user_path, endpoint, provider, model, status, outcome, stream,
         input_tokens, output_tokens, cached_input_tokens, cache_creation_input_tokens,
         reasoning_tokens, latency_us, time_to_first_token_us, node_id, term, attempts
  FROM usage ORDER BY id;
DROP TABLE usage;
ALTER TABLE usage_2 RENAME TO usage;
)sql";

// Many rows in one blob: what a row cost was mostly SQLite's work per row and per column. Rows that are there
// stay as they are until they are deleted.
constexpr std::string_view kVersion3 = R"sql(
ALTER TABLE usage RENAME TO usage_row;
CREATE TABLE usage_batch (
  last_id INTEGER PRIMARY KEY,
  first_id INTEGER NOT NULL,
  newest_start_us INTEGER NOT NULL,
  row_count INTEGER NOT NULL,
  data BLOB NOT NULL
);
)sql";

constexpr std::array<std::string_view, kTrafficVersion> kTrafficScripts = {kVersion1, kVersion2, kVersion3};

}  // namespace

absl::StatusOr<sqlite::Database> OpenTrafficForWrite(std::string_view path, std::string_view vfs) {
  sqlite::Options options;
  options.incremental_vacuum = true;
  options.synchronous = sqlite::Synchronous::kNormal;
  options.vfs = vfs;
  AURORA_ASSIGN_OR_RETURN(sqlite::Database db, OpenOwned(path, options, kTrafficScripts));
  AURORA_RETURN_IF_ERROR(ExposeUsage(db));
  return db;
}

absl::StatusOr<sqlite::Database> OpenTrafficForRead(std::string_view path, std::string_view vfs) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Database db, OpenBeside(path, vfs, kTrafficVersion));
  AURORA_RETURN_IF_ERROR(ExposeUsage(db));  // in a file of version 2 the real table hides it
  return db;
}

}  // namespace aurora::schema
