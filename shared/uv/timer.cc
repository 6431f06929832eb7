#include "shared/uv/timer.h"

#include <algorithm>

#include "shared/base/check.h"

namespace aurora::uv {
namespace {

// Rounded up, so that a timer is never early.
uint64_t ToMillis(Duration d) {
  return d.micros() <= 0 ? 0 : static_cast<uint64_t>((d.micros() + 999) / 1000);
}

}  // namespace

Timer::Timer(Loop& loop, absl::AnyInvocable<void()> fire) : fire_(std::move(fire)) {
  handle_.reset(new uv_timer_t);
  AURORA_CHECK(uv_timer_init(loop.raw(), handle_.get()) == 0);
  handle_->data = this;
}

void Timer::Start(Duration after) {
  uv_update_time(handle_->loop);  // the loop's cached time may be a long callback old
  // libuv's clock is cut to whole milliseconds: one more keeps the promise.
  const uint64_t millis = ToMillis(after);
  uv_timer_start(
      handle_.get(),
      [](uv_timer_t* handle) {
        if (auto* self = static_cast<Timer*>(handle->data); self != nullptr) {
          self->fire_();
        }
      },
      millis == 0 ? 0 : millis + 1, 0);
}

void Timer::StartAt(Instant when) {
  if (when == Instant::Never()) {
    Stop();
    return;
  }
  Start(when - Loop::Now());
}

void Timer::StartRepeating(Duration every) {
  Start(every);
  uv_timer_set_repeat(handle_.get(), std::max<uint64_t>(1, ToMillis(every)));
}

void Timer::Stop() {
  uv_timer_stop(handle_.get());
}

bool Timer::active() const {
  return uv_is_active(reinterpret_cast<const uv_handle_t*>(handle_.get())) != 0;
}

void Timer::Unref() {
  uv_unref(reinterpret_cast<uv_handle_t*>(handle_.get()));
}

Signal::Signal(Loop& loop, int signum, absl::AnyInvocable<void()> received)
    : received_(std::move(received)) {
  handle_.reset(new uv_signal_t);
  AURORA_CHECK(uv_signal_init(loop.raw(), handle_.get()) == 0);
  handle_->data = this;
  const int error = uv_signal_start(
      handle_.get(),
      [](uv_signal_t* handle, int) {
        if (auto* self = static_cast<Signal*>(handle->data); self != nullptr) {
          self->received_();
        }
      },
      signum);
  AURORA_CHECK(error == 0);  // a bad number is our bug
  uv_unref(reinterpret_cast<uv_handle_t*>(handle_.get()));
}

absl::StatusOr<std::unique_ptr<FsWatch>> FsWatch::Open(Loop& loop, const std::string& directory,
                                                       Changed changed) {
  std::unique_ptr<FsWatch> watch(new FsWatch(std::move(changed)));
  watch->handle_.reset(new uv_fs_event_t);
  AURORA_CHECK(uv_fs_event_init(loop.raw(), watch->handle_.get()) == 0);
  watch->handle_->data = watch.get();
  const int error = uv_fs_event_start(
      watch->handle_.get(),
      [](uv_fs_event_t* handle, const char* name, int, int) {
        if (auto* self = static_cast<FsWatch*>(handle->data); self != nullptr) {
          self->changed_(name == nullptr ? std::string_view() : std::string_view(name));
        }
      },
      directory.c_str(), 0);
  if (error != 0) {
    return UvError(error, "watching " + directory);
  }
  return watch;
}

}  // namespace aurora::uv
