#include "shared/schema/election_db.h"

#include <array>

#include "shared/base/status.h"
#include "shared/schema/migrate.h"

namespace aurora::schema {
namespace {

constexpr std::array<std::string_view, kElectionVersion> kElectionScripts = {R"sql(
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE founder (position INTEGER PRIMARY KEY, node_uid TEXT NOT NULL, node_id TEXT NOT NULL);
CREATE TABLE peer (
  node_uid TEXT PRIMARY KEY,
  node_id TEXT NOT NULL,
  node_name TEXT NOT NULL,
  region TEXT NOT NULL,
  zone TEXT NOT NULL,
  version TEXT NOT NULL,
  failover_mode TEXT NOT NULL,
  cluster_role TEXT NOT NULL,
  advertise_url TEXT NOT NULL,
  gossip_addr TEXT NOT NULL,
  sync_addr TEXT NOT NULL,
  last_seen_ms INTEGER NOT NULL,
  has_left INTEGER NOT NULL,
  former_uids TEXT NOT NULL      -- comma separated, the oldest first
) WITHOUT ROWID;
CREATE TABLE removed_node (
  node_uid TEXT PRIMARY KEY,
  node_id TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE gossip_key (
  position INTEGER PRIMARY KEY,
  action INTEGER NOT NULL,       -- aurora.v1.GossipKeyChange.Action
  fingerprint TEXT NOT NULL,
  key BLOB NOT NULL,
  sealed INTEGER NOT NULL,
  unix_ms INTEGER NOT NULL,
  node_uid TEXT NOT NULL
);
)sql",
                                                                   R"sql(
CREATE TABLE voter (
  position INTEGER PRIMARY KEY,
  node_id TEXT NOT NULL,
  node_uid TEXT NOT NULL,        -- '': vacant
  leaving INTEGER NOT NULL
);
)sql"};

}  // namespace

absl::StatusOr<sqlite::Database> OpenElection(std::string_view path, std::string_view vfs) {
  sqlite::Options options;
  options.create = true;
  options.synchronous = sqlite::Synchronous::kFull;
  options.vfs = vfs;
  AURORA_ASSIGN_OR_RETURN(sqlite::Database db, sqlite::Database::Open(path, options));
  AURORA_RETURN_IF_ERROR(Migrate(db, kElectionScripts));
  return db;
}

}  // namespace aurora::schema
