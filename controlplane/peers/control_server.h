// ControlServer: SyncService on cluster.sync_bind_addr:sync_bind_port, both methods. Source:
// proto/aurora/v1/sync.proto.
// Thread: Open, Shutdown and destruction on the control loop's; calls run on gRPC's own and reach their acceptor
// through its mailbox. Bounds: 64 streams of each kind, 1 MiB a frame, 4 streams a connection, a connection without a
// stream is closed after 30 s, pings every 10 s that wait 5 s. Errors: Open: AlreadyExists naming the taken port (the
// caller tries again during a take-over), InvalidArgument.
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

class ControlServer {
 public:
  struct Options {
    config::HostPort listen;
    std::shared_ptr<const ControlTls> tls;
  };
  // The acceptors outlive the server. Without `replicate` that method is not there (UNIMPLEMENTED).
  static absl::StatusOr<std::unique_ptr<ControlServer>> Open(const Options& options, StreamAcceptor& control,
                                                             ReplicateAcceptor* replicate = nullptr);
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
