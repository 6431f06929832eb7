// AdminForward: one /admin request relayed to the control plane's REST listener, with the verbs of
// an Exchange. Source: product contract §3; RFC 9110 §7.6 (intermediaries). Thread: pure; the
// loop's. Bounds: the body is held (64 KiB, then the client is paused) only until the connection
// stands; then bytes are relayed as they come, paused by whichever side is full. Errors: 502 when
// the control plane cannot be reached. Lifetime: as an Exchange's: spans in the Outbox live until
// the next verb.
#pragma once

#include <string>
#include <string_view>

#include "dataplane/exchange/context.h"
#include "dataplane/exchange/exchange.h"
#include "dataplane/exchange/outbox.h"
#include "dataplane/model/types.h"
#include "shared/http/message.h"

namespace aurora::server {

class AdminForward {
 public:
  AdminForward(exchange::Context& context, const model::Provider& target, std::string client_ip,
               bool client_tls);

  static bool IsAdminPath(std::string_view target);

  void RequestHead(const http::Head& head, exchange::Outbox& out);
  void RequestBody(std::string_view bytes, exchange::Outbox& out);
  void RequestEnd(exchange::Outbox& out);
  void RequestError(int status, std::string_view code, std::string_view message,
                    exchange::Outbox& out);
  void ClientClosed(exchange::Outbox& out);
  void UpstreamReady(bool reused, exchange::Outbox& out);
  void UpstreamFailed(exchange::UpstreamFailure failure, std::string_view detail,
                      exchange::Outbox& out);
  void ResponseHead(const http::Head& head, exchange::Outbox& out);
  void ResponseBody(std::string_view bytes, exchange::Outbox& out);
  void ResponseEnd(bool reusable, exchange::Outbox& out);
  void ClientBlocked(exchange::Outbox& out) { out.pause_upstream = true; }
  void ClientDrained(exchange::Outbox& out) { out.resume_upstream = true; }
  void UpstreamBlocked(exchange::Outbox& out) { out.pause_client = true; }
  void UpstreamDrained(exchange::Outbox& out) { out.resume_client = true; }
  void Tick(exchange::Outbox& out);
  Instant NextDeadline() const { return deadline_; }
  void CloseAfterResponse() { close_ = true; }
  int status() const { return status_; }

 private:
  void Frame(std::string_view bytes, exchange::Outbox& out);
  void Fail(int status, std::string_view code, std::string_view message, exchange::Outbox& out);
  void Finish(exchange::Outbox& out);

  exchange::Context& context_;
  const model::Provider& target_;
  const std::string client_ip_;
  const bool client_tls_;
  std::string held_;  // request bytes until the connection stands
  bool dialled_ = false;
  bool ready_ = false;
  bool request_over_ = false;
  bool request_chunked_ = false;
  bool response_begun_ = false;
  bool response_chunked_ = false;
  bool head_request_ = false;
  bool client_chunks_ = true;  // HTTP/1.1
  bool retryable_ = false;     // nothing but a body-less request was sent
  bool close_ = false;
  bool finished_ = false;
  int status_ = 0;
  Instant deadline_ = Instant::Never();
};

}  // namespace aurora::server
