#include "dataplane/metering/writer.h"

#include <pthread.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>

#include "dataplane/metering/traffic_file.h"
#include "shared/base/status.h"
#include "shared/schema/traffic_db.h"

namespace aurora::metering {
namespace {

constexpr int64_t kDeleteBatch = 2000;
constexpr int64_t kVacuumPages = 4000;
// On a core shared with a loop the writer must never run long: the scheduler lets it finish its slice while requests
// wait. So it yields after some rows, which costs nothing while nobody waits; no lower priority does that without
// starving the writer, and losing rows, when the cores are full.
constexpr size_t kHurryFrom = UsageRing::kCapacity / 4;
// Of one ring in one transaction, some 40 us of it: what is committed makes room again.
constexpr size_t kBatch = 256;
constexpr size_t kKeepWhileFailing = UsageRing::kCapacity / 2;

using Clock = std::chrono::steady_clock;

std::chrono::microseconds Chrono(Duration d) {
  return std::chrono::microseconds(d.micros());
}

int64_t UnixMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

absl::StatusOr<uint64_t> FreeBytes(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  const std::string directory = parent.empty() ? "." : parent.string();
  struct statvfs stats = {};
  if (::statvfs(directory.c_str(), &stats) != 0) {
    return Unavailable(directory + ": " + std::generic_category().message(errno));
  }
  return uint64_t{stats.f_bavail} * uint64_t{stats.f_frsize};
}

}  // namespace

class Writer::Thread {
 public:
  Thread(Options options, std::vector<UsageRing*> rings)
      : options_(std::move(options)), rings_(std::move(rings)) {
    if (!options_.free_bytes) {
      options_.free_bytes = FreeBytes;
    }
    const absl::Status opened = OpenIfClosed();
    if (!opened.ok()) {
      Fail(opened);
    }
    next_upkeep_ = Clock::now() + Chrono(options_.upkeep_every);
    thread_ = std::thread([this] { Run(); });
  }

  ~Thread() { Stop(); }

