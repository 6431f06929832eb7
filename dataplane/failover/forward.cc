// The request's way: to the active node, into the hold and out of it.
#include "dataplane/failover/forward.h"

#include <algorithm>
#include <span>
#include <utility>

#include "dataplane/exchange/arena.h"
#include "dataplane/policy/authenticate.h"
#include "shared/base/check.h"
#include "shared/http/encoder.h"

namespace aurora::failover {

using exchange::Outbox;
using exchange::UpstreamFailure;

namespace {
// Between two tries at a leader that does not answer or does not serve yet: a takeover's barrier takes a second.
constexpr int64_t kPauseMs = 40;
constexpr int64_t kPauseSteps = 4;
}  // namespace

Forward::Forward(const Deps& deps, SavedHead head, const Caller& caller, std::string_view request_id)
    : deps_(deps),
      head_(std::move(head)),
      sha256_(caller.sha256),
      authenticated_(caller.authenticated),
      dialect_(caller.dialect),
      began_(deps.context.now) {
  record_.request_id = request_id;
  record_.auth_key_id = caller.key_id.view();
  record_.endpoint = caller.endpoint;
  record_.started_unix_us = deps.context.unix_us;
  close_ = !head_.keep_alive() || head_.old_client();
}

Forward::~Forward() {
  LeaveHold(HoldEnd::kCancelled);
}

void Forward::Begin(Arrival arrival, bool greeted, Outbox& out) {
  if (arrival == Arrival::kNotHere || arrival == Arrival::kReject) {
    close_ = close_ || (head_.expect_continue() && !greeted);  // what follows may be a body or not
    Refuse("This node is not the active one.", HoldEnd::kRefused, out);
    return;
  }
  if (head_.expect_continue() && !head_.old_client() && !greeted) {
    out.client.Add(http::kContinue);
  }
  if (arrival == Arrival::kForward) {
    Dial(out);
  } else {
    hold_until_ = deps_.context.now + deps_.rules.hold;
    Hold(Instant::Never(), out);
  }
}

void Forward::Dial(Outbox& out) {
  state_ = State::kDialling;
  dialled_version_ = deps_.serving.version;
  upstream_ = true;
  deadline_ = Instant::Never();  // the connection has a limit of its own
  out.dial = deps_.serving.peer;
}

void Forward::Keep(std::string_view bytes, Outbox& out) {
  if (held_) {
    if (!deps_.budget.TakeBytes(bytes.size())) {
      Refuse("Too many requests wait for an active node.", HoldEnd::kOverLimit, out);
      return;
    }
    held_bytes_ += bytes.size();
  }
  kept_.Append(*deps_.context.buffers, bytes);
  if (kept_.size() > kBufferMax) {
    out.pause_client = true;
  }
}

void Forward::RequestBody(std::string_view bytes, Outbox& out) {
  record_.request_bytes += bytes.size();
  switch (state_) {
    case State::kDialling:
    case State::kDiscarding:
    case State::kHeld:
      Keep(bytes, out);
      return;
    case State::kSending:
    case State::kRelaying:
      first_write_ = false;
      if (replayable_ && kept_.size() + bytes.size() <= kReplayMax && state_ == State::kSending) {
        kept_.Append(*deps_.context.buffers, bytes);
      } else {
        replayable_ = false;
        kept_.Release();
      }
      Frame(bytes, out);
      deadline_ = deps_.context.now + deps_.rules.silence_max;
      return;
    case State::kSwallowing:
      if ((swallowed_ += bytes.size()) > kSwallowMax) {
        out.close_client = true;
        Finish(ending_, out);
      }
      return;
    case State::kNew:
    case State::kHandedOver:
    case State::kEnded:
      return;
  }
}

void Forward::RequestEnd(Outbox& out) {
  request_over_ = true;
  if (state_ == State::kSwallowing) {
    out.close_client = out.close_client || close_;
    Finish(ending_, out);
  } else if (state_ == State::kSending || state_ == State::kRelaying) {
    first_write_ = false;
    if (head_.body() == http::Head::Body::kChunked) {
      out.upstream.Add(http::kLastChunk);
    }
  }
}

void Forward::Frame(std::string_view bytes, Outbox& out) {
  if (head_.body() != http::Head::Body::kChunked) {
    out.upstream.Add(bytes);
  } else if (!bytes.empty()) {
    char* space = deps_.context.arena->Allocate(http::kChunkHeaderMax);
    out.upstream.Add(
        http::ChunkHeader(bytes.size(), std::span<char, http::kChunkHeaderMax>(space, http::kChunkHeaderMax)));
    out.upstream.Add(bytes);
    out.upstream.Add(http::kCrlf);
  }
}

void Forward::UpstreamReady(bool, Outbox& out) {
  if (state_ != State::kDialling) {
    return;
  }
  LeaveHold(HoldEnd::kForwarded);
  state_ = State::kSending;
  first_write_ = true;
  if (head_text_.empty()) {
    head_.AppendForPeer(head_text_, record_.request_id.view());
  }
  out.expect_no_body = head_.method() == http::Method::kHead;
  out.upstream.Add(head_text_);
  Frame(kept_.view(), out);
  if (request_over_ && head_.body() == http::Head::Body::kChunked) {
    out.upstream.Add(http::kLastChunk);
  }
  out.resume_client = true;
  deadline_ = deps_.context.now + deps_.rules.silence_max;
}

void Forward::WriteFailed(Outbox& out) {
  if (state_ == State::kSending && first_write_) {
    upstream_ = false;
    deps_.observer.ConnectFailed(UpstreamFailure::kReset);
    Later(Duration::Micros(0), out);
    return;
  }
  UpstreamFailed(UpstreamFailure::kReset, "connection reset", out);
}

void Forward::UpstreamFailed(UpstreamFailure failure, std::string_view detail, Outbox& out) {
  if (out.dial != nullptr) {
    return;  // news of a connection that this very step has given up
  }
  upstream_ = false;
  switch (state_) {
    case State::kDialling:
      deps_.observer.ConnectFailed(failure);
      Later(Duration::Millis(kPauseMs * std::min<int64_t>(++tries_, kPauseSteps)), out);
      return;
    case State::kSending: {
      const std::string message = "The active node broke off before it answered (" + std::string(detail) +
                                  "); the request may have been executed.";
      Fail({502, "active_node_lost", message, ""}, "", Ending::kLost, out);
      return;
    }
    case State::kDiscarding:
      Later(Duration::Millis(kPauseMs), out);
      return;
    case State::kRelaying:
      Break({502, "active_node_lost", "The active node broke off its answer.", ""}, out);
      Finish(Ending::kLost, out);
      return;
    default:
      return;
  }
}

bool Forward::MayTryAgain() const {
  return replayable_ && authenticated_ && deps_.context.now < hold_until_;
}

// Nothing of the request was executed: again, when there is reason to hope, or the answer that says so.
void Forward::Later(Duration pause, Outbox& out) {
  const Instant now = deps_.context.now;
  if (hold_until_ == Instant::Never()) {
    hold_until_ = now + deps_.rules.hold;
  }
  if (now >= hold_until_) {
    Refuse("No node became active in time.", HoldEnd::kRefused, out);
  } else if (deps_.serving.here || deps_.serving.version != dialled_version_ || pause == Duration::Micros(0)) {
    dialled_version_ = deps_.serving.version;
    TryNow(out);
  } else {
    Hold(now + pause + Duration::Micros(static_cast<int64_t>(deps_.context.rng.Below(10'000))), out);
  }
}

void Forward::Hold(Instant retry_at, Outbox& out) {
  state_ = State::kHeld;
  if (!authenticated_) {
    Refuse("No node is active, and this one has just started.", HoldEnd::kRefused, out);
    return;
  }
  if (!held_) {
    if (!deps_.budget.Enter()) {
      Refuse("Too many requests wait for an active node.", HoldEnd::kOverLimit, out);
      return;
    }
    held_ = true;
    held_since_ = deps_.context.now;
    held_bytes_ = 0;
    if (!deps_.budget.TakeBytes(kept_.size())) {
      Refuse("Too many requests wait for an active node.", HoldEnd::kOverLimit, out);
      return;
    }
    held_bytes_ = kept_.size();
  }
  deadline_ = std::min(hold_until_, retry_at);
}

void Forward::LeaveHold(HoldEnd how) {
  if (!held_) {
    return;
  }
  held_ = false;
  deps_.budget.Leave(held_bytes_);
  deps_.observer.HoldEnded(how, deps_.context.now - held_since_);
}

// False: it was refused. A key that was never judged here is judged where it is served.
bool Forward::KeyWorks(Outbox& out) {
  if (!authenticated_) {
    return true;
  }
  const model::KeySecret* secret =
      deps_.context.snapshot == nullptr ? nullptr : deps_.context.snapshot->FindKey(sha256_);
  const policy::AuthError error = secret == nullptr || secret->key == nullptr
                                      ? policy::AuthError::kDeactivated
                                      : policy::CheckSecret(*secret, deps_.context.unix_us / 1000);
  if (error == policy::AuthError::kNone) {
    return true;
  }
  LeaveHold(HoldEnd::kKeyRefused);
  DropUpstream(out);
  Fail({401, policy::CodeOf(error), policy::MessageOf(error), ""}, "WWW-Authenticate: Bearer\r\n", Ending::kKeyRefused,
       out);
  return false;
}

void Forward::TryNow(Outbox& out) {
  if (!KeyWorks(out)) {
    return;
  }
  if (deps_.serving.here) {
    LeaveHold(HoldEnd::kServed);
    state_ = State::kHandedOver;
    deadline_ = Instant::Never();
    out.hand_over = true;
    out.resume_client = true;
  } else if (deps_.serving.peer != nullptr) {
    Dial(out);
  } else {
    Hold(Instant::Never(), out);
  }
}

void Forward::RoleChanged(Outbox& out) {
  if (state_ == State::kHeld) {
    TryNow(out);
  } else if (state_ == State::kDialling && deps_.serving.version != dialled_version_) {
    DropUpstream(out);  // it may be the address of a machine that is gone
    TryNow(out);
    if (state_ == State::kHeld) {
      hold_until_ = std::min(hold_until_, deps_.context.now + deps_.rules.hold);
      deadline_ = hold_until_;
    }
  }
}

void Forward::PolicyChanged(Outbox& out) {
  if (state_ == State::kHeld || state_ == State::kDialling) {
    (void)KeyWorks(out);
  }
}

void Forward::Tick(Outbox& out) {
  if (deps_.context.now < deadline_) {
    return;
  }
  switch (state_) {
    case State::kHeld:
      if (deps_.context.now >= hold_until_) {
        Refuse("No node became active in time.", HoldEnd::kRefused, out);
      } else {
        TryNow(out);
      }
      return;
    case State::kSending:
      DropUpstream(out);
      Fail({504, "active_node_timeout", "The active node did not answer in time.", ""}, "", Ending::kLost, out);
      return;
    case State::kDiscarding:
      DropUpstream(out);
      Later(Duration::Millis(kPauseMs), out);
      return;
    case State::kRelaying:
      DropUpstream(out);
      if (!client_blocked_) {
        Break({504, "active_node_timeout", "The active node fell silent.", ""}, out);
      }
      out.close_client = true;
      Finish(client_blocked_ ? Ending::kCancelled : Ending::kLost, out);
      return;
    case State::kSwallowing:
      out.close_client = true;
      Finish(ending_, out);
      return;
    default:
      return;
  }
}

}  // namespace aurora::failover
