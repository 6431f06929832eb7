#include "dataplane/snapshot/reader.h"

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <thread>

#include "shared/schema/aurora_db.h"
#include "shared/schema/kinds.h"
#include "tests/dataplane/snapshot/rows.h"
#include "tests/support/temp_dir.h"
#include "tests/support/sanitized.h"
#include "tests/support/test.h"

namespace aurora::snapshot {
namespace {

using Clock = std::chrono::steady_clock;

// The control plane's side of aurora.db: what a commit of it leaves behind.
class Policy {
 public:
  explicit Policy(const std::string& path, const std::string& uid = "node-a")
      : db_(*schema::OpenAuroraForWrite(path)) {
    SetMeta("node_uid", uid);
    SetMeta("epochs", "1:1");
  }

  void PutKeys(uint32_t first, uint32_t count, const std::string& name = "key") {
    auto tx = sqlite::Transaction::Begin(db_);
    REQUIRE(tx.ok());
    auto value = db_.Prepare("INSERT OR REPLACE INTO resolved (kind, id, spec) VALUES (?1,?2,?3)");
    auto change = db_.Prepare("INSERT INTO change (seq, kind, id) VALUES (?1,?2,?3)");
    for (uint32_t n = first; n < first + count; ++n) {
      const std::string id = std::to_string(n);
      value->BindText(1, schema::kAuthKey).BindText(2, id).BindBlob(3, KeyRow(n, name));
      REQUIRE(value->Run().ok());
      change->Bind(1, ++seq_).BindText(2, schema::kAuthKey).BindText(3, id);
      REQUIRE(change->Run().ok());
    }
    REQUIRE((*std::move(tx)).Commit().ok());
  }

 private:
  void SetMeta(const std::string& key, const std::string& value) {
    auto s = db_.Prepare("INSERT OR REPLACE INTO meta (key, value) VALUES (?1,?2)");
    s->BindText(1, key).BindText(2, value);
    REQUIRE(s->Run().ok());
  }

  sqlite::Database db_;
  int64_t seq_ = 0;
};

// What the reader last published.
class Watcher {
 public:
  explicit Watcher(const std::string& path) {
    ReaderOptions options;
    options.path = path;
    options.poll_every = Duration::Millis(5);
    options.watch_every = options.poll_every;  // one turn may do both
    options.publish = [this](std::shared_ptr<const model::Snapshot> snapshot) {
      const std::lock_guard lock(mu_);
      decreased_ = decreased_ || (last_ != nullptr && snapshot->seq < last_->seq);
      last_ = std::move(snapshot);
      changed_.notify_all();
    };
    options.on_state = [this](const ReaderState& state) {
      const std::lock_guard lock(mu_);
      state_ = state;
      changed_.notify_all();
    };
    reader_ = std::make_unique<Reader>(std::move(options));
  }

