#include "dataplane/snapshot/discovery_http.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <system_error>

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/status.h"
#include "shared/http/decoder.h"
#include "shared/tls/session.h"
#include "shared/uv/address.h"

namespace aurora::snapshot {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kBodyMax = 4 << 20;
constexpr size_t kProxyHeadMax = 16 << 10;
constexpr auto kConnect = std::chrono::seconds(5);
constexpr auto kTotal = std::chrono::seconds(10);

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Socket& operator=(Socket&&) = delete;
  ~Socket() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  int fd() const { return fd_; }

  absl::Status Wait(short events, Clock::time_point deadline) const {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd p{fd_, events, 0};
    const int rc = ::poll(&p, 1, static_cast<int>(std::max<int64_t>(left, 0)));
    return rc > 0 ? absl::OkStatus() : Unavailable("timed out");
  }

 private:
  int fd_;
};

std::string ErrorText(int error) {
  return std::system_category().message(error);
}

absl::StatusOr<Socket> ConnectOne(const addrinfo& a, Clock::time_point deadline) {
  Socket s(::socket(a.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (s.fd() < 0) {
    return Unavailable(ErrorText(errno));
  }
  if (::connect(s.fd(), a.ai_addr, a.ai_addrlen) != 0) {
    if (errno != EINPROGRESS) {
      return Unavailable(ErrorText(errno));
    }
    AURORA_RETURN_IF_ERROR(s.Wait(POLLOUT, deadline));
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(s.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      return Unavailable(ErrorText(error));
    }
  }
  return s;
}

absl::StatusOr<Socket> Connect(const std::string& host, uint16_t port_number, bool public_only) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(port_number);
  if (const int rc = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); rc != 0) {
    return Unavailable(::gai_strerror(rc));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, ::freeaddrinfo);
  const auto deadline = Clock::now() + kConnect;
  absl::Status last = Unavailable("no address");
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    sockaddr_storage address{};
    std::memcpy(&address, a->ai_addr, std::min<size_t>(a->ai_addrlen, sizeof address));
    if (public_only && !uv::IsPublic(address)) {
      last = PermissionDenied(model::kNotPublic);
      continue;
    }
    auto s = ConnectOne(*a, deadline);
    if (s.ok()) {
      return s;
    }
    last = s.status();
  }
  return last;
}

// Plain or TLS bytes over one socket.
class Channel {
 public:
  Channel(Socket socket, Clock::time_point deadline)
      : socket_(std::move(socket)), deadline_(deadline) {}

  // Asks an HTTP proxy for a tunnel; the next bytes are the provider's.
  absl::Status Tunnel(const model::Provider& provider, const Via& via) {
    const bool v6 = provider.host.find(':') != std::string::npos;
    const std::string target =
        (v6 ? "[" + provider.host + "]" : provider.host) + ":" + std::to_string(provider.port);
    AURORA_RETURN_IF_ERROR(WriteSocket("CONNECT " + target + " HTTP/1.1\r\nHost: " + target +
                                       "\r\n" + via.authorization_line + "\r\n"));
    std::string head;
    while (head.find("\r\n\r\n") == std::string::npos) {
      AURORA_ASSIGN_OR_RETURN(std::string bytes, ReadSocket());
      head += bytes;
      if (bytes.empty() || head.size() > kProxyHeadMax) {
        return Unavailable("the proxy's answer to CONNECT is not whole");
      }
    }
    const bool tunnels = head.starts_with("HTTP/1.1 2") || head.starts_with("HTTP/1.0 2");
    if (!tunnels || !head.ends_with("\r\n\r\n")) {
      return Unavailable("the proxy answered CONNECT with: " + head.substr(0, head.find('\r')));
    }
    return absl::OkStatus();
  }

  absl::Status StartTls(const model::Provider& provider) {
    AURORA_ASSIGN_OR_RETURN(auto context,
                            tls::ClientContext::Create({.ca_file = provider.ca_file}));
    AURORA_ASSIGN_OR_RETURN(tls_, tls::Session::Client(context, provider.host));
    while (tls_->Advance() == tls::Session::State::kHandshaking) {
      AURORA_RETURN_IF_ERROR(Flush());
      AURORA_ASSIGN_OR_RETURN(std::string bytes, ReadSocket());
      if (bytes.empty()) {
        return Unavailable("closed during the TLS handshake");
      }
      tls_->FeedCiphertext(bytes);
    }
    AURORA_RETURN_IF_ERROR(Flush());
    return tls_->state() == tls::Session::State::kFailed ? tls_->status() : absl::OkStatus();
  }

  absl::Status Write(std::string_view bytes) {
    if (tls_ == nullptr) {
      return WriteSocket(bytes);
    }
    if (!tls_->WritePlaintext(bytes)) {
      return tls_->status();
    }
    return Flush();
  }

