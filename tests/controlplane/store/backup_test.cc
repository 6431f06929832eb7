#include "controlplane/store/backup_dir.h"
#include "controlplane/store/backup_thread.h"

#include <atomic>
#include <filesystem>
#include <fstream>

#include "tests/controlplane/store/store_fixture.h"

namespace aurora::store::testing {
namespace {

int64_t Now() { return 1'700'000'000'000; }

absl::StatusOr<BackupInfo> Create(BackupThread& backups, const std::string& to) {
  std::promise<absl::StatusOr<BackupInfo>> answer;
  backups.Create(to, [&](absl::StatusOr<BackupInfo> r) { answer.set_value(std::move(r)); });
  return answer.get_future().get();
}

absl::StatusOr<RestoreResult> Restore(BackupThread& backups, const std::string& path, bool new_cluster = false) {
  std::promise<absl::StatusOr<RestoreResult>> answer;
  backups.Restore({path, new_cluster, {0, 0, "tester", "restore", "Backup", "b", ""}},
                  [&](absl::StatusOr<RestoreResult> r) { answer.set_value(std::move(r)); });
  return answer.get_future().get();
}

TEST_CASE("a backup made while the node writes holds every write answered before and only its owner reads it") {
  const TempDir dir;
  Store store(Options(dir, 7));
  for (int i = 0; i < 500; ++i) {
    store.Submit(Put("before" + std::to_string(i), std::string(500, 'x')), [](absl::StatusOr<WriteResult>) {});
  }
  REQUIRE(Submit(store, Put("last", "1")).ok());
  BackupThread backups(&store, dir.Path("aurora.db"), Now);
  std::atomic<bool> stop{false};
  std::atomic<int> written{0};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      written += Submit(store, Increment("during" + std::to_string(i % 10))).ok() ? 1 : 0;
    }
  });
  const auto info = Create(backups, dir.Path("a.backup"));
  const int at_end = written;
  CHECK(Eventually([&] { return written > at_end + 3; }));  // writes go on
  stop = true;
  writer.join();
  REQUIRE(info.ok());
  CHECK(info->rows >= 501);
  CHECK(info->node_uid == kUid);
  CHECK(info->epoch == 7);
  CHECK(info->created_ms == Now());
  CHECK(backups.stats().last_bytes == std::filesystem::file_size(dir.Path("a.backup")));
  using std::filesystem::perms;
  CHECK(std::filesystem::status(dir.Path("a.backup")).permissions() == (perms::owner_read | perms::owner_write));
  CHECK_FALSE(std::filesystem::exists(dir.Path("a.backup.tmp")));
  CHECK_FALSE(std::filesystem::exists(dir.Path("a.backup-wal")));
  CHECK(VerifyBackup(dir.Path("a.backup"))->sha256 == info->sha256);
  CHECK(absl::IsAlreadyExists(Create(backups, dir.Path("a.backup")).status()));
  CHECK(CheckConsistent(dir.Path("a.backup")) == info->rows);
}

