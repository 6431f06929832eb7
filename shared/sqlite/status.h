// FromSqlite: one mapping from SQLite result codes to absl::Status.
// Source: sqlite.org/rescode.html. Thread: stateless.
// BUSY, LOCKED -> Unavailable; CONSTRAINT -> FailedPrecondition; FULL -> ResourceExhausted;
// CORRUPT, NOTADB -> DataLoss; INTERRUPT -> DeadlineExceeded (SetTimeLimit); anything else ->
// Internal. Extended codes map like their base.
#pragma once

#include <string_view>

#include "absl/status/status.h"

struct sqlite3;

namespace aurora::sqlite {

// `db` may be null; then the message is the code's own text.
absl::Status FromSqlite(int rc, sqlite3* db, std::string_view doing);

}  // namespace aurora::sqlite
