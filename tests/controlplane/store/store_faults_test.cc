#include <atomic>
#include <filesystem>
#include <fstream>

#include "controlplane/store/writer.h"
#include "tests/controlplane/store/store_fixture.h"
#include "tests/support/faulty_vfs.h"

namespace aurora::store::testing {
namespace {

using aurora::testing::FaultyVfs;

TEST_CASE("a file deleted underneath makes the store refuse writes and name it") {
  const TempDir dir;
  Store store(Options(dir, 7));
  REQUIRE(Submit(store, Put("a", "1")).ok());
  std::filesystem::remove(dir.Path("aurora.db"));
  const absl::Status status = Submit(store, Put("a", "2")).status();
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(std::string(status.message()).find("aurora.db was deleted") != std::string::npos);
  CHECK(store.state().state == State::kReplaced);
}

std::string InForce(Store& store, const std::string& id) {
  std::string value;
  const auto get = [&](auto done) {
    store.Read(
        [&](Reader& reader) -> absl::Status {
          AURORA_ASSIGN_OR_RETURN(const Entry entry, reader.Get(schema::kAlias, id));
          value = entry.resolved.value_or("");
          return absl::OkStatus();
        },
        done);
  };
  Wait(get).IgnoreError();  // no such row: nothing is in force
  return value;
}

TEST_CASE("a replaced file is noticed without a write and the newcomer is left alone") {
  const TempDir dir;
  const TempDir other;
  {
    Store donor(Options(other, 1));
    REQUIRE(Submit(donor, Put("x", "1")).ok());
  }
  std::atomic<bool> told{false};
  {
    StoreOptions options = Options(dir, 7);
    options.on_state = [&](const StoreState& state) {
      told = told || state.state == State::kReplaced;
    };
    Store store(std::move(options));
    REQUIRE(Submit(store, Put("a", "1")).ok());
    std::filesystem::rename(other.Path("aurora.db"), dir.Path("aurora.db"));
    REQUIRE(Eventually([&] { return told.load(); }));
    CHECK(absl::IsFailedPrecondition(Submit(store, Put("a", "2")).status()));
    // SQLite would play our journal into the newcomer; it is kept beside.
    CHECK_FALSE(std::filesystem::exists(dir.Path("aurora.db-wal")));
    CHECK(std::filesystem::exists(dir.Path("aurora.db-wal.7")));
  }
  // Closing the old handle neither checkpoints into nor cleans up after the newcomer.
  CHECK(std::filesystem::exists(dir.Path("aurora.db-wal.7")));
  Store store(Options(dir, 8));
  REQUIRE(store.WaitOpened().state == State::kOpen);
  CHECK(store.head().seq == 1);
  CHECK(InForce(store, "x") == "v:1");
  CHECK(InForce(store, "a").empty());
}

TEST_CASE("a journal that came with the newcomer stays with it") {
  const TempDir dir;
  Store store(Options(dir, 7));
  REQUIRE(Submit(store, Put("a", "1")).ok());
  for (const char* name : {"aurora.db", "aurora.db-wal"}) {
    std::ofstream(dir.Path("newcomer")) << name;
    std::filesystem::rename(dir.Path("newcomer"), dir.Path(name));
  }
  CHECK(absl::IsFailedPrecondition(Submit(store, Put("a", "2")).status()));
  CHECK(std::filesystem::file_size(dir.Path("aurora.db-wal")) == 13);
}

// One bit of the last place where the closed file holds `text`.
void ChangeBit(const TempDir& dir, const std::string& text) {
  std::ifstream in(dir.Path("aurora.db"), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const size_t at = bytes.rfind(text);
  REQUIRE(at != std::string::npos);
  std::fstream file(dir.Path("aurora.db"), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(text[0] ^ 1));
}

TEST_CASE("one changed bit of a row or of a value in force is found at the start, and named") {
  for (const std::string text : {"\x06wanted", "v:wanted"}) {  // in the row; in the value in force
    const TempDir dir;
    {
      Store store(Options(dir, 7));
      REQUIRE(Submit(store, Put("a", "wanted")).ok());
      REQUIRE(Submit(store, Put("b", "other")).ok());
    }
    ChangeBit(dir, text);
    Store store(Options(dir, 8));
    CHECK(store.WaitOpened().state == State::kCorrupt);
    CHECK(store.state().reason.find("Alias a: the bytes of its ") != std::string::npos);
    CHECK(absl::IsDataLoss(Submit(store, Put("b", "2")).status()));
  }
}

TEST_CASE("a row that changed on the disk meanwhile goes to no peer, and whoever reads it ends the writing") {
  const TempDir dir;
  Store store(Options(dir, 7));
  REQUIRE(Submit(store, Put("a", "wanted")).ok());
  REQUIRE(Submit(store, Put("b", "other")).ok());
  REQUIRE(Wait([&](auto done) {
            store.Background(
                [](Writer& writer, uint64_t) {
                  return writer.db().Execute("UPDATE row SET row = CAST(REPLACE(row, 'wanted', 'xanted') AS BLOB)");
                },
                done);
          }).ok());
  std::vector<WireRow> rows;
  const auto feed = [&](auto done) {
    store.Read(
        [&](Reader& reader) -> absl::Status {
          AURORA_ASSIGN_OR_RETURN(const auto batch, reader.FeedBatch(Lane::kBulk, 0, 100, 1 << 20));
          rows = batch.rows;
          return absl::OkStatus();
        },
        done);
  };
  CHECK(absl::IsDataLoss(Wait(feed)));
  CHECK(rows.empty());
  CHECK(store.state().state == State::kCorrupt);
  CHECK(absl::IsDataLoss(Submit(store, Put("b", "2")).status()));
}

TEST_CASE("a corrupt file leaves the store up, refusing, and a good one is taken up") {
  const TempDir dir;
  { std::ofstream(dir.Path("aurora.db")) << std::string(10'000, 'x'); }
  StoreOptions options = Options(dir, 7);
  options.watch_every = Duration::Millis(1);
  Store store(std::move(options));
  CHECK(store.WaitOpened().state == State::kCorrupt);
  CHECK(absl::IsDataLoss(Submit(store, Put("a", "1")).status()));
  std::filesystem::remove(dir.Path("aurora.db"));
  REQUIRE(Eventually([&] { return store.state().state == State::kOpen; }));
  CHECK(Submit(store, Put("a", "1")).ok());
}

TEST_CASE("a file or journal written over underneath makes the store refuse, also without a write") {
  for (const char* name : {"aurora.db", "aurora.db-wal"}) {
    const TempDir dir;
    StoreOptions options = Options(dir, 7);
    options.watch_every = Duration::Millis(1);
    Store store(std::move(options));
    REQUIRE(Submit(store, Put("a", "1")).ok());
    {
      std::fstream file(dir.Path(name), std::ios::in | std::ios::out | std::ios::binary);
      file << std::string(4096, '\xee');
    }
    CHECK(Eventually([&] { return store.state().state == State::kCorrupt; }));
    const absl::Status refused = Submit(store, Put("a", "2")).status();
    CHECK(absl::IsDataLoss(refused));
    CHECK(std::string(refused.message()).find(name) != std::string::npos);
  }
}

TEST_CASE("a damaged page is found at the start") {
  const TempDir dir;
  {
    Store store(Options(dir, 7));
    for (int i = 0; i < 200; ++i) {
      store.Submit(Put("k" + std::to_string(i), std::string(300, 'x')),
                   [](absl::StatusOr<WriteResult>) {});
    }
  }
  {
    std::fstream file(dir.Path("aurora.db"), std::ios::in | std::ios::out | std::ios::binary);
    const auto size =
        static_cast<std::streamoff>(std::filesystem::file_size(dir.Path("aurora.db")));
    for (std::streamoff page = 12; page * 4096 < size; ++page) {
      file.seekp(page * 4096);
      file << std::string(64, '\xee');
    }
  }
  Store store(Options(dir, 8));
  CHECK(store.WaitOpened().state == State::kCorrupt);
}

TEST_CASE("a newer schema and a missing directory are reported and retried") {
  const TempDir dir;
  {
    REQUIRE(
        schema::OpenAuroraForWrite(dir.Path("aurora.db"))->Execute("PRAGMA user_version=9").ok());
  }
  {
    Store store(Options(dir, 7));
    CHECK(store.WaitOpened().state == State::kFailed);
    CHECK(store.state().reason.find("schema 9") != std::string::npos);
    CHECK(absl::IsFailedPrecondition(Submit(store, Put("a", "1")).status()));
  }
  StoreOptions options = Options(dir, 7);
  options.path = dir.Path("later/aurora.db");
  Store store(std::move(options));
  CHECK(store.WaitOpened().state == State::kFailed);
  std::filesystem::create_directory(dir.Path("later"));
  CHECK(Eventually([&] { return store.state().state == State::kOpen; }));
}

TEST_CASE("a full disk refuses writes, half applies none, and writing goes on when there is room") {
  const TempDir dir;
  FaultyVfs vfs("full");
  Store store(Options(dir, 7, vfs.name()));
  REQUIRE(Submit(store, Increment("a")).ok());
  vfs.SetDiskFull(true);
  for (int i = 0; i < 5; ++i) {
    CHECK(absl::IsResourceExhausted(Submit(store, Increment("a")).status()));
    CHECK(absl::IsResourceExhausted(Submit(store, Increment("b")).status()));
  }
  CHECK(store.state().state == State::kOpen);
  CHECK(store.head().seq == 1);
  vfs.SetDiskFull(false);
  const auto next = Submit(store, Increment("a"));
  REQUIRE(next.ok());
  CHECK(next->entry.resolved == "v:2");
  CHECK(next->entry.seq == 2);
  CHECK(CheckConsistent(dir.Path("aurora.db")) == 1);
}

TEST_CASE("a write whose sync fails is not acknowledged and its dot is not used again") {
  const TempDir dir;
  FaultyVfs vfs("sync");
  Store store(Options(dir, 7, vfs.name()));
  REQUIRE(Submit(store, Increment("a")).ok());
  vfs.SetFailSyncs(true);
  CHECK_FALSE(Submit(store, Increment("a")).ok());
  vfs.SetFailSyncs(false);
  vfs.SetFailWrites(true);
  CHECK_FALSE(Submit(store, Increment("a")).ok());
  vfs.SetFailWrites(false);
  const auto next = Submit(store, Increment("a"));
  REQUIRE(next.ok());
  CHECK(next->entry.resolved == "v:2");
  CHECK(next->entry.row.siblings[0].dot.counter == 4);
  CHECK(CheckConsistent(dir.Path("aurora.db")) == 1);
}

}  // namespace
}  // namespace aurora::store::testing
