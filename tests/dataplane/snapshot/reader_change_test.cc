#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "dataplane/snapshot/reader.h"
#include "shared/schema/kinds.h"
#include "shared/schema/sum.h"
#include "tests/dataplane/snapshot/policy.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

namespace aurora::snapshot {
namespace {

using schema::kAuthKey;

// A Reader and what it said.
class Watched {
 public:
  explicit Watched(const std::string& path, std::vector<config::ProviderConfig> environment = {}) {
    ReaderOptions options;
    options.path = path;
    options.environment = std::move(environment);
    options.poll_every = Duration::Millis(5);
    options.watch_every = options.poll_every;
    options.publish = [this](std::shared_ptr<const model::Snapshot> s) {
      const std::lock_guard lock(mu_);
      ascending_ = ascending_ && (last_ == nullptr || s->seq >= last_->seq);
      last_ = std::move(s);
      changed_.notify_all();
    };
    options.on_state = [this](const ReaderState& s) {
      const std::lock_guard lock(mu_);
      state_ = s;
      changed_.notify_all();
    };
    reader_ = std::make_unique<Reader>(std::move(options));
  }

  // `condition(last snapshot or null, state)` runs under the lock.
  template <class Condition>
  bool Wait(Condition condition) {
    std::unique_lock lock(mu_);
    return changed_.wait_for(lock, std::chrono::seconds(30),
                             [&] { return condition(last_.get(), state_); });
  }
  bool WaitSeq(uint64_t seq) {
    return Wait([&](const model::Snapshot* s, const ReaderState&) {
      return s != nullptr && s->seq >= seq;
    });
  }
  bool WaitState(FileState file) {
    return Wait(
        [&](const model::Snapshot*, const ReaderState& state) { return state.file == file; });
  }
  bool WaitKey(std::string_view secret) {
    return Wait([&](const model::Snapshot* s, const ReaderState&) {
      return s != nullptr && s->FindKey(HashOf(secret)) != nullptr;
    });
  }

  std::shared_ptr<const model::Snapshot> last() const {
    const std::lock_guard lock(mu_);
    return last_;
  }
  bool Has(std::string_view secret) const {
    const auto s = last();
    return s != nullptr && s->FindKey(HashOf(secret)) != nullptr;
  }
  bool ascending() const {
    const std::lock_guard lock(mu_);
    return ascending_;
  }
  Reader& reader() { return *reader_; }

