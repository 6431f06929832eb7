// Base URLs of backends, and the check that a passthrough path cannot climb out of its prefix.
// Source: RFC 3986, the part an http(s) origin needs: no user info, no fragment, no query in a base
// URL. Thread: pure. Errors: InvalidArgument with the offending part named.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shared/base/status.h"

namespace aurora::http {

struct Url {
  bool tls = false;
  std::string host;   // lower case; an IPv6 literal without its brackets
  uint16_t port = 0;  // the scheme's default when absent
  std::string path;   // "" or "/..." without a trailing slash
  std::string
      authority;  // what a Host header carries: host[:port], brackets kept, default port dropped

  bool operator==(const Url&) const = default;
};

absl::StatusOr<Url> ParseBaseUrl(std::string_view text);

// "host:port", "[v6]:port" or ":port" (host "").
struct HostPort {
  std::string host;
  uint16_t port = 0;
};
absl::StatusOr<HostPort> ParseHostPort(std::string_view text);

// False for "." and ".." segments, "%2e", "%2f", "%5c", a backslash, NUL or any control byte.
// (an encoded dot is refused anywhere: nobody needs one). `path` begins with '/', and ends before
// '?'.
bool IsSafePath(std::string_view path);

// The text with its %XX replaced; false, with `out` undefined, for a '%' without two hex digits and for %00.
bool PercentDecode(std::string_view text, std::string& out);

// The part of a target before '?', and the part after it ("" when there is none).
std::string_view PathOf(std::string_view target);
std::string_view QueryOf(std::string_view target);

}  // namespace aurora::http
