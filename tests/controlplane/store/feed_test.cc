// The part of the Writer that other nodes drive, without its thread.
#include <chrono>
#include <ctime>
#include <iostream>
#include <map>

#include "controlplane/store/writer.h"
#include "shared/base/rng.h"
#include "tests/controlplane/store/store_fixture.h"
#include "tests/support/faulty_vfs.h"
#include "tests/support/sanitized.h"

namespace aurora::store::testing {
namespace {

using aurora::testing::FaultyVfs;
using aurora::testing::kSanitized;
using replication::DigestLevel;

constexpr uint64_t kWall = 1'700'000'000'000;

// A Writer with the options it borrows.
struct Disk {
  explicit Disk(const TempDir& dir, uint64_t epoch = 7, const std::string& vfs = "")
      : options(Options(dir, epoch, vfs)) {}
  absl::Status Open() {
    writer.reset();
    auto opened = Writer::Open(options, kWall);
    if (opened.ok()) {
      writer = *std::move(opened);
    }
    return opened.status();
  }
  StoreOptions options;
  std::unique_ptr<Writer> writer;
};

replication::Row RowOf(const std::string& spec, uint64_t counter, bool urgent = false, uint64_t epoch = 1) {
  replication::Write write{spec, false, {}};
  if (urgent) {
    write.facts.revoked.insert("secret " + std::to_string(counter));
  }
  return replication::WriteRow({}, {{std::string(32, 'a'), epoch}, counter}, {kWall, 0}, write);
}

WireRow WireOf(const std::string& id, const std::string& spec, uint64_t counter, bool urgent = false) {
  return Wire(std::string(schema::kAlias), id, RowOf(spec, counter, urgent));
}

absl::StatusOr<MergeResult> MergeNow(Writer& writer, const std::vector<WireRow>& rows,
                                     const std::optional<FeedRange>& range = std::nullopt) {
  if (absl::Status begun = writer.Begin(); !begun.ok()) {
    return begun;
  }
  auto result = writer.Merge(std::span<const WireRow>(rows), "peer", range, kWall);
  if (!writer.failure().ok()) {
    writer.Abandon();
    return writer.failure();
  }
  if (absl::Status committed = writer.Commit(); !committed.ok()) {
    return committed;
  }
  return result;
}

TEST_CASE("the cursor moves with its rows, only without a gap, only forward, and also when the rows bring nothing") {
  const TempDir dir;
  Disk disk(dir);
  REQUIRE(disk.Open().ok());
  Writer& writer = *disk.writer;
  auto first = MergeNow(writer, {WireOf("a", "1", 1)}, FeedRange{5, Lane::kBulk, 0, 10});
  REQUIRE(first.ok());
  CHECK(first->moved);
  CHECK(first->cursor == 10);
  CHECK(first->changed == 1);
  CHECK(first->head == 1);
  const auto nothing = MergeNow(writer, {WireOf("a", "1", 1)}, FeedRange{5, Lane::kBulk, 10, 20});
  REQUIRE(nothing.ok());
  CHECK(nothing->changed == 0);
  CHECK(nothing->head == 1);
  CHECK(nothing->cursor == 20);
  const auto gap = MergeNow(writer, {WireOf("b", "1", 2)}, FeedRange{5, Lane::kBulk, 21, 30});
  REQUIRE(gap.ok());
  CHECK_FALSE(gap->moved);
  CHECK(gap->changed == 1);  // the rows are taken all the same
  CHECK(gap->cursor == 20);
  CHECK_FALSE(MergeNow(writer, {}, FeedRange{5, Lane::kBulk, 0, 15})->moved);
  CHECK(MergeNow(writer, {}, FeedRange{5, Lane::kBulk, 3, 25})->cursor == 25);
  CHECK(MergeNow(writer, {}, FeedRange{5, Lane::kRevoke, 0, 4})->cursor == 4);
  CHECK(writer.reader().Cursors()->size() == 2);
}

TEST_CASE("a batch with a row that does not decode changes nothing and says which") {
  const TempDir dir;
  Disk disk(dir);
  REQUIRE(disk.Open().ok());
  const auto result =
      MergeNow(*disk.writer, {WireOf("a", "1", 1), {"Alias", "b", "\xff\xff"}}, FeedRange{5, Lane::kBulk, 0, 10});
  CHECK(absl::IsInvalidArgument(result.status()));
  CHECK(std::string(result.status().message()).find("Alias b") != std::string::npos);
  CHECK(disk.writer->head().seq == 0);
  CHECK(disk.writer->reader().Cursors()->empty());
}

TEST_CASE("a feed is wanted from the most that any common start says, and a cursor beyond it proves a rollback") {
  const TempDir dir;
  Disk disk(dir);
  REQUIRE(disk.Open().ok());
  Writer& writer = *disk.writer;
  const auto open = [&](std::vector<FeedEpoch> history) {
    REQUIRE(writer.Begin().ok());
    auto opened = writer.OpenFeed("peer", history);
    REQUIRE(opened.ok());
    REQUIRE(writer.Commit().ok());
    return *opened;
  };
  CHECK(open({{1, 100}}).seq[Lane::kBulk] == 0);
  REQUIRE(MergeNow(writer, {}, FeedRange{1, Lane::kBulk, 0, 80})->moved);
  REQUIRE(MergeNow(writer, {}, FeedRange{1, Lane::kRevoke, 0, 60})->moved);
  const auto restarted = open({{1, 100}, {2, 120}});
  CHECK(restarted.seq[Lane::kBulk] == 80);
  CHECK(restarted.seq[Lane::kRevoke] == 60);
  CHECK(restarted.rolled_back_epoch == 0);
  const auto older = open({{1, 70}, {3, 70}});  // its disk is of before our cursor
  CHECK(older.seq[Lane::kBulk] == 70);
  CHECK(older.seq[Lane::kRevoke] == 60);
  CHECK(older.rolled_back_epoch == 1);
  CHECK(open({{9, 5}}).seq[Lane::kBulk] == 0);  // a stranger's history: everything
  for (uint64_t epoch = 100; epoch < 200; ++epoch) {
    open({{epoch, 1}});
  }
  CHECK(writer.reader().Cursors()->size() == 2 * kEpochsKept);
  CHECK(writer.reader().Cursors()->back().epoch == 199);
}

TEST_CASE("the revoke lane has exactly the rows with facts and finds few of them behind many others at once") {
  const TempDir dir;
  Disk disk(dir);
  REQUIRE(disk.Open().ok());
  Writer& writer = *disk.writer;
  std::vector<WireRow> rows;
  for (uint64_t i = 1; i <= 20'000; ++i) {
    rows.push_back(WireOf("k" + std::to_string(i), "1", i, i == 3 || i == 19'000));
  }
  REQUIRE(MergeNow(writer, rows).ok());
  const auto begin = std::chrono::steady_clock::now();
  auto urgent = writer.reader().FeedBatch(Lane::kRevoke, 0, 100, 1 << 20);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  REQUIRE(urgent.ok());
  REQUIRE(urgent->rows.size() == 2);
  CHECK(urgent->rows[1].id == "k19000");
  CHECK(urgent->done);
  CHECK(urgent->to_seq == 20'000);
  std::cout << "store: 2 urgent rows among 20000 in " << took.count() * 1e6 << " us\n";
  CHECK(took.count() < 0.005);
  urgent = writer.reader().FeedBatch(Lane::kRevoke, 0, 1, 1 << 20);
  CHECK(urgent->to_seq == 3);
  CHECK_FALSE(urgent->done);
  CHECK(writer.reader().FeedBatch(Lane::kRevoke, 3, 1, 1 << 20)->rows[0].id == "k19000");

  // BULK, page by page, is every row once; bytes bound a page, but one row always fits.
  uint64_t after = 0;
  size_t seen = 0;
  bool done = false;
  while (!done) {
    const auto batch = writer.reader().FeedBatch(Lane::kBulk, after, 3'000, 100'000);
    REQUIRE(batch.ok());
    size_t bytes = 0;
    for (const WireRow& row : batch->rows) {
      bytes += row.bytes();
    }
    CHECK(bytes <= 100'000);
    REQUIRE(batch->to_seq > after);
    seen += batch->rows.size();
    after = batch->to_seq;
    done = batch->done;
  }
  CHECK(seen == 20'000);
  CHECK(writer.reader().FeedBatch(Lane::kBulk, 0, 10, 1)->rows.size() == 1);
  const auto end = writer.reader().FeedBatch(Lane::kBulk, after, 10, 1);
  CHECK(end->done);
  CHECK(end->to_seq == after);
  // The latest state only: a row that changes again moves behind.
  REQUIRE(MergeNow(writer, {Wire("Alias", "k3", RowOf("2", 30'000, true))}).ok());
  CHECK(writer.reader().FeedBatch(Lane::kRevoke, 0, 10, 1 << 20)->rows[1].id == "k3");
}

TEST_CASE("the history names each start of this node and where it ended") {
  const TempDir dir;
  for (uint64_t epoch = 1; epoch <= 3; ++epoch) {
    Disk disk(dir, ~uint64_t{0} - epoch);
    REQUIRE(disk.Open().ok());
    REQUIRE(MergeNow(*disk.writer, {WireOf("k" + std::to_string(epoch), "1", epoch)}).ok());
    const auto history = disk.writer->reader().History();
    REQUIRE(history.ok());
    REQUIRE(history->size() == epoch);
    CHECK(history->back() == FeedEpoch{~uint64_t{0} - epoch, epoch});
    CHECK(history->front() == FeedEpoch{~uint64_t{0} - 1, 1});
  }
}

TEST_CASE("kept digests and counts equal those counted anew, through writes, merges and abandoned transactions") {
  const TempDir dir;
  Disk disk(dir);
  REQUIRE(disk.Open().ok());
  Writer* writer = disk.writer.get();
  Rng rng(11);
  for (uint64_t i = 1; i <= 300; ++i) {
    REQUIRE(writer->Begin().ok());
    const std::string id = "k" + std::to_string(rng.Below(40));
    if (rng.OneIn(2)) {
      replication::Row row = RowOf(rng.OneIn(5) ? "bad" : "x", i, rng.OneIn(4), 1 + rng.Below(3));
      row.siblings[0].deleted = rng.OneIn(6);
      const std::vector<WireRow> rows = {Wire(rng.OneIn(5) ? "Future" : "Alias", id, row)};
      REQUIRE(writer->Merge(std::span<const WireRow>(rows), "peer", std::nullopt, kWall).ok());
    } else {
      writer->Write(Put(id, "y"), kWall).status().IgnoreError();  // parked ones refuse
    }
    if (rng.OneIn(3)) {
      writer->Abandon();
    } else {
      REQUIRE(writer->Commit().ok());
    }
    REQUIRE(writer->digests() == *writer->reader().Recount());
    REQUIRE(writer->counts() == *writer->reader().Counts());
  }
  const RowCounts counts = writer->counts();
  CHECK(counts.conflicts > 0);
  CHECK(counts.parked > 0);
  CHECK(static_cast<int64_t>(writer->reader().Conflicts({}, 1000)->size()) == counts.conflicts);
  CHECK(static_cast<int64_t>(writer->reader().Parked({}, 1000)->size()) == counts.parked);
  CHECK(static_cast<int64_t>(writer->reader().ParkedNames()->rows.size()) == counts.parked);
  const auto conflicts = writer->reader().Conflicts({}, 2);
  CHECK(writer->reader().Conflicts({conflicts->at(0).kind, conflicts->at(0).id}, 1)->at(0).id == conflicts->at(1).id);
  const DigestTree before = writer->digests();
  // Each level sums up to the one above.
  const auto kinds = *writer->Digest(DigestLevel::kKinds, "", 0);
  CHECK(kinds.size() == 2);
  for (const auto& kind : kinds) {
    SetDigest all;
    const auto buckets = *writer->Digest(DigestLevel::kBuckets, kind.key, 0);
    for (const auto& bucket : buckets) {
      SetDigest sum;
      const auto rows = *writer->Digest(DigestLevel::kRows, kind.key, static_cast<uint32_t>(std::stoi(bucket.key)));
      for (const auto& row : rows) {
        sum.Add(row.hash);
      }
      CHECK(sum == SetDigest{bucket.count, bucket.hash});
      all.Join(sum);
    }
    CHECK(all == SetDigest{kind.count, kind.hash});
  }
  writer = nullptr;
  REQUIRE(disk.Open().ok());  // loaded, not recounted
  CHECK(disk.writer->digests() == before);
  CHECK(disk.writer->counts() == counts);
}

TEST_CASE("a file of the first schema is filled at the first open and its feed, digests and counts are complete") {
  const TempDir dir;
  {
    Disk disk(dir);
    REQUIRE(disk.Open().ok());
    REQUIRE(MergeNow(*disk.writer, {WireOf("a", "1", 1), WireOf("b", "1", 2, true), WireOf("c", "bad", 3)}).ok());
    replication::Row gone = RowOf("", 4);
    gone.siblings[0].deleted = true;
    REQUIRE(MergeNow(*disk.writer, {Wire("Alias", "d", gone)}).ok());
    REQUIRE(MergeNow(*disk.writer, {Wire("Alias", "a", RowOf("2", 1, false, 2))}).ok());
    sqlite::Database& db = disk.writer->db();
    REQUIRE(db.Execute("DROP INDEX row_bucket; DROP INDEX row_conflict; DROP INDEX row_parked;"
                       "DROP INDEX change_urgent; ALTER TABLE row DROP COLUMN siblings;"
                       "ALTER TABLE row DROP COLUMN dead;"
                       "ALTER TABLE row DROP COLUMN bucket; ALTER TABLE row DROP COLUMN digest;"
                       "ALTER TABLE change DROP COLUMN urgent; DROP TABLE cursor; PRAGMA user_version = 1")
                .ok());
  }
  REQUIRE(schema::OpenAuroraForRead(dir.Path("aurora.db")).ok());  // the data plane may come first
  Disk disk(dir, 8);
  REQUIRE(disk.Open().ok());
  Reader& reader = disk.writer->reader();
  CHECK(disk.writer->digests() == *reader.Recount());
  CHECK(*reader.Counts() == RowCounts{4, 1, 1, 1});
  CHECK(disk.writer->counts() == RowCounts{4, 1, 1, 1});
  CHECK(reader.FeedBatch(Lane::kRevoke, 0, 10, 1 << 20)->rows.at(0).id == "b");
  CHECK(absl::IsNotFound(reader.Meta(schema::kMetaFillColumns).status()));
}

TEST_CASE("a parked row comes into force at the start of a program that can read it, and facts hold meanwhile") {
  const TempDir dir;
  {
    Disk disk(dir);
    disk.options.facts["Alias"] = [](std::string_view last, const replication::Facts& facts) {
      return std::optional(std::string(last) + " less " + std::to_string(facts.revoked.size()));
    };
    REQUIRE(disk.Open().ok());
    REQUIRE(MergeNow(*disk.writer, {WireOf("a", "1", 1)}).ok());
    const auto parked = MergeNow(*disk.writer, {WireOf("a", "bad", 2, true), Wire("Alias2", "z", RowOf("1", 3))});
    REQUIRE(parked.ok());
    CHECK(parked->parked.count == 2);
    REQUIRE(parked->parked_now.has_value());
    CHECK(parked->parked_now->rows.size() == 2);
    CHECK(disk.writer->reader().Get("Alias", "a")->resolved == "v:1 less 1");
    CHECK_FALSE(MergeNow(*disk.writer, {WireOf("b", "1", 4)})->parked_now.has_value());
  }
  Disk newer(dir, 8);
  using Value = absl::StatusOr<std::optional<std::string>>;
  const Resolve read = [](std::string_view, std::string_view, const replication::Row& row) -> Value {
    return std::optional<std::string>("read " + row.Newest()->spec);
  };
  newer.options.resolve["Alias"] = newer.options.resolve["Alias2"] = read;
  REQUIRE(newer.Open().ok());
  CHECK(newer.writer->counts().parked == 0);
  CHECK(newer.writer->reader().Get("Alias", "a")->resolved == "read bad");
  // Peers and the data plane see it.
  CHECK(newer.writer->reader().Get("Alias2", "z")->seq == newer.writer->head().seq);
  CHECK(newer.writer->reader().Events(0, 10)->at(0).type == "parked_rows_in_force");
}

TEST_CASE("conflicts, skewed clocks and rows that differ at equal versions are reported") {
  const TempDir dir;
  Disk disk(dir);
  REQUIRE(disk.Open().ok());
  REQUIRE(MergeNow(*disk.writer, {WireOf("a", "1", 1)}).ok());
  replication::Row other = RowOf("2", 1, false, 2);
  other.siblings[0].hlc.unix_ms = kWall + 100'000;
  const auto merged = MergeNow(*disk.writer, {Wire("Alias", "a", other)});
  REQUIRE(merged.ok());
  CHECK(merged->conflicts.count == 1);
  CHECK(merged->skewed == 1);
  CHECK(merged->skewed_by_ms == 100'000);
  CHECK(merged->skewed_node_uid == std::string(32, 'a'));
  CHECK(merged->diverged.count == 0);
  replication::Row broken = RowOf("1", 1);
  broken.version.Join(other.version);
  broken.facts.revoked.insert("fact without a dot");
  CHECK(MergeNow(*disk.writer, {Wire("Alias", "a", broken)})->diverged.count == 1);
}

TEST_CASE("rows of a later version, of a kind or with fields unknown here, pass through unchanged") {
  const TempDir dir;
  Disk disk(dir);
  REQUIRE(disk.Open().ok());
  // Field 4000 of a message that this program does not know: tag and three bytes.
  const std::string later = std::string("\x82\xfa\x01\x03", 4) + "new";
  const std::vector<WireRow> rows = {Wire("Alias", "known", RowOf(later, 1)),
                                     Wire("Later", "unknown", RowOf(later, 2, true))};
  REQUIRE(MergeNow(*disk.writer, rows)->parked.count == 1);
  REQUIRE(disk.Open().ok());  // and through a start
  const auto batch = disk.writer->reader().FeedBatch(Lane::kBulk, 0, 10, 1 << 20);
  REQUIRE(batch.ok());
  CHECK(batch->rows == rows);
  CHECK(disk.writer->reader().FeedBatch(Lane::kRevoke, 0, 10, 1 << 20)->rows == std::vector{rows[1]});
  CHECK(disk.writer->reader().Get("Alias", "known")->resolved == "v:" + later);
}

TEST_CASE("whatever moment the power goes, a cursor that stands has its rows and the digests fit") {
  uint64_t cuts = 0;
  uint64_t lost = 0;
  constexpr uint64_t kSeeds = kSanitized ? 80 : 320;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    INFO("seed " << seed);
    Rng rng(seed);
    const TempDir dir;
    FaultyVfs vfs("merge" + std::to_string(seed));
    uint64_t acknowledged = 0;
    {
      Disk disk(dir, 1, vfs.name());
      REQUIRE(disk.Open().ok());
      vfs.CutPowerAfter(1 + rng.Below(120));
      // The k-th batch brings row k of the peer's feed and rewrites row 0.
      for (uint64_t k = 1; k <= 60 && !vfs.off(); ++k) {
        const std::vector<WireRow> rows = {
            WireOf("k" + std::to_string(k), std::string(rng.Below(3'000), 'x'), k),
            Wire("Alias", "k0", RowOf(std::to_string(k), 1'000 + k))};
        const auto merged = MergeNow(*disk.writer, rows, FeedRange{9, Lane::kBulk, k - 1, k});
        if (!merged.ok()) {
          break;
        }
        acknowledged = k;
      }
      cuts += vfs.off() ? 1U : 0U;
    }
    vfs.Restore(rng.Next());
    lost += vfs.lost_writes();
    Disk disk(dir, 2);
    REQUIRE(disk.Open().ok());
    Reader& reader = disk.writer->reader();
    const auto cursors = reader.Cursors();
    const uint64_t cursor = cursors->empty() ? 0 : cursors->at(0).seq;
    REQUIRE(cursor >= acknowledged);
    REQUIRE(disk.writer->counts().rows == static_cast<int64_t>(cursor == 0 ? 0 : cursor + 1));
    for (uint64_t k = 1; k <= cursor; ++k) {
      REQUIRE(reader.Get("Alias", "k" + std::to_string(k)).ok());
    }
    if (cursor > 0) {
      REQUIRE(reader.Get("Alias", "k0")->row.Newest()->spec == std::to_string(cursor));
    }
    REQUIRE(disk.writer->digests() == *reader.Recount());
    REQUIRE(CheckConsistent(dir.Path("aurora.db")) == disk.writer->counts().rows);
  }
  std::cout << "merge power cuts: " << cuts << ", lost disk writes: " << lost << "\n";
  CHECK(cuts > kSeeds * 3 / 4);
  CHECK(lost > kSeeds / 4);
}

TEST_CASE("a disk that fails in the middle of a batch leaves no part of it, and the batch goes again") {
  const TempDir dir;
  FaultyVfs vfs("midbatch");
  Disk disk(dir, 7, vfs.name());
  REQUIRE(disk.Open().ok());
  REQUIRE(MergeNow(*disk.writer, {WireOf("first", "1", 1)}, FeedRange{9, Lane::kBulk, 0, 1}).ok());
  std::vector<WireRow> rows;
  for (uint64_t i = 2; i <= 4'000; ++i) {
    rows.push_back(WireOf("k" + std::to_string(i), std::string(2'000, 'x'), i));  // more than the page cache
  }
  for (const auto fault : {&FaultyVfs::SetDiskFull, &FaultyVfs::SetFailWrites}) {
    (vfs.*fault)(true);
    const auto failed = MergeNow(*disk.writer, rows, FeedRange{9, Lane::kBulk, 1, 4'000});
    CHECK_FALSE(failed.ok());
    (vfs.*fault)(false);
    CHECK(disk.writer->head().seq == 1);
    CHECK(disk.writer->counts().rows == 1);
    CHECK(disk.writer->digests() == *disk.writer->reader().Recount());
    CHECK(disk.writer->reader().Cursors()->at(0).seq == 1);
  }
  const auto again = MergeNow(*disk.writer, rows, FeedRange{9, Lane::kBulk, 1, 4'000});
  REQUIRE(again.ok());
  CHECK(again->cursor == 4'000);
  CHECK(CheckConsistent(dir.Path("aurora.db")) == 4'000);
}

TEST_CASE("a hundred thousand rows are caught up with fast, a repeat costs less, and digests are at hand") {
  const TempDir dir;
  Disk disk(dir);
  REQUIRE(disk.Open().ok());
  constexpr uint64_t kRows = kSanitized ? 10'000 : 100'000;
  constexpr uint64_t kBatch = 2'000;
  std::vector<std::vector<WireRow>> batches;
  for (uint64_t i = 1; i <= kRows; ++i) {
    if (i % kBatch == 1) {
      batches.emplace_back();
    }
    batches.back().push_back(WireOf("key-" + std::to_string(i * 7919 % kRows), std::string(250, 'x'), i));
  }
  const auto seconds = [&](const auto& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  for (const char* what : {"new", "known"}) {
    const std::clock_t began = std::clock();
    const double took = seconds([&] {
      uint64_t at = 0;
      for (const auto& batch : batches) {
        const FeedRange range{*what == 'n' ? 1U : 2U, Lane::kBulk, at, at + kBatch};
        REQUIRE(MergeNow(*disk.writer, batch, range).ok());
        at += kBatch;
      }
    });
    const double cpu = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
    std::cout << "store: merge of " << kRows << " " << what << " rows: " << static_cast<double>(kRows) / took
              << "/s, of one CPU " << static_cast<double>(kRows) / cpu << "/s\n";
  }
  const double root = seconds([&] { REQUIRE(disk.writer->Digest(DigestLevel::kKinds, "", 0)->size() == 1); });
  const double bucket =
      seconds([&] { REQUIRE(disk.writer->Digest(DigestLevel::kRows, "Alias", 17)->size() > kRows / 1'000); });
  const double recount = seconds([&] { REQUIRE(*disk.writer->reader().Recount() == disk.writer->digests()); });
  const double open = seconds([&] { REQUIRE(disk.Open().ok()); });
  std::cout << "store: root digest " << root * 1e6 << " us, a bucket's rows " << bucket * 1e6 << " us, recount "
            << recount << " s, open " << open << " s\n";
  CHECK(root < 0.05);
  const double feed = seconds([&] {
    uint64_t after = 0;
    bool done = false;
    while (!done) {
      auto batch = disk.writer->reader().FeedBatch(Lane::kBulk, after, 2'048, 256 << 10);
      after = batch->to_seq;
      done = batch->done;
    }
  });
  std::cout << "store: feed of " << kRows << " rows: " << static_cast<double>(kRows) / feed << "/s\n";
}

}  // namespace
}  // namespace aurora::store::testing
