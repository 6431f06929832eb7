#include "shared/uv/udp.h"

#include <memory>
#include <string>
#include <vector>

#include "tests/shared/uv/run.h"
#include "tests/support/test.h"

namespace aurora::uv {
namespace {

struct Inbox : UdpObserver {
  std::unique_ptr<UdpSocket> socket;
  std::vector<std::string> got;
  sockaddr_storage from{};
  bool destroy_on_datagram = false;

  void OnDatagram(std::string_view bytes, const sockaddr_storage& sender) override {
    got.emplace_back(bytes);
    from = sender;
    if (destroy_on_datagram) {
      socket.reset();
    }
  }
};

std::unique_ptr<Inbox> OpenAt(Loop& loop, const std::string& host) {
  auto inbox = std::make_unique<Inbox>();
  UdpSocket::Options options;
  options.host = host;
  auto socket = UdpSocket::Open(loop, options, inbox.get());
  if (!socket.ok()) {
    return nullptr;
  }
  inbox->socket = *std::move(socket);
  return inbox;
}

TEST_CASE("a datagram arrives whole, with its sender, up to the largest there is", "[uv]") {
  Loop loop;
  auto a = OpenAt(loop, "127.0.0.1");
  auto b = OpenAt(loop, "127.0.0.1");
  REQUIRE((a && b));
  const std::string largest(65507, 'x');
  CHECK(a->socket->Send("", b->socket->local()));
  CHECK(a->socket->Send("hello", b->socket->local()));
  CHECK(a->socket->Send(largest, b->socket->local()));
  REQUIRE(RunUntil(loop, [&] { return b->got.size() == 3; }));
  CHECK(b->got[0].empty());
  CHECK(b->got[1] == "hello");
  CHECK(b->got[2] == largest);
  CHECK(SameAddress(b->from, a->socket->local()));
  CHECK(a->socket->send_queue_bytes() == 0);
  CHECK_FALSE(a->socket->Send(largest + "x", b->socket->local()));
}

TEST_CASE("a second UDP socket cannot take a port in use, nor one a name", "[uv]") {
  Loop loop;
  auto a = OpenAt(loop, "127.0.0.1");
  REQUIRE(a);
  UdpSocket::Options options;
  options.port = a->socket->port();
  CHECK(UdpSocket::Open(loop, options, a.get()).status().code() ==
        absl::StatusCode::kAlreadyExists);
  options.host = "not.an.ip";
  CHECK(UdpSocket::Open(loop, options, a.get()).status().code() ==
        absl::StatusCode::kInvalidArgument);
}

TEST_CASE("a UDP socket may be destroyed by the datagram it delivers", "[uv]") {
  Loop loop;
  auto a = OpenAt(loop, "127.0.0.1");
  auto b = OpenAt(loop, "127.0.0.1");
  REQUIRE((a && b));
  b->destroy_on_datagram = true;
  const sockaddr_storage to = b->socket->local();
  for (int i = 0; i < 5; ++i) {
    CHECK(a->socket->Send("x", to));
  }
  REQUIRE(RunUntil(loop, [&] { return b->socket == nullptr; }));
  for (int i = 0; i < 3; ++i) {
    loop.RunOnce(false);
  }
  CHECK(b->got.size() == 1);
}

TEST_CASE("an IPv6 socket on the wildcard speaks to IPv4 peers by their IPv4 address", "[uv]") {
  Loop loop;
  auto v6 = OpenAt(loop, "::");
  auto v4 = OpenAt(loop, "127.0.0.1");
  REQUIRE(v4);
  if (!v6) {
    WARN("no IPv6 on this machine");
    return;
  }
  REQUIRE(v4->socket->Send("four", *ParseIp("127.0.0.1", v6->socket->port())));
  REQUIRE(RunUntil(loop, [&] { return !v6->got.empty(); }));
  CHECK(IpText(v6->from) == "127.0.0.1");
  REQUIRE(v6->socket->Send("six", v6->from));
  REQUIRE(RunUntil(loop, [&] { return !v4->got.empty(); }));
  CHECK_FALSE(v4->socket->Send("no", *ParseIp("::1", v6->socket->port())));
}

TEST_CASE(
    "the receive buffer holds at least the kernel's default, and mapping an address is reversible",
    "[uv]") {
  Loop loop;
  auto a = OpenAt(loop, "127.0.0.1");
  REQUIRE(a);
  CHECK(a->socket->receive_buffer_bytes() >= 128 * 1024);
  const sockaddr_storage four = *ParseIp("192.0.2.7", 99);
  CHECK(IpText(MappedToV6(four)) == "::ffff:192.0.2.7");
  CHECK(SameAddress(UnmappedFromV6(MappedToV6(four)), four));
  const sockaddr_storage six = *ParseIp("2001:db8::1", 99);
  CHECK(SameAddress(UnmappedFromV6(MappedToV6(six)), six));
}

}  // namespace
}  // namespace aurora::uv
