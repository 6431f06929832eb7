// HostPort: "host:port" as settings, seeds and flags write it.
// Source: ours; bracketed IPv6 as in RFC 3986 section 3.2.2. Thread: stateless. Units: port
// 0..65535. Errors: InvalidArgument, one line that says what is allowed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace aurora::config {

struct HostPort {
  std::string host;  // without brackets
  uint16_t port = 0;

  bool operator==(const HostPort&) const = default;
  // "host:port", IPv6 in brackets.
  std::string ToString() const;
};

// "10.0.0.1:80", "[::1]:80", "name:80", ":80" (host `default_host`). The port is required; 0 = the
// kernel picks.
absl::StatusOr<HostPort> ParseHostPort(std::string_view text,
                                       std::string_view default_host = "0.0.0.0");

// 127.0.0.0/8, ::1, "localhost".
bool IsLoopbackHost(std::string_view host);
// "", 0.0.0.0, ::, "*".
bool IsWildcardHost(std::string_view host);

}  // namespace aurora::config
