// ClientConnection: one client, request after request: bytes -> Decoder -> Exchange -> Outbox ->
// bytes. Source: ours (architecture.md §2). Thread: the loop's. Memory: the object, its stream and,
// while a request runs, an Exchange; pipelined bytes are kept only when there are any (at most
// kPipelinedMax, then reading stops). Lifetime: owned by the Worker; Gone() retires it after the
// callbacks of the iteration. Invariant: one exchange at a time; the loop's Outbox is drained
// before any callback returns. What a gate forbids to serve here runs as a Forward instead
// (client_failover.cc); a request changes over only while nothing of it was executed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "dataplane/failover/forward.h"
#include "dataplane/server/admin_forward.h"
#include "dataplane/server/loop_state.h"
#include "dataplane/server/upstream_connection.h"
#include "dataplane/server/wire.h"

namespace aurora::server {

class ClientConnection;

class ClientOwner {
 public:
  virtual ~ClientOwner() = default;
  virtual void Gone(ClientConnection& connection) = 0;
};

class ClientConnection final : private WireObserver, private UpstreamUser, private TimerEntry {
 public:
  // `from_peer`: it came in on cluster.peer_listen.
  ClientConnection(LoopState& loop, ClientOwner& owner, bool from_peer = false);

  void Start(std::unique_ptr<uv::TcpStream> stream, std::unique_ptr<tls::Session> session);
  // The loop has a newer policy: a request whose key no longer works ends.
  void PolicyChanged();
  // Another node leads, or our own gate opened or closed.
  void RoleChanged();
  // The process ends: what runs gets an answer that says so, a stream an error event.
  void ShutDown();
  // No further request on this connection; closes at once when idle.
  void CloseWhenDone();
  // Ends what runs; the client sees an abort.
  void Cut();
  size_t queued_bytes() const { return wire_.queued_bytes(); }
  bool busy() const { return phase_ == Phase::kBusy; }

  size_t owner_index = 0;  // the Worker's

 private:
  enum class Phase : uint8_t {
    kIdle,       // between requests, or inside a head
    kBusy,       // an exchange runs
    kDiscard,    // answered; the rest of the request's body is thrown away
    kFlushing,   // the last bytes are on their way, then it closes
    kLingering,  // FIN sent; what still comes is thrown away, so that no RST eats the answer
    kClosed,
  };
  static constexpr size_t kPipelinedMax = 64 * 1024;
  // The first read of a request; what is left of a longer body goes where it is kept, uncopied.
  static constexpr size_t kFirstReadBytes = 16 * 1024;
  static constexpr size_t kDiscardMax = 1024 * 1024;

  std::span<char> WireRoom() override;
  void OnWireOpen() override {}
  void OnWireData(std::span<char> bytes) override;
  void OnWireEof() override;
  void OnWireFailed(exchange::UpstreamFailure failure, std::string_view detail) override;
  void OnWireDrained() override;
  void OnWireFlushed() override;
  void OnUpstreamReady() override;
  void OnUpstreamFailed(exchange::UpstreamFailure failure, std::string_view detail) override;
  void OnUpstreamHead(const http::Head& head) override;
  void OnUpstreamBody(std::string_view bytes) override;
  void OnUpstreamEnd(bool reusable) override;
  void OnUpstreamBatch() override;
  void OnUpstreamDrained() override;
  void OnDeadline() override;

  template <class F>
  void Step(F&& f) {
    if (exchange_ != nullptr) [[likely]] {
      f(*exchange_);
    } else if (forward_ != nullptr) {
      f(*forward_);
    } else {
      f(*admin_);
    }
  }

  void Process(std::string_view in);
  void ProcessPipelined();
  void OnHead();
  bool MayServe(const http::Head& head);
  void HandOver();
  void HandOverToPeer();
  void ServeAfterAll();
  void LookAtGate();
  failover::Forward::Deps ForwardDeps();
  failover::Arrival DecideClosed() const;
  void AnswerLocally(const http::Head& head, std::string_view path);
  void Reply(const http::Head& head, int status, std::string_view json, std::string_view lines = {});
  void OnFramingError(const http::Error& error);
  void DrainIfLong();
  void Drain();
  struct Delivery {
    bool client_lost = false;
    bool upstream_lost = false;
    bool client_blocked = false;    // newly
    bool upstream_blocked = false;  // newly
  };
  Delivery Deliver();
  void Dial(const model::Provider& provider, bool fresh);
  void FinishExchange(bool close);
  void NextRequest();
  void CloseAfterFlush(bool linger);
  void FlushDone();
  void Close();

  LoopState& loop_;
  ClientOwner& owner_;
  Wire wire_;
  http::Decoder decoder_;
  std::unique_ptr<exchange::Exchange> exchange_;
  std::unique_ptr<AdminForward> admin_;
  std::unique_ptr<failover::Forward> forward_;
  failover::SavedHead saved_;  // of an admitted request, in active_passive mode only
  UpstreamConnection* upstream_ = nullptr;
  std::string pipelined_;
  size_t discarded_ = 0;
  Phase phase_ = Phase::kIdle;
  http::Method method_ = http::Method::kOther;
  model::Endpoint begun_ = model::Endpoint::kOther;
  const model::Provider* dialled_ = nullptr;  // the latest, in the exchange's snapshot
  uint8_t dial_count_ = 0;
  uint8_t last_failure_ =
      kFailures;               // why the next dial is a retry; kFailures = the answer's status
  bool request_over_ = false;  // its end was reported
  bool head_begun_ = false;    // the head timeout runs
  bool client_blocked_ = false;
  bool upstream_blocked_ = false;
  bool processing_ = false;  // Process is on the stack
  bool close_when_done_ = false;
  bool linger_ = false;
  failover::Arrival arrival_ = failover::Arrival::kServe;  // with forward_
  const bool from_peer_;
};

}  // namespace aurora::server
