// StreamClient: dials Control or Replicate streams, each on a channel of its own. Source: proto/aurora/v1/sync.proto.
// Thread: the control loop's; calls run on gRPC's own and reach the link's listener through the mailbox. Bounds: 1 MiB
// a message, pings every 10 s that wait 5 s. Errors: whatever fails is the link's OnClosed. Always: a dial tries once
// (who dials again, and when, is Mesh); environment proxies are not used.
#pragma once

#include <memory>
#include <string>

#include "controlplane/peers/control_link.h"
#include "controlplane/peers/control_tls.h"
#include "shared/uv/mailbox.h"

namespace aurora::peers {

inline constexpr Duration kClientGrace = Duration::Millis(300);

template <class F>
class StreamClient {
 public:
  // The mailbox outlives the client.
  StreamClient(uv::Mailbox& mailbox, std::shared_ptr<const ControlTls> tls);
  // What has not ended after kClientGrace is cancelled; waits until no call is left.
  ~StreamClient();

  // `address`: "host:port", numeric or a name. Nothing is called back before this returns.
  std::shared_ptr<BasicLink<F>> Dial(const std::string& address, BasicListener<F>* listener);

 private:
  struct Calls;
  uv::Mailbox& mailbox_;
  const std::shared_ptr<const ControlTls> tls_;
  const std::shared_ptr<Calls> calls_;
};

extern template class StreamClient<ControlFrames>;
extern template class StreamClient<ReplicateFrames>;

}  // namespace aurora::peers
