#include "controlplane/peers/gossip_address.h"

#include <cstring>
#include <memory>

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include "controlplane/gossipwire/address.h"
#include "controlplane/gossipwire/codec.h"
#include "shared/base/status.h"
#include "shared/uv/address.h"

namespace aurora::peers {
namespace {

constexpr size_t kV4Bytes = 4;
constexpr size_t kV6Bytes = 16;

std::string IpOf(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(*address);
    return {reinterpret_cast<const char*>(&v4.sin_addr), kV4Bytes};
  }
  if (address->sa_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(*address);
    const std::string_view bytes(reinterpret_cast<const char*>(&v6.sin6_addr), kV6Bytes);
    return std::string(gossipwire::NormalizeIp(bytes));
  }
  return {};
}

}  // namespace

std::optional<sockaddr_storage> ToSockaddr(const gossipwire::Address& address, uint32_t scope_id) {
  sockaddr_storage out{};
  if (address.ip.size() == kV4Bytes) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(out);
    v4.sin_family = AF_INET;
    std::memcpy(&v4.sin_addr, address.ip.data(), kV4Bytes);
  } else if (address.ip.size() == kV6Bytes) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
    v6.sin6_family = AF_INET6;
    std::memcpy(&v6.sin6_addr, address.ip.data(), kV6Bytes);
    v6.sin6_scope_id = IsLinkLocal(address.ip) ? scope_id : 0;
  } else {
    return std::nullopt;
  }
  uv::SetPort(out, address.port);
  return out;
}

gossipwire::Address FromSockaddr(const sockaddr_storage& address) {
  return {IpOf(reinterpret_cast<const sockaddr*>(&address)), uv::PortOf(address)};
}

bool IsWildcard(std::string_view ip) {
  return !ip.empty() && ip.find_first_not_of('\0') == std::string_view::npos;
}

bool IsLoopback(std::string_view ip) {
  if (ip.size() == kV4Bytes) {
    return ip[0] == 127;
  }
  return ip.size() == kV6Bytes && IsWildcard(ip.substr(0, kV6Bytes - 1)) && ip.back() == 1;
}

bool IsLinkLocal(std::string_view ip) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(ip[i]); };
  if (ip.size() == kV4Bytes) {
    return byte(0) == 169 && byte(1) == 254;
  }
  return ip.size() == kV6Bytes && byte(0) == 0xfe && (byte(1) & 0xc0) == 0x80;
}

std::vector<std::string> LocalIps() {
  std::vector<std::string> ips;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) {
    return ips;
  }
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> guard(list, freeifaddrs);
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0) {
      continue;
    }
    if (std::string ip = IpOf(entry->ifa_addr); !ip.empty()) {
      ips.push_back(std::move(ip));
    }
  }
  return ips;
}

absl::StatusOr<std::string> AdvertisedIp(std::string_view bind, std::string_view advertise,
                                         const std::vector<std::string>& local) {
  if (!advertise.empty()) {
    const auto ip = gossipwire::ParseIp(advertise);
    if (!ip || IsWildcard(*ip)) {
      return InvalidArgument("cluster.advertise_addr \"" + std::string(advertise) +
                             "\" is not an IP address that peers could use");
    }
    return *ip;
  }
  AURORA_ASSIGN_OR_RETURN(const sockaddr_storage bound, uv::ParseIp(bind, 0));
  std::string ip = FromSockaddr(bound).ip;
  if (!IsWildcard(ip)) {
    return ip;
  }
  for (const std::string& candidate : local) {
    const bool reachable = candidate.size() == ip.size() || ip.size() == kV6Bytes;
    if (reachable && !IsLoopback(candidate) && !IsLinkLocal(candidate)) {
      return candidate;
    }
  }
  ip.back() = 1;
  if (ip.size() == kV4Bytes) {
    ip.front() = 127;
  }
  return ip;
}

}  // namespace aurora::peers
