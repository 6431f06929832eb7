// Worker: runs questions that may take long, one after another, on a thread of its own.
// Source: ours. Thread: Post from any; destruction on one. Bounds: `waiting_max` tasks wait; a
// further one is refused. Invariant: every task taken runs exactly once, with `run` false if the
// worker stopped before its turn.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>

#include "absl/functional/any_invocable.h"

namespace aurora::admin {

class Worker {
 public:
  using Task = absl::AnyInvocable<void(bool run)>;

  explicit Worker(size_t waiting_max);
  ~Worker() { Stop(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Waits for the task that runs and refuses what comes later.
  void Stop();
  // False: too many wait, or it has stopped; `task` has not run and is the caller's still.
  [[nodiscard]] bool Post(Task& task);

 private:
  void Run();

  const size_t waiting_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> waiting_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace aurora::admin
