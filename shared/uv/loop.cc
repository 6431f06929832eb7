#include "shared/uv/loop.h"

#include <string>

#include <signal.h>

#include "shared/base/check.h"

namespace aurora::uv {

absl::Status UvError(int error, std::string_view operation) {
  std::string text(operation);
  text += ": ";
  text += uv_strerror(error);
  switch (error) {
    case UV_EADDRINUSE:
    case UV_EEXIST:
      return AlreadyExists(text);
    case UV_EACCES:
    case UV_EPERM:
      return PermissionDenied(text);
    case UV_ENOENT:
    case UV_EAI_NONAME:
    case UV_EAI_NODATA:
      return NotFound(text);
    case UV_EINVAL:
      return InvalidArgument(text);
    case UV_EMFILE:
    case UV_ENFILE:
    case UV_ENOMEM:
    case UV_ENOSPC:
      return ResourceExhausted(text);
    default:
      return Unavailable(text);
  }
}

Loop::Loop() : read_buffer_(new char[kReadBytesMax + kReadPadding]()) {
  // A write to a closed socket must be an error number, not the end of the process.
  (void)::signal(SIGPIPE, SIG_IGN);
  AURORA_CHECK(uv_loop_init(&loop_) == 0);
  loop_.data = this;
  check_.reset(new uv_check_t);
  AURORA_CHECK(uv_check_init(&loop_, check_.get()) == 0);
  check_->data = this;
  uv_unref(reinterpret_cast<uv_handle_t*>(check_.get()));
  uv_check_start(check_.get(), [](uv_check_t* handle) {
    if (auto* self = static_cast<Loop*>(handle->data); self != nullptr) {
      self->DestroyRetired();
    }
  });
  idle_.reset(new uv_idle_t);
  AURORA_CHECK(uv_idle_init(&loop_, idle_.get()) == 0);
  idle_->data = this;
}

Loop::~Loop() {
  while (!retired_.empty()) {
    DestroyRetired();
  }
  check_.reset();
  idle_.reset();
  // Close callbacks only: whatever else still waits here is an object that outlived its loop, and
  // fails the check.
  for (int i = 0; i < 1000 && uv_run(&loop_, UV_RUN_NOWAIT) != 0; ++i) {
  }
  AURORA_CHECK(uv_loop_close(&loop_) == 0);
}

void Loop::Run() {
  owner_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  uv_run(&loop_, UV_RUN_DEFAULT);
  owner_.store(std::thread::id(), std::memory_order_relaxed);
}

bool Loop::RunOnce(bool wait) {
  owner_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  const bool alive = uv_run(&loop_, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT) != 0;
  owner_.store(std::thread::id(), std::memory_order_relaxed);
  return alive;
}

void Loop::Stop() {
  AssertInThread();
  uv_stop(&loop_);
}

Instant Loop::Now() {
  return Instant::FromMicros(static_cast<int64_t>(uv_hrtime() / 1000));
}

void Loop::AssertInThread() const {
  const std::thread::id owner = owner_.load(std::memory_order_relaxed);
  AURORA_CHECK(owner == std::thread::id() || owner == std::this_thread::get_id());
}

void Loop::RetireRaw(void* object, void (*destroy)(void*)) {
  retired_.push_back({object, destroy});
  uv_idle_start(idle_.get(), [](uv_idle_t*) {});
}

void Loop::DestroyRetired() {
  if (retired_.empty()) {
    return;
  }
  // A destructor may retire more: those wait for the next round.
  std::vector<Retired> dead;
  dead.swap(retired_);
  for (const Retired& retired : dead) {
    retired.destroy(retired.object);
  }
  if (retired_.empty()) {
    uv_idle_stop(idle_.get());
    dead.clear();
    retired_.swap(dead);  // keep the capacity
  }
}

}  // namespace aurora::uv
