// A small HTTP/1.1 server on a Loop for metrics, health and the admin REST: whole requests in,
// whole responses out, over TLS where there is a certificate. Source: ours, over shared/http,
// shared/tls and shared/uv. Thread: the loop's.   Bounds:
// Options. Bodies over body_max are answered 413. Errors: malformed requests are answered and the
// connection closed; nothing reaches the handler. Invariant: responses leave in the order of their
// requests, whatever the order of completion; each Responder
//   answers at most once; completing an exchange whose client has gone does nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "shared/http/message.h"
#include "shared/tls/context.h"
#include "shared/uv/loop.h"
#include "shared/uv/tcp.h"

namespace aurora::httpd {

// A copy: it may be kept.
struct Request {
  http::Method method = http::Method::kOther;
  std::string method_text;
  std::string target;                                        // as received
  std::string path;                                          // before '?'
  std::string query;                                         // after '?'
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  std::string peer;  // IP text

  // "" when absent. `name` in lower case.
  std::string_view Header(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";  // "" for none
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

class Server;

// A ticket for one answer. Copyable; safe to keep after the client or (on the loop's thread) the
// server is gone.
class Responder {
 public:
  Responder() = default;
  void Send(Response response) const;
  void Send(int status, std::string body) const;
  uint64_t id() const { return id_; }

 private:
  friend class Server;
  struct Link {
    Server* server;
  };
  Responder(std::shared_ptr<Link> link, uint64_t id) : link_(std::move(link)), id_(id) {}
  std::shared_ptr<Link> link_;
  uint64_t id_ = 0;
};

class Server : public uv::ListenerObserver {
 public:
  struct Options {
    std::string host = "127.0.0.1";
    uint16_t port = 0;
    size_t body_max = size_t{1} << 20;
    Duration head_timeout = Duration::Seconds(10);  // from a request's first byte to its last
    Duration idle_timeout = Duration::Seconds(75);
    size_t connections_max = 256;  // further ones are closed at once
    size_t pipeline_max =
        32;  // requests of one connection waiting for answers; then reading pauses
  };
  using Handler = absl::AnyInvocable<void(Request, Responder)>;

  // Destroy it from the loop's thread, but not from inside its handler.
  static absl::StatusOr<std::unique_ptr<Server>> Open(uv::Loop& loop, const Options& options,
                                                      Handler handler);
  ~Server() override;

  uint16_t port() const;
  size_t connection_count() const;

  // From the next connection on: TLS with it (null: plain HTTP). A handshake has head_timeout.
  void SetCertificate(std::shared_ptr<tls::ServerContext> certificate);

  // Stops accepting, closes idle connections, lets exchanges in progress answer (with Connection:
  // close), and calls `drained` (from the loop) when none is left. Destroying the server closes the
  // rest at once.
  void Drain(absl::AnyInvocable<void()> drained);

  // Completes an exchange by id; false when it is gone. Responder::Send is this.
  bool Complete(uint64_t id, Response response);

 private:
  struct State;
  class Connection;
  Server(uv::Loop& loop, const Options& options, Handler handler);
  void OnAccept(std::unique_ptr<uv::TcpStream> stream) override;

  std::unique_ptr<State> state_;
};

}  // namespace aurora::httpd
