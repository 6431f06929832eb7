#include "shared/sqlite/database.h"

#include <filesystem>
#include <vector>

#include <sqlite3.h>

#include "shared/sqlite/status.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

namespace aurora::sqlite {
namespace {

Database OpenNew(const std::string& path) {
  Options options;
  options.create = true;
  absl::StatusOr<Database> db = Database::Open(path, options);
  REQUIRE(db.ok());
  REQUIRE(db->Execute("CREATE TABLE IF NOT EXISTS t (k TEXT PRIMARY KEY, v)").ok());
  return *std::move(db);
}

absl::StatusOr<Database> OpenReader(const std::string& path) {
  Options options;
  options.query_only = true;
  options.checkpoint_on_close = false;
  options.busy_timeout = Duration::Millis(20);
  return Database::Open(path, options);
}

TEST_CASE("what is bound comes back with its type and all its bytes") {
  const testing::TempDir dir;
  Database db = OpenNew(dir.Path("a.db"));
  const std::string bytes("\0\x01\xff\0", 4);
  auto insert = db.Prepare("INSERT INTO t VALUES (?1, ?2)");
  REQUIRE(insert.ok());
  REQUIRE(insert->BindText(1, "blob").BindBlob(2, bytes).Run().ok());
  REQUIRE(insert->BindText(1, "int").Bind(2, INT64_MIN).Run().ok());
  REQUIRE(insert->BindText(1, "null").BindNull(2).Run().ok());
  REQUIRE(insert->BindText(1, "").BindBlob(2, {}).Run().ok());
  auto select = db.Prepare("SELECT v FROM t WHERE k = ?1");
  REQUIRE(select.ok());
  const auto get = [&](std::string_view key) {
    select->Reset();
    select->BindText(1, key);
    auto row = select->Step();
    REQUIRE((row.ok() && *row));
  };
  get("blob");
  CHECK(select->Blob(0) == bytes);
  get("int");
  CHECK(select->Int64(0) == INT64_MIN);
  get("null");
  CHECK(select->IsNull(0));
  get("");  // empty text and empty blob are values, not NULL
  CHECK_FALSE(select->IsNull(0));
  CHECK(select->Blob(0).empty());
}

TEST_CASE("a bind error comes out of the next step and is gone after a reset") {
  const testing::TempDir dir;
  Database db = OpenNew(dir.Path("a.db"));
  auto select = db.Prepare("SELECT ?1");
  REQUIRE(select.ok());
  CHECK_FALSE(select->Bind(2, 1).Step().ok());
  select->Reset();
  auto row = select->Bind(1, 7).Step();
  REQUIRE((row.ok() && *row));
  CHECK(select->Int64(0) == 7);
}

TEST_CASE("a transaction that is not committed leaves nothing behind") {
  const testing::TempDir dir;
  Database db = OpenNew(dir.Path("a.db"));
  {
    auto tx = Transaction::Begin(db);
    REQUIRE(tx.ok());
    REQUIRE(db.Execute("INSERT INTO t VALUES ('a', 1)").ok());
  }
  CHECK(*db.QueryInt64("SELECT COUNT(*) FROM t") == 0);
  auto tx = Transaction::Begin(db);
  REQUIRE(tx.ok());
  REQUIRE(db.Execute("INSERT INTO t VALUES ('a', 1)").ok());
  REQUIRE(std::move(*tx).Commit().ok());
  CHECK(*db.QueryInt64("SELECT COUNT(*) FROM t") == 1);
}

TEST_CASE("result codes map to the documented statuses") {
  CHECK(FromSqlite(SQLITE_OK, nullptr, "x").ok());
  CHECK(absl::IsUnavailable(FromSqlite(SQLITE_BUSY_SNAPSHOT, nullptr, "x")));
  CHECK(absl::IsUnavailable(FromSqlite(SQLITE_LOCKED, nullptr, "x")));
  CHECK(absl::IsFailedPrecondition(FromSqlite(SQLITE_CONSTRAINT_PRIMARYKEY, nullptr, "x")));
  CHECK(absl::IsResourceExhausted(FromSqlite(SQLITE_FULL, nullptr, "x")));
  CHECK(absl::IsDataLoss(FromSqlite(SQLITE_CORRUPT_INDEX, nullptr, "x")));
  CHECK(absl::IsDataLoss(FromSqlite(SQLITE_NOTADB, nullptr, "x")));
  CHECK(absl::IsInternal(FromSqlite(SQLITE_IOERR_FSYNC, nullptr, "x")));

  const testing::TempDir dir;
  Database db = OpenNew(dir.Path("a.db"));
  REQUIRE(db.Execute("INSERT INTO t VALUES ('a', 1)").ok());
  CHECK(absl::IsFailedPrecondition(db.Execute("INSERT INTO t VALUES ('a', 2)")));
}

TEST_CASE("a reader cannot write and opens after the writer is gone") {
  const testing::TempDir dir;
  const std::string path = dir.Path("a.db");
  {
    Database db = OpenNew(path);
    REQUIRE(db.Execute("INSERT INTO t VALUES ('a', 1)").ok());
    auto reader = OpenReader(path);
    REQUIRE(reader.ok());
    CHECK_FALSE(reader->Execute("INSERT INTO t VALUES ('b', 1)").ok());
  }
  auto reader = OpenReader(path);
  REQUIRE(reader.ok());
  CHECK(*reader->QueryInt64("SELECT COUNT(*) FROM t") == 1);
}

TEST_CASE("a reader keeps its view while a writer commits, and data_version tells") {
  const testing::TempDir dir;
  Database db = OpenNew(dir.Path("a.db"));
  auto reader = OpenReader(dir.Path("a.db"));
  REQUIRE(reader.ok());
  const int64_t before = *reader->DataVersion();
  CHECK(*reader->DataVersion() == before);
  {
    auto view = Transaction::BeginRead(*reader);
    REQUIRE(view.ok());
    CHECK(*reader->QueryInt64("SELECT COUNT(*) FROM t") == 0);
    REQUIRE(db.Execute("INSERT INTO t VALUES ('a', 1)").ok());
    CHECK(*reader->QueryInt64("SELECT COUNT(*) FROM t") == 0);
  }
  CHECK(*reader->QueryInt64("SELECT COUNT(*) FROM t") == 1);
  CHECK(*reader->DataVersion() != before);
}

TEST_CASE("two writers exclude each other") {
  const testing::TempDir dir;
  Database db = OpenNew(dir.Path("a.db"));
  Options options;
  options.busy_timeout = Duration::Millis(10);
  auto other = Database::Open(dir.Path("a.db"), options);
  REQUIRE(other.ok());
  auto tx = Transaction::Begin(db);
  REQUIRE(tx.ok());
  CHECK(absl::IsUnavailable(Transaction::Begin(*other).status()));
}

TEST_CASE("a deleted or replaced file is told from the open one") {
  const testing::TempDir dir;
  const std::string path = dir.Path("a.db");
  Database db = OpenNew(path);
  CHECK(db.CheckInPlace().ok());
  std::filesystem::rename(path, dir.Path("b.db"));
  CHECK(absl::IsFailedPrecondition(db.CheckInPlace()));
  std::filesystem::copy_file(dir.Path("b.db"), path);
  CHECK(absl::IsFailedPrecondition(db.CheckInPlace()));
  std::filesystem::rename(dir.Path("b.db"), path);
  CHECK(db.CheckInPlace().ok());
}

TEST_CASE("a missing file is an error unless create is asked for") {
  const testing::TempDir dir;
  CHECK_FALSE(Database::Open(dir.Path("none.db"), Options{}).ok());
  CHECK_FALSE(std::filesystem::exists(dir.Path("none.db")));
}

TEST_CASE("a question that would never end ends at its time limit") {
  const testing::TempDir dir;
  Database db = OpenNew(dir.Path("a.db"));
  db.SetTimeLimit(Duration::Millis(20));
  Database moved = std::move(db);  // the limit's place must not move with it
  const auto endless = moved.QueryInt64(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n");
  CHECK(absl::IsDeadlineExceeded(endless.status()));
  moved.SetTimeLimit(Duration::Seconds(60));
  CHECK(*moved.QueryInt64("SELECT 7") == 7);
}

TEST_CASE("a journal of so many pages is copied into the file by the commit that fills it, and not before") {
  const testing::TempDir dir;
  Database first = OpenNew(dir.Path("a.db"));
  std::vector<double> took;
  first.AutoCheckpoint(8, [&](double seconds) { took.push_back(seconds); });
  Database db = std::move(first);  // the hook's place must not move with it
  REQUIRE(db.Execute("INSERT INTO t VALUES ('a', 1)").ok());
  CHECK(took.empty());
  REQUIRE(db.Execute("INSERT INTO t VALUES ('b', zeroblob(40000))").ok());
  REQUIRE(took.size() == 1);
  CHECK(took[0] >= 0);
  const auto full = std::filesystem::file_size(dir.Path("a.db-wal"));
  for (int i = 0; i < 50; ++i) {
    REQUIRE(db.Execute("UPDATE t SET v = v + 1 WHERE k = 'a'").ok());
  }
  CHECK(took.size() > 1);
  CHECK(std::filesystem::file_size(dir.Path("a.db-wal")) == full);  // it begins again from the front
}

}  // namespace
}  // namespace aurora::sqlite
