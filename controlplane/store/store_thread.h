// Store::Thread: the thread of Store, what waits for it, and what one transaction takes. Internal to the store.
// Source: ours. Thread: Push and the questions from any; everything else its own. Bounds: store.h; a transaction takes
// what is urgent (all of it that came within kCommitWindow, kBatchMax at most), then bulk in slices, for at most
// kBulkWindow and kBulkRowsPerCommit rows: a write that comes meanwhile ends it after the slice and shares its commit.
// Errors: store.h. Always: at least one slice of bulk a transaction, so that no flood of writes starves it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "controlplane/store/guard.h"
#include "controlplane/store/store.h"
#include "controlplane/store/store_metrics.h"
#include "controlplane/store/writer.h"
#include "shared/base/status.h"

namespace aurora::store {

struct Item {
  // Inside the transaction; an error is this item's answer. Empty for reads.
  std::function<absl::Status(Writer&, uint64_t wall_ms)> apply;
  // After the commit; empty for writes.
  std::function<absl::Status(Reader&)> read;
  std::function<void(absl::Status)> done;
  // It waits behind everything else.
  bool bulk = false;
  // Of bulk: rows the next `apply` brings; 0 = it has brought all. Empty: one is all, and counts as no rows.
  std::function<size_t()> left;
};

class Store::Thread {
 public:
  explicit Thread(StoreOptions options);
  ~Thread();

  void Push(Item item);
  // From an item's apply: the transaction holds a write of the REVOKE lane.
  void NoteUrgent(uint64_t seq) { urgent_ = seq; }
  StoreState state() const;
  StoreState WaitOpened() const;
  replication::Origin origin() const;
  schema::Position head() const;
  const StoreMetrics& metrics() const { return metrics_; }

 private:
  using SteadyClock = std::chrono::steady_clock;

  void Run();
  void TryOpen();
  // The file is where it was, and sound as far as we know; otherwise every later request is refused.
  absl::Status CheckInPlace();
  // What a statement or a read has said, which may be that the file is damaged.
  void NoteDamage(const absl::Status& status);
  void Process(std::deque<Item> batch);
  absl::Status ApplyBatch(std::deque<Item>& batch, std::vector<absl::Status>& answers);
  absl::Status ApplyOne(Item& item, absl::Status& answer);
  void Enter(State state, absl::Status refusal);
  absl::Status ApplyBulk(std::deque<Item>& batch, std::vector<absl::Status>& answers);
  // What came meanwhile, at the end of the batch.
  void JoinQueued(std::deque<Item>& batch, std::vector<absl::Status>& answers);
  std::deque<Item> TakeQueued(size_t limit);
  std::optional<Item> TakeBulk();
  // Something waits for the end of a transaction that has taken bulk for so long.
  bool Wanted(SteadyClock::duration taken) const;
  void PublishCounts();
  void PublishHead();

  const StoreOptions options_;
  StoreMetrics metrics_;
  // Owned by the thread.
  uint64_t urgent_ = 0;             // of this transaction
  std::optional<Item> unfinished_;  // of a bulk item, the rest
  std::unique_ptr<Writer> writer_;
  Guard guard_;  // of writer_
  absl::Status refusal_ = Unavailable("the store is not open yet");
  SteadyClock::time_point next_open_{};

  // Guarded by mutex_.
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<Item> queue_;
  std::deque<Item> bulk_;
  size_t queued_writes_ = 0;  // of queue_
  bool stop_ = false;
  StoreState state_;
  replication::Origin origin_;
  schema::Position head_;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace aurora::store
