// GrpcFace: aurora.v1.AdminService over TCP (token) and over the node's own unix socket (who its
// peer is). Source: proto/aurora/v1/admin.proto; product contract, ports. Thread: Open, Shutdown and
// destruction on one thread; calls run on gRPC's own. Bounds: messages up to 4 MiB, headers 16 KiB,
// 100 calls a connection, five idle minutes; a wrong token is answered after kLoginDelay, and
// kLoginsDelayed of them wait at most. Errors: Open: InvalidArgument (socket path, certificate
// files), AlreadyExists naming the taken port. Invariant: only the socket's owner and root are
// served on it (own_socket.h); TCP is served only with a master key; renewed certificates serve the
// next connections.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <unistd.h>

#include "controlplane/admin/call_counts.h"
#include "controlplane/admin/handlers.h"
#include "controlplane/admin/token.h"
#include "shared/base/status.h"
#include "shared/config/config.h"

namespace aurora::admin {

class GrpcFace {
 public:
  struct Options {
    config::Admin admin;
    Handlers* handlers = nullptr;
    const TokenCheck* token = nullptr;
    CallCounts* counts = nullptr;
    uid_t socket_owner = ::geteuid();  // who beside root may use the socket
  };

  static absl::StatusOr<std::unique_ptr<GrpcFace>> Open(const Options& options);
  // Shuts down at once if Shutdown has not been called.
  ~GrpcFace();

  // 0 = no TCP server.
  uint16_t port() const;
  // Refuses new calls, waits up to `grace` for those running, cancels the rest. Blocks.
  void Shutdown(Duration grace);

 private:
  struct State;
  explicit GrpcFace(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace aurora::admin
