// The only door between threads: any thread posts a task, the loop's thread runs it.
// Source: ours.
// Thread: Post from any; everything else from the loop's thread.   Bounds: capacity tasks waiting.
// Errors: Post returns false when full or closed, and the task is destroyed in the poster's thread.
// Invariant: tasks of one poster run in the order posted; after Close no task runs.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "shared/uv/loop.h"

namespace aurora::uv {

class Mailbox {
 public:
  using Task = absl::AnyInvocable<void()>;

  Mailbox(Loop& loop, size_t capacity);
  // Requires: no Post can come any more (posters joined, or they know of the Close).
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  [[nodiscard]] bool Post(Task task);
  // Refuses further posts and drops the waiting tasks.
  void Close();
  // By default an open mailbox keeps Run from returning.
  void Unref();

 private:
  void Drain();

  Handle<uv_async_t> async_;  // sends happen under mu_, so that none meets a closing handle
  const size_t capacity_;
  std::vector<Task> running_;  // loop thread
  bool draining_ = false;      // loop thread

  std::mutex mu_;
  std::vector<Task> waiting_;  // guarded by mu_
  bool closed_ = false;        // guarded by mu_
};

}  // namespace aurora::uv
