#include "tests/dataplane/server/harness.h"

#include <csignal>
#include <cstdlib>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "shared/base/check.h"
#include "shared/crypto/sha256.h"
#include "shared/http/decoder.h"

namespace aurora::server::testing {
namespace {

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

Socket::Socket(int fd) : fd_(fd) {
  timeval patience{10, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const int one = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

Socket Socket::Connect(uint16_t port, int receive_buffer_bytes) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer_bytes > 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
  }
  const sockaddr_in address = Loopback(port);
  AURORA_CHECK(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return Socket(fd);
}

Socket::~Socket() {
  Close();
}

void Socket::Close() {
  if (fd_ >= 0) {
    close(fd_);
    fd_ = -1;
  }
}

void Socket::Reset() {
  const linger hard{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  Close();
}

bool Socket::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

std::string Socket::ReadSome(size_t max) {
  if (!buffer_.empty()) {
    return std::exchange(buffer_, std::string());
  }
  std::string bytes(max, '\0');
  const ssize_t n = recv(fd_, bytes.data(), max, 0);
  bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return bytes;
}

bool Socket::AtEnd() {
  return ReadSome().empty();
}

Socket::Message Socket::ReadResponse(bool to_head) {
  return Read(false, to_head);
}
Socket::Message Socket::ReadRequest() {
  return Read(true, false);
}

Socket::Message Socket::Read(bool request, bool to_head) {
  static const http::Limits limits;
  http::HeadScratch scratch;
  http::Decoder decoder(request ? http::Decoder::Kind::kRequest : http::Decoder::Kind::kResponse,
                        limits, &scratch);
  if (to_head) {
    decoder.ExpectNoBody();
  }
  Message message;
  for (;;) {
    const std::string bytes = ReadSome();
    if (bytes.empty()) {
      return decoder.Eof() == http::Decoder::Event::kEnd ? message : Message{};
    }
    std::string_view in = bytes;
    for (bool more = true; more;) {
      switch (decoder.Next(in)) {
        case http::Decoder::Event::kNeedMore:
          more = false;
          break;
        case http::Decoder::Event::kHead:
          message.status = request ? 1 : decoder.head().status;
          message.keep_alive = decoder.head().keep_alive;
          message.first_line =
              request ? std::string(decoder.head().target) : std::to_string(message.status);
          for (const http::Header& h : decoder.head().all()) {
            message.head.append(h.name).append(": ").append(h.value).append("\n");
          }
          break;
        case http::Decoder::Event::kBody:
          message.body.append(decoder.body());
          break;
        case http::Decoder::Event::kEnd:
          buffer_ = in;
          return message;
        case http::Decoder::Event::kError:
          return {};
      }
    }
  }
}

Provider::Provider(Serve serve) : serve_(std::move(serve)) {
  std::signal(SIGPIPE, SIG_IGN);
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  AURORA_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  AURORA_CHECK(listen(listener_, 128) == 0);
  socklen_t length = sizeof address;
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] {
    for (;;) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) {
        return;
      }
      const int number = ++connections_;
      std::lock_guard lock(mutex_);
      threads_.emplace_back([this, fd, number] {
        Socket socket(fd);
        {
          std::lock_guard open(mutex_);
          if (stopping_) {
            return;
          }
          sockets_.push_back(&socket);
        }
        serve_(socket, number);
        std::lock_guard done(mutex_);
        std::erase(sockets_, &socket);
        socket.Close();
      });
    }
  });
}

Provider::~Provider() {
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  close(listener_);
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const Socket* socket : sockets_) {
      shutdown(socket->fd(), SHUT_RDWR);
    }
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

Provider::Serve Provider::Always(std::string body) {
  return [body = std::move(body)](Socket& socket, int) {
    while (socket.ReadRequest().status != 0) {
      if (!socket.Send(Response(body))) {
        return;
      }
    }
  };
}

