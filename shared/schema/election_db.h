// election.db: who this node is and what it has promised: written by the control plane only, synchronous=FULL.
// Source: failover rules (identity, founding), docs/protocols/founding.md. Thread: none of its own.
// Tables (DDL in election_db.cc):
//   meta(key, value)        node_uid, cluster_id, incarnation, proposal's id and round, election_*
//   founder(position, ...)  of the proposal held, later of the cluster; position 0 made it
//   voter(position, ...)    who votes, by node id; beside it in meta: term, vote, the config's id
//   peer, removed_node      members as last known; nodes that operators took out
//   gossip_key(position, ...)  changes to the keyring made at run time; keys sealed when there is a key to seal with
// Never restored from a backup: an old copy would break promises. Errors: as in aurora_db.h.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "shared/sqlite/database.h"

namespace aurora::schema {

inline constexpr int64_t kElectionVersion = 2;

// Creates and migrates. `vfs` for tests.
absl::StatusOr<sqlite::Database> OpenElection(std::string_view path, std::string_view vfs = "");

}  // namespace aurora::schema
