#include "shared/sqlite/row_source.h"

#include <algorithm>
#include <string>

#include <sqlite3.h>

#include "shared/base/status.h"
#include "shared/sqlite/status.h"

namespace aurora::sqlite {
namespace {

struct Registered {
  std::unique_ptr<RowSource> source;
  std::string declaration;
};

struct Table : sqlite3_vtab {
  const RowSource* source;
  sqlite3* db;
};

struct Cursor : sqlite3_vtab_cursor {
  std::unique_ptr<RowCursor> rows;
  bool more = false;
};

Cursor& Of(sqlite3_vtab_cursor* cursor) {
  return *static_cast<Cursor*>(cursor);
}

int Fail(sqlite3_vtab* table, const absl::Status& status) {
  sqlite3_free(table->zErrMsg);
  table->zErrMsg = sqlite3_mprintf("%s", std::string(Std(status.message())).c_str());
  if (absl::IsDataLoss(status)) {
    return SQLITE_CORRUPT;
  }
  return absl::IsDeadlineExceeded(status) ? SQLITE_INTERRUPT : SQLITE_ERROR;
}

int Connect(sqlite3* db, void* data, int, const char* const*, sqlite3_vtab** out, char**) {
  const auto& registered = *static_cast<const Registered*>(data);
  const int rc = sqlite3_declare_vtab(db, registered.declaration.c_str());
  if (rc == SQLITE_OK) {
    auto* table = new Table{};
    table->source = registered.source.get();
    table->db = db;
    *out = table;
  }
  return rc;
}

int Disconnect(sqlite3_vtab* table) {
  delete static_cast<Table*>(table);
  return SQLITE_OK;
}

// What Filter makes of a constraint on the id; '\0' = nothing.
char Code(const sqlite3_index_info::sqlite3_index_constraint& constraint) {
  if (constraint.usable == 0 || constraint.iColumn > 0) {
    return '\0';
  }
  switch (constraint.op) {
    case SQLITE_INDEX_CONSTRAINT_EQ: return '=';
    case SQLITE_INDEX_CONSTRAINT_GT:
    case SQLITE_INDEX_CONSTRAINT_GE: return '>';
    case SQLITE_INDEX_CONSTRAINT_LT:
    case SQLITE_INDEX_CONSTRAINT_LE: return '<';
    default: return '\0';
  }
}

int BestIndex(sqlite3_vtab*, sqlite3_index_info* info) {
  std::string codes;
  for (int i = 0; i < info->nConstraint; ++i) {
    if (const char code = Code(info->aConstraint[i]); code != '\0') {
      codes += code;
      info->aConstraintUsage[i].argvIndex = static_cast<int>(codes.size());
    }
  }
  if (info->nOrderBy == 1 && info->aOrderBy[0].iColumn <= 0) {
    info->orderByConsumed = 1;
    info->idxNum = info->aOrderBy[0].desc ? 1 : 0;
  }
  info->estimatedCost = codes.empty() ? 1e6 : 1e4;
  info->idxStr = sqlite3_mprintf("%s", codes.c_str());
  info->needToFreeIdxStr = 1;
  return info->idxStr == nullptr ? SQLITE_NOMEM : SQLITE_OK;
}

int Open(sqlite3_vtab*, sqlite3_vtab_cursor** out) {
  *out = new Cursor{};
  return SQLITE_OK;
}

int Close(sqlite3_vtab_cursor* cursor) {
  delete static_cast<Cursor*>(cursor);
  return SQLITE_OK;
}

int Advance(sqlite3_vtab_cursor* raw) {
  Cursor& cursor = Of(raw);
  const absl::StatusOr<bool> more = cursor.rows->Next();
  cursor.more = more.ok() && *more;
  return more.ok() ? SQLITE_OK : Fail(raw->pVtab, more.status());
}

// SQLite checks the constraints again, so that a wider range does no harm.
int Filter(sqlite3_vtab_cursor* raw, int order, const char* codes, int count, sqlite3_value** values) {
  IdRange range;
  range.descending = order == 1;
  for (int i = 0; i < count; ++i) {
    if (sqlite3_value_type(values[i]) != SQLITE_INTEGER) {
      continue;
    }
    const int64_t value = sqlite3_value_int64(values[i]);
    if (codes[i] != '<') {
      range.first = std::max(range.first, value);
    }
    if (codes[i] != '>') {
      range.last = std::min(range.last, value);
    }
  }
  const auto* table = static_cast<const Table*>(raw->pVtab);
  Of(raw).rows.reset();
  absl::StatusOr<std::unique_ptr<RowCursor>> rows = table->source->Scan(Connection(table->db), range);
  if (!rows.ok()) {
    return Fail(raw->pVtab, rows.status());
  }
  Of(raw).rows = *std::move(rows);
  return Advance(raw);
}

int AtEnd(sqlite3_vtab_cursor* cursor) {
  return Of(cursor).more ? 0 : 1;
}

int Column(sqlite3_vtab_cursor* cursor, sqlite3_context* result, int column) {
  const Cell cell = Of(cursor).rows->Column(column);
  if (cell.is_text) {
    // A null pointer would be NULL, not the empty text.
    sqlite3_result_text64(result, cell.text.data() == nullptr ? "" : cell.text.data(), cell.text.size(),
                          SQLITE_TRANSIENT, SQLITE_UTF8);
  } else {
    sqlite3_result_int64(result, cell.number);
  }
  return SQLITE_OK;
}

int RowId(sqlite3_vtab_cursor* cursor, sqlite3_int64* out) {
  *out = Of(cursor).rows->Column(0).number;
  return SQLITE_OK;
}

const sqlite3_module* Module() {
  static const sqlite3_module module = [] {
    sqlite3_module m{};  // no xCreate: the table is there under its own name and nowhere else
    m.xConnect = Connect;
    m.xDisconnect = Disconnect;
    m.xBestIndex = BestIndex;
    m.xOpen = Open;
    m.xClose = Close;
    m.xFilter = Filter;
    m.xNext = Advance;
    m.xEof = AtEnd;
    m.xColumn = Column;
    m.xRowid = RowId;
    return m;
  }();
  return &module;
}

}  // namespace

absl::StatusOr<Statement> Connection::Prepare(std::string_view sql) const {
  return Statement::Prepare(db_, sql);
}

absl::Status Expose(Database& db, std::string_view name, std::string_view columns,
                    std::unique_ptr<RowSource> source) {
  auto registered = std::make_unique<Registered>();
  registered->source = std::move(source);
  registered->declaration = "CREATE TABLE x(" + std::string(columns) + ")";
  const std::string table(name);
  // SQLite calls the destructor also when it refuses.
  const int rc = sqlite3_create_module_v2(db.db_.get(), table.c_str(), Module(), registered.release(),
                                          [](void* p) { delete static_cast<Registered*>(p); });
  return FromSqlite(rc, db.db_.get(), "expose " + table);
}

}  // namespace aurora::sqlite