  // Empty at the end of the stream.
  absl::StatusOr<std::string> Read() {
    if (tls_ == nullptr) {
      return ReadSocket();
    }
    while (true) {
      std::string plain;
      if (tls_->ReadPlaintext(plain, 64 << 10) > 0 ||
          tls_->state() == tls::Session::State::kPeerClosed) {
        return plain;
      }
      if (tls_->state() == tls::Session::State::kFailed) {
        return tls_->status();
      }
      AURORA_ASSIGN_OR_RETURN(std::string bytes, ReadSocket());
      if (bytes.empty()) {
        return plain;
      }
      tls_->FeedCiphertext(bytes);
    }
  }

 private:
  absl::Status Flush() {
    std::string out;
    tls_->DrainCiphertext(out);
    return WriteSocket(out);
  }

  absl::Status WriteSocket(std::string_view bytes) {
    while (!bytes.empty()) {
      AURORA_RETURN_IF_ERROR(socket_.Wait(POLLOUT, deadline_));
      const ssize_t n = ::send(socket_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN && errno != EINTR) {
        return Unavailable(ErrorText(errno));
      }
      bytes.remove_prefix(n > 0 ? static_cast<size_t>(n) : 0);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> ReadSocket() {
    std::string buffer(64 << 10, '\0');
    while (true) {
      AURORA_RETURN_IF_ERROR(socket_.Wait(POLLIN, deadline_));
      const ssize_t n = ::recv(socket_.fd(), buffer.data(), buffer.size(), 0);
      if (n >= 0) {
        buffer.resize(static_cast<size_t>(n));
        return buffer;
      }
      if (errno != EAGAIN && errno != EINTR) {
        return Unavailable(ErrorText(errno));
      }
    }
  }

  Socket socket_;
  const Clock::time_point deadline_;
  std::unique_ptr<tls::Session> tls_;
};

absl::Status StatusOfAnswer(int status) {
  const std::string text = "answered " + std::to_string(status);
  switch (status) {
    case 200:
      return absl::OkStatus();
    case 401:
    case 403:
      return PermissionDenied(text + "; check the provider's key");
    case 404:
      return NotFound(text + "; set `models` for this provider if it has no list");
    default:
      return Internal(text);
  }
}

absl::StatusOr<std::string> ReadAnswer(Channel& channel) {
  const http::Limits limits;
  auto scratch = std::make_unique<http::HeadScratch>();
  http::Decoder decoder(http::Decoder::Kind::kResponse, limits, scratch.get());
  std::string body;
  std::string bytes;
  std::string_view in;
  while (true) {
    switch (decoder.Next(in)) {
      case http::Decoder::Event::kHead:
        AURORA_RETURN_IF_ERROR(StatusOfAnswer(decoder.head().status));
        break;
      case http::Decoder::Event::kBody:
        if (body.size() + decoder.body().size() > kBodyMax) {
          return ResourceExhausted("the model list is larger than 4 MiB");
        }
        body += decoder.body();
        break;
      case http::Decoder::Event::kEnd:
        return body;
      case http::Decoder::Event::kError:
        return DataLoss(decoder.error().text);
      case http::Decoder::Event::kNeedMore: {
        AURORA_ASSIGN_OR_RETURN(bytes, channel.Read());
        in = bytes;
        if (bytes.empty()) {
          return decoder.Eof() == http::Decoder::Event::kEnd
                     ? absl::StatusOr<std::string>(body)
                     : DataLoss("closed before the answer was complete");
        }
        break;
      }
    }
  }
}

}  // namespace

absl::StatusOr<std::string> Get(const model::Provider& provider, std::string_view path,
                                const Via* via) {
  auto answer = [&]() -> absl::StatusOr<std::string> {
    AURORA_ASSIGN_OR_RETURN(Socket socket, via == nullptr ? Connect(provider.host, provider.port, provider.public_only)
                                                          : Connect(via->host, via->port, false));
    Channel channel(std::move(socket), Clock::now() + kTotal);
    if (provider.tls && via != nullptr) {
      AURORA_RETURN_IF_ERROR(channel.Tunnel(provider, *via));
    }
    if (provider.tls) {
      AURORA_RETURN_IF_ERROR(channel.StartTls(provider));
    }
    const bool absolute = via != nullptr && !provider.tls;
    std::string request = "GET " + (absolute ? "http://" + provider.authority : "") +
                          provider.base_path + std::string(path) + " HTTP/1.1\r\n" +
                          provider.constant_lines + (absolute ? via->authorization_line : "");
    if (!provider.credentials.empty()) {
      request += provider.credentials.front().header_lines;
    }
    // Anthropic refuses a request without a version; for clients' requests the exchange adds it.
    if (provider.dialect == model::Dialect::kAnthropic &&
        provider.constant_lines.find("anthropic-version:") == std::string::npos) {
      request += "anthropic-version: 2023-06-01\r\n";
    }
    request += "Accept: application/json\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n";
    AURORA_RETURN_IF_ERROR(channel.Write(request));
    return ReadAnswer(channel);
  }();
  return answer.ok()
             ? std::move(answer)
             : WithContext("GET " + provider.authority + provider.base_path + std::string(path),
                           answer.status());
}

}  // namespace aurora::snapshot
