#include "dataplane/server/worker.h"

#include <algorithm>
#include <string>
#include <utility>

#include <pthread.h>

#include "shared/log/log.h"

namespace aurora::server {
namespace {
constexpr size_t kMailboxCapacity = 1024;
constexpr int kBacklog = 4096;
constexpr uint64_t kTicksPerSecond = 50;
}  // namespace

Worker::Worker(Options options)
    : options_(std::move(options)),
      state_(loop_, options_.server, *options_.metrics, *options_.ops, options_.usage,
             options_.seed),
      pool_(state_),
      warmth_(state_, pool_),
      peer_port_(*this),
      mailbox_(loop_, kMailboxCapacity),
      tick_(loop_, [this] { Tick(); }) {
  state_.pool = &pool_;
  state_.limits = {};
  pool_.SetPeerTrust(options_.peer_trust);
  if (options_.failover.has_value()) {
    failover_ = std::make_unique<LoopFailover>(*options_.failover);
    state_.failover = failover_.get();
    state_.context.gate = failover_.get();
  }
}

Worker::~Worker() {
  Stop();
}

absl::Status Worker::Listen(Fd fd) {
  auto listener = uv::TcpListener::AdoptFd(loop_, fd.get(), kBacklog, this);
  if (!listener.ok()) {
    return listener.status();
  }
  fd.Release();
  listener_ = *std::move(listener);
  return absl::OkStatus();
}

absl::Status Worker::ListenForPeers(Fd fd) {
  auto listener = uv::TcpListener::AdoptFd(loop_, fd.get(), kBacklog, &peer_port_);
  if (!listener.ok()) {
    return listener.status();
  }
  fd.Release();
  peer_listener_ = *std::move(listener);
  return absl::OkStatus();
}

void Worker::Start() {
  tick_due_ = uv::Loop::Now() + kTick;
  tick_.StartRepeating(kTick);
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), ("aurora-loop-" + std::to_string(options_.index)).c_str());
    loop_.Run();
  });
}

void Worker::Post(uv::Mailbox::Task task) {
  if (!mailbox_.Post(std::move(task))) {
    log::Error("a loop's mailbox is full", {{"loop", options_.index}});
  }
}

void Worker::Publish(std::shared_ptr<const model::Snapshot> snapshot) {
  Post([this, snapshot = std::move(snapshot)]() mutable { Adopt(std::move(snapshot)); });
}

void Worker::Adopt(std::shared_ptr<const model::Snapshot> snapshot) {
  state_.Refresh();
  state_.context.snapshot = std::move(snapshot);
  const uint64_t seq = state_.context.snapshot->seq;
  if (state_.context.snapshot->catalog != nullptr) {
    pool_.Prepare(*state_.context.snapshot->catalog);
  }
  // Backwards: a connection that ends swaps the last one into its place.
  for (size_t i = connections_.size(); i-- > 0;) {
    if (i < connections_.size()) {
      connections_[i]->PolicyChanged();
    }
  }
  applied_epoch_.store(state_.context.snapshot->epoch, std::memory_order_release);
  applied_seq_.store(seq, std::memory_order_release);
}

void Worker::SetCertificate(std::shared_ptr<tls::ServerContext> context) {
  if (!thread_.joinable()) {  // before the first connection
    certificate_ = std::move(context);
    return;
  }
  Post([this, context = std::move(context)]() mutable { certificate_ = std::move(context); });
}

void Worker::SetPeerTls(std::shared_ptr<tls::ServerContext> server, std::shared_ptr<tls::ClientContext> client) {
  if (!thread_.joinable()) {
    peer_certificate_ = std::move(server);
    pool_.SetPeerTrust(std::move(client));
    return;
  }
  Post([this, server = std::move(server), client = std::move(client)]() mutable {
    peer_certificate_ = std::move(server);
    pool_.SetPeerTrust(std::move(client));
  });
}

void Worker::StopAccepting() {
  Post([this] {
    state_.Refresh();
    state_.draining = true;
    listener_.reset();
    peer_listener_.reset();
    for (size_t i = connections_.size(); i-- > 0;) {
      if (i < connections_.size()) {
        connections_[i]->CloseWhenDone();
      }
    }
  });
}

