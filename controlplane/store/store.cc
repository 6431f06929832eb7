#include "controlplane/store/store.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "controlplane/store/store_metrics.h"
#include "controlplane/store/writer.h"
#include "shared/base/check.h"
#include "shared/base/status.h"

namespace aurora::store {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Re-reading a big corrupt file every second would keep the disk busy for nothing.
constexpr int kCorruptRetryFactor = 30;

uint64_t SystemMs() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                   std::chrono::system_clock::now().time_since_epoch())
                                   .count());
}

double SecondsSince(SteadyClock::time_point begin) {
  return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

struct Item {
  // Inside the transaction; an error is this item's answer. Empty for reads.
  std::function<absl::Status(Writer&, uint64_t wall_ms)> apply;
  // After the commit; empty for writes.
  std::function<absl::Status(Reader&)> read;
  std::function<void(absl::Status)> done;
  // Rows of a merge that waits behind everything else; 0 = it does not.
  size_t bulk_rows = 0;
};

// A lambda with a place for its result, and the callback that takes it.
template <class T, class Apply>
Item ItemWith(Apply apply, std::function<void(absl::StatusOr<T>)> done) {
  auto result = std::make_shared<T>();
  Item item;
  item.apply = [apply = std::move(apply), result](Writer& writer, uint64_t wall_ms) -> absl::Status {
    AURORA_ASSIGN_OR_RETURN(*result, apply(writer, wall_ms));
    return absl::OkStatus();
  };
  item.done = [result, done = std::move(done)](absl::Status status) {
    if (status.ok()) {
      done(std::move(*result));
    } else {
      done(std::move(status));
    }
  };
  return item;
}

}  // namespace

std::string_view StateName(State state) {
  switch (state) {
    case State::kOpening:
      return "opening";
    case State::kOpen:
      return "open";
    case State::kReplaced:
      return "replaced";
    case State::kCorrupt:
      return "corrupt";
    case State::kFailed:
      return "failed";
    case State::kStopped:
      return "stopped";
  }
  return "unknown";
}

class Store::Thread {
 public:
  explicit Thread(StoreOptions options);
  ~Thread();

  void Push(Item item);
  StoreState state() const;
  StoreState WaitOpened() const;
  replication::Origin origin() const;
  schema::Position head() const;
  const StoreMetrics& metrics() const { return metrics_; }

 private:
  void Run();
  void TryOpen();
  // The file is where it was; otherwise every later request is refused.
  absl::Status CheckInPlace();
  void Process(std::deque<Item> batch);
  absl::Status ApplyBatch(std::deque<Item>& batch, std::vector<absl::Status>& answers);
  absl::Status ApplyOne(Item& item, absl::Status& answer);
  void Enter(State state, absl::Status refusal);
  std::deque<Item> TakeQueued(size_t limit);
  void TakeBulk(std::deque<Item>& batch);
  void PublishCounts();
  void PublishHead();

  const StoreOptions options_;
  StoreMetrics metrics_;
  // Owned by the thread.
  std::unique_ptr<Writer> writer_;
  absl::Status refusal_ = Unavailable("the store is not open yet");
  SteadyClock::time_point next_open_{};

  // Guarded by mutex_.
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<Item> queue_;
  std::deque<Item> bulk_;
  bool stop_ = false;
  StoreState state_;
  replication::Origin origin_;
  schema::Position head_;

  std::thread thread_;  // last: it uses all of the above
};

Store::Thread::Thread(StoreOptions options)
    : options_([&] {
        if (!options.wall_ms) {
          options.wall_ms = SystemMs;
        }
        return std::move(options);
      }()) {
  thread_ = std::thread([this]() noexcept { Run(); });
}

Store::Thread::~Thread() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Store::Thread::Push(Item item) {
  absl::Status refused;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stop_) {
      refused = Unavailable("the store is stopping");
    } else if (queue_.size() + bulk_.size() >= kQueueMax) {
      refused = ResourceExhausted("the store's queue is full (" + std::to_string(kQueueMax) +
                                  " requests)");
    } else {
      (item.bulk_rows == 0 ? queue_ : bulk_).push_back(std::move(item));
    }
  }
  if (refused.ok()) {
    changed_.notify_all();
  } else if (item.done) {
    item.done(refused);
  }
}

StoreState Store::Thread::state() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return state_;
}

StoreState Store::Thread::WaitOpened() const {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return state_.state != State::kOpening; });
  return state_;
}

replication::Origin Store::Thread::origin() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return origin_;
}

schema::Position Store::Thread::head() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return head_;
}

