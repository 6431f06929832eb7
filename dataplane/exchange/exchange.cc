#include "dataplane/exchange/exchange.h"

#include <memory>

#include "dataplane/exchange/state.h"

namespace aurora::exchange {

Exchange::Exchange(Context& context) : state_(std::make_unique<State>(context)) {
  static_assert(sizeof(State) <= 1088, "an idle stream must stay within its memory budget");
}

Exchange::~Exchange() = default;

void Exchange::RequestHead(const http::Head& head, Outbox& out) { state_->OnHead(head, out); }

void Exchange::RequestBody(std::string_view bytes, Outbox& out) {
  state_->BeginStep(out);
  state_->OnBody(bytes, out);
}

void Exchange::RequestEnd(Outbox& out) {
  state_->BeginStep(out);
  state_->OnEnd(out);
}

std::span<char> Exchange::BodyRoom(uint64_t left) {
  constexpr size_t kWorthIt = 8 * 1024;
  State& s = *state_;
  if (s.phase != Phase::kReadBody || left < kWorthIt) {
    return {};
  }
  const std::span<char> room = s.request.keep.Room();
  return room.size() < left ? std::span<char>() : room.first(static_cast<size_t>(left));
}

void Exchange::RequestError(int status, std::string_view code, std::string_view message, Outbox& out) {
  State& s = *state_;
  if (s.phase == Phase::kFinished) {
    return;
  }
  if (s.phase == Phase::kIdle) {
    s.record = model::UsageRecord{};
    s.request.started = s.ctx.now;
    s.record.started_unix_us = s.ctx.unix_us;
  }
  // The bytes that follow cannot be trusted to be a request.
  s.request.close = true;
  s.request.ended = true;
  if (s.answer.head_sent || s.phase == Phase::kSwallow) {
    s.DropUpstream(out);
    out.close_client = true;
    s.Finish(s.phase == Phase::kSwallow ? s.record.outcome : model::Outcome::kClientError, out);
    return;
  }
  s.Fail({status, code, message, ""}, model::Outcome::kClientError, out);
}

void Exchange::ClientClosed(Outbox& out) {
  state_->BeginStep(out);
  state_->OnClientClosed(out);
}

void Exchange::UpstreamReady(bool reused, Outbox& out) {
  State& s = *state_;
  if (s.phase != Phase::kDial) {
    return;
  }
  s.attempt.reused = reused;
  s.WriteUpstream(out);
}

void Exchange::WriteRefused(Outbox& out) {
  State& s = *state_;
  AURORA_CHECK(s.phase == Phase::kAwaitHead && s.attempt.writes > 0);
  out.upstream.Clear();
  out.expect_no_body = false;
  s.request.release_next = false;
  --s.attempt.writes;
  s.GateClosed(out);
}

std::string_view Exchange::held_body() const { return state_->request.body(); }
bool Exchange::inflated() const { return state_->request.gzip; }
const model::SecretHash& Exchange::key_hash() const { return state_->request.secret->sha256; }
model::Dialect Exchange::dialect() const { return state_->request.dialect; }

void Exchange::UpstreamFailed(UpstreamFailure failure, std::string_view detail, Outbox& out) {
  state_->BeginStep(out);
  state_->OnUpstreamFailed(failure, detail, out);
}

void Exchange::ResponseHead(const http::Head& head, Outbox& out) {
  state_->BeginStep(out);
  state_->OnResponseHead(head, out);
}

void Exchange::ResponseBody(std::string_view bytes, Outbox& out) {
  state_->BeginStep(out);
  state_->OnResponseBody(bytes, out);
}

void Exchange::ResponseEnd(bool reusable, Outbox& out) {
  state_->BeginStep(out);
  state_->OnResponseEnd(reusable, out);
}

void Exchange::ClientBlocked(Outbox& out) {
  State& s = *state_;
  if (s.phase != Phase::kRelay || s.answer.client_blocked) {
    return;
  }
  s.answer.client_blocked = true;
  out.pause_upstream = true;
  s.deadline = s.ctx.now + s.ctx.options.body_timeout;  // now it is the client that must make progress
}

void Exchange::ClientDrained(Outbox& out) {
  State& s = *state_;
  if (s.phase != Phase::kRelay || !s.answer.client_blocked) {
    return;
  }
  s.answer.client_blocked = false;
  out.resume_upstream = true;
  s.Touch();
}

// A request is written whole from one buffer, so there is no source to pause.
void Exchange::UpstreamBlocked(Outbox&) {}
void Exchange::UpstreamDrained(Outbox&) {}

void Exchange::Tick(Outbox& out) {
  state_->BeginStep(out);
  state_->OnTick(out);
}

Instant Exchange::NextDeadline() const { return state_->Next(); }

void Exchange::PolicyChanged(const std::shared_ptr<const model::Snapshot>& latest, Outbox& out) {
  if (latest != nullptr) {
    state_->OnPolicyChanged(*latest, out);
  }
}

void Exchange::CloseAfterResponse() { state_->draining = true; }

void Exchange::ShutDown(Outbox& out) {
  State& s = *state_;
  s.BeginStep(out);
  s.OnShutDown(out);
}

bool Exchange::finished() const { return state_->phase == Phase::kFinished; }

const model::UsageRecord& Exchange::record() const { return state_->record; }

void Exchange::Reset() {
  State& s = *state_;
  s.request.keep.Release();
  s.answer.carry.Release();
  Context& context = s.ctx;
  std::destroy_at(&s);
  std::construct_at(&s, context);
}

}  // namespace aurora::exchange
