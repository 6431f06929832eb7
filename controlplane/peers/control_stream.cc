#include "controlplane/peers/control_stream.h"

#include <algorithm>
#include <utility>

namespace aurora::peers {
namespace {

constexpr size_t kMessageMax = 512;  // of a Bye

// Whether `fresh` makes `waiting` needless.
bool Replaces(const v1::ControlFrame& fresh, const v1::ControlFrame& waiting) {
  return fresh.has_heartbeat() && waiting.has_heartbeat();
}

}  // namespace

ByeReason FromProto(v1::Bye::Reason reason) {
  return reason > 0 && reason <= static_cast<int>(ByeReason::kNotLinked) ? static_cast<ByeReason>(reason)
                                                                         : ByeReason::kNone;
}

v1::Bye::Reason ToProto(ByeReason reason) {
  return static_cast<v1::Bye::Reason>(reason);
}

template <class F>
BasicStream<F>::BasicStream(uv::Mailbox& mailbox, std::string address, std::shared_ptr<void> slot)
    : mailbox_(mailbox), address_(std::move(address)), slot_(std::move(slot)) {}

template <class F>
void BasicStream<F>::Start(Wire* wire) {
  const std::lock_guard lock(mu_);
  wire_ = wire;
  if (ended_) {
    wire_->Cancel();
    wire_->End(false);
    return;
  }
  ReadNext();
  if (closing_ && queue_.empty()) {
    EndCall(false);
  } else {
    WriteNext();
  }
}

template <class F>
Sent BasicStream<F>::Send(Frame&& frame) {
  const size_t encoded = frame.ByteSizeLong();
  const std::lock_guard lock(mu_);
  if (encoded > kFrameBytesMax) {
    return Sent::kTooLarge;
  }
  if (closing_ || ended_) {
    return Sent::kGone;
  }
  const size_t bytes = encoded + F::kFrameOverhead;
  if constexpr (F::kCoalesces) {
    const auto old = std::find_if(queue_.begin(), queue_.end(),
                                  [&](const Queued& waiting) { return Replaces(frame, waiting.frame); });
    if (old != queue_.end()) {
      queue_bytes_ = queue_bytes_ - old->bytes + bytes;
      *old = Queued{std::move(frame), bytes};
      return Sent::kQueued;
    }
  }
  if (queue_.size() >= F::kQueueFrames || queue_bytes_ + bytes > F::kQueueBytes) {
    crowded_ = true;
    return Sent::kFull;
  }
  queue_.push_back(Queued{std::move(frame), bytes});
  queue_bytes_ += bytes;
  WriteNext();
  NoteRoom();
  return Sent::kQueued;
}

template <class F>
size_t BasicStream<F>::Room() const {
  const std::lock_guard lock(mu_);
  const bool open = !closing_ && !ended_ && queue_.size() < F::kQueueFrames;
  return open ? F::kQueueBytes - std::min(F::kQueueBytes, queue_bytes_) : 0;
}

template <class F>
Duration BasicStream<F>::Stuck() const {
  const std::lock_guard lock(mu_);
  if (!crowded_ || !writing_) {
    return Duration();
  }
  return Duration::Micros(std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - write_start_).count());
}

template <class F>
Traffic BasicStream<F>::traffic() const {
  const std::lock_guard lock(mu_);
  return traffic_;
}

template <class F>
void BasicStream<F>::Hold(bool hold) {
  const std::lock_guard lock(mu_);
  held_ = hold;
  if (hold) {
    return;
  }
  if (!received_.empty()) {
    Wake();
  }
  ReadOn();
}

// Room for the largest frame is what counts as room; with a gap, so that who waits is told once.
template <class F>
void BasicStream<F>::NoteRoom() {
  if (queue_bytes_ + kFrameBytesMax > F::kQueueBytes) {
    crowded_ = true;
  } else if (crowded_ && queue_bytes_ <= F::kQueueBytes / 4 && queue_.size() <= F::kQueueFrames / 4 && !closing_) {
    crowded_ = false;
    writable_ = true;
    Wake();
  }
}

template <class F>
void BasicStream<F>::Close(ByeReason reason, std::string message) {
  const std::lock_guard lock(mu_);
  BeginClose(reason, std::move(message));
}

template <class F>
void BasicStream<F>::Abort() {
  const std::lock_guard lock(mu_);
  if (wire_ == nullptr) {
    ended_ = true;
    return;
  }
  wire_->Cancel();
  EndCall(false);
}

template <class F>
void BasicStream<F>::BeginClose(ByeReason reason, std::string message) {
  if (closing_ || ended_) {
    return;
  }
  closing_ = true;
  message.resize(std::min(message.size(), kMessageMax));
  closure_ = Closure{reason, false, message};
  queue_.clear();
  queue_bytes_ = 0;
  if (reason != ByeReason::kNone) {
    Queued bye;
    bye.frame.mutable_bye()->set_reason(ToProto(reason));
    bye.frame.mutable_bye()->set_message(std::move(message));
    queue_.push_back(std::move(bye));
  }
  if (queue_.empty() && !writing_ && wire_ != nullptr) {
    EndCall(false);
  } else {
    WriteNext();
  }
}

template <class F>
void BasicStream<F>::WriteNext() {
  if (writing_ || ended_ || wire_ == nullptr || queue_.empty()) {
    return;
  }
  writing_ = true;
  write_start_ = Clock::now();
  Queued next = std::move(queue_.front());
  queue_.pop_front();
  queue_bytes_ -= std::min(queue_bytes_, next.bytes);
  written_bytes_ = next.bytes - std::min(next.bytes, F::kFrameOverhead);
  wire_->Write(std::move(next.frame));
}

