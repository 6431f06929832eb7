#include "shared/uv/mailbox.h"

#include <utility>

#include "shared/base/check.h"

namespace aurora::uv {

Mailbox::Mailbox(Loop& loop, size_t capacity) : capacity_(capacity) {
  async_.reset(new uv_async_t);
  const int error = uv_async_init(loop.raw(), async_.get(), [](uv_async_t* handle) {
    if (auto* self = static_cast<Mailbox*>(handle->data); self != nullptr) {
      self->Drain();
    }
  });
  AURORA_CHECK(error == 0);
  async_->data = this;
}

Mailbox::~Mailbox() {
  Close();
  AURORA_CHECK(!draining_);  // a task must not destroy the mailbox it runs from: use Loop::Retire
}

bool Mailbox::Post(Task task) {
  const std::lock_guard lock(mu_);
  if (closed_ || waiting_.size() >= capacity_) {
    return false;
  }
  waiting_.push_back(std::move(task));
  if (waiting_.size() == 1) {
    uv_async_send(async_.get());
  }
  return true;
}

void Mailbox::Close() {
  std::vector<Task> dropped;  // destroyed outside the lock: a task's captures may do anything
  {
    const std::lock_guard lock(mu_);
    closed_ = true;
    dropped.swap(waiting_);
  }
  async_.reset();
}

void Mailbox::Unref() {
  uv_unref(reinterpret_cast<uv_handle_t*>(async_.get()));
}

void Mailbox::Drain() {
  draining_ = true;
  {
    const std::lock_guard lock(mu_);
    running_.swap(waiting_);
  }
  for (Task& task : running_) {
    if (async_ == nullptr) {
      break;  // closed by a task of this very batch
    }
    std::exchange(task, nullptr)();
  }
  running_.clear();
  draining_ = false;
}

}  // namespace aurora::uv
