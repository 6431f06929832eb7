// SessionSealer: a dashboard session as a sealed cookie, which every node with the same admin token opens.
// Source: ours (docs/adr/0012). AES-256-GCM (shared/crypto/seal.h) under a key made of the admin token; the cookie is
// all there is, no node keeps a list. Thread: immutable after construction. Units: seconds since 1970. Errors:
// Unauthenticated for a cookie that is not ours, was changed, or has expired: the caller learns not which.
// Invariants: a session ends kSessionMax after its sign-in, and kSessionIdle after it was last used, whatever was
// asked meanwhile; its CSRF token stays the same for as long as it lasts and is in no other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shared/base/status.h"
#include "shared/crypto/secret.h"
#include "shared/crypto/sha256.h"

namespace aurora::admin {

inline constexpr int64_t kSessionMax = 12 * 3600;
inline constexpr int64_t kSessionIdle = 3600;
inline constexpr int64_t kSessionRenewAfter = 300;  // an older `seen` is written anew
inline constexpr int64_t kSessionSkew = 300;        // what another node's clock may be ahead

struct Session {
  int64_t started = 0;
  int64_t seen = 0;
  std::string csrf;  // base64url of 16 random bytes; not in the cookie's clear text

  int64_t expires() const { return started + kSessionMax; }
};

class SessionSealer {
 public:
  // `token_digest`: SHA-256 of the admin token. The key is another hash of it.
  explicit SessionSealer(const crypto::Digest& token_digest);

  static Session Begin(int64_t now);
  std::string Seal(const Session& session) const;
  absl::StatusOr<Session> Open(std::string_view sealed, int64_t now) const;

 private:
  crypto::Secret key_;
};

// Over TLS the name begins with __Secure-, so that nothing sent in clear can have set it.
std::string_view SessionCookieName(bool secure);
// The value of `name` in a Cookie header; "" when it is not there.
std::string_view CookieValue(std::string_view cookie_header, std::string_view name);
// A Set-Cookie value that lasts `max_age` seconds (0: forget it). Path=/admin: /v1 never sees it.
std::string SessionCookie(bool secure, std::string_view sealed, int64_t max_age);

}  // namespace aurora::admin
