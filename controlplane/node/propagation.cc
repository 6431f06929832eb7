#include "controlplane/node/propagation.h"

#include <optional>
#include <utility>

namespace aurora::node {
namespace {

constexpr Duration kLookEvery = Duration::Millis(5);

}  // namespace

PropagationWatch::PropagationWatch(uv::Loop& loop, uv::Mailbox& mailbox,
                                   const rolepage::ControlPage& page, uint64_t epoch,
                                   std::string node_id)
    : mailbox_(mailbox),
      page_(page),
      epoch_(epoch),
      node_id_(std::move(node_id)),
      timer_(loop, [this] { Look(); }) {}

v1::Propagation PropagationWatch::Now(uint64_t seq) const {
  v1::Propagation out;
  out.set_members(1);
  const std::optional<rolepage::DataState> data = page_.Data();
  if (!data.has_value()) {
    out.add_not_serving(node_id_);
  } else if (data->applied.epoch == epoch_ && data->applied.seq >= seq) {
    out.set_enforced(1);
  } else {
    out.add_pending(node_id_);
  }
  return out;
}

void PropagationWatch::Wait(uint64_t seq, Duration timeout,
                            std::function<void(v1::Propagation)> done) {
  v1::Propagation first = Now(seq);
  // A data plane that does not run will not enforce anything however long one waits.
  if (first.pending_size() == 0 || timeout <= Duration() || stopped_.load()) {
    done(std::move(first));
    return;
  }
  const Instant until = uv::Loop::Now() + timeout;
  // Copied: a full mailbox drops the task, and the answer is still owed.
  const bool posted = mailbox_.Post([this, seq, until, done] {
    if (stopped_.load()) {
      done(Now(seq));
      return;
    }
    waiters_.push_back({seq, until, done});
    if (waiters_.size() == 1) {
      timer_.StartRepeating(kLookEvery);
    }
  });
  if (!posted) {
    done(std::move(first));
  }
}

void PropagationWatch::Look() {
  const Instant now = uv::Loop::Now();
  std::vector<Waiter> waiting = std::exchange(waiters_, {});  // an answer may make a new wait
  for (Waiter& waiter : waiting) {
    v1::Propagation state = Now(waiter.seq);
    if (state.pending_size() == 0 || now >= waiter.until || stopped_.load()) {
      waiter.done(std::move(state));
    } else {
      waiters_.push_back(std::move(waiter));
    }
  }
  if (waiters_.empty()) {
    timer_.Stop();
  }
}

void PropagationWatch::Stop() {
  stopped_.store(true);
  Look();
}

}  // namespace aurora::node