template <class F>
void BasicStream<F>::ReadNext() {
  if (reading_ || wire_ == nullptr) {
    return;
  }
  reading_ = true;
  wire_->Read();
}

// The next frame, when the loop keeps pace and nobody holds.
template <class F>
void BasicStream<F>::ReadOn() {
  if (!held_ && !ended_ && (received_.empty() || received_bytes_ < F::kReadAhead)) {
    ReadNext();
  }
}

template <class F>
void BasicStream<F>::EndCall(bool read_ended) {
  if (ended_) {
    return;
  }
  if (!read_ended && wire_->Drains()) {
    ReadNext();
  }
  ended_ = true;
  queue_.clear();
  queue_bytes_ = 0;
  wire_->End(writing_);
}

template <class F>
void BasicStream<F>::OnRead(bool ok, Frame frame) {
  const std::lock_guard lock(mu_);
  reading_ = false;
  if (!ok) {
    if (wire_ != nullptr) {
      EndCall(true);
    }
    return;
  }
  ++traffic_.frames_in;
  traffic_.bytes_in += frame.ByteSizeLong();
  Take(std::move(frame));
}

template <class F>
bool BasicStream<F>::Flooded() {
  if (F::kPerSecond == 0) {
    return false;
  }
  const auto now = Clock::now();
  if (now - window_start_ > std::chrono::seconds(1)) {
    window_start_ = now;
    window_frames_ = 0;
  }
  return ++window_frames_ > F::kPerSecond;
}

template <class F>
void BasicStream<F>::Take(Frame frame) {
  if (!closing_ && !ended_) {
    std::string wrong = CheckFrame(frame, first_);
    first_ = false;
    if (wrong.empty() && Flooded()) {
      wrong = "more than " + std::to_string(F::kPerSecond) + " frames a second";
    }
    if (!wrong.empty()) {
      BeginClose(ByeReason::kBadFrame, std::move(wrong));
    } else if (frame.has_bye()) {
      std::string message = frame.bye().message().substr(0, kMessageMax);
      closure_ = Closure{FromProto(frame.bye().reason()), true, std::move(message)};
      EndCall(false);
      return;
    } else {
      const size_t bytes = frame.ByteSizeLong() + F::kFrameOverhead;
      received_.push_back(Queued{std::move(frame), bytes});
      received_bytes_ += bytes;
      Wake();
      ReadOn();  // else the loop does when it has taken what waits
      return;
    }
  }
  // What still comes while we part is dropped.
  if (!ended_ || wire_->Drains()) {
    ReadNext();
  }
}

template <class F>
void BasicStream<F>::OnWritten(bool ok) {
  const std::lock_guard lock(mu_);
  writing_ = false;
  if (ok) {
    ++traffic_.frames_out;
    traffic_.bytes_out += written_bytes_;
  }
  if (ended_ || wire_ == nullptr) {
    return;
  }
  if (!ok || (closing_ && queue_.empty())) {
    EndCall(false);
    return;
  }
  WriteNext();
  NoteRoom();
}

template <class F>
void BasicStream<F>::OnCancelled() {
  const std::lock_guard lock(mu_);
  if (wire_ != nullptr) {
    EndCall(false);
  }
}

template <class F>
void BasicStream<F>::OnDone(ByeReason reason, std::string message) {
  const std::lock_guard lock(mu_);
  wire_ = nullptr;
  ended_ = true;
  done_ = true;
  if (closure_.reason == ByeReason::kNone && !closure_.by_peer) {
    closure_.reason = reason;
    closure_.by_peer = reason != ByeReason::kNone;
    if (closure_.message.empty()) {
      closure_.message = std::move(message);
    }
  }
  Wake();
}

template <class F>
void BasicStream<F>::Wake() {
  if (!woken_) {
    woken_ = mailbox_.Post([self = this->shared_from_this()] { self->Deliver(); });
  }
}

// One frame a time under the lock: a callback may hold, and what is read meanwhile comes after it.
template <class F>
bool BasicStream<F>::DeliverFrame() {
  Frame frame;
  {
    const std::lock_guard lock(mu_);
    if (held_ || received_.empty()) {
      return false;
    }
    frame = std::move(received_.front().frame);
    received_bytes_ -= received_.front().bytes;
    received_.pop_front();
  }
  if (listener_ == nullptr) {
    return true;
  }
  if (frame.has_hello()) {
    listener_->OnHello(frame.hello());
  } else {
    listener_->OnFrame(frame);
  }
  return true;
}

template <class F>
void BasicStream<F>::Deliver() {
  bool writable = false;
  size_t frames = 0;
  {
    const std::lock_guard lock(mu_);
    woken_ = false;
    frames = received_.size();  // those that come meanwhile wait their turn: other streams have theirs
    writable = std::exchange(writable_, false) && !ended_;
  }
  while (frames > 0 && DeliverFrame()) {
    --frames;
  }
  if (writable && listener_ != nullptr) {
    listener_->OnWritable();
  }
  Closure closure;
  {
    const std::lock_guard lock(mu_);
    if (!received_.empty() && !held_) {
      Wake();
    }
    ReadOn();
    if (!done_ || (!received_.empty() && !held_)) {
      return;
    }
    closure = closure_;
  }
  if (BasicListener<F>* listener = std::exchange(listener_, nullptr); listener != nullptr) {
    listener->OnClosed(closure);
  }
}

template class BasicStream<ControlFrames>;
template class BasicStream<ReplicateFrames>;

}  // namespace aurora::peers
