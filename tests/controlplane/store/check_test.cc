// What is kept beside the rows against the rows.
#include "controlplane/store/check.h"
#include "controlplane/store/store_metrics.h"
#include "tests/controlplane/store/store_fixture.h"

namespace aurora::store::testing {
namespace {

absl::StatusOr<CheckReport> CheckNow(Store& store, bool repair) {
  std::promise<absl::StatusOr<CheckReport>> answer;
  Check(store, repair, [&](absl::StatusOr<CheckReport> report) { answer.set_value(std::move(report)); });
  return answer.get_future().get();
}

std::vector<Event> EventsOf(Store& store) {
  std::vector<Event> events;
  REQUIRE(Wait([&](auto done) {
            store.Read(
                [&](Reader& reader) -> absl::Status {
                  AURORA_ASSIGN_OR_RETURN(events, reader.Events(0, 100));
                  return absl::OkStatus();
                },
                done);
          }).ok());
  return events;
}

void Fill(const TempDir& dir, uint64_t epoch, int rows) {
  Store store(Options(dir, epoch));
  for (int i = 0; i < rows; ++i) {
    REQUIRE(Submit(store, Put("row" + std::to_string(i), "spec " + std::to_string(i))).ok());
  }
}

void Tamper(const TempDir& dir, std::string_view sql) {
  auto db = schema::OpenAuroraForWrite(dir.Path("aurora.db"), "");
  REQUIRE(db.ok());
  const absl::Status done = db->Execute(std::string(sql));
  INFO(std::string(Std(done.message())));
  REQUIRE(done.ok());
}

TEST_CASE("nothing is wrong with what a store has written itself, and equal rows have equal content") {
  const TempDir one;
  const TempDir two;
  Fill(one, 1, 500);
  Store a(Options(one, 2));
  Store b(Options(two, 3));
  std::vector<WireRow> rows;
  REQUIRE(Wait([&](auto done) {
            a.Read(
                [&](Reader& reader) -> absl::Status {
                  AURORA_ASSIGN_OR_RETURN(const auto batch, reader.FeedBatch(Lane::kBulk, 0, 1000, 1 << 20));
                  rows = batch.rows;
                  return absl::OkStatus();
                },
                done);
          }).ok());
  REQUIRE(Merge(b, rows)->changed == 500);
  const auto of_a = CheckNow(a, false);
  const auto of_b = CheckNow(b, true);
  REQUIRE(of_a.ok());
  REQUIRE(of_b.ok());
  CHECK(of_a->rows == 500);
  CHECK(of_a->wrong == 0);
  CHECK(of_b->wrong == 0);
  CHECK(of_a->content == of_b->content);
  CHECK(EventsOf(a).empty());
  CHECK(a.head().seq == 500);
  REQUIRE(Submit(b, Put("row7", "other")).ok());
  CHECK_FALSE(CheckNow(b, false)->content == of_a->content);
}

TEST_CASE("whatever kept beside a row does not follow from it is named, and repaired without a change to the row") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"UPDATE row SET digest = x'00112233445566778899aabbccddeeff' WHERE id = 'row7'", "kept digest"},
      {"UPDATE row SET bucket = (bucket + 1) % 256 WHERE id = 'row7'", "another bucket"},
      {"UPDATE row SET bucket = -3 WHERE id = 'row7'", "another bucket"},
      {"UPDATE row SET dead = 1, siblings = 4 WHERE id = 'row7'", "number of values"},
      {"UPDATE row SET hlc = 5 WHERE id = 'row7'", "kept time"},
      {"UPDATE resolved SET spec = x'00' WHERE id = 'row7'", "value in force"},
      {"DELETE FROM resolved WHERE id = 'row7'", "value in force"},
      {"UPDATE change SET urgent = 1 WHERE id = 'row7'", "wrong lane"},
      {"DELETE FROM change WHERE id = 'row7'", "change feed does not hold it"},
      {"UPDATE row SET seq = (SELECT seq FROM row WHERE id = 'row8') WHERE id = 'row7'; "
       "DELETE FROM change WHERE id = 'row7'", "change feed does not hold it"},
  };
  for (const auto& [sql, what] : cases) {
    INFO(sql);
    const TempDir dir;
    Fill(dir, 1, 20);
    Tamper(dir, sql);
    Store store(Options(dir, 2));
    const auto found = CheckNow(store, false);
    REQUIRE(found.ok());
    CHECK(found->rows == 20);
    CHECK(found->repaired == 0);
    REQUIRE(found->wrong >= 1);
    CHECK(std::any_of(found->findings.begin(), found->findings.end(), [&, &w = what](const CheckFinding& f) {
      return f.row.kind == schema::kAlias && f.row.id == "row7" && f.what.find(w) != std::string::npos;
    }));
    CHECK(store.head().seq == 20);
    CHECK(EventsOf(store).back().type == "policy_check_failed");
    const auto repaired = CheckNow(store, true);
    REQUIRE(repaired.ok());
    CHECK(repaired->repaired == repaired->wrong);
    CHECK(repaired->content == found->content);
    CHECK(store.head().seq == 21);
    CHECK(EventsOf(store).back().type == "policy_repaired");
    CHECK(CheckNow(store, false)->wrong == 0);
    REQUIRE(Submit(store, Put("row7", "later")).ok());
    CHECK(CheckNow(store, false)->wrong == 0);
    CHECK(CheckConsistent(dir.Path("aurora.db")) == 20);
  }
}

