// RestFace: the admin API as JSON over HTTP, below /admin/api/v1/, and the dashboard below /admin/dashboard/.
// Source: product contract, admin REST. Thread: the control loop's; replies come back to it through
// the Mailbox. Units: bodies up to 1 MiB. Errors: {"error":{"type","message","param","code"}};
// Open: as httpd::Server, naming the port; a certificate that does not load. Invariant: nothing is
// answered without the token or a session (rest_session.h) but the request for one and the dashboard's
// own files; a wrong token costs its sender kLoginDelay.
// Requires: the mailbox and handlers outlive every reply; destroy on the loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "controlplane/admin/handlers.h"
#include "controlplane/admin/token.h"
#include "shared/base/status.h"
#include "shared/httpd/server.h"
#include "shared/uv/mailbox.h"

namespace aurora::admin {

class RestFace {
 public:
  struct Options {
    httpd::Server::Options http;
    Handlers* handlers = nullptr;
    const TokenCheck* token = nullptr;
    std::function<bool()> store_open;
    config::TlsFiles tls;  // served with when set; looked at again every second
    std::string node_id;   // named in every answer of the API when not empty: X-Aurora-Node
    std::function<int64_t()> unix_ms;  // null: the system's clock
  };

  static absl::StatusOr<std::unique_ptr<RestFace>> Open(uv::Loop& loop, uv::Mailbox& mailbox,
                                                        Options options);
  ~RestFace();

  uint16_t port() const;
  void Drain(std::function<void()> drained);

 private:
  struct State;
  explicit RestFace(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
  std::unique_ptr<httpd::Server> server_;
};

}  // namespace aurora::admin
