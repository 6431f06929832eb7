#include "controlplane/store/store_thread.h"

#include <algorithm>
#include <utility>


namespace aurora::store {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Re-reading a big corrupt file every second would keep the disk busy for nothing.
constexpr int kCorruptRetryFactor = 30;
// Of bulk, before a read may have the commit it waits for.
constexpr std::chrono::milliseconds kReadPatience(10);

uint64_t SystemMs() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                   std::chrono::system_clock::now().time_since_epoch())
                                   .count());
}

double SecondsSince(SteadyClock::time_point begin) {
  return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

}  // namespace

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
      queued_writes_ += !item.bulk && item.apply ? 1U : 0U;
      (item.bulk ? bulk_ : queue_).push_back(std::move(item));
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
    queued_writes_ = 0;
    return out;
  }
  for (size_t i = 0; i < limit; ++i) {
    queued_writes_ -= queue_.front().apply ? 1U : 0U;
    out.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return out;
}

std::optional<Item> Store::Thread::TakeBulk() {
  if (unfinished_.has_value()) {
    return std::exchange(unfinished_, std::nullopt);
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  if (bulk_.empty()) {
    return std::nullopt;
  }
  Item item = std::move(bulk_.front());
  bulk_.pop_front();
  return item;
}

bool Store::Thread::Wanted(SteadyClock::duration taken) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return queued_writes_ > 0 || (!queue_.empty() && taken >= kReadPatience);
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
      changed_.wait_until(lock, next_watch, [&] {
        return stop_ || !queue_.empty() || !bulk_.empty() || unfinished_.has_value();
      });
      stopping = stop_;
    }
    if (SteadyClock::now() >= next_watch) {
      next_watch = SteadyClock::now() + every;
      if (refusal_.ok()) {
        CheckInPlace().IgnoreError();  // it has entered the state
      }
    }
    std::deque<Item> batch = TakeQueued(kBatchMax);
    if (std::optional<Item> bulk = batch.empty() ? TakeBulk() : std::nullopt; bulk.has_value()) {
      unfinished_ = std::move(bulk);
    } else if (batch.empty() && stopping) {
      break;
    }
    if (!batch.empty() || unfinished_.has_value()) {
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
    CheckInPlace().IgnoreError();  // it has entered the state
    return;
  }
  metrics_.open_errors.Add();
  const bool corrupt = absl::IsDataLoss(writer.status());
  next_open_ = SteadyClock::now() + (corrupt ? every * kCorruptRetryFactor : every);
  Enter(corrupt ? State::kCorrupt : State::kFailed, writer.status());
}

absl::Status Store::Thread::CheckInPlace() {
  absl::Status status = guard_.Check(*writer_);
  if (absl::IsFailedPrecondition(status)) {
    Enter(State::kReplaced, status);
  } else if (absl::IsDataLoss(status)) {
    Enter(State::kCorrupt, status);
  }
  return status;
}

void Store::Thread::NoteDamage(const absl::Status& status) {
  guard_.Note(*writer_, status);
  if (refusal_.ok() && absl::IsDataLoss(status)) {
    Enter(State::kCorrupt, status);
  }
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
    if (unfinished_.has_value() ||
        std::any_of(batch.begin(), batch.end(), [](const Item& item) { return item.apply != nullptr; })) {
      metrics_.write.Observe(SecondsSince(begin));
    }
    metrics_.write_errors.Add(status.ok() ? 0 : 1);
    metrics_.busy.Add(absl::IsUnavailable(status) ? 1 : 0);
  }
  if (!status.ok() && unfinished_.has_value()) {  // what was applied of it is gone
    batch.push_back(*std::exchange(unfinished_, std::nullopt));
    answers.emplace_back();
  }
  if (status.ok()) {
    status = CheckInPlace();  // committed into a file nobody can find is not committed
  } else if (refusal_.ok()) {
    NoteDamage(status);
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
    if (status.ok()) {
      NoteDamage(answer);
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
    options_.on_head(head.seq, urgent_);
  }
  urgent_ = 0;
}

void Store::Thread::JoinQueued(std::deque<Item>& batch, std::vector<absl::Status>& answers) {
  if (batch.size() >= kBatchMax) {
    return;
  }
  for (Item& item : TakeQueued(kBatchMax - batch.size())) {
    batch.push_back(std::move(item));
  }
  answers.resize(batch.size());
}

absl::Status Store::Thread::ApplyBatch(std::deque<Item>& batch,
                                       std::vector<absl::Status>& answers) {
  const auto until = SteadyClock::now() + std::chrono::microseconds(kCommitWindow.micros());
  absl::Status status;
  size_t i = 0;
  for (; i < batch.size() && status.ok(); ++i) {
    status = ApplyOne(batch[i], answers[i]);
    // Latecomers share the fsync while the window lasts.
    if (i + 1 == batch.size() && SteadyClock::now() < until) {
      JoinQueued(batch, answers);
    }
  }
  if (status.ok()) {
    status = ApplyBulk(batch, answers);
  }
  if (!writer_->begun()) {
    return status;
  }
  if (!status.ok()) {
    writer_->Abandon();
    urgent_ = 0;
    return status;
  }
  return writer_->Commit();
}

// Items that are finished join the batch; one that is not stays in unfinished_.
absl::Status Store::Thread::ApplyBulk(std::deque<Item>& batch, std::vector<absl::Status>& answers) {
  const auto begin = SteadyClock::now();
  size_t rows = 0;
  bool enough = false;
  while (!enough) {
    std::optional<Item> item = TakeBulk();
    if (!item.has_value()) {
      return absl::OkStatus();
    }
    absl::Status answer;
    bool more = true;
    while (more && !enough) {
      rows += item->left ? item->left() : 0;
      const absl::Status status = ApplyOne(*item, answer);
      if (!status.ok()) {
        unfinished_ = std::move(item);  // for its answer
        return status;
      }
      more = answer.ok() && item->left && item->left() > 0;
      const auto taken = SteadyClock::now() - begin;
      enough = rows >= kBulkRowsPerCommit || taken >= std::chrono::microseconds(kBulkWindow.micros()) || Wanted(taken);
    }
    if (more) {
      unfinished_ = std::move(item);
    } else {
      batch.push_back(*std::move(item));
      answers.push_back(std::move(answer));
    }
  }
  const size_t applied = batch.size();
  JoinQueued(batch, answers);
  for (size_t i = applied; i < batch.size(); ++i) {
    AURORA_RETURN_IF_ERROR(ApplyOne(batch[i], answers[i]));
  }
  return absl::OkStatus();
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

}  // namespace aurora::store
