// aurora.db: policy. Written by the control plane only, read by both processes.
// Source: replication.md (rows), docs/protocols/rows.md. Thread: none of its own.
// Tables (all DDL in aurora_db.cc):
//   row(kind, id, row BLOB aurora.v1.Row, hlc, seq, parked, siblings, dead, bucket, digest)
//                                 siblings, version, facts; seq = its entry in `change`
//   resolved(kind, id, spec BLOB) the value in force; no entry = nothing in force
//   change(seq, kind, id, urgent) a row's latest change; the head never falls
//   cursor(peer_uid, epoch, lane, seq)  how far peers' feeds are held
//   event, audit_admin, peer, meta(key, value)
// The data plane reads resolved, change (seq, kind, id) and meta: those stay as they are in every schema.
// Invariant: a row, its value in force and its change entry are always written in one transaction.
// Errors: FailedPrecondition = newer schema than this program knows (both versions are named);
// Unavailable = the file is there but its owner has not created the tables yet; DataLoss = not a
// database.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "shared/sqlite/database.h"

namespace aurora::schema {

inline constexpr int64_t kAuroraVersion = 2;

// Keys of `meta`.
inline constexpr std::string_view kMetaNodeUid = "node_uid";     // 32 hex digits
inline constexpr std::string_view kMetaClusterId = "cluster_id"; // absent: fresh; election.db has it first
inline constexpr std::string_view kMetaHlcMark = "hlc_mark_ms";  // decimal
// "epoch:first_seq" decimal, comma separated, the newest last; at most 64.
inline constexpr std::string_view kMetaEpochs = "epochs";
// Present: this disk went back in time or was filled from a backup: the node catches up with every member before it
// serves. The value says why.
inline constexpr std::string_view kMetaRestored = "restored";
// Decimal: our epoch in which a rollback was last made good.
inline constexpr std::string_view kMetaSettledEpoch = "settled_epoch";
// Present: columns that a migration added still have to be computed from the rows.
inline constexpr std::string_view kMetaFillColumns = "fill_columns";

// Creates and migrates. `vfs` for tests.
absl::StatusOr<sqlite::Database> OpenAuroraForWrite(std::string_view path,
                                                    std::string_view vfs = "");
// Never writes and never checkpoints; accepts kAuroraVersion and the one before.
absl::StatusOr<sqlite::Database> OpenAuroraForRead(std::string_view path,
                                                   std::string_view vfs = "");

// A place in the change feed. Sequences are comparable only within one history of epochs.
struct Position {
  uint64_t epoch = 0;
  uint64_t seq = 0;
  bool operator==(const Position&) const = default;
};

// The newest epoch and the head of the feed (0, 0 for a file without a start).
absl::StatusOr<Position> HeadPosition(sqlite::Database& db);

}  // namespace aurora::schema
