// A peer that keeps no rules, for either kind of stream: plain gRPC on a thread of its own. `run` writes what it likes;
// then what comes is read to the end.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <grpcpp/grpcpp.h>

#include "aurora/v1/sync.grpc.pb.h"
#include "controlplane/peers/control_link.h"

namespace aurora::peers::testing {

inline auto OpenRaw(v1::SyncService::Stub& stub, grpc::ClientContext* context, ControlFrames /*kind*/) {
  return stub.Control(context);
}
inline auto OpenRaw(v1::SyncService::Stub& stub, grpc::ClientContext* context, ReplicateFrames /*kind*/) {
  return stub.Replicate(context);
}

template <class F>
class BasicRawPeer {
 public:
  using Stream = grpc::ClientReaderWriter<typename F::Request, typename F::Response>;
  BasicRawPeer(const std::string& address, std::function<void(Stream&)> run)
      : thread_([this, address, run = std::move(run)] {
          grpc::ChannelArguments arguments;
          arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
          arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
          const auto stub = v1::SyncService::NewStub(
              grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
          const auto stream = OpenRaw(*stub, &context_, F());
          run(*stream);
          typename F::Response response;
          while (stream->Read(&response)) {
            if (response.frame().has_bye()) {
              bye_ = response.frame().bye();
            } else if (response.frame().frame_case() == F::Frame::FRAME_NOT_SET) {
              ++pulses_;
            }
          }
          status_ = stream->Finish();
          over_ = true;
        }) {}
  ~BasicRawPeer() {
    context_.TryCancel();
    thread_.join();
  }
  // bye and status: once it is over.
  bool over() const { return over_; }
  int pulses() const { return pulses_; }
  const v1::Bye& bye() const { return bye_; }
  const grpc::Status& status() const { return status_; }

 private:
  grpc::ClientContext context_;
  v1::Bye bye_;
  grpc::Status status_;
  std::atomic<int> pulses_{0};
  std::atomic<bool> over_{false};
  std::thread thread_;
};

using RawPeer = BasicRawPeer<ControlFrames>;
using RawReplicator = BasicRawPeer<ReplicateFrames>;

}  // namespace aurora::peers::testing
