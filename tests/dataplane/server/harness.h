// Harness for the server's tests: a provider and a client on blocking loopback sockets, and one
// real worker between. Thread: the provider serves each connection on a thread of its own; the
// client is the test's thread. Errors: a socket that stays silent for 10 s fails the test rather
// than hanging it.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "dataplane/server/worker.h"

namespace aurora::server::testing {

inline constexpr std::string_view kKey = "sk-aurora-test";
inline constexpr std::string_view kAnswer =
    R"({"id":"c1","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}})";

// One blocking socket.
class Socket {
 public:
  explicit Socket(int fd);
  static Socket Connect(uint16_t port, int receive_buffer_bytes = 0);
  Socket(Socket&& other) noexcept : fd_(other.fd_), buffer_(std::move(other.buffer_)) {
    other.fd_ = -1;
  }
  Socket& operator=(Socket&&) = delete;
  ~Socket();

  bool Send(std::string_view bytes);
  // What came with one read; "" at the end of the stream or an error.
  std::string ReadSome(size_t max = 65536);
  struct Message {
    int status = 0;  // responses; 0 = none came
    std::string first_line;
    std::string head;
    std::string body;
    bool keep_alive = true;
  };
  // One whole message; what follows it stays for the next call.
  Message ReadResponse(bool to_head = false);
  Message ReadRequest();
  bool AtEnd();  // true once the peer closed or reset
  void Close();
  void Reset();  // RST
  int fd() const { return fd_; }

 private:
  Message Read(bool request, bool to_head);
  int fd_ = -1;
  std::string buffer_;
};

// Serves each connection with `serve` until it returns.
class Provider {
 public:
  using Serve = std::function<void(Socket&, int connection)>;
  explicit Provider(Serve serve);
  ~Provider();
  uint16_t port() const { return port_; }
  int connections() const { return connections_; }

  // Answers every request with 200 and `body`, keep-alive.
  static Serve Always(std::string body);

 private:
  Serve serve_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  std::mutex mutex_;
  bool stopping_ = false;             // guarded by mutex_
  std::vector<Socket*> sockets_;      // guarded by mutex_
  std::vector<std::thread> threads_;  // the acceptor's, then the destructor's
  std::thread acceptor_;
};

struct GatewayOptions {
  ServerOptions server;
  bool provider_tls = false;
  std::string provider_host = "127.0.0.1";
  std::string ca_file;
  std::shared_ptr<tls::ServerContext> certificate;
  bool for_peers = false;  // a second listener, for other nodes
  bool stamp = false;
  bool public_only = false;
  std::function<void(Worker::Options&)> adjust = {};
};

// One worker whose only provider is "up" at `provider_port`, with the model "m" and one key.
class Gateway {
 public:
  explicit Gateway(uint16_t provider_port, GatewayOptions options = {});
  ~Gateway();
  uint16_t port() const { return port_; }
  uint16_t peer_port() const { return peer_port_; }
  void Stop() { worker_->Stop(); }
  Worker& worker() { return *worker_; }
  LoopMetrics& metrics() { return *metrics_; }
  Ops& ops() { return ops_; }
  // Runs `f` on the loop and returns its result.
  template <class F>
  auto OnLoop(F f) -> decltype(f()) {
    std::atomic<bool> done{false};
    decltype(f()) result{};
    worker_->Post([&] {
      result = f();
      done = true;
    });
    while (!done) {
      std::this_thread::yield();
    }
    return result;
  }
  void Publish(uint64_t seq, bool with_key);
  std::vector<model::UsageRecord> Records();

 private:
  GatewayOptions options_;
  uint16_t provider_port_;
  Ops ops_{1};
  std::shared_ptr<LoopMetrics> metrics_ = std::make_shared<LoopMetrics>();
  std::mutex mutex_;
  std::vector<model::UsageRecord> records_;  // guarded by mutex_
  std::unique_ptr<Worker> worker_;
  uint16_t port_ = 0;
  uint16_t peer_port_ = 0;
};

// True once `condition` holds; false after 10 s.
bool Eventually(const std::function<bool()>& condition);

std::string ChatRequest(std::string_view extra_headers = {}, size_t content_bytes = 900);
std::string Response(std::string_view body, std::string_view extra_headers = {});

}  // namespace aurora::server::testing
