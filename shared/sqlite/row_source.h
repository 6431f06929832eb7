// RowSource: rows that are not stored as rows, as a table that SQL can SELECT from.
// Source: ours, an eponymous virtual table (sqlite.org/vtab.html). Thread: the database's.
// Column 0 is the id, an integer that ascends; a WHERE and an ORDER BY on it reach the source, all else
// is SQLite's to do. A real table of the same name hides the source.
// Lifetime: the database owns the source; what a Cell points to stays until the next Next.
// Errors: of registering, as in database.h; those of a scan come out of the statement that reads, with
// their code where SQLite has one (DataLoss, DeadlineExceeded) and else as Internal.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shared/sqlite/database.h"

namespace aurora::sqlite {

struct Cell {
  Cell(int64_t n) : number(n) {}              // NOLINT: a cell is either
  Cell(std::string_view t) : text(t), is_text(true) {}  // NOLINT
  int64_t number = 0;
  std::string_view text;
  bool is_text = false;
};

// The connection that reads the source, for statements of the source's own.
class Connection {
 public:
  explicit Connection(sqlite3* db) : db_(db) {}
  absl::StatusOr<Statement> Prepare(std::string_view sql) const;

 private:
  sqlite3* db_;
};

// Ids from `first` to `last`, both included.
struct IdRange {
  int64_t first = std::numeric_limits<int64_t>::min();
  int64_t last = std::numeric_limits<int64_t>::max();
  bool descending = false;
};

class RowCursor {
 public:
  virtual ~RowCursor() = default;
  // To the first row, then to the next; false when there is none.
  virtual absl::StatusOr<bool> Next() = 0;
  // Of the row Next has moved to.
  virtual Cell Column(int column) const = 0;
};

class RowSource {
 public:
  virtual ~RowSource() = default;
  // May give rows outside of the range as well, but in its order.
  virtual absl::StatusOr<std::unique_ptr<RowCursor>> Scan(const Connection& db,
                                                          const IdRange& range) const = 0;
};

// Makes `source` readable as table `name` on this connection only; `columns` is an SQL list of names.
absl::Status Expose(Database& db, std::string_view name, std::string_view columns,
                    std::unique_ptr<RowSource> source);

}  // namespace aurora::sqlite
