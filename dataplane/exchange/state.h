// Exchange::State: the machine itself. Private to dataplane/exchange; one file per phase implements it.
// Source: ours. Thread: one loop. Bounds: at most 1 KiB, so that an idle stream stays within its 4 KB.
// Invariant: record is settled exactly once, on entering kFinished; nothing happens after that.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>

#include "dataplane/exchange/answer_state.h"
#include "dataplane/exchange/attempt_state.h"
#include "dataplane/exchange/exchange.h"
#include "dataplane/exchange/request_state.h"
#include "dataplane/exchange/tools.h"
#include "dataplane/llm/errors.h"
#include "dataplane/policy/authenticate.h"
#include "dataplane/upstream/health.h"

namespace aurora::exchange {

enum class Phase : uint8_t {
  kIdle,       // no request yet
  kReadBody,   // admitted; the body is coming
  kDial,       // waiting for UpstreamReady
  kAwaitHead,  // request written; waiting for the response head
  kDiscard,    // reading the rest of an answer that is being retried, to keep its connection
  kBackoff,    // waiting before the same provider is tried again
  kRelay,      // the response goes to the client
  kHandedOver, // the gate closed before anything went out; the driver takes it elsewhere
  kSwallow,    // answered; the rest of the request is read and dropped
  kFinished,
};

struct Exchange::State {
  explicit State(Context& c) : ctx(c) {}

  Context& ctx;
  Phase phase = Phase::kIdle;
  bool draining = false;
  Instant deadline = Instant::Never();  // of the phase
  Instant total = Instant::Never();     // of everything since the first dial
  RequestState request;
  AttemptState attempt;
  AnswerState answer;
  model::UsageRecord record;

  // request_phase.cc
  void OnHead(const http::Head& head, Outbox& out);
  void OnBody(std::string_view bytes, Outbox& out);
  void OnEnd(Outbox& out);
  bool Admit(const http::Head& head, Outbox& out);
  void SaveHead(const http::Head& head);
  bool Inflate(Outbox& out);

  // route_phase.cc
  void RouteRequest(Outbox& out);
  void RouteModel(Outbox& out);
  void RoutePassthrough(Outbox& out);
  bool ScanBody(Outbox& out);
  void AnswerRouteError(Outbox& out);

  // attempt_phase.cc
  bool PickTarget();
  void StartAttempt(Outbox& out);
  void AttemptFailed(AttemptFailure failure, std::string_view detail, Outbox& out);
  bool MayRetry(AttemptFailure failure);
  bool PickNextTarget(AttemptFailure failure);
  void ScheduleRetry(Outbox& out);
  void AnswerFailure(AttemptFailure failure, std::string_view detail, Outbox& out);
  void ReportHealth(AttemptFailure failure);
  const model::Provider& ProviderOf(uint32_t candidate) const;
  Duration Backoff();

  // upstream_request.cc
  void WriteUpstream(Outbox& out);
  bool PassGate(Outbox& out);
  void GateClosed(Outbox& out);
  void AppendTarget(http::Buffer& buffer) const;
  void AppendHeaders(http::Buffer& buffer) const;
  size_t BodyPieces(std::span<std::string_view, 5> pieces);

  // answer_phase.cc
  void OnResponseHead(const http::Head& head, Outbox& out);
  void OnResponseBody(std::string_view bytes, Outbox& out);
  void OnResponseEnd(bool reusable, Outbox& out);
  void OnUpstreamFailed(UpstreamFailure failure, std::string_view detail, Outbox& out);
  void Commit(const http::Head& head, Outbox& out);
  void BreakAnswer(const llm::ApiError& error, Outbox& out);
  void Emit(std::string_view bytes, Outbox& out);

  // answer_usage.cc
  void RelaySse(std::string_view bytes, Outbox& out);
  bool KeepEvent(std::string_view raw);
  void FlushCarry(Outbox& out);
  void CollectUsage(std::string_view bytes);

  // local_answer.cc
  void Fail(const llm::ApiError& error, model::Outcome outcome, Outbox& out, std::string_view extra_lines = {});
  void Answer(int status, std::string_view content_type, std::string_view body, std::string_view extra_lines,
              model::Outcome outcome, Outbox& out);
  void Finish(model::Outcome outcome, Outbox& out);
  void Price();
  void DropUpstream(Outbox& out);
  std::string_view Join(std::initializer_list<std::string_view> parts);
  void AddClient(std::string_view bytes, Outbox& out);
  void AddUpstream(std::string_view bytes, Outbox& out);
  bool KeepsConnection() const { return !request.close && !draining; }

  // models_answer.cc
  void AnswerModels(std::string_view path, Outbox& out);

  // timers.cc
  void OnTick(Outbox& out);
  Instant Next() const;
  void OnPolicyChanged(const model::Snapshot& latest, Outbox& out);
  bool StillAllowed(const model::AuthKey& key, const model::Catalog& latest) const;
  void OnClientClosed(Outbox& out);
  void OnShutDown(Outbox& out);
  void Touch();  // a byte moved: the idle deadline starts anew

  const model::Catalog& catalog() const { return *request.snapshot->catalog; }
  // Every verb but UpstreamReady begins here: gives back what the last step handed out.
  void BeginStep(const Outbox& out) {
    if (request.release_next && out.upstream.empty()) {
      request.release_next = false;
      request.ReleaseKeep();
    }
  }
};

}  // namespace aurora::exchange
