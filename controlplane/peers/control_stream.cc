#include "controlplane/peers/control_stream.h"

#include <algorithm>
#include <utility>

namespace aurora::peers {
namespace {

constexpr size_t kMessageMax = 512;  // of a Bye

}  // namespace

ByeReason FromProto(v1::Bye::Reason reason) {
  return reason > 0 && reason <= static_cast<int>(ByeReason::kSlow) ? static_cast<ByeReason>(reason)
                                                                    : ByeReason::kNone;
}

v1::Bye::Reason ToProto(ByeReason reason) {
  return static_cast<v1::Bye::Reason>(reason);
}

Stream::Stream(uv::Mailbox& mailbox, std::string address, std::shared_ptr<void> slot)
    : mailbox_(mailbox), address_(std::move(address)), slot_(std::move(slot)) {}

void Stream::Start(Wire* wire) {
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

Sent Stream::Send(const v1::ControlFrame& frame) {
  const size_t bytes = frame.ByteSizeLong();
  const std::lock_guard lock(mu_);
  if (bytes > kFrameBytesMax) {
    return Sent::kTooLarge;
  }
  if (closing_ || ended_) {
    return Sent::kGone;
  }
  if (frame.has_heartbeat()) {
    const auto old =
        std::find_if(queue_.begin(), queue_.end(), [](const Queued& q) { return q.frame.has_heartbeat(); });
    if (old != queue_.end()) {
      queue_bytes_ = queue_bytes_ - old->bytes + bytes;
      *old = Queued{frame, bytes};
      return Sent::kQueued;
    }
  }
  if (queue_.size() >= kQueueFramesMax || queue_bytes_ + bytes > kQueueBytesMax) {
    return Sent::kFull;
  }
  queue_.push_back(Queued{frame, bytes});
  queue_bytes_ += bytes;
  WriteNext();
  return Sent::kQueued;
}

void Stream::Close(ByeReason reason, std::string message) {
  const std::lock_guard lock(mu_);
  BeginClose(reason, std::move(message));
}

void Stream::Abort() {
  const std::lock_guard lock(mu_);
  if (wire_ == nullptr) {
    ended_ = true;
    return;
  }
  wire_->Cancel();
  EndCall(false);
}

void Stream::BeginClose(ByeReason reason, std::string message) {
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

void Stream::WriteNext() {
  if (writing_ || ended_ || wire_ == nullptr || queue_.empty()) {
    return;
  }
  writing_ = true;
  Queued next = std::move(queue_.front());
  queue_.pop_front();
  queue_bytes_ -= std::min(queue_bytes_, next.bytes);
  wire_->Write(std::move(next.frame));
}

void Stream::ReadNext() {
  if (reading_ || wire_ == nullptr) {
    return;
  }
  reading_ = true;
  wire_->Read();
}

void Stream::EndCall(bool read_ended) {
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

void Stream::OnRead(bool ok, v1::ControlFrame frame) {
  const std::lock_guard lock(mu_);
  reading_ = false;
  if (!ok) {
    if (wire_ != nullptr) {
      EndCall(true);
    }
    return;
  }
  Take(std::move(frame));
}

bool Stream::Flooded() {
  const auto now = std::chrono::steady_clock::now();
  if (now - window_start_ > std::chrono::seconds(1)) {
    window_start_ = now;
    window_frames_ = 0;
  }
  return ++window_frames_ > kFramesPerSecond;
}

void Stream::Take(v1::ControlFrame frame) {
  if (!closing_ && !ended_) {
    std::string wrong = CheckFrame(frame, first_);
    first_ = false;
    if (wrong.empty() && Flooded()) {
      wrong = "more than " + std::to_string(kFramesPerSecond) + " frames a second";
    }
    if (!wrong.empty()) {
      BeginClose(ByeReason::kBadFrame, std::move(wrong));
    } else if (frame.has_bye()) {
      std::string message = frame.bye().message().substr(0, kMessageMax);
      closure_ = Closure{FromProto(frame.bye().reason()), true, std::move(message)};
      EndCall(false);
      return;
    } else {
      received_ = std::move(frame);
      Wake();
      return;  // the loop reads on when it has taken this one
    }
  }
  // What still comes while we part is dropped.
  if (!ended_ || wire_->Drains()) {
    ReadNext();
  }
}

void Stream::OnWritten(bool ok) {
  const std::lock_guard lock(mu_);
  writing_ = false;
  if (ended_ || wire_ == nullptr) {
    return;
  }
  if (!ok || (closing_ && queue_.empty())) {
    EndCall(false);
    return;
  }
  WriteNext();
}

void Stream::OnCancelled() {
  const std::lock_guard lock(mu_);
  if (wire_ != nullptr) {
    EndCall(false);
  }
}

void Stream::OnDone(ByeReason reason, std::string message) {
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

void Stream::Wake() {
  if (!woken_) {
    woken_ = mailbox_.Post([self = shared_from_this()] { self->Deliver(); });
  }
}

void Stream::Deliver() {
  std::optional<v1::ControlFrame> frame;
  {
    const std::lock_guard lock(mu_);
    woken_ = false;
    frame = std::exchange(received_, std::nullopt);
  }
  if (frame.has_value() && listener_ != nullptr) {
    if (frame->has_hello()) {
      listener_->OnHello(frame->hello());
    } else {
      listener_->OnFrame(*frame);
    }
  }
  Closure closure;
  {
    const std::lock_guard lock(mu_);
    if (!done_) {
      if (frame.has_value() && !ended_) {
        ReadNext();
      }
      return;
    }
    closure = closure_;
  }
  if (LinkListener* listener = std::exchange(listener_, nullptr); listener != nullptr) {
    listener->OnClosed(closure);
  }
}

}  // namespace aurora::peers
