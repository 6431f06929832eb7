// ControlServer: SyncService.Control on cluster.sync_bind_addr:sync_bind_port. Source: proto/aurora/v1/sync.proto.
// Thread: Open, Shutdown and destruction on the control loop's; calls run on gRPC's own and reach the acceptor through
// its mailbox. Bounds: 64 streams, 1 MiB a message, 4 streams a connection, a connection without a stream is closed
// after 30 s, pings every 10 s that wait 5 s. Errors: Open: AlreadyExists naming the taken port (the caller tries again
// during a take-over), InvalidArgument.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "controlplane/peers/control_link.h"
#include "controlplane/peers/control_tls.h"
#include "shared/base/status.h"
#include "shared/config/hostport.h"
#include "shared/uv/mailbox.h"

namespace aurora::peers {

inline constexpr int kInboundStreamsMax = 64;

class StreamAcceptor {
 public:
  virtual ~StreamAcceptor() = default;
  // On the mailbox's loop: a stream came in; its first callback comes after this call. Drop it: it stays until the
  // caller of the stream goes.
  virtual void OnAccepted(std::shared_ptr<PeerLink> link) = 0;
  virtual uv::Mailbox& mailbox() = 0;
};

class ControlServer {
 public:
  struct Options {
    config::HostPort listen;
    std::shared_ptr<const ControlTls> tls;
  };
  // `acceptor` outlives the server.
  static absl::StatusOr<std::unique_ptr<ControlServer>> Open(const Options& options, StreamAcceptor& acceptor);
  // Part from the peers first (Links::Shutdown): what has not ended after kGrace is cancelled. Blocks up to it.
  ~ControlServer();
  static constexpr Duration kGrace = Duration::Millis(300);

  uint16_t port() const;

 private:
  struct State;
  explicit ControlServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace aurora::peers
