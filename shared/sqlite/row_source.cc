#include "shared/sqlite/row_source.h"

#include <memory>
#include <string>

#include <sqlite3.h>

#include "shared/sqlite/status.h"

namespace aurora::sqlite {
namespace {

struct Registered {
  RowSource* source;
  std::string declaration;
};

struct Table : sqlite3_vtab {
  RowSource* source;
};

struct Cursor : sqlite3_vtab_cursor {
  RowSource* source;
  int64_t row;
  bool more;
};

Cursor& Of(sqlite3_vtab_cursor* cursor) {
  return *static_cast<Cursor*>(cursor);
}

int Connect(sqlite3* db, void* data, int, const char* const*, sqlite3_vtab** out, char**) {
  const auto& registered = *static_cast<const Registered*>(data);
  const int rc = sqlite3_declare_vtab(db, registered.declaration.c_str());
  if (rc == SQLITE_OK) {
    auto* table = new Table{};
    table->source = registered.source;
    *out = table;
  }
  return rc;
}

int Disconnect(sqlite3_vtab* table) {
  delete static_cast<Table*>(table);
  return SQLITE_OK;
}

int BestIndex(sqlite3_vtab*, sqlite3_index_info* info) {
  info->estimatedCost = 1000;
  return SQLITE_OK;
}

int Open(sqlite3_vtab* table, sqlite3_vtab_cursor** out) {
  auto* cursor = new Cursor{};
  cursor->source = static_cast<Table*>(table)->source;
  *out = cursor;
  return SQLITE_OK;
}

int Close(sqlite3_vtab_cursor* cursor) {
  delete static_cast<Cursor*>(cursor);
  return SQLITE_OK;
}

int Advance(sqlite3_vtab_cursor* raw) {
  Cursor& cursor = Of(raw);
  cursor.more = cursor.source->Next();
  ++cursor.row;
  return SQLITE_OK;
}

int Filter(sqlite3_vtab_cursor* raw, int, const char*, int, sqlite3_value**) {
  Of(raw).source->Rewind();
  Of(raw).row = 0;
  return Advance(raw);
}

int AtEnd(sqlite3_vtab_cursor* cursor) {
  return Of(cursor).more ? 0 : 1;
}

int Column(sqlite3_vtab_cursor* cursor, sqlite3_context* result, int column) {
  const Cell cell = Of(cursor).source->Column(column);
  if (cell.is_text) {
    // A null pointer would be NULL, not the empty text.
    sqlite3_result_text64(result, cell.text.data() == nullptr ? "" : cell.text.data(),
                          cell.text.size(), SQLITE_STATIC, SQLITE_UTF8);
  } else {
    sqlite3_result_int64(result, cell.number);
  }
  return SQLITE_OK;
}

int RowId(sqlite3_vtab_cursor* cursor, sqlite3_int64* out) {
  *out = Of(cursor).row;
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

absl::Status Expose(Database& db, std::string_view name, int columns, RowSource& source) {
  auto registered = std::make_unique<Registered>();
  registered->source = &source;
  registered->declaration = "CREATE TABLE x(";
  for (int i = 0; i < columns; ++i) {
    registered->declaration += (i == 0 ? "c" : ",c") + std::to_string(i);
  }
  registered->declaration += ")";
  const std::string table(name);
  // SQLite calls the destructor also when it refuses.
  const int rc = sqlite3_create_module_v2(db.db_.get(), table.c_str(), Module(), registered.release(),
                                          [](void* p) { delete static_cast<Registered*>(p); });
  return FromSqlite(rc, db.db_.get(), "expose " + table);
}

}  // namespace aurora::sqlite
