#include "shared/uv/address.h"

#include <array>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <uv.h>

namespace aurora::uv {
namespace {

const sockaddr_in* V4(const sockaddr_storage& a) {
  return reinterpret_cast<const sockaddr_in*>(&a);
}
const sockaddr_in6* V6(const sockaddr_storage& a) {
  return reinterpret_cast<const sockaddr_in6*>(&a);
}

struct Net {
  uint32_t address;
  int bits;
};
constexpr Net kNotPublic[] = {
    {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
    {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0586300, 24}, {0xc0a80000, 16},
    {0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 3},
};

bool IsPublicV4(uint32_t ip) {
  for (const Net& net : kNotPublic) {
    if ((ip >> (32 - net.bits)) == (net.address >> (32 - net.bits))) {
      return false;
    }
  }
  return true;
}

uint32_t Word(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

bool IsPublicV6(const uint8_t* ip) {
  constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};  // ::ffff:0:0/96
  constexpr uint8_t kNat64[12] = {0, 0x64, 0xff, 0x9b};                        // 64:ff9b::/96
  if (std::memcmp(ip, kMapped, 12) == 0 || std::memcmp(ip, kNat64, 12) == 0) {
    return IsPublicV4(Word(ip + 12));
  }
  const uint32_t first = Word(ip);
  if ((first >> 16) == 0x2002) {  // 6to4
    return IsPublicV4(Word(ip + 2));
  }
  // Of what is given out, 2000::/3, not Teredo and its neighbours (2001::/23) nor documentation.
  return (first >> 29) == 1 && (first >> 9) != (0x20010000 >> 9) && first != 0x20010db8 && (first >> 12) != 0x3fff0;
}

}  // namespace

absl::StatusOr<sockaddr_storage> ParseIp(std::string_view host, uint16_t port) {
  const std::string text(host.empty() ? "0.0.0.0" : host == "localhost" ? "127.0.0.1" : host);
  sockaddr_storage address{};
  if (uv_ip4_addr(text.c_str(), port, reinterpret_cast<sockaddr_in*>(&address)) == 0 ||
      uv_ip6_addr(text.c_str(), port, reinterpret_cast<sockaddr_in6*>(&address)) == 0) {
    return address;
  }
  return InvalidArgument("\"" + text + "\" is not an IP address");
}

std::string IpText(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    uv_ip4_name(V4(address), text.data(), text.size());
  } else if (address.ss_family == AF_INET6) {
    uv_ip6_name(V6(address), text.data(), text.size());
  }
  return text.data();
}

uint16_t PortOf(const sockaddr_storage& address) {
  switch (address.ss_family) {
    case AF_INET:
      return ntohs(V4(address)->sin_port);
    case AF_INET6:
      return ntohs(V6(address)->sin6_port);
    default:
      return 0;
  }
}

void SetPort(sockaddr_storage& address, uint16_t port) {
  if (address.ss_family == AF_INET) {
    reinterpret_cast<sockaddr_in*>(&address)->sin_port = htons(port);
  } else if (address.ss_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(&address)->sin6_port = htons(port);
  }
}

socklen_t AddressSize(const sockaddr_storage& address) {
  return address.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

bool SameAddress(const sockaddr_storage& a, const sockaddr_storage& b) {
  if (a.ss_family != b.ss_family || PortOf(a) != PortOf(b)) {
    return false;
  }
  if (a.ss_family == AF_INET) {
    return V4(a)->sin_addr.s_addr == V4(b)->sin_addr.s_addr;
  }
  return std::memcmp(&V6(a)->sin6_addr, &V6(b)->sin6_addr, sizeof(in6_addr)) == 0 &&
         V6(a)->sin6_scope_id == V6(b)->sin6_scope_id;
}

bool IsPublic(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    return IsPublicV4(ntohl(V4(address)->sin_addr.s_addr));
  }
  return address.ss_family == AF_INET6 && IsPublicV6(V6(address)->sin6_addr.s6_addr);
}

}  // namespace aurora::uv
