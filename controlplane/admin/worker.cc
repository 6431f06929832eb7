#include "controlplane/admin/worker.h"

#include <utility>

namespace aurora::admin {

Worker::Worker(size_t waiting_max)
    : waiting_max_(waiting_max), thread_([this]() noexcept { Run(); }) {}

void Worker::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (!thread_.joinable()) {
    return;
  }
  thread_.join();
  for (Task& task : waiting_) {
    task(false);
  }
  waiting_.clear();
}

bool Worker::Post(Task& task) {
  {
    const std::lock_guard lock(mutex_);
    if (stop_ || waiting_.size() >= waiting_max_) {
      return false;
    }
    waiting_.push_back(std::move(task));
  }
  changed_.notify_one();
  return true;
}

void Worker::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
    if (stop_) {
      return;
    }
    Task task = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    task(true);
    task = nullptr;  // what it holds goes on this thread, outside the lock
    lock.lock();
  }
}

}  // namespace aurora::admin
