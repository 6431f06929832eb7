#include "dataplane/server/dns_cache.h"

#include <netdb.h>
#include <netinet/in.h>

#include <atomic>
#include <cstring>

#include "shared/uv/loop.h"
#include "tests/shared/uv/run.h"
#include "tests/support/test.h"

namespace {
// What the resolver answers; 0 = that it cannot tell just now.
std::atomic<uint32_t> g_address{0};
std::atomic<int> g_asked{0};
}  // namespace

// Stands in for the C library's, which libuv calls on its threads.
extern "C" int getaddrinfo(const char*, const char*, const addrinfo* hints, addrinfo** out) {
  ++g_asked;
  if (g_address == 0) {
    return EAI_AGAIN;
  }
  auto* found = new addrinfo{};
  auto* address = new sockaddr_in{};
  address->sin_family = AF_INET;
  address->sin_addr.s_addr = htonl(g_address);
  found->ai_family = AF_INET;
  found->ai_socktype = hints == nullptr ? SOCK_STREAM : hints->ai_socktype;
  found->ai_addrlen = sizeof *address;
  found->ai_addr = reinterpret_cast<sockaddr*>(address);
  *out = found;
  return 0;
}
extern "C" void freeaddrinfo(addrinfo* found) {
  delete reinterpret_cast<sockaddr_in*>(found->ai_addr);
  delete found;
}

namespace aurora::server {
namespace {

struct Waiter : DnsWaiter {
  void OnResolved(const std::vector<sockaddr_storage>& addresses, std::string_view why) override {
    ++calls;
    count = addresses.size();
    reason = why;
  }
  int calls = 0;
  size_t count = 0;
  std::string reason;
};

uint32_t AddressOf(const std::vector<sockaddr_storage>& found) {
  sockaddr_in address{};
  std::memcpy(&address, &found.at(0), sizeof address);
  return ntohl(address.sin_addr.s_addr);
}

TEST_CASE("known addresses are served while the resolver fails, and given up only for newer ones") {
  uv::Loop loop;
  DnsCache cache(loop);
  Waiter waiter;
  Instant now = uv::Loop::Now();
  g_address = 0x7f000005;
  CHECK(cache.Lookup("provider.test", now, waiter) == nullptr);
  REQUIRE(uv::RunUntil(loop, [&] { return waiter.calls == 1; }));
  CHECK(waiter.count == 1);
  g_address = 0;
  // Each look-up is an hour later: answered at once, while questions that fail run beside it.
  const int asked = g_asked;
  REQUIRE(uv::RunUntil(loop, [&] {
    now = now + Duration::Seconds(3600);
    const auto* known = cache.Lookup("provider.test", now, waiter);
    REQUIRE(known != nullptr);
    CHECK(AddressOf(*known) == 0x7f000005);
    return g_asked >= asked + 5;
  }));
  g_address = 0x7f000006;
  CHECK(uv::RunUntil(loop, [&] {
    now = now + Duration::Seconds(3600);
    return AddressOf(*cache.Lookup("provider.test", now, waiter)) == 0x7f000006;
  }));
  CHECK(waiter.calls == 1);
}

TEST_CASE("a name that was never known fails with the resolver's words and is asked again") {
  uv::Loop loop;
  DnsCache cache(loop);
  Waiter waiter;
  g_address = 0;
  CHECK(cache.Lookup("nobody.test", uv::Loop::Now(), waiter) == nullptr);
  REQUIRE(uv::RunUntil(loop, [&] { return waiter.calls == 1; }));
  CHECK(waiter.count == 0);
  CHECK_FALSE(waiter.reason.empty());
  g_address = 0x7f000007;
  CHECK(cache.Lookup("nobody.test", uv::Loop::Now() + Duration::Seconds(2), waiter) == nullptr);
  REQUIRE(uv::RunUntil(loop, [&] { return waiter.calls == 2; }));
  CHECK(waiter.count == 1);
}

}  // namespace
}  // namespace aurora::server
