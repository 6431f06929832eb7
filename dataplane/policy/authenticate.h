// Key check: from a request's headers to the key that pays for it.
// Source: product.md §3 (client API auth). Thread: pure. Time: Unix ms, passed in.
// Errors: every refusal is a 401 with its own code, so that an operator can tell an expired key from a typo.
// Invariant: the credential itself is never kept: only its SHA-256 is looked up.
#pragma once

#include <cstdint>
#include <string_view>

#include "dataplane/model/snapshot.h"
#include "shared/crypto/sha256.h"
#include "shared/http/message.h"

namespace aurora::policy {

enum class AuthError : uint8_t {
  kNone, kMissing, kUnknown, kDisabled, kDeactivated, kExpired, kRotated,
};

struct AuthResult {
  const model::KeySecret* secret = nullptr;  // lives as long as the snapshot
  AuthError error = AuthError::kMissing;
};

// Authorization: Bearer, else x-api-key, api-key, x-goog-api-key; "" when there is none.
std::string_view ExtractCredential(const http::Head& head);

// Whether this secret works now.
AuthError CheckSecret(const model::KeySecret& secret, int64_t unix_ms);

AuthResult Authenticate(const http::Head& head, const model::Snapshot& snapshot, crypto::Sha256& sha256,
                        int64_t unix_ms);

std::string_view CodeOf(AuthError error);
std::string_view MessageOf(AuthError error);

}  // namespace aurora::policy
