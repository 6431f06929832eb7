// Database, Statement, Transaction: SQLite with ownership and absl::Status.
// Source: ours over libsqlite3 3.40; shared/sqlite is the only folder that includes <sqlite3.h>.
// Thread: each object and everything made from it belongs to one thread at a time.
// Lifetime: a Statement must be destroyed before its Database; string_views of a column live until
// the next Step or Reset of that statement. Parameters count from 1, columns from 0, as in SQLite.
// Errors: every fallible call returns a Status (see status.h); bind errors are sticky and come out
// of the next Step.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shared/base/time.h"
#include "shared/sqlite/file_identity.h"

struct sqlite3;
struct sqlite3_stmt;

namespace aurora::sqlite {

enum class Synchronous { kNormal, kFull };

struct Options {
  // A reader next to a live writer also opens read_write: a read-only open of a WAL database fails
  // once the writer is gone. `query_only` is what keeps it from writing.
  bool read_write = true;
  bool create = false;
  bool query_only = false;
  bool wal = true;  // set journal_mode=WAL (writers); readers take what the file has
  bool checkpoint_on_close = true;  // readers: false
  bool incremental_vacuum = false;  // only takes effect on a new file
  Synchronous synchronous = Synchronous::kFull;
  Duration busy_timeout = Duration::Seconds(5);
  std::string vfs;  // empty = the platform's
};

class Connection;  // row_source.h
class RowSource;

class Statement {
 public:
  Statement() = default;
  bool prepared() const { return stmt_ != nullptr; }

  Statement& Bind(int index, int64_t value);
  Statement& BindText(int index, std::string_view value);
  Statement& BindBlob(int index, std::string_view value);
  Statement& BindNull(int index);

  // True: a row is there. False: done (the statement is reset).
  absl::StatusOr<bool> Step();
  // Step until done, then Reset. For statements whose rows do not matter.
  absl::Status Run();
  // Ends the execution and clears the parameters.
  void Reset();

  int64_t Int64(int column) const;
  std::string_view Text(int column) const;
  std::string_view Blob(int column) const;
  bool IsNull(int column) const;

 private:
  friend class Connection;
  friend class Database;
  static absl::StatusOr<Statement> Prepare(sqlite3* db, std::string_view sql);
  struct Finalize {
    void operator()(sqlite3_stmt* s) const noexcept;
  };
  explicit Statement(sqlite3_stmt* s) : stmt_(s) {}
  void Note(int rc);
  std::unique_ptr<sqlite3_stmt, Finalize> stmt_;
  int bind_error_ = 0;
};

// Resets a long-lived statement when the scope ends, so that it holds no read transaction open.
class ResetGuard {
 public:
  explicit ResetGuard(Statement& s) : statement_(s) {}
  ~ResetGuard() { statement_.Reset(); }
  ResetGuard(const ResetGuard&) = delete;
  ResetGuard& operator=(const ResetGuard&) = delete;

 private:
  Statement& statement_;
};

class Database {
 public:
  static absl::StatusOr<Database> Open(std::string_view path, const Options& options);

  absl::StatusOr<Statement> Prepare(std::string_view sql);
  // One or more statements without parameters.
  absl::Status Execute(std::string_view sql);
  // First column of the first row of `sql`; NotFound if there is no row.
  absl::StatusOr<int64_t> QueryInt64(std::string_view sql);

  // Rows changed by the last INSERT, UPDATE or DELETE.
  int64_t Changes() const;
  int64_t LastInsertRowid() const;
  // Changes whenever another connection has committed (0.7 us; for polling readers).
  absl::StatusOr<int64_t> DataVersion();
  // PRAGMA quick_check: DataLoss with the first finding.
  absl::Status QuickCheck();

  // Statements that still run when this has passed end with DeadlineExceeded: one budget for the
  // connection, for questions whose cost their asker chooses.
  void SetTimeLimit(Duration from_now);

  // In place of SQLite's own: a commit that leaves `pages` or more in the journal copies them into the file as far as
  // readers let it, and says what that took.
  void AutoCheckpoint(int pages, std::function<void(double seconds)> took);

  const std::string& path() const { return path_; }
  // Of the file behind the open handle.
  FileIdentity identity() const { return identity_; }
  // FailedPrecondition when `path` no longer names the open file (deleted or replaced); DataLoss when
  // the file or its journal was written over: its first bytes are not SQLite's.
  absl::Status CheckInPlace() const;
  // Off before closing a handle whose file was replaced: the checkpoint would delete the newcomer's
  // -wal by name.
  void SetCheckpointOnClose(bool on);

 private:
  friend class Transaction;
  friend absl::Status CopyOnline(Database& from, Database& to, int pages, const std::function<bool()>& go_on);
  friend absl::Status Expose(Database& db, std::string_view name, std::string_view columns,
                             std::unique_ptr<RowSource> source);
  struct Close {
    void operator()(sqlite3* db) const noexcept;
  };
  Database(sqlite3* db, std::string path) : db_(db), path_(std::move(path)) {}
  absl::Status Configure(const Options& options);
  absl::Status Identify();
  absl::Status CheckFirstBytes() const;

  struct Checkpointer {
    int pages;
    std::function<void(double seconds)> took;
  };
  // At addresses that stay.
  std::unique_ptr<std::chrono::steady_clock::time_point> give_up_;
  std::unique_ptr<Checkpointer> checkpointer_;
  std::unique_ptr<sqlite3, Close> db_;
  std::string path_;
  FileIdentity identity_;
  Statement data_version_;
};

// BEGIN IMMEDIATE .. COMMIT; rolled back when destroyed uncommitted, also after a failed commit.
class Transaction {
 public:
  static absl::StatusOr<Transaction> Begin(Database& db);
  // BEGIN (deferred): a stable view over several reads.
  static absl::StatusOr<Transaction> BeginRead(Database& db);
  Transaction(Transaction&& other) noexcept : db_(other.db_) { other.db_ = nullptr; }
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  absl::Status Commit() &&;

 private:
  explicit Transaction(sqlite3* db) : db_(db) {}
  sqlite3* db_;
};

}  // namespace aurora::sqlite
