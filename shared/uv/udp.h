// UDP sockets on a Loop.
// Source: ours, over libuv 1.44. Thread: the loop's. Memory: none per datagram received; one
// allocation per datagram that the kernel does not take at once. Bounds: what is received has up to
// kReadBytesMax (no datagram is longer); kUdpQueueBytes wait to be sent, more are dropped.
// Lifetime: destroying a socket closes it; what waits to be sent is dropped. A socket may be
// destroyed from inside any of its observer's calls. Errors: Status where the socket is opened;
// counters and a bool for a datagram: the network loses some anyway.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "shared/uv/address.h"
#include "shared/uv/loop.h"

namespace aurora::uv {

inline constexpr size_t kUdpQueueBytes = 1 << 20;

class UdpObserver {
 public:
  virtual ~UdpObserver() = default;
  // `bytes` lies in the loop's shared buffer, valid during the call.
  virtual void OnDatagram(std::string_view bytes, const sockaddr_storage& from) = 0;
  // Receiving failed this once; it goes on.
  virtual void OnReceiveError(int error) { (void)error; }
};

class UdpSocket {
 public:
  struct Options {
    std::string host =
        "127.0.0.1";    // an IP literal; "::" serves IPv4 too where the kernel allows it
    uint16_t port = 0;  // 0: the kernel chooses
    int receive_buffer_bytes = 2 * 1024 * 1024;  // SO_RCVBUF: halved until the kernel takes it
  };
  // Bound and receiving. Errors: InvalidArgument (host), AlreadyExists (address in use),
  // PermissionDenied, Unavailable.
  static absl::StatusOr<std::unique_ptr<UdpSocket>> Open(Loop& loop, const Options& options,
                                                         UdpObserver* observer);
  ~UdpSocket();
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  // Given to the kernel now, or queued. False: dropped (no route, wrong family, queue full). An
  // IPv4 address on an IPv6 socket is mapped.
  bool Send(std::string_view bytes, const sockaddr_storage& to);
  size_t send_queue_bytes() const;

  sockaddr_storage local() const;
  uint16_t port() const { return PortOf(local()); }
  int receive_buffer_bytes() const;

 private:
  struct SendRequest;
  explicit UdpSocket(Loop& loop) : loop_(loop) {}
  void SizeReceiveBuffer(int bytes);

  Loop& loop_;
  Handle<uv_udp_t> handle_;  // its data is the observer
  sa_family_t family_ = AF_UNSPEC;
};

// ::ffff:a.b.c.d of an IPv4 address; anything else as it is.
sockaddr_storage MappedToV6(const sockaddr_storage& address);
// The reverse.
sockaddr_storage UnmappedFromV6(const sockaddr_storage& address);

}  // namespace aurora::uv
