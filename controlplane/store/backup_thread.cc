#include "controlplane/store/backup_thread.h"

#include <chrono>
#include <future>
#include <filesystem>
#include <utility>

#include "controlplane/store/backup_dir.h"
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

BackupThread::BackupThread(Store* store, std::string aurora_path, std::function<int64_t()> unix_ms, int64_t newest_ms)
    : store_(store), aurora_path_(std::move(aurora_path)), unix_ms_(std::move(unix_ms)) {
  stats_.last_unix_ms = newest_ms;
  thread_ = std::thread([this]() noexcept { Run(); });
}

BackupThread::~BackupThread() {
  Stop();
  thread_.join();
}

void BackupThread::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
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

void BackupThread::Delete(std::string path, DoneCallback done) {
  Push({[path = std::move(path), done] { done(RemoveBackup(path)); }, done});
}

void BackupThread::Restore(RestoreRequest request, RestoreCallback done) {
  Push({[this, request = std::move(request), done] { done(RestoreOne(request)); },
        [done](const absl::Status& why) { done(why); }});
}

BackupStats BackupThread::stats() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return stats_;
}

absl::StatusOr<BackupInfo> BackupThread::MakeOne(const std::string& to) {
  const auto begin = std::chrono::steady_clock::now();
  const int64_t now_ms = unix_ms_();
  const absl::Status room = CheckBackupRoom(std::filesystem::path(to).parent_path().string(), aurora_path_);
  absl::StatusOr<BackupInfo> info =
      room.ok() ? CreateBackup(aurora_path_, to, now_ms, [this] { return !stop_; }) : room;
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

absl::Status BackupThread::CheckCluster(const RestoreRequest& request, const BackupInfo& backup) {
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
  // Made by this node before it had a cluster: its rows are its own.
  const bool before = backup.cluster_id.empty() && backup.node_uid == store_->origin().node_uid;
  if (request.new_cluster || before || backup.cluster_id == cluster_id) {
    return absl::OkStatus();
  }
  const auto name = [](const std::string& id) { return id.empty() ? "no cluster" : "cluster " + id; };
  return FailedPrecondition(request.path + " is of " + name(backup.cluster_id) + ", this node of " + name(cluster_id) +
                            "; --new-cluster takes its rows all the same");
}

absl::StatusOr<RestoreResult> BackupThread::RestoreOne(const RestoreRequest& request) {
  RestoreResult result;
  AURORA_ASSIGN_OR_RETURN(result.backup, VerifyBackup(request.path));
  AURORA_RETURN_IF_ERROR(CheckCluster(request, result.backup));
  AURORA_RETURN_IF_ERROR(Wait<absl::Status>([&](auto done) { store_->AppendAudit(request.audit, done); }));
  if (!request.new_cluster) {
    AURORA_RETURN_IF_ERROR(Wait<absl::Status>([&](auto done) {
      store_->SetMeta(std::string(schema::kMetaRestored), "restored from a backup", done);
    }));
  }
  RowRef after;
  while (true) {
    if (stop_) {
      return absl::CancelledError("the process ends; restore again to go on");
    }
    AURORA_ASSIGN_OR_RETURN(std::vector<WireRow> page, BackupRows(request.path, after, kRestorePage));
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
