// Socket addresses as values: parse an IP literal, print, size.
// Source: ours.   Thread: pure.
// Errors: InvalidArgument when the text is not an IP literal ("localhost" counts as 127.0.0.1, ""
// as 0.0.0.0).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <sys/socket.h>

#include "shared/base/status.h"

namespace aurora::uv {

absl::StatusOr<sockaddr_storage> ParseIp(std::string_view host, uint16_t port);
std::string IpText(const sockaddr_storage& address);  // "127.0.0.1", "::1"
uint16_t PortOf(const sockaddr_storage& address);
void SetPort(sockaddr_storage& address, uint16_t port);
socklen_t AddressSize(const sockaddr_storage& address);
// Same family, IP and port.
bool SameAddress(const sockaddr_storage& a, const sockaddr_storage& b);
// Reachable for everybody: neither loopback, private, link-local (a cloud's metadata), shared, benchmark,
// documentation, multicast nor reserved (RFC 6890 and its registries). An IPv4 address inside an IPv6 one counts as
// itself.
bool IsPublic(const sockaddr_storage& address);

}  // namespace aurora::uv