void Worker::Stop() {
  if (!thread_.joinable()) {
    return;
  }
  Post([this] {
    Shut();
    loop_.Stop();
  });
  thread_.join();
  mailbox_.Close();
}

void Worker::Shut() {
  state_.Refresh();
  state_.draining = true;
  listener_.reset();
  peer_listener_.reset();
  uint64_t cut = 0;
  while (!connections_.empty()) {
    cut += connections_.back()->busy() ? uint64_t{1} : uint64_t{0};
    connections_.back()->ShutDown();
  }
  cut_count_ = cut;
}

void Worker::Accept(std::unique_ptr<uv::TcpStream> stream, const std::shared_ptr<tls::ServerContext>& certificate,
                    bool from_peer) {
  state_.Refresh();
  if (connections_.size() >= options_.server.connections_max) {
    state_.metrics.connection_errors[static_cast<size_t>(ConnectionError::kOverLimit)].Add();
    return;
  }
  std::unique_ptr<tls::Session> session;
  if (certificate != nullptr) {
    auto made = tls::Session::Server(certificate);
    if (!made.ok()) {
      state_.metrics.connection_errors[static_cast<size_t>(ConnectionError::kTls)].Add();
      return;
    }
    session = *std::move(made);
  }
  state_.metrics.connections.Add(1);
  state_.metrics.connections_total.Add();
  connections_.push_back(
      std::make_unique<ClientConnection>(state_, static_cast<ClientOwner&>(*this), from_peer));
  connections_.back()->owner_index = connections_.size() - 1;
  connections_.back()->Start(std::move(stream), std::move(session));
}

void Worker::Gone(ClientConnection& connection) {
  const size_t hole = connection.owner_index;
  std::unique_ptr<ClientConnection> gone = std::move(connections_[hole]);
  if (hole + 1 != connections_.size()) {
    connections_[hole] = std::move(connections_.back());
    connections_[hole]->owner_index = hole;
  }
  connections_.pop_back();
  state_.metrics.connections.Add(-1);
  loop_.Retire(std::move(gone));
}

size_t Worker::client_queued_bytes() const {
  size_t sum = 0;
  for (const auto& connection : connections_) {
    sum += connection->queued_bytes();
  }
  return sum;
}

void Worker::Tick() {
  state_.Refresh();
  const Instant now = state_.context.now;
  state_.metrics.lag.Observe(now > tick_due_ ? (now - tick_due_).seconds() : 0);
  tick_due_ = now + kTick;
  options_.ops->LoopTicked(options_.index, now);
  if (options_.on_tick) {
    options_.on_tick(options_.index);
  }
  if (options_.term) {
    state_.context.term = options_.term();
  }
  if (failover_ != nullptr && failover_->Refresh()) {
    for (size_t i = connections_.size(); i-- > 0;) {
      if (i < connections_.size()) {
        connections_[i]->RoleChanged();
      }
    }
    warmth_.Tend();
  }
  if (++tick_count_ % kTicksPerSecond != 0) {
    return;
  }
  pool_.Sweep();
  warmth_.Tend();
  if (state_.context.snapshot != nullptr && state_.context.snapshot->catalog != nullptr) {
    for (const model::Provider& provider : state_.context.snapshot->catalog->providers) {
      const upstream::BreakerState breaker = state_.health.Breaker(provider.slot, now);
      ProviderMetrics& metrics = state_.metrics.Provider(provider);
      int64_t resting = 0;
      for (size_t i = 0; i < std::min<size_t>(provider.credentials.size(), 32); ++i) {
        resting |= state_.health.CredentialReady(provider.credentials[i].slot, now) ? 0 : 1LL << i;
      }
      metrics.resting.Set(resting);
      metrics.circuit_state.Set(
          breaker == upstream::BreakerState::kClosed     ? 0
          : breaker == upstream::BreakerState::kHalfOpen ? 1
                                                         : 2);
    }
  }
}

}  // namespace aurora::server
