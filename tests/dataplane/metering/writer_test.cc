#include "dataplane/metering/writer.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "shared/schema/traffic_db.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

namespace aurora::metering {
namespace {

using Clock = std::chrono::steady_clock;

bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = Clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (Clock::now() > deadline) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

int64_t UnixMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

int64_t Query(const std::string& path, std::string_view sql) {
  auto db = schema::OpenTrafficForRead(path);
  if (!db.ok()) {
    return -1;
  }
  return db->QueryInt64(sql).value_or(-1);
}

int64_t Rows(const std::string& path) {
  return Query(path, "SELECT count(*) FROM usage");
}

model::UsageRecord Record(int64_t i) {
  model::UsageRecord r;
  r.request_id = "request-" + std::to_string(i);
  r.auth_key_id = "key";
  r.user_path = "/team/a";
  r.provider = "openai";
  r.model = "gpt-4o";
  r.endpoint = model::Endpoint::kChatCompletions;
  r.term = 7;
  r.outcome = model::Outcome::kTimeout;
  r.metered = true;
  r.stream = true;
  r.status = 504;
  r.attempts = 3;
  r.started_unix_us = UnixMicros();
  r.latency_us = 77;
  r.time_to_first_token_us = 33;
  r.tokens = {1, 2, 3, 4, 5};
  return r;
}

Options At(const std::string& path) {
  Options o;
  o.path = path;
  o.node_id = "node-1";
  o.min_free_bytes = 0;
  o.retry_every = Duration::Millis(20);
  return o;
}

TEST_CASE("ten thousand records through two rings become ten thousand rows") {
  const testing::TempDir dir;
  const std::string path = dir.Path("traffic.db");
  UsageRing a, b;
  Writer writer(At(path), {&a, &b});
  const auto produce = [](UsageRing& ring) {
    for (int64_t i = 0; i < 5000; ++i) {
      while (ring.Readable() == UsageRing::kCapacity) {
        std::this_thread::yield();
      }
      ring.Push(Record(i));
    }
  };
  std::thread one([&] { produce(a); });
  std::thread two([&] { produce(b); });
  one.join();
  two.join();
  writer.Stop();
  CHECK(Rows(path) == 10'000);
  const Counters c = writer.counters();
  CHECK(c.written == 10'000);
  CHECK(c.dropped_ring == 0);
  CHECK(c.dropped_disk == 0);
  CHECK(!c.alarm);
}

TEST_CASE("a row holds every field of its record") {
  const testing::TempDir dir;
  const std::string path = dir.Path("traffic.db");
  {
    UsageRing ring;
    Writer writer(At(path), {&ring});
    ring.Push(Record(7));
  }
  CHECK(Query(path,
              "SELECT count(*) FROM usage WHERE request_id = 'request-7' AND auth_key_id = 'key' "
              "AND user_path = '/team/a' AND endpoint = 'chat_completions' AND provider = 'openai' "
              "AND model = 'gpt-4o' AND status = 504 AND outcome = 'timeout' AND stream = 1 AND "
              "input_tokens = 1 AND output_tokens = 2 AND cached_input_tokens = 3 AND "
              "cache_creation_input_tokens = 4 AND reasoning_tokens = 5 AND latency_us = 77 AND "
              "time_to_first_token_us = 33 AND node_id = 'node-1' AND attempts = 3 AND term = 7") == 1);
}

TEST_CASE("ids ascend over restarts and none is below the time its request ended") {
  const testing::TempDir dir;
  const std::string path = dir.Path("traffic.db");
  const int64_t now = UnixMicros();
  // Of one microsecond, of a clock that was set back, of a request that took long.
  for (const int64_t started : {now, now, now - 1'000'000, now + 500}) {
    UsageRing ring;
    Writer writer(At(path), {&ring});
    for (const int64_t latency : {0, 0, 20'000}) {
      model::UsageRecord record = Record(started);
      record.started_unix_us = started;
      record.latency_us = latency;
      ring.Push(record);
    }
  }
  CHECK(Rows(path) == 12);
  CHECK(Query(path, "SELECT count(*) FROM usage WHERE id < started_at_us + latency_us") == 0);
  CHECK(Query(path, "SELECT max(id) - min(id) FROM usage") < 30'000);
}

TEST_CASE("a record that is not metered leaves the ring without a row") {
  const testing::TempDir dir;
  const std::string path = dir.Path("traffic.db");
  UsageRing ring;
  Writer writer(At(path), {&ring});
  model::UsageRecord record = Record(1);
  record.metered = false;
  ring.Push(record);
  CHECK(Eventually([&] { return ring.Readable() == 0; }));
  writer.Stop();
  CHECK(Rows(path) == 0);
  CHECK(writer.counters().written == 0);
}

TEST_CASE("records that overflow a ring are counted and the rest is written") {
  const testing::TempDir dir;
  const std::string path = dir.Path("traffic.db");
  UsageRing ring;
  for (int64_t i = 0; i < 5000; ++i) {
    ring.Push(Record(i));
  }
  Writer writer(At(path), {&ring});
  writer.Stop();
  const Counters c = writer.counters();
  CHECK(c.dropped_ring == 5000 - UsageRing::kCapacity);
  CHECK(c.written == UsageRing::kCapacity);
  CHECK(Rows(path) == UsageRing::kCapacity);
}

TEST_CASE("rows that a file has from before there were batches count for ids and go first") {
  const testing::TempDir dir;
  const std::string path = dir.Path("traffic.db");
  const int64_t old_id = UnixMicros() + 3'600'000'000;
  {
    auto db = schema::OpenTrafficForWrite(path);
    REQUIRE(db.ok());
    REQUIRE(db->Execute("INSERT INTO usage_row (id, started_at_us) VALUES (" + std::to_string(old_id) + ", 1)").ok());
  }
  Options options = At(path);
  options.max_age = Duration::Seconds(3600);
  options.upkeep_every = Duration::Millis(300);
  UsageRing ring;
  ring.Push(Record(1));
  Writer writer(options, {&ring});
  CHECK(Eventually([&] { return writer.counters().written == 1; }));
  CHECK(Query(path, "SELECT max(id) FROM usage") == old_id + 1);
  CHECK(Eventually([&] { return Rows(path) == 1; }));
}

TEST_CASE("many rows are one row of the file") {
  const testing::TempDir dir;
  const std::string path = dir.Path("traffic.db");
  UsageRing a, b;
  for (int64_t i = 0; i < 2000; ++i) {
    a.Push(Record(i));
    b.Push(Record(i));
  }
  Writer writer(At(path), {&a, &b});
  writer.Stop();
  CHECK(Rows(path) == 4000);
  CHECK(Query(path, "SELECT count(*) FROM usage_batch") < 10);
  CHECK(Query(path, "SELECT sum(row_count) FROM usage_batch") == 4000);
}

TEST_CASE("rows older than the cap on age go and younger ones stay") {
  const testing::TempDir dir;
  const std::string path = dir.Path("traffic.db");
  UsageRing ring;
  Options options = At(path);
  options.max_age = Duration::Seconds(3600);
  options.upkeep_every = Duration::Millis(50);
  Writer writer(options, {&ring});
  model::UsageRecord old = Record(1);
  old.started_unix_us -= Duration::Seconds(7200).micros();
  for (int i = 0; i < 3000; ++i) {
    ring.Push(old);
  }
  for (int i = 0; i < 100; ++i) {
    ring.Push(Record(i));
  }
  CHECK(Eventually([&] { return writer.counters().written == 3100; }));
  CHECK(Eventually([&] { return Rows(path) == 100; }));
}

TEST_CASE("the cap on size deletes the oldest rows and keeps the newest") {
  const testing::TempDir dir;
  const std::string path = dir.Path("traffic.db");
  UsageRing ring;
  Options options = At(path);
  options.max_bytes = 512 << 10;
  options.upkeep_every = Duration::Millis(50);
  Writer writer(options, {&ring});
  for (int64_t i = 0; i < 20'000; ++i) {
    while (ring.Readable() == UsageRing::kCapacity) {
      std::this_thread::yield();
    }
    ring.Push(Record(i));
  }
  CHECK(Eventually([&] { return writer.counters().written == 20'000; }));
  const auto size = [&] {
    return (Query(path, "PRAGMA page_count") - Query(path, "PRAGMA freelist_count")) *
           Query(path, "PRAGMA page_size");
  };
  CHECK(Eventually([&] { return size() <= (512 << 10); }));
  CHECK(Eventually([&] { return Query(path, "PRAGMA freelist_count") == 0; }));
  CHECK(Rows(path) > 0);
  CHECK(Query(path, "SELECT count(*) FROM usage WHERE request_id = 'request-19999'") == 1);
  CHECK(Query(path, "SELECT count(*) FROM usage WHERE request_id = 'request-0'") == 0);
}

TEST_CASE("a nearly full disk raises the alarm, drops beyond half a ring and recovers") {
  const testing::TempDir dir;
  const std::string path = dir.Path("traffic.db");
  UsageRing ring;
  std::atomic<uint64_t> free{1000};
  std::atomic<int> raised{0};
  std::atomic<int> ended{0};
  Options options = At(path);
  options.min_free_bytes = 5000;
  options.free_bytes = [&](const std::string&) -> absl::StatusOr<uint64_t> { return free.load(); };
  options.on_alarm = [&](std::string_view why) { ++(why.empty() ? ended : raised); };
  Writer writer(options, {&ring});
  for (int64_t i = 0; i < 4000; ++i) {
    ring.Push(Record(i));
  }
  CHECK(Eventually([&] { return writer.counters().dropped_disk == 4000 - 2048; }));
  CHECK(writer.counters().alarm);
  CHECK(writer.counters().written == 0);
  free = 10'000;
  CHECK(Eventually([&] { return writer.counters().written == 2048; }));
  CHECK(Eventually([&] { return !writer.counters().alarm; }));
  CHECK(Eventually([&] { return ended == 1; }));
  CHECK(raised == 1);
  CHECK(Query(path, "SELECT count(*) FROM usage WHERE request_id = 'request-3999'") == 1);
  // What was lost is in the file, for whoever reads it after this process.
  CHECK(Query(path, "SELECT value FROM counter WHERE name = 'usage_lost_disk'") == 4000 - 2048);
  CHECK(Query(path, "SELECT value FROM counter WHERE name = 'usage_lost_ring'") == 0);
}

TEST_CASE("rows lost to a full ring are added to those of earlier runs") {
  const testing::TempDir dir;
  const std::string path = dir.Path("traffic.db");
  for (int64_t run = 1; run <= 2; ++run) {
    UsageRing ring;
    for (size_t i = 0; i < UsageRing::kCapacity + 5; ++i) {
      ring.Push(Record(static_cast<int64_t>(i)));
    }
    Writer writer(At(path), {&ring});
    writer.Stop();
    CHECK(writer.counters().dropped_ring == 5);
    CHECK(Query(path, "SELECT value FROM counter WHERE name = 'usage_lost_ring'") == 5 * run);
  }
}

TEST_CASE("the free space of the file system itself is what the limit is held against") {
  const testing::TempDir dir;
  UsageRing ring;
  Options options = At(dir.Path("traffic.db"));
  options.min_free_bytes = uint64_t{1} << 62;
  Writer writer(options, {&ring});
  ring.Push(Record(1));
  CHECK(Eventually([&] { return writer.counters().alarm; }));
  writer.Stop();
  CHECK(writer.counters().written == 0);
  CHECK(writer.counters().dropped_disk == 1);
}

TEST_CASE("a directory that goes away raises the alarm; when it is back rows are written again") {
  const testing::TempDir dir;
  const std::string folder = dir.Path("state");
  const std::string path = folder + "/traffic.db";
  std::filesystem::create_directory(folder);
  UsageRing ring;
  Writer writer(At(path), {&ring});
  ring.Push(Record(1));
  CHECK(Eventually([&] { return writer.counters().written == 1; }));
  std::filesystem::remove_all(folder);
  CHECK(Eventually([&] { return writer.counters().alarm; }));
  CHECK(writer.counters().errors > 0);
  ring.Push(Record(2));
  std::filesystem::create_directory(folder);
  CHECK(Eventually([&] { return writer.counters().written == 2; }));
  CHECK(Eventually([&] { return !writer.counters().alarm; }));
  writer.Stop();
  CHECK(Query(path, "SELECT count(*) FROM usage WHERE request_id = 'request-2'") == 1);
}

TEST_CASE("a path that cannot be opened never blocks the loop and every record is counted") {
  const testing::TempDir dir;
  UsageRing ring;
  Writer writer(At(dir.Path("nowhere") + "/traffic.db"), {&ring});
  for (int64_t i = 0; i < 100; ++i) {
    CHECK(ring.Push(Record(i)));
  }
  writer.Stop();
  CHECK(writer.counters().alarm);
  CHECK(writer.counters().dropped_disk == 100);
}

TEST_CASE("discovered models survive a restart and a newer list replaces the older") {
  const testing::TempDir dir;
  const std::string path = dir.Path("traffic.db");
  {
    Writer writer(At(path), {});
    REQUIRE(writer.LoadDiscovered().ok());
    CHECK(writer.LoadDiscovered()->empty());
    writer.SaveDiscovered("openai", {"old"});
    CHECK(Eventually([&] { return writer.LoadDiscovered()->size() == 1; }));
    writer.SaveDiscovered("openai", {"b", "a"});
    writer.SaveDiscovered("groq", {"llama"});
  }
  Writer writer(At(path), {});
  const auto lists = writer.LoadDiscovered();
  REQUIRE(lists.ok());
  REQUIRE(lists->size() == 2);
  CHECK((*lists)[0].provider == "groq");
  CHECK((*lists)[1].models == std::vector<std::string>{"a", "b"});
  CHECK((*lists)[1].fetched_unix_ms > 0);
}

// The child reports each record's number through the pipe after pushing it, then is killed.
TEST_CASE("killing the process loses at most the last 200 ms of rows") {
  const testing::TempDir dir;
  const std::string path = dir.Path("traffic.db");
  int pipe_fds[2];
  REQUIRE(::pipe(pipe_fds) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    UsageRing ring;
    Writer writer(At(path), {&ring});
    for (int64_t i = 0;; ++i) {
      const model::UsageRecord record = Record(i);
      ring.Push(record);
      if (::write(pipe_fds[1], &record.started_unix_us, sizeof record.started_unix_us) < 0) {
        ::_exit(1);
      }
      ::usleep(1000);
    }
  }
  ::close(pipe_fds[1]);
  std::vector<int64_t> pushed;
  int64_t stamp = 0;
  while (pushed.size() < 800 && ::read(pipe_fds[0], &stamp, sizeof stamp) == sizeof stamp) {
    pushed.push_back(stamp);
  }
  ::kill(child, SIGKILL);
  const int64_t killed_at = UnixMicros();
  while (::read(pipe_fds[0], &stamp, sizeof stamp) == sizeof stamp) {
    pushed.push_back(stamp);
  }
  ::close(pipe_fds[0]);
  ::waitpid(child, nullptr, 0);
  REQUIRE(pushed.size() >= 800);
  int64_t must_be_there = 0;
  for (const int64_t at : pushed) {
    must_be_there += at < killed_at - 200'000 ? 1 : 0;
  }
  REQUIRE(must_be_there > 0);
  CHECK(Rows(path) >= must_be_there);
}

}  // namespace
}  // namespace aurora::metering