TEST_CASE("a backup that was damaged anywhere, cut short or is none is refused and restores nothing") {
  const TempDir dir;
  Store store(Options(dir, 7));
  for (int i = 0; i < 200; ++i) {
    REQUIRE(Submit(store, Put("k" + std::to_string(i), std::string(300, 'x'))).ok());
  }
  BackupThread backups(&store, dir.Path("aurora.db"), Now);
  REQUIRE(Create(backups, dir.Path("good")).ok());
  const uint64_t head = store.head().seq;
  const auto damaged = [&](const std::string& name, const auto& damage) {
    std::filesystem::copy_file(dir.Path("good"), dir.Path(name));
    damage(dir.Path(name));
    CHECK_FALSE(VerifyBackup(dir.Path(name)).ok());
    CHECK_FALSE(Restore(backups, dir.Path(name), true).ok());
  };
  damaged("short", [](const std::string& path) {
    std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  });
  damaged("value", [](const std::string& path) {
    // One byte of a value: the pages are in order, the row decodes, only the hash knows.
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    std::string all(std::filesystem::file_size(path), '\0');
    file.read(all.data(), static_cast<std::streamsize>(all.size()));
    const size_t at = all.find(std::string(300, 'x'));
    REQUIRE(at != std::string::npos);
    for (size_t i = at; i != std::string::npos; i = all.find(std::string(300, 'x'), i + 300)) {
      all[i + 100] = 'y';
    }
    file.seekp(0);
    file.write(all.data(), static_cast<std::streamsize>(all.size()));
  });
  damaged("noise", [](const std::string& path) { std::ofstream(path) << std::string(9'000, 'z'); });
  damaged("other", [](const std::string& path) {
    std::filesystem::remove(path);
    REQUIRE(schema::OpenAuroraForWrite(path).ok());  // an aurora.db, but no backup
  });
  CHECK(absl::IsNotFound(VerifyBackup(dir.Path("nothing")).status()));
  CHECK_FALSE(std::filesystem::exists(dir.Path("nothing")));
  CHECK(store.head().seq == head);
}

TEST_CASE("a restore merges: what the disk lost comes back, what is newer stays, deletes and revocations stay") {
  const TempDir dir;
  const TempDir fresh;
  replication::Row later;
  {
    Store store(Options(dir, 7));
    for (const char* id : {"lost", "edited", "deleted", "revoked"}) {
      REQUIRE(Submit(store, Put(id, "old")).ok());
    }
    BackupThread backups(&store, dir.Path("aurora.db"), Now);
    REQUIRE(Create(backups, dir.Path("b")).ok());
    REQUIRE(Submit(store, Put("edited", "new")).ok());
    WriteRequest drop = Put("deleted", "");
    drop.edit = [](const EditContext&) { return std::optional(replication::Write{"", true, {}}); };
    REQUIRE(Submit(store, std::move(drop)).ok());
    WriteRequest revoke = Put("revoked", "");
    revoke.edit = [](const EditContext&) {
      replication::Write write;
      write.facts.revoked.insert("secret");
      return std::optional(write);
    };
    REQUIRE(Submit(store, std::move(revoke)).ok());
    const auto restored = Restore(backups, dir.Path("b"));
    REQUIRE(restored.ok());
    CHECK(restored->rows == 4);
    CHECK(restored->changed == 0);
    auto reader = Reader::Open(dir.Path("aurora.db"));
    CHECK((*reader)->Get("Alias", "edited")->resolved == "v:new");
    CHECK_FALSE((*reader)->Get("Alias", "deleted")->resolved.has_value());
    CHECK((*reader)->Get("Alias", "revoked")->row.facts.revoked.size() == 1);
    CHECK((*reader)->Meta(schema::kMetaRestored).ok());
    REQUIRE(Wait([&](auto done) { store.Settle(done); }).ok());
    CHECK(absl::IsNotFound((*reader)->Meta(schema::kMetaRestored).status()));
    CHECK(*(*reader)->Meta(schema::kMetaSettledEpoch) == "7");
  }
  Store store(Options(fresh, 8));
  REQUIRE(store.WaitOpened().state == State::kOpen);
  const auto before = sqlite::FileIdentity::OfPath(fresh.Path("aurora.db"));
  BackupThread backups(&store, fresh.Path("aurora.db"), Now);
  const auto restored = Restore(backups, dir.Path("b"));
  REQUIRE(restored.ok());
  CHECK(restored->changed == 4);
  auto reader = Reader::Open(fresh.Path("aurora.db"));
  CHECK((*reader)->Get("Alias", "lost")->resolved == "v:old");
  CHECK(*before == *sqlite::FileIdentity::OfPath(fresh.Path("aurora.db")));  // no reader loses its file
  CHECK(*(*reader)->Head() == schema::Position{8, 4});
}

TEST_CASE("a backup of another cluster is refused, and taken for a new cluster without waiting for members") {
  const TempDir dir;
  const TempDir fresh;
  {
    Store store(Options(dir, 7));
    REQUIRE(Submit(store, Put("a", "1")).ok());
    REQUIRE(Wait([&](auto done) { store.SetMeta(std::string(schema::kMetaClusterId), "old", done); }).ok());
    BackupThread backups(&store, dir.Path("aurora.db"), Now);
    REQUIRE(Create(backups, dir.Path("b")).ok());
  }
  Store store(Options(fresh, 8));
  BackupThread backups(&store, fresh.Path("aurora.db"), Now);
  CHECK(absl::IsFailedPrecondition(Restore(backups, dir.Path("b")).status()));
  auto reader = Reader::Open(fresh.Path("aurora.db"));
  REQUIRE(reader.ok());
  CHECK((*reader)->Head()->seq == 0);
  REQUIRE(Restore(backups, dir.Path("b"), true).ok());
  CHECK((*reader)->Get("Alias", "a")->resolved == "v:1");
  CHECK_FALSE((*reader)->Meta(schema::kMetaRestored).ok());
}

TEST_CASE("a backup that this node made before it had a cluster is its own, and who asked for a restore is audited") {
  const TempDir dir;
  Store store(Options(dir, 7));
  REQUIRE(Submit(store, Put("a", "1")).ok());
  BackupThread backups(&store, dir.Path("aurora.db"), Now);
  REQUIRE(Create(backups, dir.Path("b")).ok());
  REQUIRE(Wait([&](auto done) { store.SetMeta(std::string(schema::kMetaClusterId), "new", done); }).ok());
  CHECK(Restore(backups, dir.Path("b")).ok());
  auto reader = Reader::Open(dir.Path("aurora.db"));
  REQUIRE(reader.ok());
  const auto audit = (*reader)->Audit(0, 10);
  REQUIRE(audit.ok());
  REQUIRE(audit->size() == 1);
  CHECK(audit->front().actor == "tester");
  CHECK(audit->front().action == "restore");
  CHECK(audit->front().kind == "Backup");
  CHECK(audit->front().at_ms > 0);
}

TEST_CASE("a restore that is told to stop ends within a page, says so, and is gone on with by the next") {
  const TempDir dir;
  const TempDir fresh;
  constexpr int kRows = 5'000;
  {
    Store store(Options(dir, 7));
    for (int i = 0; i < kRows; ++i) {
      store.Submit(Put("k" + std::to_string(i), "v"), [](absl::StatusOr<WriteResult>) {});
    }
    REQUIRE(Submit(store, Put("last", "1")).ok());
    BackupThread backups(&store, dir.Path("aurora.db"), Now);
    REQUIRE(Create(backups, dir.Path("b")).ok());
  }
  std::atomic<BackupThread*> running{nullptr};
  StoreOptions options = Options(fresh, 8);
  options.on_head = [&](uint64_t, uint64_t) {
    if (BackupThread* backups = running.load(); backups != nullptr) {
      backups->Stop();  // the first page is in
    }
  };
  Store store(std::move(options));
  REQUIRE(store.WaitOpened().state == State::kOpen);
  {
    BackupThread backups(&store, fresh.Path("aurora.db"), Now);
    running = &backups;
    CHECK(absl::IsCancelled(Restore(backups, dir.Path("b")).status()));
    CHECK(absl::IsCancelled(Create(backups, fresh.Path("c")).status()));
    running = nullptr;
  }
  const uint64_t head = store.head().seq;
  CHECK(head > 0);
  CHECK(head < kRows);
  BackupThread backups(&store, fresh.Path("aurora.db"), Now);
  const auto rest = Restore(backups, dir.Path("b"));
  REQUIRE(rest.ok());
  CHECK(rest->changed == kRows + 1 - head);
}

TEST_CASE("a folder of backups lists what is of use and what is not, and loses what a crash left half made") {
  const TempDir dir;
  const std::string folder = dir.Path("backups");
  CHECK(ListBackups(folder)->empty());
  CHECK(NewestBackupMs(folder) == 0);
  Store store(Options(dir, 7));
  REQUIRE(Submit(store, Put("a", "1")).ok());
  BackupThread backups(&store, dir.Path("aurora.db"), Now);
  REQUIRE(Create(backups, BackupPath(folder, "one")).ok());
  CHECK(NewestBackupMs(folder) > Now());  // the file's time, not the test's
  std::ofstream(BackupPath(folder, "two")) << "nothing of the kind";
  std::ofstream(folder + "/half.backup.tmp") << "x";
  std::ofstream(folder + "/half.backup.tmp-journal") << "x";
  std::ofstream(folder + "/readme") << "x";
  auto files = ListBackups(folder);
  REQUIRE(files->size() == 2);
  CHECK((*files)[0].name == "two");
  CHECK_FALSE((*files)[0].problem.empty());
  CHECK((*files)[0].info.bytes == 19);
  CHECK((*files)[1].name == "one");
  CHECK((*files)[1].problem.empty());
  CHECK((*files)[1].info.rows == 1);
  CHECK((*files)[1].info.created_ms == Now());
  REQUIRE(Create(backups, BackupPath(folder, "three")).ok());
  CHECK_FALSE(std::filesystem::exists(folder + "/half.backup.tmp"));
  CHECK_FALSE(std::filesystem::exists(folder + "/half.backup.tmp-journal"));
  CHECK(std::filesystem::exists(folder + "/readme"));
  CHECK(std::filesystem::status(folder).permissions() == std::filesystem::perms::owner_all);
}

TEST_CASE("one backup too many, or one that the disk has no room for, is refused with the numbers") {
  const TempDir dir;
  const std::string folder = dir.Path("backups");
  REQUIRE(CheckBackupRoom(folder, dir.Path("aurora.db")).ok());
  std::ofstream(dir.Path("huge")) << "x";
  std::filesystem::resize_file(dir.Path("huge"), uint64_t{1} << 42);  // no blocks behind it
  const absl::Status full = CheckBackupRoom(folder, dir.Path("huge"));
  CHECK(absl::IsResourceExhausted(full));
  CHECK(std::string(full.message()).find("4194336 MiB") != std::string::npos);
  for (size_t i = 0; i < kBackupsMax; ++i) {
    std::ofstream(BackupPath(folder, std::to_string(i))) << "x";
  }
  const absl::Status many = CheckBackupRoom(folder, dir.Path("aurora.db"));
  CHECK(absl::IsResourceExhausted(many));
  CHECK(std::string(many.message()).find("at most 100") != std::string::npos);
}

TEST_CASE("a backup's own name is its time and its node, without what a file name may not hold") {
  CHECK(DefaultBackupName(1'700'000'000'007, "n1") == "20231114T221320.007Z-n1");
  CHECK(DefaultBackupName(0, "a/../b c") == "19700101T000000.000Z-a-..-b-c");
  CHECK(DefaultBackupName(0, std::string(300, 'x')).size() == 20 + 1 + 64);
}

}  // namespace
}  // namespace aurora::store::testing
