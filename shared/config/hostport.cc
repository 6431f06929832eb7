#include "shared/config/hostport.h"

#include <charconv>

#include "shared/base/status.h"

namespace aurora::config {
namespace {

absl::Status Bad() {
  return InvalidArgument("want host:port, [ipv6]:port or :port with a port of 0 to 65535");
}

}  // namespace

std::string HostPort::ToString() const {
  const std::string text_port = ":" + std::to_string(port);
  return host.find(':') == std::string::npos ? host + text_port : "[" + host + "]" + text_port;
}

absl::StatusOr<HostPort> ParseHostPort(std::string_view text, std::string_view default_host) {
  std::string_view host;
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t end = text.find("]:");
    if (end == std::string_view::npos || end == 1) {
      return Bad();
    }
    host = text.substr(1, end - 1);
    port = text.substr(end + 2);
    if (host.find_first_not_of("0123456789abcdefABCDEF:.%") != std::string_view::npos) {
      return Bad();
    }
  } else {
    const size_t colon = text.find(':');
    if (colon == std::string_view::npos || text.find(':', colon + 1) != std::string_view::npos) {
      return Bad();
    }
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  // Hosts are names or addresses: nothing that could smuggle a path, a space or a control
  // character.
  for (const char c : host) {
    if (c <= ' ' || c == '/' || c == '@' || c == ',' || c == '[' || c == ']' || c == 0x7f) {
      return Bad();
    }
  }
  uint16_t value = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), value);
  if (port.empty() || error != std::errc() || end != port.data() + port.size()) {
    return Bad();
  }
  return HostPort{std::string(host.empty() || host == "*" ? default_host : host), value};
}

bool IsLoopbackHost(std::string_view host) {
  if (host == "localhost" || host == "::1") {
    return true;
  }
  // 127/8 as an address, not a name such as 127.example.com.
  return host.starts_with("127.") &&
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool IsWildcardHost(std::string_view host) {
  return host.empty() || host == "0.0.0.0" || host == "::" || host == "*";
}

}  // namespace aurora::config
