// RowSource: rows that the program has in memory, as a table that SQL can SELECT from.
// Source: ours, an eponymous virtual table (sqlite.org/vtab.html). It is what makes
// "INSERT INTO t SELECT .. FROM source" cost a seventh of one bound INSERT per row.
// Thread: the database's. Lifetime: the source outlives the Database; the bytes of a text Cell stay
// as they are until the statement has ended (SQLite does not copy them).
// Bounds: one scan at a time. Errors: of registering, as in database.h.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "shared/sqlite/database.h"

namespace aurora::sqlite {

struct Cell {
  Cell(int64_t n) : number(n) {}              // NOLINT: a cell is either
  Cell(std::string_view t) : text(t), is_text(true) {}  // NOLINT
  int64_t number = 0;
  std::string_view text;
  bool is_text = false;
};

class RowSource {
 public:
  virtual ~RowSource() = default;
  // Before the first row.
  virtual void Rewind() = 0;
  // To the next row; false when there is none.
  virtual bool Next() = 0;
  // Of the row Next has moved to; columns count from 0.
  virtual Cell Column(int column) const = 0;
};

// Makes `source` readable as table `name` with columns c0 .. c<columns-1>, on this connection only.
absl::Status Expose(Database& db, std::string_view name, int columns, RowSource& source);

}  // namespace aurora::sqlite