 private:
  mutable std::mutex mu_;
  std::condition_variable changed_;
  std::shared_ptr<const model::Snapshot> last_;
  ReaderState state_;
  bool ascending_ = true;
  std::unique_ptr<Reader> reader_;  // last: joined first
};

TEST_CASE("a removed key is gone with the next snapshot, whose revision is its sequence in hex") {
  const testing::TempDir dir;
  PolicyFile file(dir.Path("aurora.db"), "node-a", 0x1ff);
  file.Put(kAuthKey, "a", KeyBytes("a", {"one"}));
  Watched watched(dir.Path("aurora.db"));
  REQUIRE(watched.WaitSeq(0x200));
  CHECK(watched.last()->revision == "200");
  CHECK(watched.Has("one"));
  file.Put(kAuthKey, "b", KeyBytes("b", {"two"}));
  file.Remove(kAuthKey, "a");
  REQUIRE(watched.WaitSeq(0x202));
  CHECK_FALSE(watched.Has("one"));
  CHECK(watched.Has("two"));
  CHECK(watched.ascending());
}

TEST_CASE("a row changed many times in a row ends at its last value") {
  const testing::TempDir dir;
  PolicyFile file(dir.Path("aurora.db"));
  Watched watched(dir.Path("aurora.db"));
  REQUIRE(watched.WaitState(FileState::kOk));
  for (int i = 0; i < 50; ++i) {
    file.Put(kAuthKey, "k", KeyBytes("k", {"secret" + std::to_string(i)}));
  }
  REQUIRE(watched.WaitSeq(file.seq()));
  CHECK(watched.Has("secret49"));
  for (int i = 0; i < 49; ++i) {
    CHECK_FALSE(watched.Has("secret" + std::to_string(i)));
  }
}

TEST_CASE("a file without a node identity is waited for") {
  const testing::TempDir dir;
  PolicyFile file(dir.Path("aurora.db"), "");
  file.Put(kAuthKey, "a", KeyBytes("a", {"one"}));
  Watched watched(dir.Path("aurora.db"));
  REQUIRE(watched.WaitState(FileState::kMissing));
  CHECK(watched.last() == nullptr);
  file.SetUid("node-a");
  CHECK(watched.WaitKey("one"));
}

TEST_CASE("a file of a newer schema is reported with both versions and not read") {
  const testing::TempDir dir;
  PolicyFile file(dir.Path("aurora.db"));
  file.Execute("PRAGMA user_version=99");
  Watched watched(dir.Path("aurora.db"));
  REQUIRE(watched.WaitState(FileState::kSchema));
  CHECK(watched.reader().state().detail.find("99") != std::string::npos);
  CHECK(watched.last() == nullptr);
}

TEST_CASE("after another node's file this node's own is taken again once it is no older") {
  const testing::TempDir dir;
  const std::string path = dir.Path("aurora.db");
  PolicyFile file(path, "node-a", 10);
  file.Put(kAuthKey, "a", KeyBytes("a", {"one"}));
  Watched watched(path);
  REQUIRE(watched.WaitKey("one"));
  const auto replace = [&](std::string_view uid, uint64_t seq, std::string_view secret) {
    PolicyFile next(dir.Path("next.db"), uid, seq);
    next.Put(kAuthKey, "a", KeyBytes("a", {std::string(secret)}));
    next.MoveOver(path);
  };
  replace("node-b", 100, "stranger");
  REQUIRE(watched.Wait([](const model::Snapshot*, const ReaderState& state) {
    return state.file == FileState::kReplaced &&
           state.detail.find("another node") != std::string::npos;
  }));
  CHECK(watched.Has("one"));
  CHECK_FALSE(watched.Has("stranger"));
  replace("node-a", 10, "proper");  // same identity, same sequence
  REQUIRE(watched.WaitKey("proper"));
  CHECK_FALSE(watched.Has("one"));
  CHECK(watched.WaitState(FileState::kOk));
  CHECK(watched.ascending());
}

TEST_CASE("a file that changes its identity or goes back in place is reported and takes nothing away") {
  for (const bool identity : {true, false}) {
    const testing::TempDir dir;
    PolicyFile file(dir.Path("aurora.db"), "node-a", 10);
    file.Put(kAuthKey, "a", KeyBytes("a", {"one"}));
    Watched watched(dir.Path("aurora.db"));
    REQUIRE(watched.WaitKey("one"));
    identity ? file.SetUid("node-b")
             : file.Execute("DELETE FROM change; DELETE FROM resolved; "
                            "INSERT INTO change (seq, kind, id) VALUES (3, 'AuthKey', 'a')");
    REQUIRE(watched.Wait([&](const model::Snapshot*, const ReaderState& state) {
      return state.file == FileState::kReplaced &&
             state.detail.find(identity ? "another node" : "older") != std::string::npos;
    }));
    CHECK(watched.Has("one"));
    if (identity) {
      file.SetUid("node-a");
      file.Put(kAuthKey, "b", KeyBytes("b", {"two"}));
      CHECK(watched.WaitKey("two"));
      CHECK(watched.WaitState(FileState::kOk));
    }
    CHECK(watched.ascending());
  }
}

TEST_CASE("an older copy written over the file byte by byte is reported as replaced") {
  const testing::TempDir dir;
  const std::string path = dir.Path("aurora.db");
  {
    PolicyFile old(path, "node-a", 10);
    old.Put(kAuthKey, "a", KeyBytes("a", {"old"}));
  }
  std::filesystem::copy_file(path, dir.Path("backup.db"));
  auto file = std::make_unique<PolicyFile>(path, "node-a", 11);
  file->Put(kAuthKey, "a", KeyBytes("a", {"new"}));
  Watched watched(path);
  REQUIRE(watched.WaitKey("new"));
  file = nullptr;  // the control plane stops; somebody restores a backup the wrong way
  std::filesystem::remove(path + "-wal");
  std::filesystem::remove(path + "-shm");
  std::filesystem::copy_file(dir.Path("backup.db"), path,
                             std::filesystem::copy_options::overwrite_existing);
  REQUIRE(watched.Wait([](const model::Snapshot*, const ReaderState& state) {
    return state.file == FileState::kReplaced &&
           state.detail.find("older") != std::string::npos;
  }));
  CHECK(watched.Has("new"));
  CHECK(watched.ascending());
}

TEST_CASE("a value whose bytes changed on the disk is not put in force, and the last policy stays") {
  const testing::TempDir dir;
  PolicyFile file(dir.Path("aurora.db"), "node-a", 10);
  const auto put = [&](std::string_view secret, bool changed) {
    std::string stored =
        schema::WithSum(schema::kSpecColumn, kAuthKey, "a", KeyBytes("a", {std::string(secret)}));
    stored[2] = static_cast<char>(stored[2] ^ (changed ? 1 : 0));
    file.Put(kAuthKey, "a", stored);
  };
  put("one", false);
  Watched watched(dir.Path("aurora.db"));
  REQUIRE(watched.WaitKey("one"));
  put("two", true);
  REQUIRE(watched.Wait([](const model::Snapshot*, const ReaderState& state) {
    return state.file == FileState::kCorrupt && state.detail.find("AuthKey a") != std::string::npos;
  }));
  CHECK(watched.Has("one"));
  CHECK_FALSE(watched.Has("two"));
  put("two", false);
  CHECK(watched.WaitKey("two"));
  CHECK(watched.WaitState(FileState::kOk));
}

TEST_CASE("a discovered list and a policy problem both come out with the next snapshot") {
  const testing::TempDir dir;
  PolicyFile file(dir.Path("aurora.db"));
  config::ProviderConfig environment;
  environment.name = "env";
  environment.base_url = "http://env.test";
  Watched watched(dir.Path("aurora.db"), {environment});
  REQUIRE(watched.WaitState(FileState::kOk));
  watched.reader().SetDiscovered("env", {{"m", 0}});
  REQUIRE(watched.Wait([](const model::Snapshot* s, const ReaderState&) {
    return s != nullptr && s->catalog->model_by_qualified_name.contains("env/m");
  }));
  file.Put(schema::kModel, "none/m", ModelBytes("none", "m", ""));
  REQUIRE(watched.Wait(
      [](const model::Snapshot*, const ReaderState& state) { return state.problems.size() == 1; }));
  CHECK(watched.reader().state().problems[0].first == "model none/m");
}

TEST_CASE("loops that adopt and retire snapshots while the file changes always see a whole one") {
  const testing::TempDir dir;
  PolicyFile file(dir.Path("aurora.db"));
  file.Put(kAuthKey, "steady", KeyBytes("steady", {"steady"}));
  Watched watched(dir.Path("aurora.db"));
  REQUIRE(watched.WaitKey("steady"));
  std::atomic<bool> stop{false};
  std::atomic<int> missing{0};
  std::vector<std::thread> loops;
  for (int i = 0; i < 2; ++i) {
    loops.emplace_back([&] {
      std::shared_ptr<const model::Snapshot> mine = watched.last();
      while (!stop) {
        missing += mine->FindKey(HashOf("steady")) == nullptr ? 1 : 0;
        auto next = watched.last();
        if (next != mine) {
          watched.reader().Retire(std::exchange(mine, std::move(next)));
        }
        std::this_thread::yield();
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    file.Put(kAuthKey, "k", KeyBytes("k", {"secret" + std::to_string(i)}));
  }
  CHECK(watched.WaitSeq(file.seq()));
  stop = true;
  for (std::thread& t : loops) {
    t.join();
  }
  CHECK(missing == 0);
  CHECK(watched.ascending());
}

}  // namespace
}  // namespace aurora::snapshot
