#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "aurora/v1/admin.pb.h"
#include "shared/schema/aurora_db.h"
#include "shared/schema/migrate.h"
#include "shared/schema/traffic_db.h"
#include "shared/schema/usage_batch.h"
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
}

// A row whose every column is its place in kUsageColumns; 5 is the name of the key, which a batch has not.
UsageRow Numbered(int64_t id, std::vector<std::string>& texts) {
  for (int i = 0; i < 23; ++i) {
    texts.push_back(std::to_string(i));
  }
  UsageRow r;
  r.id = id;
  r.request_id = texts[1];
  r.started_at_us = 2;
  r.auth_key_id = texts[3];
  r.user_path = texts[5];
  r.endpoint = texts[6];
  r.provider = texts[7];
  r.model = texts[8];
  r.status = 9;
  r.outcome = texts[10];
  r.stream = 11;
  r.input_tokens = 12;
  r.output_tokens = 13;
  r.cached_input_tokens = 14;
  r.cache_creation_input_tokens = 15;
  r.reasoning_tokens = 16;
  r.latency_us = 17;
  r.time_to_first_token_us = 18;
  r.node_id = texts[19];
  r.term = 20;
  r.attempts = 21;
  r.cost_nano_usd = 22;
  return r;
}

void InsertBatch(sqlite::Database& db, UsageBatchEncoder& batch) {
  auto insert = db.Prepare("INSERT INTO usage_batch VALUES (?1, ?2, ?3, ?4, ?5)");
  REQUIRE(insert.ok());
  insert->Bind(1, batch.last_id()).Bind(2, batch.first_id()).Bind(3, batch.newest_start_us());
  insert->Bind(4, static_cast<int64_t>(batch.count())).BindBlob(5, batch.Finish());
  REQUIRE(insert->Run().ok());
  batch.Clear();
}

constexpr std::string_view kOldRow =
    "INSERT INTO usage_row VALUES (7,'1',2,'3','','5','6','7','8',9,'10',11,12,13,14,15,16,17,18,'19',20,21)";

TEST_CASE("usage shows the same fields of a row of its own and of a row in a batch") {
  const testing::TempDir dir;
  auto db = OpenTrafficForWrite(dir.Path("traffic.db"));
  REQUIRE(db.ok());
  std::vector<std::string> texts;
  UsageBatchEncoder batch;
  batch.Add(Numbered(100, texts));
  InsertBatch(*db, batch);
  REQUIRE(db->Execute(kOldRow).ok());
  auto select = db->Prepare("SELECT id, " + std::string(kUsageColumns) + " FROM usage ORDER BY id");
  REQUIRE(select.ok());
  for (const int64_t id : {7, 100}) {
    REQUIRE(*select->Step());
    CHECK(select->Int64(0) == id);
    for (int i = 1; i < 22; ++i) {
      CHECK(select->Text(i) == (i == 4 ? "" : std::to_string(i)));
    }
    CHECK(select->Int64(22) == (id == 7 ? 0 : 22));  // a row of its own is older than costs
  }
  CHECK_FALSE(*select->Step());
}

TEST_CASE("usage is in the order of ids both ways and from any id to any other") {
  const testing::TempDir dir;
  auto db = OpenTrafficForWrite(dir.Path("traffic.db"));
  REQUIRE(db.ok());
  UsageBatchEncoder batch;
  int64_t id = 10;
  for (const int rows : {1, 5, 3}) {
    for (int i = 0; i < rows; ++i) {
      UsageRow row;
      row.id = id++;
      batch.Add(row);
    }
    InsertBatch(*db, batch);
  }
  REQUIRE(db->Execute(kOldRow).ok());
  const auto ids = [&](const std::string& where) {
    auto select = db->Prepare("SELECT id FROM usage " + where);
    REQUIRE(select.ok());
    std::string out;
    while (*select->Step()) {
      out += std::to_string(select->Int64(0)) + " ";
    }
    return out;
  };
  CHECK(ids("ORDER BY id") == "7 10 11 12 13 14 15 16 17 18 ");
  CHECK(ids("ORDER BY id DESC") == "18 17 16 15 14 13 12 11 10 7 ");
  CHECK(ids("WHERE id < 13 ORDER BY id DESC LIMIT 2") == "12 11 ");
  CHECK(ids("WHERE id > 7 AND id < 12") == "10 11 ");
  CHECK(ids("WHERE id >= 14 AND id <= 16 ORDER BY id") == "14 15 16 ");
  CHECK(ids("WHERE id > 18").empty());
  CHECK(ids("WHERE id < 8") == "7 ");
}

