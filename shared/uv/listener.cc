#include <cerrno>

#include <unistd.h>

#include "shared/base/check.h"
#include "shared/uv/tcp.h"

namespace aurora::uv {
namespace {

std::string Place(const std::string& host, uint16_t port) {
  return "listening on " + host + ":" + std::to_string(port);
}

struct Fd {
  explicit Fd(int fd) : value(fd) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    if (value >= 0) {
      close(value);
    }
  }
  const int value;
};

}  // namespace

TcpListener::~TcpListener() = default;

absl::StatusOr<std::unique_ptr<TcpListener>> TcpListener::Open(Loop& loop, const Options& options,
                                                               ListenerObserver* observer) {
  AURORA_ASSIGN_OR_RETURN(const sockaddr_storage address, ParseIp(options.host, options.port));
  const std::string place = Place(options.host, options.port);
  std::unique_ptr<TcpListener> listener(new TcpListener(loop, observer));
  auto handle = std::make_unique<uv_tcp_t>();
  // _ex with a family makes the socket now: libuv 1.44 has no flag for SO_REUSEPORT, which must
  // precede bind.
  if (const int error = uv_tcp_init_ex(loop.raw(), handle.get(), address.ss_family); error != 0) {
    return UvError(error, place);
  }
  listener->handle_.reset(handle.release());
  listener->handle_->data = listener.get();
  if (options.reuse_port) {
    const int on = 1;
    if (setsockopt(listener->fd(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) {
      return UvError(uv_translate_sys_error(errno), place + " (SO_REUSEPORT)");
    }
  }
  if (const int error =
          uv_tcp_bind(listener->handle_.get(), reinterpret_cast<const sockaddr*>(&address), 0);
      error != 0) {
    return UvError(error, place);
  }
  if (absl::Status status = listener->Listen(options.backlog); !status.ok()) {
    return WithContext(place, status);
  }
  return listener;
}

absl::StatusOr<std::unique_ptr<TcpListener>> TcpListener::AdoptFd(Loop& loop, int fd, int backlog,
                                                                  ListenerObserver* observer) {
  std::unique_ptr<TcpListener> listener(new TcpListener(loop, observer));
  listener->handle_.reset(new uv_tcp_t);
  AURORA_CHECK(uv_tcp_init(loop.raw(), listener->handle_.get()) == 0);
  listener->handle_->data = listener.get();
  if (const int error = uv_tcp_open(listener->handle_.get(), fd); error != 0) {
    close(fd);
    return UvError(error, "adopting a listening socket");
  }
  AURORA_RETURN_IF_ERROR(listener->Listen(backlog));
  return listener;
}

absl::Status TcpListener::Probe(const std::string& host, uint16_t port) {
  if (port == 0) {
    return absl::OkStatus();
  }
  AURORA_ASSIGN_OR_RETURN(const sockaddr_storage address, ParseIp(host, port));
  const Fd fd(socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  // SO_REUSEADDR: connections of an earlier process in TIME_WAIT are no listener.
  if (fd.value < 0 || setsockopt(fd.value, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      bind(fd.value, reinterpret_cast<const sockaddr*>(&address), AddressSize(address)) != 0) {
    return UvError(uv_translate_sys_error(errno), Place(host, port));
  }
  return absl::OkStatus();
}

absl::Status TcpListener::Listen(int backlog) {
  const int error = uv_listen(
      reinterpret_cast<uv_stream_t*>(handle_.get()), backlog, [](uv_stream_t* server, int status) {
        auto* self = static_cast<TcpListener*>(server->data);
        if (self == nullptr) {
          return;
        }
        if (status != 0) {
          self->observer_->OnAcceptError(status);
        } else if (self->paused_) {
          self->waiting_ = true;  // libuv stops polling until somebody accepts
        } else {
          self->AcceptOne();
        }
      });
  return error == 0 ? absl::OkStatus() : UvError(error, "listen");
}

void TcpListener::AcceptOne() {
  auto stream = std::make_unique<TcpStream>(loop_);
  const int error = uv_accept(reinterpret_cast<uv_stream_t*>(handle_.get()), stream->stream());
  if (error != 0) {
    observer_->OnAcceptError(error);
    return;
  }
  observer_->OnAccept(std::move(stream));
}

void TcpListener::Pause() {
  paused_ = true;
}

void TcpListener::Resume() {
  paused_ = false;
  if (waiting_) {
    waiting_ = false;
    AcceptOne();
  }
}

uint16_t TcpListener::port() const {
  sockaddr_storage address{};
  int size = sizeof(address);
  uv_tcp_getsockname(handle_.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return PortOf(address);
}

int TcpListener::fd() const {
  uv_os_fd_t fd = -1;
  uv_fileno(reinterpret_cast<const uv_handle_t*>(handle_.get()), &fd);
  return fd;
}

}  // namespace aurora::uv
