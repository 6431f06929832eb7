// Addresses as people and configuration write them.
// Source: memberlist's join grammar, `[nodename/]host[:port]`; RFC 4291 section 2.2 for IPv6 text, RFC 4007 section 11
// for zones. Thread: stateless; no look-up is made here: a host that is no IP address stays a name for the resolver.
// Bounds: host names of 253 bytes, node names of kMaxName. Errors: InvalidArgument names the text and what is wrong.
// Invariant: an IP address is 4 or 16 bytes in network order and never IPv4-mapped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "controlplane/gossipwire/message.h"

namespace aurora::gossipwire {

// Where to join. Exactly one of `ip` and `host` is there.
struct JoinAddress {
  std::string node;  // the name the peer must have; empty: any
  std::string host;  // a name to resolve
  std::string ip;    // 4 or 16 bytes
  std::string zone;  // of a link-local IPv6 address: an interface's name or number
  uint16_t port = 0;
  bool operator==(const JoinAddress&) const = default;
};

// host, host:port, v4, v4:port, v6, [v6], [v6]:port, each with an optional nodename/ before and a %zone in the v6.
// A v6 with a port needs brackets: without them all of it is read as the address.
absl::StatusOr<JoinAddress> ParseJoinAddress(std::string_view text, uint16_t default_port);
std::string FormatJoinAddress(const JoinAddress& address);

// 4 or 16 bytes; nullopt for anything but an address. No zone.
std::optional<std::string> ParseIp(std::string_view text);
// "10.0.0.1", "fd00::1"; "" for no address.
std::string FormatIp(std::string_view ip);

// "10.0.0.1:7946", "[fd00::1]:7946": what FormatAddress writes, and nothing else.
std::optional<Address> ParseAddress(std::string_view text);
std::string FormatAddress(const Address& address);

}  // namespace aurora::gossipwire
