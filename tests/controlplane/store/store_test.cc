#include "controlplane/store/store.h"

#include <atomic>
#include <iostream>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/controlplane/store/store_fixture.h"

namespace aurora::store::testing {
namespace {

TEST_CASE("a write is in force, in the feed and readable when it is answered") {
  const TempDir dir;
  Store store(Options(dir, 7));
  REQUIRE(store.WaitOpened().state == State::kOpen);
  const auto first = Submit(store, Put("a", "1"));
  REQUIRE(first.ok());
  CHECK(first->changed);
  CHECK(first->entry.seq == 1);
  CHECK(first->entry.resolved == "v:1");
  const auto second = Submit(store, Put("a", "2"));
  REQUIRE(second.ok());
  CHECK(second->entry.seq == 2);
  CHECK(second->entry.row.siblings.size() == 1);
  CHECK(first->entry.row.siblings[0].hlc < second->entry.row.siblings[0].hlc);
  CHECK(second->entry.row.siblings[0].dot == replication::Dot{{std::string(kUid), 7}, 2});
  CHECK(store.head() == schema::Position{7, 2});

  auto reader = Reader::Open(dir.Path("aurora.db"));
  REQUIRE(reader.ok());
  CHECK((*reader)->Get(schema::kAlias, "a")->resolved == "v:2");
  CHECK(*(*reader)->Head() == schema::Position{7, 2});
  CHECK((*reader)->Changes(0, 10)->size() == 1);
  CHECK((*reader)->Changes(2, 10)->empty());
  CHECK(absl::IsNotFound((*reader)->Get(schema::kAlias, "b").status()));
}

TEST_CASE("a refused edit and one that wants nothing leave no trace") {
  const TempDir dir;
  Store store(Options(dir, 7));
  WriteRequest refused = Put("a", "1");
  refused.edit = [](const EditContext&) -> absl::StatusOr<std::optional<replication::Write>> {
    return AlreadyExists("taken");
  };
  CHECK(absl::IsAlreadyExists(Submit(store, std::move(refused)).status()));
  WriteRequest nothing = Put("a", "1");
  nothing.edit = [](const EditContext&) { return std::optional<replication::Write>(); };
  const auto same = Submit(store, std::move(nothing));
  REQUIRE(same.ok());
  CHECK_FALSE(same->changed);
  CHECK(absl::IsInvalidArgument(Submit(store, Put("a", "bad")).status()));
  WriteRequest unknown = Put("a", "1");
  unknown.kind = "Nonsense";
  CHECK(absl::IsInvalidArgument(Submit(store, std::move(unknown)).status()));
  CHECK(store.head().seq == 0);
  CHECK(CheckConsistent(dir.Path("aurora.db")) == 0);
}

TEST_CASE("a tombstone leaves the row and takes the value out of force") {
  const TempDir dir;
  Store store(Options(dir, 7));
  REQUIRE(Submit(store, Put("a", "1")).ok());
  REQUIRE(Submit(store, Put("b", "1")).ok());
  WriteRequest drop = Put("a", "");
  drop.edit = [](const EditContext&) { return std::optional(replication::Write{"", true, {}}); };
  REQUIRE(Submit(store, std::move(drop)).ok());
  auto reader = Reader::Open(dir.Path("aurora.db"));
  REQUIRE(reader.ok());
  CHECK((*reader)->List(schema::kAlias, "", 10)->size() == 1);
  CHECK((*reader)->List(schema::kAlias, "", 10, false)->size() == 2);
  CHECK((*reader)->List(schema::kAlias, "a", 10, false)->front().id == "b");
  CHECK_FALSE((*reader)->Get(schema::kAlias, "a")->resolved.has_value());
}

TEST_CASE("an edit sees other rows of its own transaction") {
  const TempDir dir;
  Store store(Options(dir, 7));
  WriteRequest second = Put("b", "1");
  bool saw = false;
  second.edit = [&](const EditContext& context) {
    saw = context.reader.Get(schema::kAlias, "a").ok();
    return std::optional(replication::Write{"1", false, {}});
  };
  store.Submit(Put("a", "1"), [](absl::StatusOr<WriteResult>) {});
  REQUIRE(Submit(store, std::move(second)).ok());
  CHECK(saw);
}

TEST_CASE(
    "a restart keeps the uid, draws a new epoch and never reuses a dot or falls back in time") {
  const TempDir dir;
  replication::Hlc last;
  for (uint64_t epoch = 1; epoch <= 70; ++epoch) {
    StoreOptions options = Options(dir, epoch);
    options.fresh_node_uid = epoch == 1 ? std::string(kUid) : std::string(32, 'f');
    options.wall_ms = [epoch] {
      return 1'000'000 + epoch * 1'000 - (epoch % 2) * 3'000;
    };  // now and then it goes back
    Store store(std::move(options));
    const auto written = Submit(store, Increment("a"));
    REQUIRE(written.ok());
    CHECK(written->entry.row.siblings[0].dot == replication::Dot{{std::string(kUid), epoch}, 1});
    CHECK(last < written->entry.row.siblings[0].hlc);
    last = written->entry.row.siblings[0].hlc;
    CHECK(store.head() == schema::Position{epoch, epoch});
  }
  auto reader = Reader::Open(dir.Path("aurora.db"));
  REQUIRE(reader.ok());
  const std::string epochs = *(*reader)->Meta(schema::kMetaEpochs);
  CHECK(std::count(epochs.begin(), epochs.end(), ',') == 63);
  CHECK(epochs.substr(0, 4) == "7:7,");
  CHECK(epochs.substr(epochs.rfind(',')) == ",70:70");
}

TEST_CASE("a merge that brings nothing writes no change entry and an unreadable row parks") {
  const TempDir dir;
  Store store(Options(dir, 7));
  REQUIRE(Submit(store, Put("a", "1")).ok());
  const replication::Row mine = Submit(store, Put("a", "2"))->entry.row;
  const auto merge = [&](std::string kind, replication::Row row) {
    return Merge(store, {Wire(std::move(kind), "a", row)}).status();
  };
  REQUIRE(merge("Alias", mine).ok());
  CHECK(store.head().seq == 2);
  const replication::Row bad =
      replication::WriteRow(mine, {{"other", 1}, 1}, {1ULL << 40, 0}, {"bad", false, {}});
  REQUIRE(merge("Alias", bad).ok());
  REQUIRE(merge("Future", bad).ok());
  auto reader = Reader::Open(dir.Path("aurora.db"));
  REQUIRE(reader.ok());
  Entry entry = *(*reader)->Get("Alias", "a");
  CHECK(entry.row == bad);
  CHECK(entry.parked == "bad spec");
  CHECK(entry.resolved == "v:2");  // the last good value
  CHECK((*reader)->Get("Future", "a")->parked == "unknown kind");
  CHECK(absl::IsFailedPrecondition(Submit(store, Put("a", "3")).status()));

  replication::Row revoked = bad;
  revoked.facts.revoked.insert("hash");
  REQUIRE(merge("Alias", revoked).ok());
  CHECK_FALSE((*reader)
                  ->Get("Alias", "a")
                  ->resolved.has_value());  // facts we cannot apply: nothing in force
  const replication::Row good =
      replication::WriteRow(revoked, {{"other", 1}, 2}, {1ULL << 40, 1}, {"4", false, {}});
  REQUIRE(merge("Alias", good).ok());
  entry = *(*reader)->Get("Alias", "a");
  CHECK_FALSE(entry.parked.has_value());
  CHECK(entry.resolved == "v:4");
}

TEST_CASE("events, audit entries and meta come back in order and events are bounded") {
  const TempDir dir;
  Store store(Options(dir, 7));
  for (int i = 0; i < kEventsKept + 5; ++i) {
    store.AppendEvent("info", "test", std::to_string(i));
  }
  REQUIRE(Submit(store, Increment("a")).ok());
  REQUIRE(Submit(store, Increment("b")).ok());
  REQUIRE(Wait([&](auto done) { store.SetMeta("k", "v", done); }).ok());
  absl::Status read = Wait([&](auto done) {
    store.Read(
        [](Reader& reader) {
          const auto events = reader.Events(0, 3);
          REQUIRE(events.ok());
          REQUIRE(events->size() == 3);
          CHECK(events->front().message == "5");  // the five oldest are gone
          CHECK(reader.Events(events->front().seq, 1)->front().message == "6");
          const auto audit = reader.Audit(0, 10);
          REQUIRE(audit->size() == 2);
          CHECK(audit->front().id == "b");
          CHECK(audit->front().kind == "Alias");
          CHECK(reader.Audit(audit->front().seq, 10)->front().id == "a");
          CHECK(*reader.Meta("k") == "v");
          return absl::OkStatus();
        },
        done);
  });
  CHECK(read.ok());
}

TEST_CASE("every request is answered exactly once, also those queued at the end") {
  const TempDir dir;
  std::atomic<int> answers{0};
  std::atomic<int> good{0};
  {
    Store store(Options(dir, 7));
    for (int i = 0; i < 3'000; ++i) {
      store.Submit(Increment("k" + std::to_string(i % 10)), [&](absl::StatusOr<WriteResult> r) {
        ++answers;
        good += r.ok() ? 1 : 0;
      });
    }
  }
  CHECK(answers == 3'000);
  CHECK(good == 3'000);
  CHECK(CheckConsistent(dir.Path("aurora.db")) == 10);
  auto reader = Reader::Open(dir.Path("aurora.db"));
  CHECK((*reader)->Get(schema::kAlias, "k0")->resolved == "v:300");
}

TEST_CASE("a reader beside the writer never sees half a transaction") {
  const TempDir dir;
  Store store(Options(dir, 7));
  REQUIRE(store.WaitOpened().state == State::kOpen);
  std::atomic<int> left{2'000};
  for (int i = 0; i < 2'000; ++i) {
    store.Submit(Increment("k" + std::to_string(i % 50)),
                 [&](absl::StatusOr<WriteResult>) { --left; });
  }
  int looks = 0;
  while (left > 0 || looks < 3) {
    CheckConsistent(dir.Path("aurora.db"));
    ++looks;
  }
  CHECK(CheckConsistent(dir.Path("aurora.db")) == 50);
}

TEST_CASE("an acknowledged write survives kill -9") {
  const TempDir dir;
  int acks[2];
  REQUIRE(::pipe(acks) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    Store store(Options(dir, 7));
    for (int i = 0; i < 100'000; ++i) {
      const char ok = Submit(store, Increment("a")).ok() ? 'y' : 'n';
      (void)!::write(acks[1], &ok, 1);
    }
    ::_exit(0);
  }
  ::close(acks[1]);
  int acknowledged = 0;
  char ok = 0;
  for (int i = 0; i < 50 && ::read(acks[0], &ok, 1) == 1; ++i) {
    acknowledged += ok == 'y' ? 1 : 0;
  }
  REQUIRE(acknowledged == 50);
  ::kill(child, SIGKILL);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  while (::read(acks[0], &ok, 1) == 1) {
    acknowledged += ok == 'y' ? 1 : 0;
  }
  ::close(acks[0]);
  Store store(Options(dir, 8));
  REQUIRE(store.WaitOpened().state == State::kOpen);
  const auto next = Submit(store, Increment("a"));
  REQUIRE(next.ok());
  CHECK(std::stoi(next->entry.row.siblings[0].spec) > acknowledged);
  CHECK(CheckConsistent(dir.Path("aurora.db")) == 1);
}

TEST_CASE("ten thousand writes share their fsyncs") {
  const TempDir dir;
  Store store(Options(dir, 7));
  REQUIRE(store.WaitOpened().state == State::kOpen);
  const auto start = std::chrono::steady_clock::now();
  std::atomic<int> good{0};
  std::promise<void> all;
  for (int i = 0; i < 10'000; ++i) {
    store.Submit(Put("k" + std::to_string(i), std::string(200, 'x')),
                 [&](absl::StatusOr<WriteResult> r) {
                   if (r.ok() && ++good == 10'000) {
                     all.set_value();
                   }
                 });
  }
  REQUIRE(all.get_future().wait_for(std::chrono::seconds(60)) == std::future_status::ready);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::cout << "store: 10000 writes in " << took.count() << " s = " << 10'000 / took.count()
            << "/s\n";
  CHECK(store.head().seq == 10'000);
}

}  // namespace
}  // namespace aurora::store::testing
