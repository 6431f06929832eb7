#include "controlplane/admin/token.h"

#include "absl/strings/match.h"

namespace aurora::admin {

TokenCheck::TokenCheck(const crypto::Secret& master_key)
    : enabled_(!master_key.empty()), digest_(crypto::Sha256Of(master_key.Reveal())) {}

absl::Status TokenCheck::Check(std::string_view authorization) const {
  if (!enabled_) {
    return PermissionDenied(
        "this node accepts no admin token: set AURORA_MASTER_KEY and restart, or use aurora-ctl on "
        "the "
        "node's own socket");
  }
  constexpr std::string_view kScheme = "Bearer ";
  if (authorization.size() < kScheme.size() ||
      !absl::EqualsIgnoreCase(Absl(authorization.substr(0, kScheme.size())), Absl(kScheme))) {
    return Unauthenticated(
        "no admin token: send 'Authorization: Bearer' with the node's AURORA_MASTER_KEY");
  }
  // Digests: equal lengths whatever was sent.
  if (!crypto::ConstantTimeEqual(crypto::Sha256Of(authorization.substr(kScheme.size())), digest_)) {
    return Unauthenticated(
        "wrong admin token: it must be the node's AURORA_MASTER_KEY (not an API key)");
  }
  return absl::OkStatus();
}

}  // namespace aurora::admin
