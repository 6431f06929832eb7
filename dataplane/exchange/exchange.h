// Exchange: one request and its response, from the parsed head to the metered end; a pure state machine over both
// sides and a timer.
// Source: ours (architecture.md §2); named phases after pingora, transition table after proxygen.
// Thread: pure; owned by one loop. Time: `Context::now`, never a clock. Memory: bounded by Options.
// Borrowing: spans given to a step live until the Outbox of that step is drained; what must outlive it is copied to a
// pooled buffer by the Exchange.
// Phases: ReadHead -> Authenticate -> Admit -> Route -> Dial -> Relay -> Finish.
// The driver: parses with http::Decoder, calls one or more of the verbs below with the same Outbox, drains it, then
// re-arms its timer to NextDeadline(). After `finished` it may call Reset() and reuse the object.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "dataplane/exchange/context.h"
#include "dataplane/exchange/outbox.h"
#include "dataplane/model/usage_record.h"
#include "shared/base/time.h"
#include "shared/http/message.h"

namespace aurora::exchange {

enum class UpstreamFailure : uint8_t { kResolve, kConnect, kTls, kProxy, kReset, kTimeout, kBadResponse, kShutdown };

class Exchange {
 public:
  explicit Exchange(Context& context);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Client side, as its decoder yields it.
  void RequestHead(const http::Head& head, Outbox& out);
  void RequestBody(std::string_view bytes, Outbox& out);
  void RequestEnd(Outbox& out);
  // Where the next at most `left` bytes of the body may be read to, so that RequestBody copies nothing; empty when
  // that is not worth it. Valid until the next verb.
  std::span<char> BodyRoom(uint64_t left);
  void RequestError(int status, std::string_view code, std::string_view message, Outbox& out);  // framing error
  void ClientClosed(Outbox& out);

  // Upstream side. UpstreamReady: the dialled connection can be written (reused = came from the pool).
  void UpstreamReady(bool reused, Outbox& out);
  // The gate was found closed behind a stall: the driver did not write what UpstreamReady has just put out.
  void WriteRefused(Outbox& out);
  // After Outbox::hand_over: the whole body, whether it is no longer as it came (it was gzip), whose it is and how
  // that caller reads errors.
  std::string_view held_body() const;
  bool inflated() const;
  const model::SecretHash& key_hash() const;
  model::Dialect dialect() const;
  void UpstreamFailed(UpstreamFailure failure, std::string_view detail, Outbox& out);
  void ResponseHead(const http::Head& head, Outbox& out);
  void ResponseBody(std::string_view bytes, Outbox& out);
  void ResponseEnd(bool reusable, Outbox& out);

  // Backpressure: bytes the driver still holds for that side went above the high or below the low watermark.
  void ClientBlocked(Outbox& out);
  void ClientDrained(Outbox& out);
  void UpstreamBlocked(Outbox& out);
  void UpstreamDrained(Outbox& out);

  void Tick(Outbox& out);  // at or after NextDeadline(); early calls do nothing
  Instant NextDeadline() const;

  // The policy changed under a running exchange: ends it if its key no longer works (product.md §3).
  void PolicyChanged(const std::shared_ptr<const model::Snapshot>& latest, Outbox& out);

  // Draining: the answer says Connection: close.
  void CloseAfterResponse();
  // The process ends: what runs is ended by an answer, a stream by an error event.
  void ShutDown(Outbox& out);

  bool finished() const;
  const model::UsageRecord& record() const;  // final once finished
  void Reset();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aurora::exchange
