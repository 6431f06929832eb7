// TokenCheck: is this the admin token?
// Source: product contract, admin API (AURORA_MASTER_KEY as a bearer token). Thread: stateless
// after construction; any. Errors: the two Status values a face turns into its own. Invariant: the
// token's text is not kept, only its digest, and a comparison takes as long for a near miss as for
// a far one.
#pragma once

#include <string_view>

#include "shared/base/status.h"
#include "shared/base/time.h"
#include "shared/crypto/secret.h"
#include "shared/crypto/sha256.h"

namespace aurora::admin {

// A wrong token costs its sender this long; right ones never wait behind it.
inline constexpr Duration kLoginDelay = Duration::Millis(300);
// More of them waiting for their answer on one face: refused at once.
inline constexpr size_t kLoginsDelayed = 64;
inline constexpr std::string_view kTooManyLogins =
    "too many requests with a wrong admin token; try again in a second";

class TokenCheck {
 public:
  explicit TokenCheck(const crypto::Secret& master_key);

  // Whether any token is accepted at all.
  bool enabled() const { return enabled_; }
  const crypto::Digest& digest() const { return digest_; }
  // `authorization`: the header's value, "Bearer TOKEN". Unauthenticated with a hint;
  // PermissionDenied when there is no master key.
  absl::Status Check(std::string_view authorization) const;

 private:
  bool enabled_;
  crypto::Digest digest_;
};

}  // namespace aurora::admin