  bool Until(const std::function<bool()>& condition, int seconds = 20) {
    std::unique_lock lock(mu_);
    return changed_.wait_for(lock, std::chrono::seconds(seconds), condition);
  }
  bool UntilFile(FileState file) {
    return Until([&] { return state_.file == file; });
  }
  bool UntilSeq(uint64_t seq, int seconds = 20) {
    return Until([&] { return last_ != nullptr && last_->seq >= seq; }, seconds);
  }
  bool Knows(uint32_t key) {
    const std::lock_guard lock(mu_);
    return last_ != nullptr && last_->FindKey(HashOf(key)) != nullptr;
  }
  bool decreased() {
    const std::lock_guard lock(mu_);
    return decreased_;
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  std::shared_ptr<const model::Snapshot> last_;
  ReaderState state_;
  bool decreased_ = false;
  std::unique_ptr<Reader> reader_;  // last: joins before the rest goes
};

void RemoveDatabase(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(path + suffix);
  }
}

TEST_CASE("a reader that starts before its file waits and then follows every change") {
  const testing::TempDir dir;
  const std::string path = dir.Path("aurora.db");
  Watcher watcher(path);
  CHECK(watcher.UntilFile(FileState::kMissing));
  Policy policy(path);
  policy.PutKeys(1, 3);
  CHECK(watcher.UntilSeq(3));
  CHECK(watcher.UntilFile(FileState::kOk));
  CHECK(watcher.Knows(3));
  policy.PutKeys(4, 1);
  CHECK(watcher.UntilSeq(4));
  CHECK(watcher.Knows(4));
  CHECK(!watcher.decreased());
}

TEST_CASE("a deleted file is reported and the last policy stays in force") {
  const testing::TempDir dir;
  const std::string path = dir.Path("aurora.db");
  Watcher watcher(path);
  {
    Policy policy(path);
    policy.PutKeys(1, 3);
    REQUIRE(watcher.UntilSeq(3));
  }
  RemoveDatabase(path);
  CHECK(watcher.UntilFile(FileState::kMissing));
  CHECK(watcher.Knows(2));
}

TEST_CASE("a damaged file is reported and the last policy stays in force") {
  const testing::TempDir dir;
  const std::string path = dir.Path("aurora.db");
  Watcher watcher(path);
  {
    Policy policy(path);
    policy.PutKeys(1, 3);
    REQUIRE(watcher.UntilSeq(3));
  }
  std::ofstream(dir.Path("junk")) << std::string(8192, 'x');
  RemoveDatabase(path);
  std::filesystem::rename(dir.Path("junk"), path);
  CHECK(watcher.UntilFile(FileState::kCorrupt));
  CHECK(watcher.Knows(2));
}

TEST_CASE("the file of another node or an older one of this node takes no policy away") {
  const testing::TempDir dir;
  const std::string path = dir.Path("aurora.db");
  const bool other_node = GENERATE(true, false);
  Watcher watcher(path);
  {
    Policy policy(path);
    policy.PutKeys(1, 3);
    REQUIRE(watcher.UntilSeq(3));
  }
  {
    Policy policy(dir.Path("new.db"), other_node ? "node-b" : "node-a");
    policy.PutKeys(50, other_node ? 10 : 1);
  }
  RemoveDatabase(path);
  std::filesystem::rename(dir.Path("new.db"), path);
  CHECK(watcher.UntilFile(FileState::kReplaced));
  CHECK(watcher.Knows(2));
  CHECK(!watcher.Knows(50));
  CHECK(!watcher.decreased());
}

// A sanitizer takes its share, and the machine others.
constexpr double kLoadMaxSeconds = aurora::testing::kSanitized ? 60 : 20;

TEST_CASE("a hundred thousand keys load within 20 s and one change shows within 1 s") {
  constexpr uint32_t kKeys = 100'000;
  const testing::TempDir dir;
  const std::string path = dir.Path("aurora.db");
  Policy policy(path);
  policy.PutKeys(0, kKeys);
  const auto start = Clock::now();
  const std::clock_t busy = std::clock();
  Watcher watcher(path);
  REQUIRE(watcher.UntilSeq(kKeys, 120));
  const std::chrono::duration<double> load = Clock::now() - start;
  const double processor_s = static_cast<double>(std::clock() - busy) / CLOCKS_PER_SEC;
  CHECK(watcher.Knows(kKeys - 1));
  policy.PutKeys(kKeys, 1);
  const auto changed = Clock::now();
  REQUIRE(watcher.UntilSeq(kKeys + 1));
  const std::chrono::duration<double> change = Clock::now() - changed;
  CHECK(watcher.Knows(kKeys));
  std::printf("100 000 keys: load %.3f s (of processor %.3f s), one change %.4f s\n", load.count(),
              processor_s, change.count());
  CHECK(load.count() < kLoadMaxSeconds);
  CHECK(change.count() < 1);
}

}  // namespace
}  // namespace aurora::snapshot
