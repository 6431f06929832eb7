#include "controlplane/peers/control_client.h"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "aurora/v1/sync.grpc.pb.h"
#include "controlplane/peers/control_stream.h"
#include "shared/config/hostport.h"

namespace aurora::peers {
namespace {

constexpr int kConnectMs = 5'000;

// Numeric addresses must not go through a resolver: "a name" would be looked up with retries of its own.
std::string GrpcTarget(const std::string& address) {
  const auto parsed = config::ParseHostPort(address);
  if (!parsed.ok()) {
    return "dns:///" + address;
  }
  if (parsed->host.find(':') != std::string::npos) {
    return "ipv6:" + parsed->ToString();
  }
  const bool numeric = parsed->host.find_first_not_of("0123456789.") == std::string::npos;
  return (numeric ? "ipv4:" : "dns:///") + parsed->ToString();
}

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address, const ControlTls& tls) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(static_cast<int>(kMessageBytesMax));
  arguments.SetMaxSendMessageSize(static_cast<int>(kMessageBytesMax));
  // A channel of its own: no backoff or connection of an earlier dial.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMs);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingEveryMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingWaitsMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // What a peer may send unread: fixed, or gRPC lets it grow with the bandwidth.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kStreamWindow);
  return grpc::CreateCustomChannel(GrpcTarget(address), tls.client(), arguments);
}

using Stub = v1::SyncService::Stub;

void OpenOn(Stub& stub, grpc::ClientContext* context,
            grpc::ClientBidiReactor<v1::ControlRequest, v1::ControlResponse>* call) {
  stub.async()->Control(context, call);
}

void OpenOn(Stub& stub, grpc::ClientContext* context,
            grpc::ClientBidiReactor<v1::ReplicateRequest, v1::ReplicateResponse>* call) {
  stub.async()->Replicate(context, call);
}

}  // namespace

// The calls under way, for the destructor to cancel and to wait for; and those that are over. These hold a channel, and
// the last channel to go joins gRPC's callback threads: it must not go on one of them, so the loop buries.
template <class F>
struct StreamClient<F>::Calls : std::enable_shared_from_this<typename StreamClient<F>::Calls> {
  using Stream = BasicStream<F>;
  using Wire = BasicWire<F>;

  explicit Calls(uv::Mailbox& box) : mailbox(box) {}

  bool WaitNone(std::unique_lock<std::mutex>& lock, Duration limit) {
    return changed.wait_for(lock, std::chrono::microseconds(limit.micros()), [this] { return streams.empty(); });
  }

  // gRPC's threads; the last thing a call does.
  void Over(const std::shared_ptr<Stream>& stream, std::unique_ptr<Wire> call) {
    const std::lock_guard lock(mu);
    over.push_back(std::move(call));
    if (over.size() == 1) {
      // Closed: the client's destructor does it.
      (void)mailbox.Post([self = this->shared_from_this()] { self->Bury(); });
    }
    streams.erase(stream);
    changed.notify_all();
  }

  void Bury() {
    std::vector<std::unique_ptr<Wire>> dead;
    {
      const std::lock_guard lock(mu);
      dead.swap(over);
    }
  }

  uv::Mailbox& mailbox;
  std::mutex mu;  // guards what follows
  std::condition_variable changed;
  std::set<std::shared_ptr<Stream>> streams;
  std::vector<std::unique_ptr<Wire>> over;
};

namespace {

template <class F>
class ClientCall final : public grpc::ClientBidiReactor<typename F::Request, typename F::Response>,
                         public BasicWire<F> {
 public:
  using Stream = BasicStream<F>;
  using Wire = BasicWire<F>;
  using Over = std::function<void(const std::shared_ptr<Stream>&, std::unique_ptr<Wire>)>;
  ClientCall(std::shared_ptr<grpc::Channel> channel, std::shared_ptr<Stream> stream, Over over)
      : stub_(v1::SyncService::NewStub(std::move(channel))), stream_(std::move(stream)), over_(std::move(over)) {}

  void Begin() {
    OpenOn(*stub_, &context_, this);
    this->AddHold();  // operations come from the loop too; End lets go
    this->StartCall();
    stream_->Start(this);
  }

  void Read() override { this->StartRead(&response_); }
  void Write(typename F::Frame frame) override {
    *request_.mutable_frame() = std::move(frame);
    this->StartWrite(&request_);
  }
  bool Drains() const override { return true; }
  void End(bool writing) override {
    if (!writing) {
      this->StartWritesDone();
    }
    this->RemoveHold();
  }
  void Cancel() override { context_.TryCancel(); }

  void OnReadDone(bool ok) override { stream_->OnRead(ok, std::move(*response_.mutable_frame())); }
  void OnWriteDone(bool ok) override { stream_->OnWritten(ok); }
  void OnDone(const grpc::Status& status) override {
    const bool full = status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED;
    stream_->OnDone(full ? ByeReason::kFull : ByeReason::kNone,
                    status.ok() ? "the peer's stream ended" : status.error_message());
    const std::shared_ptr<Stream> stream = stream_;
    const Over over = std::move(over_);
    over(stream, std::unique_ptr<Wire>(this));
  }

 private:
  const std::unique_ptr<Stub> stub_;
  const std::shared_ptr<Stream> stream_;
  Over over_;
  grpc::ClientContext context_;
  typename F::Request request_;
  typename F::Response response_;
};

}  // namespace

template <class F>
StreamClient<F>::StreamClient(uv::Mailbox& mailbox, std::shared_ptr<const ControlTls> tls)
    : mailbox_(mailbox), tls_(std::move(tls)), calls_(std::make_shared<Calls>(mailbox)) {}

template <class F>
StreamClient<F>::~StreamClient() {
  std::set<std::shared_ptr<BasicStream<F>>> left;
  {
    std::unique_lock lock(calls_->mu);
    if (!calls_->WaitNone(lock, kClientGrace)) {
      left = calls_->streams;
    }
  }
  for (const auto& stream : left) {
    stream->Abort();
  }
  {
    std::unique_lock lock(calls_->mu);
    calls_->changed.wait(lock, [this] { return calls_->streams.empty(); });
  }
  calls_->Bury();
}

template <class F>
std::shared_ptr<BasicLink<F>> StreamClient<F>::Dial(const std::string& address, BasicListener<F>* listener) {
  auto stream = std::make_shared<BasicStream<F>>(mailbox_, address, nullptr);
  stream->SetListener(listener);
  {
    const std::lock_guard lock(calls_->mu);
    calls_->streams.insert(stream);
  }
  auto* call = new ClientCall<F>(OpenChannel(address, *tls_), stream,
                              [calls = calls_](const auto& over, std::unique_ptr<BasicWire<F>> gone) {
                                calls->Over(over, std::move(gone));
                              });
  call->Begin();
  return stream;
}

template class StreamClient<ControlFrames>;
template class StreamClient<ReplicateFrames>;

}  // namespace aurora::peers