  void Stop() {
    {
      const std::lock_guard lock(mu_);
      stop_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  void SaveDiscovered(std::string provider, std::vector<std::string> models) {
    {
      const std::lock_guard lock(mu_);
      lists_.insert_or_assign(std::move(provider), std::move(models));
    }
    wake_.notify_all();
  }

  Counters counters() const {
    Counters c;
    c.written = written_.load(std::memory_order_relaxed);
    c.dropped_disk = dropped_disk_.load(std::memory_order_relaxed);
    c.errors = errors_.load(std::memory_order_relaxed);
    c.alarm = alarm_.load(std::memory_order_relaxed);
    for (const UsageRing* ring : rings_) {
      c.dropped_ring += ring->dropped();
    }
    return c;
  }

  const std::string& path() const { return options_.path; }

 private:
  void Run() {
    ::pthread_setname_np(::pthread_self(), "aurora-metering");
    while (true) {
      bool stop = false;
      {
        std::unique_lock lock(mu_);
        // A list alone does not wake a failing writer early: that would spin.
        wake_.wait_for(lock, Chrono(options_.flush_every),
                       [&] { return stop_ || (!lists_.empty() && file_ != nullptr); });
        stop = stop_;
      }
      Cycle(stop);
      if (stop) {
        DropOldest(0);
        file_ = nullptr;
        return;
      }
    }
  }

  void Cycle(bool last) {
    if (file_ == nullptr && !last && Clock::now() < next_open_) {
      DropOldest(kKeepWhileFailing);
      return;
    }
    const absl::Status status = WriteAll();
    if (!status.ok()) {
      Fail(status);
      DropOldest(kKeepWhileFailing);
      return;
    }
    SetAlarm("");
    if (!last && Clock::now() >= next_upkeep_) {
      const absl::Status kept = Upkeep();
      next_upkeep_ = Clock::now() + Chrono(options_.upkeep_every);
      if (!kept.ok()) {
        Fail(kept);
      }
    }
  }

  absl::Status WriteAll() {
    AURORA_RETURN_IF_ERROR(CheckSpace());
    AURORA_RETURN_IF_ERROR(OpenIfClosed());
    if (Clock::now() >= next_watch_) {
      next_watch_ = Clock::now() + Chrono(options_.retry_every);
      const absl::Status in_place = file_->db().CheckInPlace();
      if (!in_place.ok()) {
        file_->db().SetCheckpointOnClose(false);
        return in_place;
      }
    }
    AURORA_RETURN_IF_ERROR(WriteLists());
    return Drain();
  }

  absl::Status CheckSpace() {
    AURORA_ASSIGN_OR_RETURN(uint64_t free, options_.free_bytes(options_.path));
    if (free < options_.min_free_bytes) {
      return ResourceExhausted("only " + std::to_string(free) + " bytes free for traffic.db, " +
                               std::to_string(options_.min_free_bytes) +
                               " needed; free some space, rows are not being written");
    }
    return absl::OkStatus();
  }

  absl::Status OpenIfClosed() {
    if (file_ == nullptr) {
      AURORA_ASSIGN_OR_RETURN(file_, TrafficFile::Open(options_.path, [this] { Pause(); }));
    }
    return absl::OkStatus();
  }

  // Between a few rows and the next: unless a ring fills or everything is to end.
  void Pause() const {
    for (const UsageRing* ring : rings_) {
      if (ring->Readable() >= kHurryFrom) {
        return;
      }
    }
    if (!stopping()) {
      std::this_thread::yield();
    }
  }

  // Until the rings hold no more than what came meanwhile.
  absl::Status Drain() {
    for (size_t left = UsageRing::kCapacity / kBatch; left > 0; --left) {
      AURORA_ASSIGN_OR_RETURN(const bool all, DrainBatch());
      if (all) {
        break;
      }
      Pause();
    }
    return absl::OkStatus();
  }

  // One transaction over all rings; the records leave the rings once they are committed. True when
  // no ring held more than that.
  absl::StatusOr<bool> DrainBatch() {
    std::vector<size_t> counts;
    size_t rows = 0;
    bool all = true;
    for (const UsageRing* ring : rings_) {
      const size_t n = std::min(ring->Readable(), kBatch);
      all = all && n < kBatch;
      counts.push_back(n);
      for (size_t i = 0; i < n; ++i) {
        rows += ring->At(i).metered ? 1U : 0U;
      }
    }
    const Counters lost = counters();
    const bool news = lost.dropped_ring != saved_ring_ || lost.dropped_disk != saved_disk_;
    if (rows > 0 || news) {
      AURORA_ASSIGN_OR_RETURN(sqlite::Transaction tx, sqlite::Transaction::Begin(file_->db()));
      for (size_t r = 0; r < rings_.size(); ++r) {
        if (counts[r] > 0) {
          AURORA_RETURN_IF_ERROR(file_->Add(*rings_[r], counts[r], options_.node_id));
        }
      }
      AURORA_RETURN_IF_ERROR(file_->Flush());
      if (news) {
        AURORA_RETURN_IF_ERROR(file_->AddToCounter(kLostRing, lost.dropped_ring - saved_ring_));
        AURORA_RETURN_IF_ERROR(file_->AddToCounter(kLostDisk, lost.dropped_disk - saved_disk_));
      }
      AURORA_RETURN_IF_ERROR(std::move(tx).Commit());
      saved_ring_ = lost.dropped_ring;
      saved_disk_ = lost.dropped_disk;
    }
    for (size_t r = 0; r < rings_.size(); ++r) {
      rings_[r]->Consume(counts[r]);
    }
    written_.fetch_add(rows, std::memory_order_relaxed);
    return all;
  }

  absl::Status WriteLists() {
    std::map<std::string, std::vector<std::string>> lists;
    {
      const std::lock_guard lock(mu_);
      lists.swap(lists_);
    }
    if (lists.empty()) {
      return absl::OkStatus();
    }
    absl::Status status = [&]() -> absl::Status {
      AURORA_ASSIGN_OR_RETURN(sqlite::Transaction tx, sqlite::Transaction::Begin(file_->db()));
      for (const auto& [provider, models] : lists) {
        AURORA_RETURN_IF_ERROR(file_->ReplaceDiscovered(provider, models, UnixMicros() / 1000));
      }
      return std::move(tx).Commit();
    }();
    if (!status.ok()) {
      const std::lock_guard lock(mu_);
      lists_.merge(lists);  // a newer list of the same provider stays
    }
    return status;
  }

  absl::Status Upkeep() {
    if (options_.max_age < Duration::Max()) {
      const int64_t limit = UnixMicros() - options_.max_age.micros();
      while (!stopping()) {
        AURORA_ASSIGN_OR_RETURN(int64_t deleted, file_->DeleteBefore(limit, kDeleteBatch));
        if (deleted < kDeleteBatch) {
          break;
        }
        AURORA_RETURN_IF_ERROR(Drain());  // the rings must not fill meanwhile
      }
    }
    while (options_.max_bytes > 0 && !stopping()) {
      AURORA_ASSIGN_OR_RETURN(uint64_t used, file_->UsedBytes());
      if (used <= options_.max_bytes) {
        break;
      }
      AURORA_ASSIGN_OR_RETURN(int64_t deleted, file_->DeleteOldest(kDeleteBatch));
      if (deleted == 0) {
        break;
      }
      AURORA_RETURN_IF_ERROR(Drain());
    }
    return file_->Vacuum(kVacuumPages);
  }

  // What failed is opened again after a while: SQLite handles do not heal.
  void Fail(const absl::Status& status) {
    errors_.fetch_add(1, std::memory_order_relaxed);
    file_ = nullptr;
    next_open_ = Clock::now() + Chrono(options_.retry_every);
    SetAlarm("traffic.db: " + std::string(Std(status.message())));
  }

  void DropOldest(size_t keep) {
    for (UsageRing* ring : rings_) {
      const size_t n = ring->Readable();
      const size_t drop = n > keep ? n - keep : 0;
      uint64_t rows = 0;
      for (size_t i = 0; i < drop; ++i) {
        rows += ring->At(i).metered ? 1U : 0U;
      }
      ring->Consume(drop);
      dropped_disk_.fetch_add(rows, std::memory_order_relaxed);
    }
  }

  void SetAlarm(const std::string& why) {
    if (why == why_) {
      return;
    }
    why_ = why;
    alarm_.store(!why.empty(), std::memory_order_relaxed);
    if (options_.on_alarm) {
      options_.on_alarm(why);
    }
  }

  bool stopping() const {
    const std::lock_guard lock(mu_);
    return stop_;
  }

  Options options_;
  const std::vector<UsageRing*> rings_;

  // Owned by the thread once it runs.
  std::unique_ptr<TrafficFile> file_;
  Clock::time_point next_open_{};
  Clock::time_point next_watch_{};
  Clock::time_point next_upkeep_{};
  std::string why_;
  uint64_t saved_ring_ = 0;  // of the lost rows, what the file knows already
  uint64_t saved_disk_ = 0;

  std::atomic<uint64_t> written_{0};
  std::atomic<uint64_t> dropped_disk_{0};
  std::atomic<uint64_t> errors_{0};
  std::atomic<bool> alarm_{false};

  mutable std::mutex mu_;
  std::condition_variable wake_;
  bool stop_ = false;                                      // guarded by mu_
  std::map<std::string, std::vector<std::string>> lists_;  // guarded by mu_
  std::thread thread_;
};

Writer::Writer(Options options, std::vector<UsageRing*> rings)
    : thread_(std::make_unique<Thread>(std::move(options), std::move(rings))) {}
Writer::~Writer() = default;

void Writer::Stop() {
  thread_->Stop();
}
void Writer::SaveDiscovered(std::string provider, std::vector<std::string> models) {
  thread_->SaveDiscovered(std::move(provider), std::move(models));
}
Counters Writer::counters() const {
  return thread_->counters();
}

absl::StatusOr<std::vector<DiscoveredList>> Writer::LoadDiscovered() const {
  std::vector<DiscoveredList> lists;
  const absl::Status there = sqlite::FileIdentity::OfPath(thread_->path()).status();
  if (absl::IsNotFound(there)) {
    return lists;
  }
  AURORA_ASSIGN_OR_RETURN(sqlite::Database db, schema::OpenTrafficForRead(thread_->path()));
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement rows,
                          db.Prepare("SELECT provider, model, fetched_at_ms FROM discovered_model "
                                     "ORDER BY provider, model"));
  while (true) {
    AURORA_ASSIGN_OR_RETURN(bool row, rows.Step());
    if (!row) {
      return lists;
    }
    if (lists.empty() || lists.back().provider != rows.Text(0)) {
      lists.push_back({std::string(rows.Text(0)), {}, 0});
    }
    lists.back().models.emplace_back(rows.Text(1));
    lists.back().fetched_unix_ms = std::max(lists.back().fetched_unix_ms, rows.Int64(2));
  }
}

}  // namespace aurora::metering
