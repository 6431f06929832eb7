#include "dataplane/server/peer_warmth.h"

#include <string>
#include <utility>

#include "dataplane/server/loop_failover.h"
#include "dataplane/server/upstream_pool.h"

namespace aurora::server {

void PeerWarmth::Tend() {
  if (loop_.failover == nullptr || loop_.draining) {
    return;
  }
  const failover::Serving& serving = loop_.failover->serving();
  if (dialling_ != nullptr && version_ != serving.version) {
    pool_.Close(*std::exchange(dialling_, nullptr));  // it may be a machine that is gone
  }
  if (dialling_ != nullptr || serving.here || serving.peer == nullptr || pool_.idle_to(*serving.peer) > 0) {
    return;
  }
  bool reused = false;
  std::string problem;
  version_ = serving.version;
  dialling_ = pool_.Take(*serving.peer, true, *this, &reused, &problem);
}

void PeerWarmth::OnUpstreamReady() {
  pool_.Release(*std::exchange(dialling_, nullptr));
}

void PeerWarmth::OnUpstreamFailed(exchange::UpstreamFailure failure, std::string_view) {
  dialling_ = nullptr;
  loop_.failover->metrics().ConnectFailed(failure);
}

}  // namespace aurora::server
