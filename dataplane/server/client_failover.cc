// ClientConnection, the half that an active_passive cluster needs: what the gate does not let pass runs as a Forward,
// and changes places with an Exchange while nothing of the request was executed.
#include <utility>

#include "dataplane/exchange/request_id.h"
#include "dataplane/server/client_connection.h"
#include "dataplane/server/loop_failover.h"
#include "shared/base/check.h"

namespace aurora::server {

using failover::Arrival;

failover::Forward::Deps ClientConnection::ForwardDeps() {
  LoopFailover& failover = *loop_.failover;
  return {loop_.context, failover.serving(), failover.rules(), failover.budget(), failover.metrics()};
}

Arrival ClientConnection::DecideClosed() const {
  const LoopFailover& failover = *loop_.failover;
  return failover::Decide({.open = false,
                           .from_peer = from_peer_,
                           .forwards = failover.rules().forwards,
                           .leader_elsewhere = failover.serving().peer != nullptr});
}

// True: an exchange takes the request, to serve it or to refuse it as any node would. False: forward_ has it.
bool ClientConnection::MayServe(const http::Head& head) {
  LoopFailover& failover = *loop_.failover;
  const exchange::GateLook look = failover.Look();
  const bool open = look.open && (!from_peer_ || loop_.context.admission == exchange::Admission::kOpen);
  if (open) {
    loop_.context.term = look.term;
    saved_.Save(head);
    return true;
  }
  failover.metrics().CountRefusal(GatePoint::kHeaders);
  arrival_ = DecideClosed();
  failover::Caller caller = failover::CallerOf(head);
  if (!from_peer_) {
    const std::optional<failover::Caller> judged = failover::Judge(head, loop_.context);
    // Who cannot be judged here is not made to wait here either.
    if (!judged.has_value() || (!judged->authenticated && arrival_ != Arrival::kForward)) {
      saved_.Save(head);
      return true;
    }
    caller = *judged;
  }
  model::FixedString<64> id;
  exchange::ChooseRequestId(head, loop_.context.rng, id);
  saved_.Save(head);
  forward_ = std::make_unique<failover::Forward>(ForwardDeps(), std::move(saved_), caller, id.view());
  return false;
}

void ClientConnection::HandOver() {
  AURORA_CHECK(upstream_ == nullptr);
  upstream_blocked_ = false;
  dial_count_ = 0;
  last_failure_ = kFailures;
  if (exchange_ != nullptr) {
    HandOverToPeer();
  } else {
    ServeAfterAll();
  }
  if (loop_.draining || close_when_done_) {
    Step([](auto& e) { e.CloseAfterResponse(); });
  }
}

// The gate closed before the request was written to a provider.
void ClientConnection::HandOverToPeer() {
  std::unique_ptr<exchange::Exchange> refused = std::move(exchange_);
  const std::string_view body = refused->held_body();
  saved_.SetBody(body.size(), refused->inflated());
  const model::UsageRecord& record = refused->record();
  failover::Caller caller;
  caller.sha256 = refused->key_hash();
  caller.authenticated = true;
  caller.key_id = record.auth_key_id.view();
  caller.dialect = refused->dialect();
  caller.endpoint = record.endpoint;
  arrival_ = DecideClosed();
  forward_ = std::make_unique<failover::Forward>(ForwardDeps(), std::move(saved_), caller, record.request_id.view());
  forward_->Begin(arrival_, true, loop_.outbox);
  forward_->RequestBody(body, loop_.outbox);  // copied while nothing is connected
  forward_->RequestEnd(loop_.outbox);
  loop_.GiveExchange(std::move(refused));
}

// Our own gate opened while the request waited: it begins anew, as if it had just come.
void ClientConnection::ServeAfterAll() {
  std::unique_ptr<failover::Forward> waited = std::move(forward_);
  exchange_ = loop_.TakeExchange();
  const exchange::GateLook look = loop_.failover->Look();
  loop_.context.term = look.term;
  saved_ = std::move(waited->head());
  std::string text;
  saved_.AppendAsReceived(text, waited->record().request_id.view());
  http::Decoder decoder(http::Decoder::Kind::kRequest, loop_.limits, &loop_.head);
  std::string_view in = text;
  AURORA_CHECK(decoder.Next(in) == http::Decoder::Event::kHead);
  exchange_->RequestHead(decoder.head(), loop_.outbox);
  if (!waited->body().empty()) {
    exchange_->RequestBody(waited->body(), loop_.outbox);
  }
  if (request_over_) {
    exchange_->RequestEnd(loop_.outbox);
  }
  loop_.outbox.resume_client = true;
  loop_.loop.Retire(std::move(waited));  // its bytes may be in the outbox
}

// Before each delivery. Between the look at the gate and the write that follows in the same callback this thread may
// have been stopped: then the gate is looked at again.
void ClientConnection::LookAtGate() {
  exchange::Outbox& out = loop_.outbox;
  LoopFailover& failover = *loop_.failover;
  if (out.gate_closed) {
    failover.metrics().CountRefusal(GatePoint::kBeforeWrite);
  } else if (exchange_ != nullptr && upstream_ != nullptr && !out.upstream.empty() &&
             failover.ShutAfterStall(loop_.context.admitted_ns)) {
    failover.metrics().CountRefusal(GatePoint::kStall);
    exchange_->WriteRefused(out);
  }
}

void ClientConnection::RoleChanged() {
  if (phase_ == Phase::kBusy && forward_ != nullptr) {
    forward_->RoleChanged(loop_.outbox);
    Drain();
    ProcessPipelined();
  }
}

void ClientConnection::ShutDown() {
  if (phase_ == Phase::kBusy && admin_ == nullptr) {
    if (exchange_ != nullptr) {
      exchange_->ShutDown(loop_.outbox);
    } else {
      forward_->ShutDown(loop_.outbox);
    }
    Drain();
  }
  Cut();
}

}  // namespace aurora::server
