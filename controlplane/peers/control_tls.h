// ControlTls: the credentials of the sync port, both ways. Source: cluster.tls.{cert,key,ca}; gRPC 1.51's TLS
// credentials (experimental namespace) with its file watcher.
// Thread: any; shared. Errors: InvalidArgument naming the setting. Always: with TLS both sides show a certificate and
// check the other's against `ca`. Names are not checked: peers are dialled by the address they tell, so the CA is to
// sign for this cluster only. Files are looked at every kTlsReload and serve connections made from then on; a
// certificate and key that do not match leave new connections failing until they do.
#pragma once

#include <memory>

#include "shared/base/status.h"
#include "shared/base/time.h"
#include "shared/config/config.h"

namespace grpc {
class ChannelCredentials;
class ServerCredentials;
}  // namespace grpc

namespace aurora::peers {

inline constexpr Duration kTlsReload = Duration::Seconds(1);

class ControlTls {
 public:
  // Without `files.enabled()`: plain connections.
  static absl::StatusOr<std::shared_ptr<const ControlTls>> Load(const config::TlsFiles& files);

  const std::shared_ptr<grpc::ServerCredentials>& server() const { return server_; }
  const std::shared_ptr<grpc::ChannelCredentials>& client() const { return client_; }

 private:
  ControlTls() = default;
  std::shared_ptr<grpc::ServerCredentials> server_;
  std::shared_ptr<grpc::ChannelCredentials> client_;
};

}  // namespace aurora::peers
