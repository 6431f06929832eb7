// The parsed head of one HTTP/1.x message: start line, headers, and how its body is framed.
// Source: RFC 9110 (fields), RFC 9112 (framing).
// Thread: plain values.   Memory: sizeof(Head) is about 4 KiB, so one lives per loop (HeadScratch),
// not per connection. Lifetime: every view points into the bytes given to the decoder or into the
// decoder's own stash; see decoder.h. Invariant: a Head that a Decoder hands out is unambiguous: at
// most one framing, at most one Host.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace aurora::http {

enum class Method : uint8_t { kGet, kHead, kPost, kPut, kDelete, kPatch, kOptions, kOther };

// Names the proxy or the servers act on; every other name is kOther.
enum class HeaderId : uint8_t {
  kOther,
  kHost,
  kConnection,
  kContentLength,
  kContentType,
  kContentEncoding,
  kTransferEncoding,
  kExpect,
  kUpgrade,
  kTe,
  kTrailer,
  kKeepAlive,
  kProxyConnection,
  kProxyAuthorization,
  kProxyAuthenticate,
  kAuthorization,
  kXApiKey,
  kApiKey,
  kXGoogApiKey,
  kAccept,
  kAcceptEncoding,
  kUserAgent,
  kTraceparent,
  kTracestate,
  kRetryAfter,
  kXRequestId,
  kAnthropicVersion,
  kAnthropicBeta,
  kDate,
  kServer,
  kCookie,
  kSetCookie,
  kForwarded,
  kXForwardedFor,
  kXForwardedProto,
  kVia,
  kLocation,
};

struct Header {
  std::string_view name;   // as received, any case
  std::string_view value;  // without surrounding white space
  HeaderId id = HeaderId::kOther;
};

inline constexpr size_t kHeadersMax = 96;

struct Head {
  // kLength with content_length 0 is "an explicit empty body"; kNone is "no body at all".
  enum class Body : uint8_t { kNone, kLength, kChunked, kUntilClose };

  Method method = Method::kOther;  // requests
  Body body = Body::kNone;
  bool keep_alive = true;        // what the sender asked for (version + Connection)
  bool expect_continue = false;  // request carries Expect: 100-continue
  bool upgrade = false;          // Connection: upgrade plus an Upgrade header, or a 101 response
  int status = 0;                // responses
  int minor_version = 1;         // HTTP/1.<minor>
  uint32_t header_count = 0;
  std::string_view method_text;  // requests
  std::string_view
      target;  // origin-form ("/path?query") or "*"; absolute-form is reduced to its path
  uint64_t content_length = 0;  // also set for a response to HEAD that carries one
  std::array<Header, kHeadersMax> headers;

  std::span<const Header> all() const { return {headers.data(), header_count}; }
  // The first header with that id, or null. Linear: heads have about ten headers.
  const Header* Find(HeaderId id) const {
    for (uint32_t i = 0; i < header_count; ++i) {
      if (headers[i].id == id) {
        return &headers[i];
      }
    }
    return nullptr;
  }
  // The first header with that name (any case), or null.
  const Header* Find(std::string_view name) const;
  // The value of the first header with that id, or "".
  std::string_view Value(HeaderId id) const {
    const Header* header = Find(id);
    return header == nullptr ? std::string_view() : header->value;
  }
};

// ASCII case-insensitive equality.
bool EqualsIgnoreCase(std::string_view a, std::string_view b);

// The id of a header name in any case. Requires: a token (what no parser lets through is not told
// apart).
HeaderId ClassifyHeader(std::string_view name);

// The canonical lower-case name of an id; "" for kOther.
std::string_view HeaderName(HeaderId id);

// Whether a comma-separated header value holds `token` (any case), e.g. ("keep-alive, TE", "te").
bool HasToken(std::string_view list, std::string_view token);

Method ClassifyMethod(std::string_view text);
std::string_view MethodName(Method method);

// Headers that belong to one hop and are never forwarded (RFC 9110 7.6.1), Content-Length not among
// them.
bool IsHopByHop(HeaderId id);

}  // namespace aurora::http
