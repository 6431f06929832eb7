// A timer, a POSIX signal watcher and a directory watcher, each calling one function given at
// construction. Source: ours, over libuv. Thread: the loop's.   Time: millisecond resolution,
// rounded up: never early. Lifetime: destroying the object cancels it; it may be destroyed in its
// own callback only through Loop::Retire.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "shared/uv/loop.h"

namespace aurora::uv {

class Timer {
 public:
  Timer(Loop& loop, absl::AnyInvocable<void()> fire);
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Start again moves the deadline.
  void Start(Duration after);
  void StartAt(Instant when);  // Never() stops it
  void StartRepeating(Duration every);
  void Stop();
  bool active() const;
  // An unref'd timer does not keep Run from returning.
  void Unref();

 private:
  absl::AnyInvocable<void()> fire_;
  Handle<uv_timer_t> handle_;
};

class Signal {
 public:
  // Calls `received` on the loop for each `signum`. Does not keep Run from returning.
  Signal(Loop& loop, int signum, absl::AnyInvocable<void()> received);
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

 private:
  absl::AnyInvocable<void()> received_;
  Handle<uv_signal_t> handle_;
};

class FsWatch {
 public:
  // Calls `changed` with a file name inside `directory` ("" when unknown). Hints only: events
  // coalesce.
  using Changed = absl::AnyInvocable<void(std::string_view file_name)>;
  static absl::StatusOr<std::unique_ptr<FsWatch>> Open(Loop& loop, const std::string& directory,
                                                       Changed changed);
  FsWatch(const FsWatch&) = delete;
  FsWatch& operator=(const FsWatch&) = delete;

 private:
  explicit FsWatch(Changed changed) : changed_(std::move(changed)) {}

  Changed changed_;
  Handle<uv_fs_event_t> handle_;
};

}  // namespace aurora::uv
