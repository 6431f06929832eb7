#include "controlplane/store/backup_thread.h"

#include <chrono>
#include <future>
#include <utility>

#include "shared/base/status.h"

namespace aurora::store {
namespace {

constexpr size_t kRestorePage = 1'000;

// Asks something of the store and waits.
template <class T, class Ask>
T Wait(Ask ask) {
  std::promise<T> answer;
  ask([&answer](T value) { answer.set_value(std::move(value)); });
  return answer.get_future().get();
}

}  // namespace

BackupThread::BackupThread(Store* store, std::string aurora_path, std::function<int64_t()> unix_ms)
    : store_(store), aurora_path_(std::move(aurora_path)), unix_ms_(std::move(unix_ms)) {
  thread_ = std::thread([this]() noexcept { Run(); });
}

BackupThread::~BackupThread() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void BackupThread::Push(Job job) {
  absl::Status refused;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stop_) {
      refused = absl::CancelledError("the process ends");
    } else if (jobs_.size() >= kBackupQueueMax) {
      refused = ResourceExhausted(std::to_string(kBackupQueueMax) + " backups wait already");
    } else {
      jobs_.push_back(std::move(job));
    }
  }
  if (refused.ok()) {
    changed_.notify_all();
  } else {
    job.refuse(refused);
  }
}

void BackupThread::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stop_ || !jobs_.empty(); });
    if (jobs_.empty()) {
      return;
    }
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    const bool stopping = stop_;
    lock.unlock();
    if (stopping) {
      job.refuse(absl::CancelledError("the process ends"));
    } else {
      job.run();
    }
    lock.lock();
  }
}

void BackupThread::Create(std::string to, InfoCallback done) {
  Push({[this, to = std::move(to), done] { done(MakeOne(to)); }, [done](const absl::Status& why) { done(why); }});
}

void BackupThread::Verify(std::string path, InfoCallback done) {
  Push({[path = std::move(path), done] { done(VerifyBackup(path)); }, [done](const absl::Status& why) { done(why); }});
}

void BackupThread::Restore(std::string path, bool new_cluster, RestoreCallback done) {
  Push({[this, path = std::move(path), new_cluster, done] { done(RestoreOne(path, new_cluster)); },
        [done](const absl::Status& why) { done(why); }});
}

BackupStats BackupThread::stats() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return stats_;
}

absl::StatusOr<BackupInfo> BackupThread::MakeOne(const std::string& to) {
  const auto begin = std::chrono::steady_clock::now();
  const int64_t now_ms = unix_ms_();
  absl::StatusOr<BackupInfo> info = CreateBackup(aurora_path_, to, now_ms, [this] { return !stop_; });
  const std::lock_guard<std::mutex> lock(mutex_);
  if (info.ok()) {
    stats_.last_unix_ms = now_ms;
    stats_.last_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    stats_.last_bytes = info->bytes;
  } else {
    ++stats_.failures;
  }
  return info;
}

absl::StatusOr<RestoreResult> BackupThread::RestoreOne(const std::string& path, bool new_cluster) {
  RestoreResult result;
  AURORA_ASSIGN_OR_RETURN(result.backup, VerifyBackup(path));
  std::string cluster_id;
  AURORA_RETURN_IF_ERROR(Wait<absl::Status>([&](auto done) {
    store_->Read(
        [&cluster_id](Reader& reader) {
          absl::StatusOr<std::string> id = reader.Meta(schema::kMetaClusterId);
          cluster_id = id.value_or("");
          return absl::IsNotFound(id.status()) ? absl::OkStatus() : id.status();
        },
        done);
  }));
  if (result.backup.cluster_id != cluster_id && !new_cluster) {
    const auto name = [](const std::string& id) { return id.empty() ? "no cluster" : "cluster " + id; };
    return FailedPrecondition(path + " is of " + name(result.backup.cluster_id) + ", this node of " +
                              name(cluster_id) + "; --new-cluster takes its rows all the same");
  }
  if (!new_cluster) {
    AURORA_RETURN_IF_ERROR(Wait<absl::Status>([&](auto done) {
      store_->SetMeta(std::string(schema::kMetaRestored), "restored from a backup", done);
    }));
  }
  RowRef after;
  while (true) {
    if (stop_) {
      return absl::CancelledError("the process ends; restore again to go on");
    }
    AURORA_ASSIGN_OR_RETURN(std::vector<WireRow> page, BackupRows(path, after, kRestorePage));
    const bool last = page.size() < kRestorePage;
    if (!last) {
      after = {page.back().kind, page.back().id};
    }
    result.rows += page.size();
    AURORA_ASSIGN_OR_RETURN(const MergeResult merged, Wait<absl::StatusOr<MergeResult>>([&](auto done) {
                              store_->Merge(std::move(page), "", std::nullopt, done);
                            }));
    result.changed += merged.changed;
    result.conflicts += merged.conflicts.count;
    if (last) {
      return result;
    }
  }
}

}  // namespace aurora::store
