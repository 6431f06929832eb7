// ElectionThread: the thread that writes election.db, so that a slow fsync stalls neither heartbeats nor gossip.
// Source: ours (failover rules: own file, own thread). Thread: Submit from any thread; `done` runs on the election
// thread, exactly once, and only posts on. In the order of Submit. Bounds: kElectionQueueMax waiting; one more is
// answered ResourceExhausted on the caller's thread. Errors: those of the write. Always: the destructor runs what
// waits, then closes the file.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/status/status.h"
#include "controlplane/store/election_db.h"

namespace aurora::store {

inline constexpr size_t kElectionQueueMax = 1024;

class ElectionThread {
 public:
  using Work = std::function<absl::Status(ElectionDb&)>;
  using Done = std::function<void(absl::Status)>;

  explicit ElectionThread(std::unique_ptr<ElectionDb> db);
  ~ElectionThread();
  ElectionThread(const ElectionThread&) = delete;
  ElectionThread& operator=(const ElectionThread&) = delete;

  void Submit(Work work, Done done = {});

 private:
  struct Item {
    Work work;
    Done done;
  };
  void Run();

  const std::unique_ptr<ElectionDb> db_;  // the thread's
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> queue_;  // guarded by mutex_
  bool stop_ = false;       // likewise
  std::thread thread_;      // last: it uses all of the above
};

}  // namespace aurora::store
