#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "aurora/v1/admin.pb.h"
#include "shared/schema/aurora_db.h"
#include "shared/schema/migrate.h"
#include "shared/schema/traffic_db.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

namespace aurora::schema {
namespace {

std::set<std::string> Columns(sqlite::Database& db, const std::string& table) {
  auto s = db.Prepare("SELECT name FROM pragma_table_info('" + table + "')");
  REQUIRE(s.ok());
  std::set<std::string> out;
  while (*s->Step()) {
    out.emplace(s->Text(0));
  }
  return out;
}

TEST_CASE("both files are created once and open again for writing and reading") {
  const testing::TempDir dir;
  for (int i = 0; i < 2; ++i) {
    auto aurora = OpenAuroraForWrite(dir.Path("aurora.db"));
    REQUIRE(aurora.ok());
    CHECK(*aurora->QueryInt64("PRAGMA user_version") == kAuroraVersion);
    auto traffic = OpenTrafficForWrite(dir.Path("traffic.db"));
    REQUIRE(traffic.ok());
    CHECK(*traffic->QueryInt64("PRAGMA auto_vacuum") == 2);
    CHECK(OpenAuroraForRead(dir.Path("aurora.db")).ok());
    CHECK(OpenTrafficForRead(dir.Path("traffic.db")).ok());
  }
}

TEST_CASE("usage has a column for every field of UsageEntry") {
  const testing::TempDir dir;
  auto db = OpenTrafficForWrite(dir.Path("traffic.db"));
  REQUIRE(db.ok());
  std::set<std::string> columns = Columns(*db, "usage");
  const auto* descriptor = v1::UsageEntry::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const std::string name = descriptor->field(i)->name();
    INFO(name);
    CHECK(columns.count(name == "started_at" ? "started_at_us" : name) == 1);
  }
  CHECK(columns.count("auth_key_name") == 1);
  // The column list fits the table.
  REQUIRE(db->Execute("INSERT INTO usage (" + std::string(kUsageColumns) +
                      ") VALUES (1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21)")
              .ok());
  auto select = db->Prepare("SELECT " + std::string(kUsageColumns) + " FROM usage");
  REQUIRE(select.ok());
  REQUIRE(*select->Step());
  for (int i = 0; i < 21; ++i) {
    CHECK(select->Int64(i) == i + 1);
  }
}

TEST_CASE("usage rows of the first schema get ids that are times, in their old order") {
  const testing::TempDir dir;
  const std::string path = dir.Path("traffic.db");
  {
    auto db = OpenTrafficForWrite(path);
    REQUIRE(db.ok());
    // Back to version 1, with three requests of which the first took long.
    REQUIRE(db->Execute("DROP TABLE usage; CREATE TABLE usage (id INTEGER PRIMARY KEY AUTOINCREMENT, "
                        "request_id, started_at_us, auth_key_id, auth_key_name, user_path, endpoint, "
                        "provider, model, status, outcome, stream, input_tokens, output_tokens, "
                        "cached_input_tokens, cache_creation_input_tokens, reasoning_tokens, "
                        "latency_us, time_to_first_token_us, node_id, term, attempts);"
                        "INSERT INTO usage (request_id, started_at_us, latency_us) VALUES "
                        "('a', 1000000, 900), ('b', 1000500, 10), ('c', 1000500, 10);"
                        "PRAGMA user_version = 1")
                .ok());
    CHECK(*FirstUsageId(*db, 1000500) == 0);
  }
  REQUIRE(OpenTrafficForRead(path).ok());  // a reader takes the version before its own
  auto db = OpenTrafficForWrite(path);
  REQUIRE(db.ok());
  CHECK(*FirstUsageId(*db, 1000500) == 1000500);
  CHECK(*db->QueryInt64("SELECT count(*) FROM usage WHERE id >= started_at_us + latency_us") == 3);
  auto select = db->Prepare("SELECT request_id FROM usage ORDER BY id");
  std::string order;
  while (*select->Step()) {
    order += std::string(select->Text(0));
  }
  CHECK(order == "abc");
}

TEST_CASE("a file of a newer schema is refused and both versions are named") {
  const testing::TempDir dir;
  const std::string path = dir.Path("aurora.db");
  REQUIRE(OpenAuroraForWrite(path)->Execute("PRAGMA user_version=7").ok());
  for (const absl::Status& status :
       {OpenAuroraForWrite(path).status(), OpenAuroraForRead(path).status()}) {
    CHECK(absl::IsFailedPrecondition(status));
    const std::string message(status.message());
    CHECK(message.find("schema 7") != std::string::npos);
    CHECK(message.find("knows 1") != std::string::npos);
  }
}

TEST_CASE(
    "a reader meets a file without tables with unavailable, and a file that is none with data "
    "loss") {
  const testing::TempDir dir;
  { std::ofstream(dir.Path("empty.db")); }
  CHECK(absl::IsUnavailable(OpenAuroraForRead(dir.Path("empty.db")).status()));
  { std::ofstream(dir.Path("noise.db")) << std::string(9000, 'x'); }
  CHECK(absl::IsDataLoss(OpenAuroraForRead(dir.Path("noise.db")).status()));
  CHECK(absl::IsDataLoss(OpenAuroraForWrite(dir.Path("noise.db")).status()));
}

TEST_CASE("a migration that fails leaves the version before it") {
  const testing::TempDir dir;
  sqlite::Options options;
  options.create = true;
  auto db = sqlite::Database::Open(dir.Path("m.db"), options);
  REQUIRE(db.ok());
  constexpr std::array<std::string_view, 2> kScripts = {"CREATE TABLE a (x)",
                                                        "CREATE TABLE b (x); CREATE TABLE a (x)"};
  CHECK_FALSE(Migrate(*db, kScripts).ok());
  CHECK(*db->QueryInt64("PRAGMA user_version") == 1);
  CHECK(*db->QueryInt64("SELECT COUNT(*) FROM sqlite_schema WHERE name = 'b'") == 0);
  constexpr std::array<std::string_view, 2> kFixed = {"CREATE TABLE a (x)", "CREATE TABLE b (x)"};
  CHECK(Migrate(*db, kFixed).ok());
  CHECK(*db->QueryInt64("PRAGMA user_version") == 2);
  CHECK(CheckVersion(*db, 3).ok());  // a reader takes the version before its own
  CHECK_FALSE(CheckVersion(*db, 4).ok());
}

}  // namespace
}  // namespace aurora::schema
