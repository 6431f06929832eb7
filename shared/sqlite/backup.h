// CopyOnline: one view of a database into another file, while others go on writing.
// Source: SQLite's online backup API (sqlite.org/backup.html). Thread: `from`'s. Begin a read transaction on `from`
// first: it pins the view, so that the copy never starts over; of a WAL database it keeps nobody from writing, only the
// journal from being reset. Bounds: `pages` a step, between two of which `go_on` is asked; false ends with Cancelled.
// Errors: as in status.h; what is at `to` is then of no use. Always: `from` is not changed.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "shared/sqlite/database.h"

namespace aurora::sqlite {

absl::Status CopyOnline(Database& from, Database& to, int pages, const std::function<bool()>& go_on);

}  // namespace aurora::sqlite