TEST_CASE("a damaged batch is told to who reads it, and to nobody else") {
  const testing::TempDir dir;
  auto db = OpenTrafficForWrite(dir.Path("traffic.db"));
  REQUIRE(db.ok());
  UsageBatchEncoder batch;
  for (const int64_t id : {10, 20, 30}) {
    UsageRow row;
    row.id = id;
    batch.Add(row);
    InsertBatch(*db, batch);
  }
  REQUIRE(db->Execute("UPDATE usage_batch SET data = (SELECT data FROM usage_batch WHERE last_id = 10) "
                      "WHERE last_id = 20").ok());
  CHECK(absl::IsDataLoss(db->QueryInt64("SELECT count(*) FROM usage").status()));
  CHECK(*db->QueryInt64("SELECT count(*) FROM usage WHERE id > 25") == 1);
  REQUIRE(db->Execute("UPDATE usage_batch SET data = x'00' WHERE last_id = 20").ok());
  CHECK(absl::IsDataLoss(db->QueryInt64("SELECT count(*) FROM usage").status()));
}

TEST_CASE("rows of the second schema are read before and after the file is brought up to date") {
  const testing::TempDir dir;
  const std::string path = dir.Path("traffic.db");
  {
    auto db = OpenTrafficForWrite(path);
    REQUIRE(db.ok());
    REQUIRE(db->Execute(kOldRow).ok());
    REQUIRE(db->Execute("DROP TABLE usage_batch; ALTER TABLE usage_row RENAME TO usage; "
                        "PRAGMA user_version = 2")
                .ok());
  }
  auto reader = OpenTrafficForRead(path);
  REQUIRE(reader.ok());
  CHECK(*reader->QueryInt64("SELECT attempts FROM usage WHERE id >= 2") == 21);
  auto db = OpenTrafficForWrite(path);
  REQUIRE(db.ok());
  CHECK(*reader->QueryInt64("SELECT attempts FROM usage WHERE id >= 2") == 21);
  CHECK(*db->QueryInt64("SELECT attempts FROM usage WHERE id >= 2") == 21);
}

TEST_CASE("usage rows of the first schema get ids that are times, in their old order") {
  const testing::TempDir dir;
  const std::string path = dir.Path("traffic.db");
  {
    auto db = OpenTrafficForWrite(path);
    REQUIRE(db.ok());
    // Back to version 1, with three requests of which the first took long.
    REQUIRE(db->Execute("DROP TABLE usage_batch; DROP TABLE usage_row; "
                        "CREATE TABLE usage (id INTEGER PRIMARY KEY AUTOINCREMENT, "
                        "request_id, started_at_us, auth_key_id, auth_key_name, user_path, endpoint, "
                        "provider, model, status, outcome, stream, input_tokens, output_tokens, "
                        "cached_input_tokens, cache_creation_input_tokens, reasoning_tokens, "
                        "latency_us, time_to_first_token_us, node_id, term, attempts);"
                        "INSERT INTO usage (request_id, started_at_us, latency_us) VALUES "
                        "('a', 1000000, 900), ('b', 1000500, 10), ('c', 1000500, 10);"
                        "PRAGMA user_version = 1")
                .ok());
  }
  auto db = OpenTrafficForWrite(path);
  REQUIRE(db.ok());
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
    CHECK(message.find("knows 2") != std::string::npos);
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
