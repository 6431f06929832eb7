#include "shared/sqlite/database.h"

#include <array>
#include <chrono>
#include <utility>

#include <sqlite3.h>

#include "shared/base/check.h"
#include "shared/base/status.h"
#include "shared/sqlite/status.h"

namespace aurora::sqlite {

// ---- Statement ----

void Statement::Finalize::operator()(sqlite3_stmt* s) const noexcept {
  sqlite3_finalize(s);
}

absl::StatusOr<Statement> Statement::Prepare(sqlite3* db, std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  const int rc = sqlite3_prepare_v3(db, sql.data(), static_cast<int>(sql.size()),
                                    SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  if (rc != SQLITE_OK) {
    return FromSqlite(rc, db, sql);
  }
  return Statement(raw);
}

void Statement::Note(int rc) {
  if (rc != SQLITE_OK && bind_error_ == SQLITE_OK) {
    bind_error_ = rc;
  }
}

Statement& Statement::Bind(int index, int64_t value) {
  Note(sqlite3_bind_int64(stmt_.get(), index, value));
  return *this;
}

Statement& Statement::BindText(int index, std::string_view value) {
  // A null pointer would bind NULL, not the empty text.
  Note(sqlite3_bind_text64(stmt_.get(), index, value.data() == nullptr ? "" : value.data(),
                           value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Statement& Statement::BindBlob(int index, std::string_view value) {
  Note(sqlite3_bind_blob64(stmt_.get(), index, value.data() == nullptr ? "" : value.data(),
                           value.size(), SQLITE_TRANSIENT));
  return *this;
}

Statement& Statement::BindNull(int index) {
  Note(sqlite3_bind_null(stmt_.get(), index));
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  AURORA_CHECK(stmt_ != nullptr);
  sqlite3* db = sqlite3_db_handle(stmt_.get());
  if (bind_error_ != SQLITE_OK) {
    return FromSqlite(bind_error_, nullptr, "bind");
  }
  const int rc = sqlite3_step(stmt_.get());
  if (rc == SQLITE_ROW) {
    return true;
  }
  if (rc == SQLITE_DONE) {
    sqlite3_reset(stmt_.get());
    return false;
  }
  const char* sql = sqlite3_sql(stmt_.get());
  absl::Status status = FromSqlite(sqlite3_extended_errcode(db), db, sql == nullptr ? "step" : sql);
  if (status.ok()) {
    status = FromSqlite(rc, db, "step");
  }
  sqlite3_reset(stmt_.get());
  return status;
}

absl::Status Statement::Run() {
  absl::Status status;
  while (true) {
    absl::StatusOr<bool> more = Step();
    if (!more.ok()) {
      status = more.status();
      break;
    }
    if (!*more) {
      break;
    }
  }
  Reset();
  return status;
}

void Statement::Reset() {
  if (stmt_ != nullptr) {
    sqlite3_reset(stmt_.get());  // repeats the error Step has already reported
    sqlite3_clear_bindings(stmt_.get());
  }
  bind_error_ = SQLITE_OK;
}

int64_t Statement::Int64(int column) const {
  return sqlite3_column_int64(stmt_.get(), column);
}

std::string_view Statement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(stmt_.get(), column));
  return text == nullptr
             ? std::string_view()
             : std::string_view(text,
                                static_cast<size_t>(sqlite3_column_bytes(stmt_.get(), column)));
}

std::string_view Statement::Blob(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(stmt_.get(), column));
  return bytes == nullptr
             ? std::string_view()
             : std::string_view(bytes,
                                static_cast<size_t>(sqlite3_column_bytes(stmt_.get(), column)));
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(stmt_.get(), column) == SQLITE_NULL;
}

// ---- Database ----

void Database::Close::operator()(sqlite3* db) const noexcept {
  sqlite3_close_v2(db);
}

absl::StatusOr<Database> Database::Open(std::string_view path, const Options& options) {
  // NOMUTEX: a connection belongs to one thread. EXRESCODE: statuses name the failing system call.
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= options.read_write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
  flags |= options.create ? SQLITE_OPEN_CREATE : 0;
  sqlite3* raw = nullptr;
  const std::string name(path);
  const int rc = sqlite3_open_v2(name.c_str(), &raw, flags,
                                 options.vfs.empty() ? nullptr : options.vfs.c_str());
  Database db(raw, name);
  if (rc != SQLITE_OK) {
    return FromSqlite(rc, raw, "open " + name);
  }
  AURORA_RETURN_IF_ERROR(WithContext(name, db.Configure(options)));
  AURORA_RETURN_IF_ERROR(db.Identify());
  return db;
}

void Database::SetTimeLimit(Duration from_now) {
  constexpr int kInstructions = 10'000;  // of SQLite's machine between two looks at the clock
  give_up_ = std::make_unique<std::chrono::steady_clock::time_point>(
      std::chrono::steady_clock::now() + std::chrono::microseconds(from_now.micros()));
  sqlite3_progress_handler(
      db_.get(), kInstructions,
      [](void* at) {
        return std::chrono::steady_clock::now() >=
                       *static_cast<const std::chrono::steady_clock::time_point*>(at)
                   ? 1
                   : 0;
      },
      give_up_.get());
}

void Database::AutoCheckpoint(int pages, std::function<void(double seconds)> took) {
  auto checkpointer = std::make_unique<Checkpointer>(Checkpointer{pages, std::move(took)});
  sqlite3_wal_hook(
      db_.get(),
      [](void* at, sqlite3* db, const char* name, int in_journal) {
        const auto& c = *static_cast<const Checkpointer*>(at);
        if (in_journal >= c.pages) {
          const auto begin = std::chrono::steady_clock::now();
          // What it did not get to waits for the next one: never the commit's error.
          sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
          c.took(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
        }
        return SQLITE_OK;
      },
      checkpointer.get());
  checkpointer_ = std::move(checkpointer);
}

absl::Status Database::Configure(const Options& options) {
  sqlite3_busy_timeout(db_.get(), static_cast<int>(options.busy_timeout.millis()));
  SetCheckpointOnClose(options.checkpoint_on_close);
  sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  if (options.incremental_vacuum) {
    AURORA_RETURN_IF_ERROR(
        Execute("PRAGMA auto_vacuum=INCREMENTAL"));  // before the first page is written
  }
  if (options.wal && options.read_write && !options.query_only) {
    AURORA_ASSIGN_OR_RETURN(Statement mode, Prepare("PRAGMA journal_mode=WAL"));
    AURORA_ASSIGN_OR_RETURN(const bool row, mode.Step());
    if (!row || mode.Text(0) != "wal") {
      return Internal(
          "the file system cannot do write-ahead logging (it needs shared memory files)");
    }
  }
  AURORA_RETURN_IF_ERROR(Execute(options.synchronous == Synchronous::kFull
                                     ? "PRAGMA synchronous=FULL"
                                     : "PRAGMA synchronous=NORMAL"));
  return options.query_only ? Execute("PRAGMA query_only=ON") : absl::OkStatus();
}

absl::Status Database::Identify() {
  AURORA_ASSIGN_OR_RETURN(identity_, FileIdentity::OfPath(path_));
  // The path may have been replaced between open and stat.
  int moved = 0;
  const int rc = sqlite3_file_control(db_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  if (rc == SQLITE_OK && moved != 0) {
    return Unavailable(path_ + " was replaced while it was opened");
  }
  return absl::OkStatus();
}

absl::Status Database::CheckInPlace() const {
  absl::StatusOr<FileIdentity> now = FileIdentity::OfPath(path_);
  if (absl::IsNotFound(now.status())) {
    return FailedPrecondition(path_ + " was deleted underneath this process");
  }
  if (now.ok() && *now != identity_) {
    return FailedPrecondition(path_ + " was replaced by another file underneath this process");
  }
  return now.ok() ? CheckFirstBytes() : now.status();
}

// Through SQLite's own handles: closing one of our own would drop its locks (POSIX).
absl::Status Database::CheckFirstBytes() const {
  constexpr std::string_view kMain("SQLite format 3\0", 16);
  constexpr std::string_view kJournal("\x37\x7f\x06", 3);  // the fourth byte is the byte order
  const auto check = [&](int which, std::string_view wanted, std::string_view what) {
    sqlite3_file* file = nullptr;
    std::array<char, 16> bytes{};
    const bool there = sqlite3_file_control(db_.get(), "main", which, &file) == SQLITE_OK &&
                       file != nullptr && file->pMethods != nullptr;
    const int rc = there ? file->pMethods->xRead(file, bytes.data(),
                                                 static_cast<int>(wanted.size()), 0)
                         : SQLITE_IOERR_SHORT_READ;
    // Shorter than that: nothing was written yet.
    return rc != SQLITE_OK || std::string_view(bytes.data(), wanted.size()) == wanted
               ? absl::OkStatus()
               : DataLoss(path_ + std::string(what) + " was written over underneath this process");
  };
  AURORA_RETURN_IF_ERROR(check(SQLITE_FCNTL_FILE_POINTER, kMain, ""));
  return check(SQLITE_FCNTL_JOURNAL_POINTER, kJournal, "-wal");
}

void Database::SetCheckpointOnClose(bool on) {
  sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on ? 0 : 1, nullptr);
}

absl::StatusOr<Statement> Database::Prepare(std::string_view sql) {
  return Statement::Prepare(db_.get(), sql);
}

absl::Status Database::Execute(std::string_view sql) {
  const std::string text(sql);
  return FromSqlite(sqlite3_exec(db_.get(), text.c_str(), nullptr, nullptr, nullptr), db_.get(),
                    sql);
}

absl::StatusOr<int64_t> Database::QueryInt64(std::string_view sql) {
  AURORA_ASSIGN_OR_RETURN(Statement s, Prepare(sql));
  AURORA_ASSIGN_OR_RETURN(const bool row, s.Step());
  if (!row) {
    return NotFound(sql);
  }
  return s.Int64(0);
}

int64_t Database::Changes() const {
  return sqlite3_changes64(db_.get());
}

int64_t Database::LastInsertRowid() const {
  return sqlite3_last_insert_rowid(db_.get());
}

absl::StatusOr<int64_t> Database::DataVersion() {
  if (data_version_.stmt_ == nullptr) {
    AURORA_ASSIGN_OR_RETURN(data_version_, Prepare("PRAGMA data_version"));
  }
  const ResetGuard reset(data_version_);
  AURORA_ASSIGN_OR_RETURN(const bool row, data_version_.Step());
  AURORA_CHECK(row);
  return data_version_.Int64(0);
}

absl::Status Database::QuickCheck() {
  AURORA_ASSIGN_OR_RETURN(Statement s, Prepare("PRAGMA quick_check(1)"));
  AURORA_ASSIGN_OR_RETURN(const bool row, s.Step());
  if (!row || s.Text(0) != "ok") {
    return DataLoss(path_ + " is corrupt: " + std::string(row ? s.Text(0) : "no answer"));
  }
  return absl::OkStatus();
}

// ---- Transaction ----

absl::StatusOr<Transaction> Transaction::Begin(Database& db) {
  AURORA_RETURN_IF_ERROR(db.Execute("BEGIN IMMEDIATE"));
  return Transaction(db.db_.get());
}

absl::StatusOr<Transaction> Transaction::BeginRead(Database& db) {
  AURORA_RETURN_IF_ERROR(db.Execute("BEGIN"));
  return Transaction(db.db_.get());
}

Transaction::~Transaction() {
  // Autocommit is back on when SQLite has rolled back by itself (disk full, I/O error).
  if (db_ != nullptr && sqlite3_get_autocommit(db_) == 0) {
    sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

absl::Status Transaction::Commit() && {
  AURORA_CHECK(db_ != nullptr);
  if (sqlite3_get_autocommit(db_) != 0) {
    return Internal("commit of a transaction that SQLite has already rolled back");
  }
  return FromSqlite(sqlite3_exec(db_, "COMMIT", nullptr, nullptr, nullptr), db_, "COMMIT");
}

}  // namespace aurora::sqlite