Gateway::Gateway(uint16_t provider_port, GatewayOptions options)
    : options_(std::move(options)), provider_port_(provider_port) {
  ops_.SetPolicyProblem("");
  Worker::Options worker;
  worker.server = options_.server;
  worker.metrics = metrics_;
  worker.ops = &ops_;
  worker.usage = [this](const model::UsageRecord& record) {
    std::lock_guard lock(mutex_);
    if (records_.size() < 4096) {
      records_.push_back(record);
    }
    return true;
  };
  records_.reserve(4096);
  if (options_.adjust) {
    options_.adjust(worker);
  }
  worker_ = std::make_unique<Worker>(std::move(worker));
  auto listeners = BindListeners({"127.0.0.1", 0}, 1, Duration::Seconds(0), "server.listen");
  AURORA_CHECK(listeners.ok());
  port_ = listeners->port;
  AURORA_CHECK(worker_->Listen(std::move(listeners->fds[0])).ok());
  if (options_.for_peers) {
    auto peers = BindListeners({"127.0.0.1", 0}, 1, Duration::Seconds(0), "cluster.peer_listen");
    AURORA_CHECK(peers.ok());
    peer_port_ = peers->port;
    AURORA_CHECK(worker_->ListenForPeers(std::move(peers->fds[0])).ok());
  }
  worker_->Start();
  if (options_.certificate != nullptr) {
    worker_->SetCertificate(options_.certificate);
  }
  Publish(1, true);
}

Gateway::~Gateway() {
  worker_->Stop();
}

void Gateway::Publish(uint64_t seq, bool with_key) {
  auto catalog = std::make_shared<model::Catalog>();
  model::Provider up;
  up.name = "up";
  up.slot = 0;
  up.tls = options_.provider_tls;
  up.stamp = options_.stamp;
  up.public_only = options_.public_only;
  up.host = options_.provider_host;
  up.port = provider_port_;
  up.authority = up.host + ":" + std::to_string(up.port);
  up.base_path = "/v1";
  up.timeouts.connect = Duration::Seconds(2);
  up.ca_file = options_.ca_file;
  up.constant_lines = "Host: " + up.authority + "\r\nAccept-Encoding: identity\r\n";
  up.credentials.push_back(
      {.id = "c", .slot = 0, .weight = 1, .header_lines = "Authorization: Bearer up-secret\r\n"});
  catalog->providers.push_back(std::move(up));
  catalog->provider_by_name["up"] = 0;
  model::Model m;
  m.id = "m";
  m.upstream_id = "m";
  m.slot = 0;
  m.registered = true;
  catalog->models.push_back(std::move(m));
  catalog->model_by_qualified_name["up/m"] = 0;
  catalog->models_by_name["m"] = {0};
  auto snapshot = std::make_shared<model::Snapshot>();
  snapshot->seq = seq;
  snapshot->revision = std::to_string(seq);
  snapshot->catalog = std::move(catalog);
  if (with_key) {
    auto key = std::make_shared<model::AuthKey>();
    key->id = "key-1";
    key->name = "test";
    const crypto::Digest digest = crypto::Sha256Of(kKey);
    auto shard = std::make_shared<model::KeyShard>();
    (*shard)[digest] = {.sha256 = digest, .not_after_ms = 0, .key = std::move(key)};
    snapshot->key_shards[digest[0]] = std::move(shard);
  }
  worker_->Publish(std::move(snapshot));
  AURORA_CHECK(Eventually([&] { return worker_->applied_seq() == seq; }));
}

std::vector<model::UsageRecord> Gateway::Records() {
  std::lock_guard lock(mutex_);
  return records_;
}

bool Eventually(const std::function<bool()>& condition) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

std::string ChatRequest(std::string_view extra_headers, size_t content_bytes) {
  const std::string body = R"({"model":"m","messages":[{"role":"user","content":")" +
                           std::string(content_bytes, 'x') + "\"}]}";
  return "POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer " +
         std::string(kKey) + "\r\nContent-Type: application/json\r\n" + std::string(extra_headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string Response(std::string_view body, std::string_view extra_headers) {
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + std::string(extra_headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace aurora::server::testing
