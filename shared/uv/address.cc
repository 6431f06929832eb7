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

}  // namespace aurora::uv
