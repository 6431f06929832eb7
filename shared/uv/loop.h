// An event loop owned by one thread, and the ownership idiom for libuv handles.
// Source: ours, over libuv 1.44.
// Thread: construct anywhere; from Run on, the thread in Run owns the loop and everything on it.
// Process: the first Loop makes the process ignore SIGPIPE.
// Memory: one 64 KiB read buffer shared by all streams of the loop.
// Invariant: when a Loop dies every handle on it has been closed: uv_loop_close returns 0
// (checked).
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include <uv.h>

#include "shared/base/status.h"
#include "shared/base/time.h"

namespace aurora::uv {

// Closes a handle and frees it in the close callback. Late callbacks find data == nullptr: no
// owner.
template <class H>
struct CloseAndFree {
  void operator()(H* handle) const noexcept {
    handle->data = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(handle),
             [](uv_handle_t* closed) { delete reinterpret_cast<H*>(closed); });
  }
};
// Created only after uv_*_init returned 0.
template <class H>
using Handle = std::unique_ptr<H, CloseAndFree<H>>;

// "operation: text of the uv error", with a fitting code (Unavailable, PermissionDenied,
// AlreadyExists, ...).
absl::Status UvError(int error, std::string_view operation);

// What one read may deliver, and the writable bytes behind it that a SIMD parser may touch.
inline constexpr size_t kReadBytesMax = 64 * 1024;
inline constexpr size_t kReadPadding = 64;

class Loop {
 public:
  Loop();
  // Requires: every object built on this loop is gone. Runs pending close callbacks.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until Stop, or until nothing is left to wait for.
  void Run();
  // One pass; waits for an event when `wait`. Returns whether handles are still active. For tests
  // and drains.
  bool RunOnce(bool wait);
  // Makes Run return after this iteration. Loop thread only (from elsewhere: post a task that calls
  // it).
  void Stop();

  // Monotonic, read afresh at every call (uv_hrtime). Any thread.
  static Instant Now();

  // Aborts when another thread runs this loop.
  void AssertInThread() const;

  // Destroys the object after the callbacks of this iteration: for an object that may be on the
  // call stack.
  template <class T>
  void Retire(std::unique_ptr<T> object) {
    if (object != nullptr) {
      RetireRaw(object.release(), [](void* p) { delete static_cast<T*>(p); });
    }
  }

  uv_loop_t* raw() { return &loop_; }
  char* read_buffer() { return read_buffer_.get(); }

 private:
  struct Retired {
    void* object;
    void (*destroy)(void*);
  };
  void RetireRaw(void* object, void (*destroy)(void*));
  void DestroyRetired();

  uv_loop_t loop_;
  std::unique_ptr<char[]> read_buffer_;
  Handle<uv_check_t> check_;
  Handle<uv_idle_t> idle_;  // active while something is retired, so that the poll does not wait
  std::vector<Retired> retired_;
  std::atomic<std::thread::id> owner_{};
};

}  // namespace aurora::uv
