#include "shared/sqlite/status.h"

#include <string>

#include <sqlite3.h>

#include "shared/base/status.h"

namespace aurora::sqlite {

absl::Status FromSqlite(int rc, sqlite3* db, std::string_view doing) {
  const int base = rc & 0xff;
  if (base == SQLITE_OK || base == SQLITE_ROW || base == SQLITE_DONE) {
    return absl::OkStatus();
  }
  std::string message(doing);
  message += ": ";
  message += sqlite3_errstr(rc);
  if (db != nullptr && sqlite3_errcode(db) == rc) {
    message += " (";
    message += sqlite3_errmsg(db);
    message += ")";
  }
  switch (base) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Unavailable(message);
    case SQLITE_CONSTRAINT:
      return FailedPrecondition(message);
    case SQLITE_FULL:
      return ResourceExhausted(message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return DataLoss(message);
    case SQLITE_INTERRUPT:
      return absl::DeadlineExceededError(message);
    default:
      return Internal(message);
  }
}

}  // namespace aurora::sqlite
