// What waits for what: bulk in slices, writes between them, two writes as one, and what is too large to travel.
#include <atomic>
#include <iostream>

#include "controlplane/store/writer.h"
#include "tests/controlplane/store/store_fixture.h"
#include "tests/support/sanitized.h"

namespace aurora::store::testing {
namespace {

using Clock = std::chrono::steady_clock;

WireRow PeerRow(uint64_t i, const std::string& spec) {
  return Wire(std::string(schema::kAlias), "key-" + std::to_string(i * 7919 % 1'000'003),
              replication::WriteRow({}, {{std::string(32, 'a'), 1}, i}, {5, 0}, {spec, false, {}}));
}

// Keeps `window` frames of bulk under way, as a peer does, until it is told to end.
struct Feeder {
  Store& store;
  const size_t frame_rows;
  std::mutex mutex;
  std::condition_variable ended;
  uint64_t at = 0;      // guarded by mutex
  size_t under_way = 0; // guarded by mutex
  bool stop = false;    // guarded by mutex
  std::atomic<uint64_t> merged{0};
  std::atomic<int> failed{0};

  void Send() {
    std::vector<WireRow> rows;
    FeedRange range{1, Lane::kBulk, 0, 0};
    {
      const std::lock_guard lock(mutex);
      if (stop) {
        return;
      }
      ++under_way;
      range.from_seq = at;
      at += frame_rows;
      range.to_seq = at;
    }
    for (uint64_t i = range.from_seq + 1; i <= range.to_seq; ++i) {
      rows.push_back(PeerRow(i, std::string(250, 'x')));
    }
    store.Merge(std::move(rows), "peer", range, [this](const absl::StatusOr<MergeResult>& result) {
      failed += result.ok() && result->moved ? 0 : 1;
      merged += frame_rows;
      {
        const std::lock_guard lock(mutex);
        --under_way;
        ended.notify_all();
      }
    });
  }
  void Top(size_t window) {
    for (;;) {
      {
        const std::lock_guard lock(mutex);
        if (under_way >= window || stop) {
          return;
        }
      }
      Send();
    }
  }
  void End() {
    std::unique_lock lock(mutex);
    stop = true;
    ended.wait(lock, [this] { return under_way == 0; });
  }
};

TEST_CASE("a write waits for a slice of bulk and a commit, not for the frames that came before it") {
  const TempDir dir;
  Store store(Options(dir, 1));
  Feeder feeder{store, 750, {}, {}};
  std::atomic<bool> over{false};
  std::thread peer([&] {
    while (!over) {
      feeder.Top(8);
      std::this_thread::yield();
    }
  });
  const auto begin = Clock::now();
  std::vector<double> took;
  uint64_t most_between = 0;
  while (took.size() < 60 || Clock::now() - begin < std::chrono::seconds(3)) {
    const uint64_t head = store.head().seq;
    const auto asked = Clock::now();
    const auto written = Submit(store, Put("write-" + std::to_string(took.size()), "x"));
    REQUIRE(written.ok());
    took.push_back(std::chrono::duration<double>(Clock::now() - asked).count());
    most_between = std::max(most_between, written->entry.seq - head);
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  over = true;
  peer.join();
  feeder.End();
  std::sort(took.begin(), took.end());
  std::cout << "store: " << static_cast<double>(feeder.merged) / seconds << " bulk rows/s beside " << took.size()
            << " writes, which took p50 " << took[took.size() / 2] * 1e3 << " ms, p99 "
            << took[took.size() * 99 / 100] * 1e3 << " ms, max " << took.back() * 1e3 << " ms, behind at most "
            << most_between << " rows\n";
  CHECK(feeder.failed == 0);
  CHECK(most_between <= kBulkRowsPerCommit + 2 * kBulkSlice);
  CHECK(CheckConsistent(dir.Path("aurora.db")) == static_cast<int64_t>(feeder.merged + took.size()));
}

TEST_CASE("bulk of a fresh node, alone") {
  const TempDir dir;
  Store store(Options(dir, 1));
  Feeder feeder{store, 750, {}, {}};
  const auto begin = Clock::now();
  const std::clock_t cpu = std::clock();
  constexpr uint64_t kRows = aurora::testing::kSanitized ? 15'000 : 60'000;
  while (feeder.merged < kRows) {
    feeder.Top(8);
    std::this_thread::yield();
  }
  feeder.End();
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const double of_cpu = static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC;
  std::cout << "store: " << static_cast<double>(feeder.merged) / seconds << " bulk rows/s of a fresh node, "
            << static_cast<double>(feeder.merged) / of_cpu << " per CPU second\n";
  CHECK(feeder.failed == 0);
}

TEST_CASE("a flood of writes does not starve bulk, and a frame of many slices moves its cursor once, at its end") {
  const TempDir dir;
  Store store(Options(dir, 1));
  std::atomic<bool> over{false};
  std::thread writer([&] {
    for (int i = 0; !over; ++i) {
      Submit(store, Put("flood", std::to_string(i))).IgnoreError();
    }
  });
  std::vector<WireRow> rows;
  for (uint64_t i = 1; i <= 3'000; ++i) {
    rows.push_back(PeerRow(i, "spec"));
  }
  const auto merged = Merge(store, rows, FeedRange{1, Lane::kBulk, 0, 3'000});
  over = true;
  writer.join();
  REQUIRE(merged.ok());
  CHECK(merged->moved);
  CHECK(merged->changed == 3'000);
  CHECK(merged->cursor == 3'000);
  CHECK(merged->head <= store.head().seq);
  CHECK(CheckConsistent(dir.Path("aurora.db")) == 3'001);
}

TEST_CASE("bulk that does not decode brings nothing, wherever in it the bad row is, and later bulk goes on") {
  const TempDir dir;
  Store store(Options(dir, 1));
  std::vector<WireRow> rows;
  for (uint64_t i = 1; i <= 1'000; ++i) {
    rows.push_back(PeerRow(i, "spec"));
  }
  rows.push_back({"Alias", "bad", "\xff"});
  CHECK(absl::IsInvalidArgument(Merge(store, rows, FeedRange{1, Lane::kBulk, 0, 10}).status()));
  CHECK(store.head().seq == 0);
  rows.pop_back();
  CHECK(Merge(store, rows, FeedRange{1, Lane::kBulk, 0, 10})->changed == 1'000);
  CHECK(Merge(store, {}, FeedRange{1, Lane::kBulk, 10, 20})->cursor == 20);
}

TEST_CASE("a write whose row would reach no other node is refused with its size and the bound; facts always pass") {
  const TempDir dir;
  Store store(Options(dir, 1));
  const auto refused = Submit(store, Put("big", std::string(replication::kWrittenBytesMax, 'x')));
  CHECK(absl::IsInvalidArgument(refused.status()));
  const std::string said(Std(refused.status().message()));
  CHECK(said.starts_with("spec: "));
  CHECK(said.find(std::to_string(replication::kWrittenBytesMax)) != std::string::npos);
  CHECK(store.head().seq == 0);
  REQUIRE(Submit(store, Put("big", std::string(replication::kWrittenBytesMax - 400, 'x'))).ok());
  // Two of the largest, written at once, and a thousand facts still fit a frame.
  replication::Row other = replication::WriteRow({}, {{std::string(32, 'b'), 1}, 1}, {5, 0},
                                                 {std::string(replication::kWrittenBytesMax - 400, 'y'), false, {}});
  for (int i = 0; i < 1'000; ++i) {
    std::string hash = std::to_string(i);
    other.facts.revoked.insert(hash + std::string(32 - hash.size(), 'h'));
  }
  REQUIRE(Merge(store, {Wire(std::string(schema::kAlias), "big", other)})->conflicts.count == 1);
  WriteRequest revoke = Put("big", "");
  revoke.edit = [](const EditContext&) {
    replication::Write write;
    write.facts.revoked.insert(std::string(32, 'z'));
    return std::optional(write);
  };
  const auto revoked = Submit(store, std::move(revoke));
  REQUIRE(revoked.ok());
  const size_t bytes = Wire(std::string(schema::kAlias), "big", revoked->entry.row).bytes();
  CHECK(bytes > replication::kWrittenBytesMax);
  CHECK(bytes <= replication::kRowBytesMax);
}

TEST_CASE("a write and the one that follows it are both made or neither, with digests, counts and the feed") {
  const TempDir dir;
  {
    Store store(Options(dir, 1));
    WriteRequest both = Put("", "first");
    both.then = [](const std::string& id) { return Put("pointer", id); };
    const auto made = Submit(store, both);
    REQUIRE(made.ok());
    REQUIRE(made->followed.has_value());
    CHECK(made->followed->id == "pointer");
    CHECK(made->followed->resolved == "v:" + made->entry.id);
    CHECK(made->followed->seq == made->entry.seq + 1);
    both.then = [](const std::string&) { return Put("pointer", "bad"); };
    std::vector<absl::Status> others(2);
    std::promise<void> last;
    store.Submit(Put("before", "x"), [&](const absl::StatusOr<WriteResult>& r) { others[0] = r.status(); });
    const auto refused = Submit(store, both);
    store.Submit(Put("after", "x"), [&](const absl::StatusOr<WriteResult>& r) {
      others[1] = r.status();
      last.set_value();
    });
    last.get_future().get();
    CHECK(absl::IsInvalidArgument(refused.status()));
    CHECK(others[0].ok());
    CHECK(others[1].ok());
    CHECK(store.head().seq == 4);
  }
  CHECK(CheckConsistent(dir.Path("aurora.db")) == 4);
  const StoreOptions options = Options(dir, 2);
  const auto writer = Writer::Open(options, 1'700'000'000'000);
  REQUIRE(writer.ok());
  CHECK((*writer)->digests() == *(*writer)->reader().Recount());
  CHECK((*writer)->counts().rows == 4);
}

}  // namespace
}  // namespace aurora::store::testing
