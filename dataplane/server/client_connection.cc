#include "dataplane/server/client_connection.h"

#include <utility>

#include "dataplane/server/upstream_pool.h"
#include "shared/base/check.h"
#include "shared/http/encoder.h"
#include "shared/http/url.h"

namespace aurora::server {

using exchange::Outbox;
using exchange::UpstreamFailure;

namespace {
// A verb adds a few pieces; with so many already gathered the outbox is drained first.
constexpr size_t kPiecesBeforeDrain = 8;
}  // namespace

ClientConnection::ClientConnection(LoopState& loop, ClientOwner& owner, bool from_peer)
    : loop_(loop),
      owner_(owner),
      wire_(loop.wires, *this),
      decoder_(http::Decoder::Kind::kRequest, loop.limits, &loop.head),
      from_peer_(from_peer) {}

void ClientConnection::Start(std::unique_ptr<uv::TcpStream> stream,
                             std::unique_ptr<tls::Session> session) {
  // A connection that never says anything is held to the head timeout too, but for a peer's spare one.
  head_begun_ = !from_peer_;
  loop_.Arm(*this, loop_.context.now + (from_peer_ ? loop_.options.idle_timeout : loop_.options.head_timeout));
  wire_.Accept(std::move(stream), std::move(session));
}

std::span<char> ClientConnection::WireRoom() {
  if (phase_ == Phase::kIdle) {
    return {loop_.loop.read_buffer(), kFirstReadBytes};
  }
  if (phase_ != Phase::kBusy || request_over_ || exchange_ == nullptr) {
    return {};
  }
  return exchange_->BodyRoom(decoder_.length_left());
}

void ClientConnection::OnWireData(std::span<char> bytes) {
  loop_.Refresh();
  Process({bytes.data(), bytes.size()});
}

void ClientConnection::Process(std::string_view in) {
  processing_ = true;
  for (bool more = true; more;) {
    if (phase_ == Phase::kFlushing || phase_ == Phase::kLingering || phase_ == Phase::kClosed) {
      break;  // whatever it is, nobody wants it
    }
    if (phase_ == Phase::kBusy && request_over_) {
      if (!in.empty()) {
        pipelined_.append(in);
        if (pipelined_.size() >= kPipelinedMax) {
          wire_.Pause();
        }
      }
      break;
    }
    switch (decoder_.Next(in)) {
      case http::Decoder::Event::kNeedMore:
        more = false;
        if (phase_ == Phase::kBusy) {
          Drain();
        } else if (phase_ == Phase::kIdle && !head_begun_ && !decoder_.idle()) {
          head_begun_ = true;
          loop_.Arm(*this, loop_.context.now + loop_.options.head_timeout);
        }
        break;
      case http::Decoder::Event::kHead:
        OnHead();
        break;
      case http::Decoder::Event::kBody:
        if (phase_ == Phase::kBusy) {
          Step([&](auto& e) { e.RequestBody(decoder_.body(), loop_.outbox); });
          DrainIfLong();
        } else if ((discarded_ += decoder_.body().size()) > kDiscardMax) {
          CloseAfterFlush(true);
        }
        break;
      case http::Decoder::Event::kEnd:
        request_over_ = true;
        if (phase_ == Phase::kBusy) {
          Step([&](auto& e) { e.RequestEnd(loop_.outbox); });
          Drain();
        } else if (phase_ == Phase::kDiscard) {
          NextRequest();
        }
        break;
      case http::Decoder::Event::kError:
        OnFramingError(decoder_.error());
        more = false;
        break;
    }
  }
  processing_ = false;
}

void ClientConnection::ProcessPipelined() {
  // Not from inside Process, which goes on by itself.
  while (!processing_ && phase_ == Phase::kIdle && !pipelined_.empty()) {
    std::string bytes = std::move(pipelined_);
    pipelined_.clear();
    bytes.reserve(bytes.size() + uv::kReadPadding);
    wire_.Resume();
    Process(bytes);
  }
}

void ClientConnection::OnHead() {
  const http::Head& head = decoder_.head();
  head_begun_ = false;
  method_ = head.method;
  if (from_peer_) [[unlikely]] {
    // Only the client API is served there; the exchange knows no other path.
  } else if (head.target.size() > 1 && head.target[1] != 'v' && head.target[1] != 'p') {
    const std::string_view path = http::PathOf(head.target);
    if (Ops::IsOpsPath(path)) {
      AnswerLocally(head, path);
      return;
    }
  } else if (head.target == "/passive") {
    AnswerLocally(head, head.target);
    return;
  }
  if (loop_.context.snapshot == nullptr) [[unlikely]] {
    Reply(
        head, 503,
        R"({"error":{"type":"api_error","message":"the gateway is starting: policy is not loaded yet",)"
        R"("param":null,"code":"starting"}})",
        from_peer_ ? "Retry-After: 1\r\nx-aurora-not-executed: 1\r\n" : "");
    return;
  }
  if (loop_.options.admin.has_value() && AdminForward::IsAdminPath(head.target) && !from_peer_) [[unlikely]] {
    admin_ = std::make_unique<AdminForward>(loop_.context, *loop_.options.admin, wire_.PeerIp(),
                                            wire_.tls());
  } else if (loop_.context.gate == nullptr || MayServe(head)) {
    exchange_ = loop_.TakeExchange();
  }
  phase_ = Phase::kBusy;
  dial_count_ = 0;
  last_failure_ = kFailures;
  client_blocked_ = upstream_blocked_ = false;
  if (loop_.draining || close_when_done_) {
    Step([](auto& e) { e.CloseAfterResponse(); });
  }
  if (exchange_ != nullptr) [[likely]] {
    exchange_->RequestHead(head, loop_.outbox);
    begun_ = exchange_->record().endpoint;
  } else if (forward_ != nullptr) {
    forward_->Begin(arrival_, false, loop_.outbox);
    begun_ = forward_->record().endpoint;
  } else {
    admin_->RequestHead(head, loop_.outbox);
    begun_ = model::Endpoint::kAdmin;
  }
  loop_.metrics.Begin(begun_);
  DrainIfLong();
}

void ClientConnection::AnswerLocally(const http::Head& head, std::string_view path) {
  const OpsAnswer answer = loop_.ops.Answer(path, loop_.context.now);
  loop_.metrics.Local(model::Endpoint::kHealth, head.method, answer.status);
  Reply(head, answer.status, answer.body);
}

void ClientConnection::Reply(const http::Head& head, int status, std::string_view json, std::string_view lines) {
  const bool close = !head.keep_alive || loop_.draining || close_when_done_;
  std::string text;
  http::AppendStatusLine(text, status);
  http::AppendHeader(text, "Content-Type", "application/json");
  http::AppendHeader(text, "Content-Length", json.size());
  text += lines;
  text += close ? "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
                : "Cache-Control: no-store\r\n\r\n";
  if (head.method != http::Method::kHead) {
    text += json;
  }
  discarded_ = 0;
  phase_ = Phase::kDiscard;
  loop_.Arm(*this, loop_.context.now + loop_.options.head_timeout);
  if (!wire_.Write(std::string_view(text))) {
    Close();
  } else if (close) {
    CloseAfterFlush(true);
  }
}

void ClientConnection::OnFramingError(const http::Error& error) {
  const auto kind = error.status == 413 || error.status == 414 || error.status == 431
                        ? ConnectionError::kTooLarge
                        : ConnectionError::kBadFraming;
  loop_.metrics.connection_errors[static_cast<size_t>(kind)].Add();
  if (phase_ == Phase::kDiscard) {
    CloseAfterFlush(true);
    return;
  }
  if (phase_ == Phase::kIdle) {
    exchange_ = loop_.TakeExchange();
    phase_ = Phase::kBusy;
    begun_ = model::Endpoint::kOther;
    loop_.metrics.Begin(begun_);
  }
  Step([&](auto& e) { e.RequestError(error.status, error.reason, error.text, loop_.outbox); });
  Drain();
  if (phase_ == Phase::kBusy || phase_ == Phase::kIdle || phase_ == Phase::kDiscard) {
    Cut();  // nothing after a framing error may be read as a request
  }
}

void ClientConnection::DrainIfLong() {
  const Outbox& out = loop_.outbox;
  if (out.upstream.count() >= kPiecesBeforeDrain || out.client.count() >= kPiecesBeforeDrain ||
      out.finished || out.close_upstream) {
    Drain();
  }
}

void ClientConnection::FinishExchange(bool close) {
  if (upstream_ != nullptr) {
    loop_.pool->Close(*std::exchange(upstream_, nullptr));
  }
  if (admin_ != nullptr) {
    model::UsageRecord record;
    record.endpoint = model::Endpoint::kAdmin;
    record.status = static_cast<uint16_t>(admin_->status());
    loop_.metrics.Finish(begun_, method_, record);
    admin_.reset();
  } else if (forward_ != nullptr) {
    loop_.metrics.Finish(begun_, method_, forward_->record());  // the node that served it has metered it
    forward_.reset();
  } else {
    const model::UsageRecord& record = exchange_->record();
    loop_.metrics.Finish(begun_, method_, record);
    if (loop_.usage && !loop_.usage(record)) {
      loop_.metrics.usage_dropped.Add();
    }
    loop_.GiveExchange(std::move(exchange_));
  }
  if (!wire_.open()) {
    Close();
  } else if (close || loop_.draining || close_when_done_) {
    phase_ = Phase::kDiscard;
    CloseAfterFlush(!request_over_ || !pipelined_.empty());
  } else if (request_over_) {
    NextRequest();
  } else {
    phase_ = Phase::kDiscard;
    discarded_ = 0;
    wire_.Resume();
    loop_.Arm(*this, loop_.context.now + loop_.options.head_timeout);
  }
}

void ClientConnection::NextRequest() {
  decoder_.Reset();
  request_over_ = false;
  phase_ = Phase::kIdle;
  head_begun_ = false;
  wire_.Resume();
  loop_.Arm(*this, loop_.context.now + loop_.options.idle_timeout);
}

void ClientConnection::CloseAfterFlush(bool linger) {
  phase_ = Phase::kFlushing;
  linger_ = linger;
  if (wire_.queued_bytes() == 0) {
    FlushDone();
  } else {
    loop_.Arm(*this, loop_.context.now + loop_.options.flush_timeout);
  }
}

void ClientConnection::FlushDone() {
  wire_.Shutdown();
  if (!linger_) {
    Close();
    return;
  }
  phase_ = Phase::kLingering;
  wire_.Resume();
  loop_.Arm(*this, loop_.context.now + loop_.options.linger_timeout);
}

void ClientConnection::Close() {
  if (phase_ == Phase::kClosed) {
    return;
  }
  phase_ = Phase::kClosed;
  loop_.timers.Disarm(*this);
  wire_.Close();
  owner_.Gone(*this);
}

void ClientConnection::OnWireEof() {
  loop_.Refresh();
  if (phase_ == Phase::kBusy) {
    // A client that stopped talking is taken as gone: its request must not cost money for nobody.
    wire_.Close();
    Step([&](auto& e) { e.ClientClosed(loop_.outbox); });
    Drain();
  } else if (phase_ != Phase::kFlushing) {
    Close();
  }
}

void ClientConnection::OnWireFailed(UpstreamFailure failure, std::string_view detail) {
  (void)detail;
  loop_.Refresh();
  const auto kind =
      failure == UpstreamFailure::kTls ? ConnectionError::kTls : ConnectionError::kReset;
  loop_.metrics.connection_errors[static_cast<size_t>(kind)].Add();
  if (phase_ == Phase::kBusy) {
    Step([&](auto& e) { e.ClientClosed(loop_.outbox); });
    Drain();
  } else {
    Close();
  }
}

void ClientConnection::OnWireDrained() {
  loop_.Refresh();
  client_blocked_ = false;
  if (phase_ == Phase::kBusy) {
    Step([&](auto& e) { e.ClientDrained(loop_.outbox); });
    Drain();
    ProcessPipelined();
  }
}

void ClientConnection::OnWireFlushed() {
  if (phase_ == Phase::kFlushing) {
    loop_.Refresh();
    FlushDone();
  }
}

void ClientConnection::OnDeadline() {
  switch (phase_) {
    case Phase::kBusy:
      Step([&](auto& e) { e.Tick(loop_.outbox); });
      Drain();
      ProcessPipelined();
      return;
    case Phase::kIdle:
      if (head_begun_ && !decoder_.idle()) {
        loop_.metrics.connection_errors[static_cast<size_t>(ConnectionError::kHeaderTimeout)].Add();
        exchange_ = loop_.TakeExchange();
        phase_ = Phase::kBusy;
        begun_ = model::Endpoint::kOther;
        loop_.metrics.Begin(begun_);
        exchange_->RequestError(408, "request_timeout", "the request's head did not arrive in time",
                                loop_.outbox);
        Drain();
        return;
      }
      loop_.metrics.connection_errors[static_cast<size_t>(ConnectionError::kIdleTimeout)].Add();
      Close();
      return;
    case Phase::kDiscard:
      CloseAfterFlush(true);
      return;
    case Phase::kFlushing:
    case Phase::kLingering:
      Close();
      return;
    case Phase::kClosed:
      return;
  }
}

void ClientConnection::PolicyChanged() {
  if (phase_ == Phase::kBusy && admin_ == nullptr) {
    if (exchange_ != nullptr) {
      exchange_->PolicyChanged(loop_.context.snapshot, loop_.outbox);
    } else {
      forward_->PolicyChanged(loop_.outbox);
    }
    Drain();
    ProcessPipelined();
  }
}

void ClientConnection::CloseWhenDone() {
  close_when_done_ = true;
  if (phase_ == Phase::kIdle && decoder_.idle()) {
    CloseAfterFlush(false);
  } else if (phase_ == Phase::kBusy) {
    Step([](auto& e) { e.CloseAfterResponse(); });
  }
}

void ClientConnection::Cut() {
  if (phase_ == Phase::kBusy) {
    wire_.Abort();
    Step([&](auto& e) { e.ClientClosed(loop_.outbox); });
    Drain();
  }
  Close();
}

}  // namespace aurora::server
