#include "dataplane/server/listener.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/status.h"

namespace aurora::server {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;

  void SetPort(uint16_t port) {
    if (storage.ss_family == AF_INET6) {
      reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port = htons(port);
    } else {
      reinterpret_cast<sockaddr_in*>(&storage)->sin_port = htons(port);
    }
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

absl::StatusOr<Address> Parse(const config::HostPort& address, std::string_view setting) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const char* host = config::IsWildcardHost(address.host) && address.host != "::"
                         ? "0.0.0.0"
                         : address.host.c_str();
  if (const int rc = getaddrinfo(host, "0", &hints, &found); rc != 0) {
    return InvalidArgument(std::string(setting) + " = \"" + address.ToString() +
                           "\": " + gai_strerror(rc));
  }
  Address result;
  std::memcpy(&result.storage, found->ai_addr, found->ai_addrlen);
  result.length = found->ai_addrlen;
  freeaddrinfo(found);
  result.SetPort(address.port);
  return result;
}

// 0 or an errno. Without `reuse_port` the bind fails if any other socket listens there, whatever
// its options.
int Bind(const Address& address, bool reuse_port, Fd& out) {
  Fd fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0) {
    return errno;
  }
  const int one = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (address.storage.ss_family == AF_INET6) {
    const int off = 0;  // [::] takes IPv4 as well, as the other listeners' does
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  if (reuse_port && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0) {
    return errno;
  }
  if (bind(fd.get(), address.get(), address.length) != 0) {
    return errno;
  }
  out = std::move(fd);
  return 0;
}

absl::Status BindError(int error, const config::HostPort& address, std::string_view setting) {
  const std::string where = std::string(setting) + " " + address.ToString();
  if (error == EADDRINUSE) {
    return Unavailable(
        where + " is already in use: stop the process that listens there (ss -ltnp 'sport = :" +
        std::to_string(address.port) + "') or set " + std::string(setting) + " to another address");
  }
  if (error == EACCES) {
    return InvalidArgument(
        where + ": not permitted: choose a port above 1023 or grant CAP_NET_BIND_SERVICE");
  }
  return InvalidArgument(where + ": " + std::strerror(error) + ": set " + std::string(setting) +
                         " to an address of this machine");
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) {
      close(fd_);
    }
    fd_ = other.Release();
  }
  return *this;
}

Fd::~Fd() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

int Fd::Release() {
  return std::exchange(fd_, -1);
}

absl::StatusOr<Listeners> BindListeners(const config::HostPort& address, int count,
                                        Duration patience, std::string_view setting) {
  AURORA_ASSIGN_OR_RETURN(Address parsed, Parse(address, setting));
  const auto give_up =
      std::chrono::steady_clock::now() + std::chrono::microseconds(patience.micros());
  Listeners result;
  // The probe must listen: two sockets with SO_REUSEADDR may both bind as long as neither listens.
  for (;;) {
    Fd probe;
    int error = Bind(parsed, false, probe);
    if (error == 0 && listen(probe.get(), 1) != 0) {
      error = errno;
    }
    if (error == 0) {
      sockaddr_storage bound{};
      socklen_t length = sizeof bound;
      getsockname(probe.get(), reinterpret_cast<sockaddr*>(&bound), &length);
      result.port =
          ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                            : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
      break;
    }
    if (error != EADDRINUSE || std::chrono::steady_clock::now() >= give_up) {
      return BindError(error, address, setting);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  parsed.SetPort(result.port);
  for (int i = 0; i < count; ++i) {
    Fd fd;
    if (const int error = Bind(parsed, true, fd); error != 0) {
      return BindError(error, address, setting);
    }
    result.fds.push_back(std::move(fd));
  }
  return result;
}

}  // namespace aurora::server
