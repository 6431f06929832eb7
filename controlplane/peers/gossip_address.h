// Addresses of the gossip protocol as socket addresses, and which of them are ours.
// Source: ours; getifaddrs(3). Thread: stateless; LocalIps asks the kernel at each call. Errors:
// InvalidArgument names the setting. Invariant: IPv4 is 4 bytes, never mapped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/socket.h>

#include "absl/status/statusor.h"
#include "controlplane/gossipwire/message.h"

namespace aurora::peers {

// nullopt: no IP. `scope_id` is used for link-local IPv6 addresses only.
std::optional<sockaddr_storage> ToSockaddr(const gossipwire::Address& address,
                                           uint32_t scope_id = 0);
gossipwire::Address FromSockaddr(const sockaddr_storage& address);

bool IsWildcard(std::string_view ip);
bool IsLoopback(std::string_view ip);
bool IsLinkLocal(std::string_view ip);

// The IPs of the interfaces that are up, in the kernel's order.
std::vector<std::string> LocalIps();

// The IP told to peers: `advertise` when given, else `bind` unless it is a wildcard, else the first
// of `local` that is neither loopback nor link-local and of the wildcard's family (an IPv6 wildcard
// takes any), else the loopback.
absl::StatusOr<std::string> AdvertisedIp(std::string_view bind, std::string_view advertise,
                                         const std::vector<std::string>& local);

}  // namespace aurora::peers
