// Worker: one thread, one loop, one listener, and everything that serves the connections accepted
// there. Source: architecture.md §2. Thread: construction and Listen before Start; then the verbs
// below from any thread, the rest belongs to the loop. Loops share nothing but immutable snapshots.
// A second listener, for peers, is there in a cluster; what comes in on it is marked as a hop.
// Invariant: applied_seq() names a policy that this loop enforces: its snapshot is swapped and
// every running request has been judged by it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/server/client_connection.h"
#include "dataplane/server/listener.h"
#include "dataplane/server/loop_failover.h"
#include "dataplane/server/loop_state.h"
#include "dataplane/server/peer_warmth.h"
#include "dataplane/server/upstream_pool.h"
#include "shared/tls/context.h"
#include "shared/uv/mailbox.h"

namespace aurora::server {

class Worker final : private uv::ListenerObserver, private ClientOwner {
 public:
  static constexpr Duration kTick = Duration::Millis(20);

  struct Options {
    size_t index = 0;
    uint64_t seed = 1;
    ServerOptions server;
    std::shared_ptr<LoopMetrics> metrics;
    Ops* ops = nullptr;
    UsageSink usage;
    // Called on the loop between callbacks, every kTick (the role page's close_seq).
    std::function<void(size_t index)> on_tick;
    // The leader term new requests are stamped with, asked every kTick. May be empty.
    std::function<uint64_t()> term;
    // Given: only a lease lets this node serve, and what it may not serve goes to who may.
    std::optional<FailoverOptions> failover;
    std::shared_ptr<tls::ClientContext> peer_trust;  // this loop's own; null: peers are dialled without TLS
  };

  explicit Worker(Options options);
  ~Worker() override;

  absl::Status Listen(Fd fd);
  absl::Status ListenForPeers(Fd fd);
  void Start();

  void Publish(std::shared_ptr<const model::Snapshot> snapshot);
  void SetCertificate(std::shared_ptr<tls::ServerContext> context);
  void SetPeerTls(std::shared_ptr<tls::ServerContext> server, std::shared_ptr<tls::ClientContext> client);
  void StopAccepting();  // also: answers say Connection: close, idle connections go
  // Cuts what runs and ends the thread. Returns when it has ended.
  void Stop();
  // Runs `task` on the loop; for tests and reports.
  void Post(uv::Mailbox::Task task);

  uint64_t applied_seq() const { return applied_seq_.load(std::memory_order_acquire); }
  uint64_t applied_epoch() const { return applied_epoch_.load(std::memory_order_acquire); }
  int64_t in_flight() const { return options_.metrics->InFlight(); }
  uint64_t cut_count() const { return cut_count_; }
  // Loop thread only.
  LoopState& state() { return state_; }
  UpstreamPool& pool() { return pool_; }
  size_t connection_count() const { return connections_.size(); }
  // What the kernel has not taken for slow clients.
  size_t client_queued_bytes() const;

 private:
  // What comes in on the peers' port.
  struct PeerPort final : uv::ListenerObserver {
    explicit PeerPort(Worker& w) : worker(w) {}
    void OnAccept(std::unique_ptr<uv::TcpStream> stream) override {
      worker.Accept(std::move(stream), worker.peer_certificate_, true);
    }
    Worker& worker;
  };

  void OnAccept(std::unique_ptr<uv::TcpStream> stream) override { Accept(std::move(stream), certificate_, false); }
  void Accept(std::unique_ptr<uv::TcpStream> stream, const std::shared_ptr<tls::ServerContext>& certificate,
              bool from_peer);
  void Gone(ClientConnection& connection) override;
  void Tick();
  void Adopt(std::shared_ptr<const model::Snapshot> snapshot);
  void Shut();

  const Options options_;
  uv::Loop loop_;
  LoopState state_;
  UpstreamPool pool_;
  std::unique_ptr<LoopFailover> failover_;
  PeerWarmth warmth_;
  PeerPort peer_port_;
  uv::Mailbox mailbox_;
  uv::Timer tick_;
  Instant tick_due_ = Instant::Never();
  uint64_t tick_count_ = 0;
  std::unique_ptr<uv::TcpListener> listener_;
  std::unique_ptr<uv::TcpListener> peer_listener_;
  std::shared_ptr<tls::ServerContext> certificate_;
  std::shared_ptr<tls::ServerContext> peer_certificate_;
  std::vector<std::unique_ptr<ClientConnection>> connections_;
  std::atomic<uint64_t> applied_epoch_{
      0};  // stored before the seq: a pair read across a change understates
  std::atomic<uint64_t> applied_seq_{0};
  std::atomic<uint64_t> cut_count_{0};
  std::thread thread_;
};

}  // namespace aurora::server
