// Opening and migrating: numbered SQL scripts, the number kept in PRAGMA user_version.
// Source: ours. Thread: the database's. Invariant: script i takes version i to i+1 in one
// transaction; scripts that have shipped are never edited.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shared/sqlite/database.h"

namespace aurora::schema {

// The owner's connection: made and brought up to date.
absl::StatusOr<sqlite::Database> OpenOwned(std::string_view path, sqlite::Options options,
                                           std::span<const std::string_view> scripts);
// Beside the owner: never writes and never checkpoints; CheckVersion's versions.
absl::StatusOr<sqlite::Database> OpenBeside(std::string_view path, std::string_view vfs,
                                            int64_t known);

absl::Status Migrate(sqlite::Database& db, std::span<const std::string_view> scripts);

// For readers: OK iff the file's version is `known` or `known - 1` (and not 0).
absl::Status CheckVersion(sqlite::Database& db, int64_t known);

}  // namespace aurora::schema