std::deque<Item> Store::Thread::TakeQueued(size_t limit) {
  std::deque<Item> out;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (queue_.size() <= limit) {
    out.swap(queue_);
    return out;
  }
  for (size_t i = 0; i < limit; ++i) {
    out.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return out;
}

// What may wait, after everything that does not.
void Store::Thread::TakeBulk(std::deque<Item>& batch) {
  const std::lock_guard<std::mutex> lock(mutex_);
  size_t rows = 0;
  while (!bulk_.empty() && (rows == 0 || rows + bulk_.front().bulk_rows <= kBulkRowsPerCommit)) {
    rows += bulk_.front().bulk_rows;
    batch.push_back(std::move(bulk_.front()));
    bulk_.pop_front();
  }
}

void Store::Thread::PublishCounts() {
  const RowCounts& counts = writer_->counts();
  metrics_.rows.Set(counts.rows);
  metrics_.tombstones.Set(counts.tombstones);
  metrics_.parked.Set(counts.parked);
  metrics_.conflicts.Set(counts.conflicts);
}

void Store::Thread::Run() {
  const auto every = std::chrono::microseconds(options_.watch_every.micros());
  auto next_watch = SteadyClock::now() + every;
  while (true) {
    if (writer_ == nullptr && SteadyClock::now() >= next_open_) {
      TryOpen();
    }
    bool stopping = false;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait_until(lock, next_watch, [&] { return stop_ || !queue_.empty() || !bulk_.empty(); });
      stopping = stop_;
    }
    if (SteadyClock::now() >= next_watch) {
      next_watch = SteadyClock::now() + every;
      if (refusal_.ok()) {
        CheckInPlace().IgnoreError();  // it has entered the state
      }
    }
    std::deque<Item> batch = TakeQueued(kBatchMax);
    TakeBulk(batch);
    if (batch.empty() && stopping) {
      break;
    }
    if (!batch.empty()) {
      Process(std::move(batch));
    }
  }
  writer_.reset();
  Enter(State::kStopped, Unavailable("the store is stopped"));
}

void Store::Thread::TryOpen() {
  const auto every = std::chrono::microseconds(options_.watch_every.micros());
  absl::StatusOr<std::unique_ptr<Writer>> writer = Writer::Open(
      options_, options_.wall_ms(), [this](double seconds) { metrics_.checkpoint.Observe(seconds); });
  if (writer.ok()) {
    writer_ = *std::move(writer);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      origin_ = writer_->origin();
      head_ = writer_->head();
    }
    PublishCounts();
    Enter(State::kOpen, absl::OkStatus());
    return;
  }
  metrics_.open_errors.Add();
  const bool corrupt = absl::IsDataLoss(writer.status());
  next_open_ = SteadyClock::now() + (corrupt ? every * kCorruptRetryFactor : every);
  Enter(corrupt ? State::kCorrupt : State::kFailed, writer.status());
}

absl::Status Store::Thread::CheckInPlace() {
  absl::Status status = writer_->db().CheckInPlace();
  if (absl::IsFailedPrecondition(status)) {
    writer_->db().SetCheckpointOnClose(false);
    Enter(State::kReplaced, status);
  } else if (absl::IsDataLoss(status)) {
    writer_->db().SetCheckpointOnClose(false);
    Enter(State::kCorrupt, status);
  }
  return status;
}

void Store::Thread::Enter(State state, absl::Status refusal) {
  refusal_ = std::move(refusal);
  StoreState next{state, std::string(refusal_.message())};
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (state_.state == next.state && state_.reason == next.reason) {
      return;
    }
    state_ = next;
  }
  changed_.notify_all();
  if (options_.on_state) {
    options_.on_state(next);
  }
}

// One transaction, then the answers in the order of the requests.
void Store::Thread::Process(std::deque<Item> batch) {
  std::vector<absl::Status> answers(batch.size());
  absl::Status status = refusal_.ok() ? CheckInPlace() : refusal_;
  if (status.ok()) {
    const auto begin = SteadyClock::now();
    status = ApplyBatch(batch, answers);
    if (std::any_of(batch.begin(), batch.end(), [](const Item& item) { return item.apply != nullptr; })) {
      metrics_.write.Observe(SecondsSince(begin));
    }
    metrics_.write_errors.Add(status.ok() ? 0 : 1);
    metrics_.busy.Add(absl::IsUnavailable(status) ? 1 : 0);
  }
  if (status.ok()) {
    status = CheckInPlace();  // committed into a file nobody can find is not committed
  } else if (absl::IsDataLoss(status) && refusal_.ok()) {
    Enter(State::kCorrupt, status);
  }
  if (status.ok()) {
    PublishCounts();
    PublishHead();
  }
  for (size_t i = 0; i < batch.size(); ++i) {
    absl::Status answer = status.ok() ? answers[i] : status;
    if (answer.ok() && batch[i].read) {
      const auto begin = SteadyClock::now();
      answer = batch[i].read(writer_->reader());
      metrics_.read.Observe(SecondsSince(begin));
      metrics_.read_errors.Add(absl::IsDataLoss(answer) || absl::IsInternal(answer) ? 1 : 0);
    }
    if (batch[i].done) {
      batch[i].done(std::move(answer));
    }
  }
}

void Store::Thread::PublishHead() {
  const schema::Position head = writer_->head();
  bool moved = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    moved = head.seq != head_.seq;
    head_ = head;
  }
  if (moved && options_.on_head) {
    options_.on_head(head.seq);
  }
}

