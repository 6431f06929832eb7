#include "shared/http/url.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "shared/http/message.h"

namespace aurora::http {
namespace {

constexpr bool IsHostByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_';
}

constexpr bool IsV6Byte(char c) {
  return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == ':' ||
         c == '.';
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

absl::StatusOr<uint16_t> ParsePort(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) {
    return InvalidArgument("bad port \"" + std::string(text) + "\"");
  }
  return port;
}

struct SplitAuthority {
  std::string host;
  std::string_view port;
  bool has_port = false;
  bool bracketed = false;
};

absl::StatusOr<SplitAuthority> Split(std::string_view text) {
  SplitAuthority out;
  std::string_view rest;
  if (!text.empty() && text.front() == '[') {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) {
      return InvalidArgument("unclosed [ in \"" + std::string(text) + "\"");
    }
    out.host = text.substr(1, close - 1);
    out.bracketed = true;
    rest = text.substr(close + 1);
    if (out.host.find(':') == std::string::npos ||
        !std::all_of(out.host.begin(), out.host.end(), IsV6Byte)) {
      return InvalidArgument("bad IPv6 host \"" + out.host + "\"");
    }
  } else {
    const size_t colon = text.find(':');
    out.host = text.substr(0, colon);
    rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
    if (!std::all_of(out.host.begin(), out.host.end(), IsHostByte)) {
      return InvalidArgument("bad host \"" + out.host + "\"");
    }
  }
  if (!rest.empty()) {
    if (rest.front() != ':') {
      return InvalidArgument("unexpected \"" + std::string(rest) + "\" after the host");
    }
    out.has_port = true;
    out.port = rest.substr(1);
  }
  for (char& c : out.host) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  }
  return out;
}

bool IsDotSegment(std::string_view segment) {
  return segment == "." || segment == "..";
}

}  // namespace

absl::StatusOr<Url> ParseBaseUrl(std::string_view text) {
  Url url;
  const size_t colon = text.find("://");
  const std::string_view scheme = text.substr(0, colon == std::string_view::npos ? 0 : colon);
  if (EqualsIgnoreCase(scheme, "https")) {
    url.tls = true;
  } else if (!EqualsIgnoreCase(scheme, "http")) {
    return InvalidArgument("a base URL begins with http:// or https://");
  }
  text.remove_prefix(colon + 3);
  if (text.find_first_of("@?#\\ ") != std::string_view::npos) {
    return InvalidArgument("a base URL has no user info, query, fragment, backslash or space");
  }
  const size_t slash = text.find('/');
  AURORA_ASSIGN_OR_RETURN(const SplitAuthority split, Split(text.substr(0, slash)));
  if (split.host.empty()) {
    return InvalidArgument("a base URL names a host");
  }
  const uint16_t default_port = url.tls ? 443 : 80;
  url.host = split.host;
  url.port = default_port;
  if (split.has_port) {
    AURORA_ASSIGN_OR_RETURN(url.port, ParsePort(split.port));
    if (url.port == 0) {
      return InvalidArgument("port 0 is no port");
    }
  }
  url.authority = split.bracketed ? "[" + split.host + "]" : split.host;
  if (url.port != default_port) {
    url.authority += ":" + std::to_string(url.port);
  }
  if (slash != std::string_view::npos) {
    std::string_view path = text.substr(slash);
    if (!IsSafePath(path)) {
      return InvalidArgument("unsafe path \"" + std::string(path) + "\"");
    }
    while (!path.empty() && path.back() == '/') {
      path.remove_suffix(1);
    }
    url.path = path;
  }
  return url;
}

absl::StatusOr<HostPort> ParseHostPort(std::string_view text) {
  AURORA_ASSIGN_OR_RETURN(const SplitAuthority split, Split(text));
  if (!split.has_port) {
    return InvalidArgument("\"" + std::string(text) + "\" lacks a port");
  }
  HostPort out;
  out.host = split.host;
  AURORA_ASSIGN_OR_RETURN(out.port, ParsePort(split.port));
  return out;
}

bool IsSafePath(std::string_view path) {
  if (path.empty() || path.front() != '/') {
    return false;
  }
  // Segments are compared after decoding, and bytes that would make or hide a separator are refused
  // encoded too.
  std::string segment;
  for (size_t i = 0; i < path.size(); ++i) {
    char c = path[i];
    bool encoded = false;
    if (c == '%') {
      const int high = i + 1 < path.size() ? HexValue(path[i + 1]) : -1;
      const int low = i + 2 < path.size() ? HexValue(path[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return false;
      }
      c = static_cast<char>(high * 16 + low);
      encoded = true;
      i += 2;
    }
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || c == '\\' || (encoded && (c == '/' || c == '.'))) {
      return false;
    }
    if (c != '/') {
      // Only the first three bytes can matter to the comparison.
      if (segment.size() < 3) {
        segment.push_back(c);
      }
      continue;
    }
    if (IsDotSegment(segment)) {
      return false;
    }
    segment.clear();
  }
  return !IsDotSegment(segment);
}

bool PercentDecode(std::string_view text, std::string& out) {
  out.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? HexValue(text[i + 1]) : -1;
      const int low = high >= 0 ? HexValue(text[i + 2]) : -1;
      if (low < 0 || high * 16 + low == 0) {
        return false;
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    out.push_back(c);
  }
  return true;
}

std::string_view PathOf(std::string_view target) {
  return target.substr(0, target.find('?'));
}

std::string_view QueryOf(std::string_view target) {
  const size_t mark = target.find('?');
  return mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
}

}  // namespace aurora::http
