#include "controlplane/store/election_thread.h"

#include <utility>

#include "shared/base/status.h"

namespace aurora::store {

ElectionThread::ElectionThread(std::unique_ptr<ElectionDb> db) : db_(std::move(db)) {
  thread_ = std::thread([this]() noexcept { Run(); });
}

ElectionThread::~ElectionThread() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void ElectionThread::Submit(Work work, Done done) {
  bool full = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    full = queue_.size() >= kElectionQueueMax;
    if (!full) {
      queue_.push_back({std::move(work), std::move(done)});
    }
  }
  if (!full) {
    changed_.notify_all();
  } else if (done) {
    done(ResourceExhausted("election.db: " + std::to_string(kElectionQueueMax) + " writes wait for the disk"));
  }
}

void ElectionThread::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stop_ || !queue_.empty(); });
    if (queue_.empty()) {
      return;
    }
    const Item item = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    absl::Status status = item.work(*db_);
    if (item.done) {
      item.done(std::move(status));
    }
    lock.lock();
  }
}

}  // namespace aurora::store