absl::Status Store::Thread::ApplyBatch(std::deque<Item>& batch,
                                       std::vector<absl::Status>& answers) {
  const auto until = SteadyClock::now() + std::chrono::microseconds(kCommitWindow.micros());
  absl::Status status;
  for (size_t i = 0; i < batch.size() && status.ok(); ++i) {
    status = ApplyOne(batch[i], answers[i]);
    // Latecomers share the fsync while the window lasts.
    if (i + 1 == batch.size() && batch.size() < kBatchMax && SteadyClock::now() < until) {
      for (Item& item : TakeQueued(kBatchMax - batch.size())) {
        batch.push_back(std::move(item));
      }
      answers.resize(batch.size());
    }
  }
  if (!writer_->begun()) {
    return status;
  }
  if (!status.ok()) {
    writer_->Abandon();
    return status;
  }
  return writer_->Commit();
}

// The returned status is the whole batch's: the transaction cannot go on.
absl::Status Store::Thread::ApplyOne(Item& item, absl::Status& answer) {
  if (!item.apply) {
    return absl::OkStatus();
  }
  if (!writer_->begun()) {
    AURORA_RETURN_IF_ERROR(writer_->Begin());
  }
  answer = item.apply(*writer_, options_.wall_ms());
  return writer_->failure();
}

// ---- Store ----

Store::Store(StoreOptions options) : thread_(std::make_unique<Thread>(std::move(options))) {}

Store::~Store() = default;

void Store::Submit(WriteRequest request, WriteCallback done) {
  thread_->Push(ItemWith<WriteResult>(
      [request = std::move(request)](Writer& writer, uint64_t wall_ms) { return writer.Write(request, wall_ms); },
      std::move(done)));
}

void Store::Merge(std::vector<WireRow> rows, std::string peer_uid, std::optional<FeedRange> range,
                  MergeCallback done) {
  const bool waits = !range.has_value() || range->lane == Lane::kBulk;
  const size_t bulk_rows = waits ? std::max<size_t>(rows.size(), 1) : 0;
  Item item = ItemWith<MergeResult>(
      [rows = std::move(rows), peer_uid = std::move(peer_uid), range](Writer& writer, uint64_t wall_ms) {
        return writer.Merge(std::span<const WireRow>(rows), peer_uid, range, wall_ms);
      },
      std::move(done));
  item.bulk_rows = bulk_rows;
  thread_->Push(std::move(item));
}

void Store::OpenFeed(std::string peer_uid, std::vector<FeedEpoch> history, FeedCallback done) {
  if (history.empty()) {
    done(InvalidArgument("a peer's feed without an epoch"));
    return;
  }
  thread_->Push(ItemWith<replication::FeedOpened>(
      [peer_uid = std::move(peer_uid), history = std::move(history)](Writer& writer, uint64_t) {
        return writer.OpenFeed(peer_uid, history);
      },
      std::move(done)));
}

void Store::Settle(DoneCallback done) {
  Item item;
  item.apply = [](Writer& writer, uint64_t) { return writer.Settle(); };
  item.done = std::move(done);
  thread_->Push(std::move(item));
}

void Store::Digest(replication::DigestLevel level, std::string kind, uint32_t bucket, DigestCallback done) {
  thread_->Push(ItemWith<std::vector<replication::DigestEntry>>(
      [level, kind = std::move(kind), bucket](Writer& writer, uint64_t) { return writer.Digest(level, kind, bucket); },
      std::move(done)));
}

void Store::Background(std::function<absl::Status(Writer&, uint64_t wall_ms)> apply, DoneCallback done) {
  Item item;
  item.apply = std::move(apply);
  item.done = std::move(done);
  item.bulk_rows = kBulkRowsPerCommit;
  thread_->Push(std::move(item));
}

void Store::AppendEvent(std::string severity, std::string type, std::string message,
                        DoneCallback done) {
  Item item;
  item.apply = [severity = std::move(severity), type = std::move(type),
                message = std::move(message)](Writer& writer, uint64_t wall_ms) {
    return writer.AppendEvent(wall_ms, severity, type, message);
  };
  item.done = std::move(done);
  thread_->Push(std::move(item));
}

void Store::AppendAudit(AuditEntry entry, DoneCallback done) {
  Item item;
  item.apply = [entry = std::move(entry)](Writer& writer, uint64_t wall_ms) {
    return writer.AppendAudit(entry, wall_ms);
  };
  item.done = std::move(done);
  thread_->Push(std::move(item));
}

void Store::SetMeta(std::string key, std::string value, DoneCallback done) {
  Item item;
  item.apply = [key = std::move(key), value = std::move(value)](Writer& writer, uint64_t) {
    return writer.SetMeta(key, value);
  };
  item.done = std::move(done);
  thread_->Push(std::move(item));
}

void Store::Read(std::function<absl::Status(Reader&)> read, DoneCallback done) {
  Item item;
  item.read = std::move(read);
  item.done = std::move(done);
  thread_->Push(std::move(item));
}

StoreState Store::state() const {
  return thread_->state();
}
StoreState Store::WaitOpened() const {
  return thread_->WaitOpened();
}
replication::Origin Store::origin() const {
  return thread_->origin();
}
schema::Position Store::head() const {
  return thread_->head();
}
const StoreMetrics& Store::metrics() const {
  return thread_->metrics();
}

}  // namespace aurora::store