TEST_CASE("sums that do not fit the rows on disk are named, and follow the rows after a repair and a refused batch") {
  const TempDir dir;
  Fill(dir, 1, 20);
  Tamper(dir, "UPDATE row SET digest = x'00112233445566778899aabbccddeeff' WHERE id = 'row7'");
  Store store(Options(dir, 2));  // has loaded the wrong digest
  REQUIRE(store.WaitOpened().state == State::kOpen);
  {
    const auto db = Reader::Open(dir.Path("aurora.db"));
    REQUIRE(db.ok());
    const auto tree = (*db)->Recount();
    auto raw = sqlite::Database::Open(dir.Path("aurora.db"), {});
    REQUIRE(raw.ok());
    auto put = raw->Prepare("UPDATE row SET digest = ?1 WHERE id = 'row7'");
    REQUIRE(put.ok());
    const auto entry = (*db)->Get(schema::kAlias, "row7");
    REQUIRE(entry.ok());
    REQUIRE(put->BindBlob(1, DigestBytes(DigestOf("row7", entry->row))).Run().ok());
  }
  const auto found = CheckNow(store, false);
  REQUIRE(found.ok());
  REQUIRE(found->wrong == 1);
  CHECK(found->findings[0].row.id.empty());
  CHECK(found->findings[0].what.find("bucket " + std::to_string(BucketOf("row7"))) != std::string::npos);
  const auto repaired = CheckNow(store, true);
  CHECK(repaired->repaired == 1);
  CHECK(CheckNow(store, false)->wrong == 0);
}

TEST_CASE("a value in force without a row goes, and a row that does not decode is told and left as it is") {
  const TempDir dir;
  Fill(dir, 1, 20);
  Tamper(dir, "INSERT INTO resolved (kind, id, spec) VALUES ('Alias', 'ghost', x'01')");
  Tamper(dir, "UPDATE row SET row = x'ffff' WHERE id = 'row3'");
  Store store(Options(dir, 2));
  const auto repaired = CheckNow(store, true);
  REQUIRE(repaired.ok());
  CHECK(repaired->wrong == 2);
  CHECK(repaired->repaired == 1);
  CHECK(repaired->unreadable == 1);
  const auto after = CheckNow(store, false);
  REQUIRE(after->wrong == 1);
  CHECK(after->findings[0].row.id == "row3");
  CHECK(EventsOf(store).back().severity == "critical");
}

TEST_CASE("a row that cannot be in force here is not wrong as long as it is said to be parked") {
  const TempDir dir;
  Fill(dir, 1, 5);
  {
    Store store(Options(dir, 2));
    const replication::Row bad = replication::WriteRow({}, {{std::string(32, 'a'), 1}, 1}, {5, 0}, {"bad", false, {}});
    const auto merged = Merge(store, {Wire(std::string(schema::kAlias), "parked", bad), Wire("Later", "x", bad)});
    REQUIRE(merged->parked.count == 2);
    CHECK(CheckNow(store, true)->wrong == 0);
  }
  Tamper(dir, "UPDATE row SET parked = NULL WHERE id = 'parked'");
  Store store(Options(dir, 3));
  CHECK(CheckNow(store, true)->repaired == 1);
  CHECK(CheckNow(store, false)->wrong == 0);
  CHECK(store.metrics().parked.value() == 2);
}

}  // namespace
}  // namespace aurora::store::testing
