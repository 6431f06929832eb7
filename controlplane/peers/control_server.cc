#include "controlplane/peers/control_server.h"

#include <atomic>
#include <chrono>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "aurora/v1/sync.grpc.pb.h"
#include "controlplane/peers/control_grpc_log.h"
#include "controlplane/peers/control_stream.h"
#include "shared/uv/tcp.h"

namespace aurora::peers {
namespace {

constexpr int kMemoryMax = 128 << 20;
constexpr int kStreamsPerConnection = 4;
constexpr int kIdleConnectionMs = 30'000;
constexpr int kHandshakeMs = 5'000;

// Counts the streams that live, up to kInboundStreamsMax.
class Slots : public std::enable_shared_from_this<Slots> {
 public:
  std::shared_ptr<void> Take() {
    if (taken_.fetch_add(1) >= kInboundStreamsMax) {
      taken_.fetch_sub(1);
      return nullptr;
    }
    return std::shared_ptr<void>(this, [self = shared_from_this()](void*) { self->taken_.fetch_sub(1); });
  }

 private:
  std::atomic<int> taken_{0};
};

template <class F>
using Reactor = grpc::ServerBidiReactor<typename F::Request, typename F::Response>;

template <class F>
class Refusal final : public Reactor<F> {
 public:
  explicit Refusal(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

template <class F>
class ServerCall final : public Reactor<F>, public BasicWire<F> {
 public:
  ServerCall(grpc::CallbackServerContext* context, std::shared_ptr<BasicStream<F>> stream)
      : context_(context), stream_(std::move(stream)) {
    stream_->Start(this);
  }

  void Read() override { this->StartRead(&request_); }
  void Write(typename F::Frame frame) override {
    *response_.mutable_frame() = std::move(frame);
    this->StartWrite(&response_);
  }
  bool Drains() const override { return false; }
  void End(bool /*writing*/) override { this->Finish(grpc::Status::OK); }
  void Cancel() override { context_->TryCancel(); }

  void OnReadDone(bool ok) override { stream_->OnRead(ok, std::move(*request_.mutable_frame())); }
  void OnWriteDone(bool ok) override { stream_->OnWritten(ok); }
  void OnCancel() override { stream_->OnCancelled(); }
  void OnDone() override {
    stream_->OnDone(ByeReason::kNone, "the peer's stream ended");
    delete this;
  }

 private:
  grpc::CallbackServerContext* const context_;
  const std::shared_ptr<BasicStream<F>> stream_;
  typename F::Request request_;
  typename F::Response response_;
};

// One method's door.
template <class F>
class Door {
 public:
  explicit Door(BasicAcceptor<F>* acceptor) : acceptor_(acceptor) {}

  Reactor<F>* Open(grpc::CallbackServerContext* context) {
    if (acceptor_ == nullptr) {
      return new Refusal<F>({grpc::StatusCode::UNIMPLEMENTED, "not served here"});
    }
    std::shared_ptr<void> slot = slots_->Take();
    if (slot == nullptr) {
      return new Refusal<F>({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many streams"});
    }
    auto stream = std::make_shared<BasicStream<F>>(acceptor_->mailbox(), context->peer(), std::move(slot));
    // Before any of the stream's own tasks.
    if (!acceptor_->mailbox().Post([acceptor = acceptor_, stream] { acceptor->OnAccepted(stream); })) {
      return new Refusal<F>({grpc::StatusCode::UNAVAILABLE, "shutting down"});
    }
    return new ServerCall<F>(context, std::move(stream));
  }

 private:
  BasicAcceptor<F>* const acceptor_;
  const std::shared_ptr<Slots> slots_ = std::make_shared<Slots>();
};

class Service final : public v1::SyncService::CallbackService {
 public:
  Service(StreamAcceptor& control, ReplicateAcceptor* replicate) : control_(&control), replicate_(replicate) {}

  Reactor<ControlFrames>* Control(grpc::CallbackServerContext* context) override { return control_.Open(context); }
  Reactor<ReplicateFrames>* Replicate(grpc::CallbackServerContext* context) override {
    return replicate_.Open(context);
  }

 private:
  Door<ControlFrames> control_;
  Door<ReplicateFrames> replicate_;
};

}  // namespace

struct ControlServer::State {
  State(StreamAcceptor& control, ReplicateAcceptor* replicate) : service(control, replicate) {}
  Service service;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
};

ControlServer::ControlServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::Open(const Options& options, StreamAcceptor& control,
                                                                   ReplicateAcceptor* replicate) {
  RouteGrpcLog();
  const std::string where = options.listen.ToString();
  // gRPC says only that it failed; the probe says why.
  AURORA_RETURN_IF_ERROR(WithContext("cluster.sync_bind_addr " + where,
                                     uv::TcpListener::Probe(options.listen.host, options.listen.port)));
  auto state = std::make_unique<State>(control, replicate);
  grpc::ServerBuilder builder;
  builder.RegisterService(&state->service);
  builder.SetMaxReceiveMessageSize(static_cast<int>(kMessageBytesMax));
  builder.SetMaxSendMessageSize(static_cast<int>(kMessageBytesMax));
  grpc::ResourceQuota quota("sync");
  quota.Resize(kMemoryMax);
  builder.SetResourceQuota(quota);
  // Two nodes on one port would share its streams without a word.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kPingEveryMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingWaitsMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kPingEveryMs / 2);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kStreamWindow);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleConnectionMs);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
  builder.AddListeningPort(where, options.tls->server(), &state->port);
  state->server = builder.BuildAndStart();
  if (state->server == nullptr || state->port == 0) {
    return AlreadyExists("cluster.sync_bind_addr " + where + ": cannot listen there (port taken?)");
  }
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(state)));
}

ControlServer::~ControlServer() {
  state_->server->Shutdown(std::chrono::system_clock::now() + std::chrono::microseconds(kGrace.micros()));
  state_->server->Wait();
}

uint16_t ControlServer::port() const {
  return static_cast<uint16_t>(state_->port);
}

}  // namespace aurora::peers
