#include "shared/sqlite/backup.h"

#include <sqlite3.h>

#include "shared/sqlite/status.h"

namespace aurora::sqlite {

absl::Status CopyOnline(Database& from, Database& to, int pages, const std::function<bool()>& go_on) {
  sqlite3_backup* const backup = sqlite3_backup_init(to.db_.get(), "main", from.db_.get(), "main");
  if (backup == nullptr) {
    return FromSqlite(sqlite3_extended_errcode(to.db_.get()), to.db_.get(), "backup into " + to.path());
  }
  int rc = SQLITE_OK;
  bool stopped = false;
  while (rc == SQLITE_OK && !stopped) {
    rc = sqlite3_backup_step(backup, pages);
    stopped = rc == SQLITE_OK && !go_on();
  }
  const int finished = sqlite3_backup_finish(backup);
  if (stopped) {
    return absl::CancelledError("the copy was stopped");
  }
  if (rc != SQLITE_DONE) {
    return FromSqlite(rc, nullptr, "backup into " + to.path());
  }
  return FromSqlite(finished, to.db_.get(), "backup into " + to.path());
}

}  // namespace aurora::sqlite
