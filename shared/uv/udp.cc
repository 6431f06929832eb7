#include "shared/uv/udp.h"

#include <cstring>
#include <utility>

#include <netinet/in.h>
#include <sys/socket.h>

#include "shared/base/check.h"

namespace aurora::uv {
namespace {

void GiveReadBuffer(uv_handle_t* handle, size_t, uv_buf_t* buffer) {
  buffer->base = static_cast<Loop*>(handle->loop->data)->read_buffer();
  buffer->len = kReadBytesMax;
}

void OnReceive(uv_udp_t* handle, ssize_t count, const uv_buf_t* buffer, const sockaddr* from,
               unsigned flags) {
  auto* observer = static_cast<UdpObserver*>(handle->data);
  if (observer == nullptr) {
    return;
  }
  if (count < 0) {
    observer->OnReceiveError(static_cast<int>(count));
    return;
  }
  if (from == nullptr || (flags & UV_UDP_PARTIAL) != 0) {
    return;  // nothing more to read, or cut off
  }
  sockaddr_storage address{};
  std::memcpy(&address, from,
              from->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
  observer->OnDatagram({buffer->base, static_cast<size_t>(count)}, UnmappedFromV6(address));
}

}  // namespace

struct UdpSocket::SendRequest {
  uv_udp_send_t request;
  std::string bytes;
};

absl::StatusOr<std::unique_ptr<UdpSocket>> UdpSocket::Open(Loop& loop, const Options& options,
                                                           UdpObserver* observer) {
  AURORA_ASSIGN_OR_RETURN(const sockaddr_storage address, ParseIp(options.host, options.port));
  std::unique_ptr<UdpSocket> socket(new UdpSocket(loop));
  socket->family_ = address.ss_family;
  auto handle = std::make_unique<uv_udp_t>();
  const std::string place = "UDP on " + options.host + ":" + std::to_string(options.port);
  if (const int error = uv_udp_init(loop.raw(), handle.get()); error != 0) {
    return UvError(error, place);
  }
  socket->handle_.reset(handle.release());
  socket->handle_->data = observer;
  uv_udp_t* const raw = socket->handle_.get();
  if (const int error = uv_udp_bind(raw, reinterpret_cast<const sockaddr*>(&address), 0);
      error != 0) {
    return UvError(error, place);
  }
  socket->SizeReceiveBuffer(options.receive_buffer_bytes);
  if (const int error = uv_udp_recv_start(raw, GiveReadBuffer, OnReceive); error != 0) {
    return UvError(error, place);
  }
  return socket;
}

UdpSocket::~UdpSocket() = default;

void UdpSocket::SizeReceiveBuffer(int bytes) {
  constexpr int kSmallest = 64 * 1024;
  for (; bytes >= kSmallest; bytes /= 2) {
    int value = bytes;
    if (uv_recv_buffer_size(reinterpret_cast<uv_handle_t*>(handle_.get()), &value) == 0) {
      return;
    }
  }
}

bool UdpSocket::Send(std::string_view bytes, const sockaddr_storage& to) {
  loop_.AssertInThread();
  const sockaddr_storage target = family_ == AF_INET6 ? MappedToV6(to) : to;
  if (target.ss_family != family_) {
    return false;
  }
  const uv_buf_t buffer =
      uv_buf_init(const_cast<char*>(bytes.data()), static_cast<unsigned>(bytes.size()));
  const auto* address = reinterpret_cast<const sockaddr*>(&target);
  const int sent = uv_udp_try_send(handle_.get(), &buffer, 1, address);
  if (sent != UV_EAGAIN) {
    return sent >= 0;
  }
  if (send_queue_bytes() + bytes.size() > kUdpQueueBytes) {
    return false;
  }
  auto send = std::make_unique<SendRequest>();
  send->bytes = std::string(bytes);
  send->request.data = send.get();
  const uv_buf_t owned = uv_buf_init(send->bytes.data(), static_cast<unsigned>(send->bytes.size()));
  const int error = uv_udp_send(
      &send->request, handle_.get(), &owned, 1, address,
      [](uv_udp_send_t* request, int) { delete static_cast<SendRequest*>(request->data); });
  if (error != 0) {
    return false;
  }
  (void)send.release();  // the callback owns it
  return true;
}

size_t UdpSocket::send_queue_bytes() const {
  return uv_udp_get_send_queue_size(handle_.get());
}

sockaddr_storage UdpSocket::local() const {
  sockaddr_storage address{};
  int size = sizeof(address);
  if (uv_udp_getsockname(handle_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return {};
  }
  return address;
}

int UdpSocket::receive_buffer_bytes() const {
  int value = 0;  // 0 asks
  uv_recv_buffer_size(reinterpret_cast<uv_handle_t*>(handle_.get()), &value);
  return value;
}

sockaddr_storage MappedToV6(const sockaddr_storage& address) {
  if (address.ss_family != AF_INET) {
    return address;
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
  sockaddr_storage mapped{};
  auto& v6 = reinterpret_cast<sockaddr_in6&>(mapped);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = v4.sin_port;
  v6.sin6_addr.s6_addr[10] = 0xff;
  v6.sin6_addr.s6_addr[11] = 0xff;
  std::memcpy(&v6.sin6_addr.s6_addr[12], &v4.sin_addr, 4);
  return mapped;
}

sockaddr_storage UnmappedFromV6(const sockaddr_storage& address) {
  if (address.ss_family != AF_INET6) {
    return address;
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) == 0) {
    return address;
  }
  sockaddr_storage plain{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(plain);
  v4.sin_family = AF_INET;
  v4.sin_port = v6.sin6_port;
  std::memcpy(&v4.sin_addr, &v6.sin6_addr.s6_addr[12], 4);
  return plain;
}

}  // namespace aurora::uv
