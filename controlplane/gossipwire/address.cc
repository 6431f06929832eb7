#include "controlplane/gossipwire/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "controlplane/gossipwire/codec.h"
#include "controlplane/gossipwire/limits.h"
#include "shared/base/status.h"

namespace aurora::gossipwire {
namespace {

constexpr size_t kMaxHost = 253;
constexpr size_t kMaxZone = 15;  // an interface's name

absl::Status Wrong(std::string_view text, std::string_view why) {
  return InvalidArgument("\"" + std::string(text.substr(0, 300)) + "\": " + std::string(why));
}

bool IsAlnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::optional<uint16_t> ParsePort(std::string_view text) {
  uint32_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || text.size() > 5 || error != std::errc() || end != text.data() + text.size() || port == 0 ||
      port > 65535) {
    return std::nullopt;
  }
  return static_cast<uint16_t>(port);
}

bool IsHostName(std::string_view host) {
  if (host.empty() || host.size() > kMaxHost || host.front() == '-' || host.front() == '.') {
    return false;
  }
  const bool letters =
      std::all_of(host.begin(), host.end(), [](char c) { return IsAlnum(c) || c == '-' || c == '.' || c == '_'; });
  // "10.0.0" and "1.2.3.4.5" are typing errors, not names: no top-level domain is a number.
  const std::string_view last = host.substr(host.find_last_of('.') + 1);
  const bool number =
      !last.empty() && std::all_of(last.begin(), last.end(), [](char c) { return c >= '0' && c <= '9'; });
  return letters && !number;
}

// v6[%zone] into ip and zone.
bool ParseV6(std::string_view text, JoinAddress* out) {
  const size_t percent = text.find('%');
  const auto ip = ParseIp(text.substr(0, percent));
  if (!ip || text.substr(0, percent).find(':') == std::string_view::npos) {
    return false;
  }
  if (percent != std::string_view::npos) {
    const std::string_view zone = text.substr(percent + 1);
    const bool good = !zone.empty() && zone.size() <= kMaxZone && std::all_of(zone.begin(), zone.end(), [](char c) {
      return IsAlnum(c) || c == '-' || c == '.' || c == '_';
    });
    // A zone means something on a link only (fe80::/10).
    const bool link_local = ip->size() == 16 && (*ip)[0] == '\xfe' && (static_cast<uint8_t>((*ip)[1]) & 0xc0) == 0x80;
    if (!good || !link_local) {
      return false;
    }
    out->zone = zone;
  }
  out->ip = *ip;
  return true;
}

absl::Status ParseBracketed(std::string_view text, std::string_view rest, JoinAddress* out) {
  const size_t close = rest.find(']');
  if (close == std::string_view::npos) {
    return Wrong(text, "[ without ]");
  }
  if (!ParseV6(rest.substr(1, close - 1), out)) {
    return Wrong(text, "no IPv6 address between the brackets");
  }
  const std::string_view after = rest.substr(close + 1);
  if (after.empty()) {
    return absl::OkStatus();
  }
  const auto port = after[0] == ':' ? ParsePort(after.substr(1)) : std::nullopt;
  if (!port) {
    return Wrong(text, "after the ] comes :port, 1 to 65535, or nothing");
  }
  out->port = *port;
  return absl::OkStatus();
}

absl::Status ParseNameOrV4(std::string_view text, std::string_view rest, JoinAddress* out) {
  const size_t colon = rest.find(':');
  const std::string_view host = rest.substr(0, colon);
  if (colon != std::string_view::npos) {
    const auto port = ParsePort(rest.substr(colon + 1));
    if (!port) {
      return Wrong(text, "a port is a number from 1 to 65535");
    }
    out->port = *port;
  }
  if (const auto ip = ParseIp(host)) {
    out->ip = *ip;
  } else if (IsHostName(host)) {
    out->host = host;
  } else {
    return Wrong(text, "neither an IP address nor a host name");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<JoinAddress> ParseJoinAddress(std::string_view text, uint16_t default_port) {
  JoinAddress out;
  out.port = default_port;
  std::string_view rest = text;
  if (const size_t slash = text.find('/'); slash != std::string_view::npos) {
    out.node = text.substr(0, slash);
    rest = text.substr(slash + 1);
    if (out.node.empty() || out.node.size() > kMaxName) {
      return Wrong(text, "a node's name before / has 1 to 255 bytes");
    }
  }
  if (rest.empty()) {
    return Wrong(text, "no address");
  }
  if (rest[0] == '[') {
    AURORA_RETURN_IF_ERROR(ParseBracketed(text, rest, &out));
  } else if (std::count(rest.begin(), rest.end(), ':') > 1) {
    if (!ParseV6(rest, &out)) {
      return Wrong(text, "not an IPv6 address; with a port write [address]:port");
    }
  } else {
    AURORA_RETURN_IF_ERROR(ParseNameOrV4(text, rest, &out));
  }
  if (out.port == 0) {
    return Wrong(text, "no port");
  }
  return out;
}

std::string FormatJoinAddress(const JoinAddress& address) {
  std::string out = address.node.empty() ? "" : address.node + "/";
  if (address.ip.size() == 16) {
    out += "[" + FormatIp(address.ip) + (address.zone.empty() ? "" : "%" + address.zone) + "]";
  } else {
    out += address.ip.empty() ? address.host : FormatIp(address.ip);
  }
  return out + ":" + std::to_string(address.port);
}

std::optional<std::string> ParseIp(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string copy(text);
  char bytes[16];
  if (inet_pton(AF_INET, copy.c_str(), bytes) == 1) {
    return std::string(bytes, 4);
  }
  if (inet_pton(AF_INET6, copy.c_str(), bytes) == 1) {
    return std::string(NormalizeIp({bytes, 16}));
  }
  return std::nullopt;
}

std::string FormatIp(std::string_view ip) {
  ip = NormalizeIp(ip);
  char text[INET6_ADDRSTRLEN];
  if (ip.size() != 4 && ip.size() != 16) {
    return "";
  }
  return inet_ntop(ip.size() == 4 ? AF_INET : AF_INET6, ip.data(), text, sizeof text);
}

std::optional<Address> ParseAddress(std::string_view text) {
  auto parsed = ParseJoinAddress(text, 0);
  if (!parsed.ok() || parsed->ip.empty() || !parsed->node.empty() || !parsed->zone.empty()) {
    return std::nullopt;
  }
  Address address{std::move(parsed->ip), parsed->port};
  if (FormatAddress(address) != text) {
    return std::nullopt;
  }
  return address;
}

std::string FormatAddress(const Address& address) {
  const bool v6 = NormalizeIp(address.ip).size() == 16;
  return (v6 ? "[" + FormatIp(address.ip) + "]" : FormatIp(address.ip)) + ":" + std::to_string(address.port);
}

}  // namespace aurora::gossipwire
