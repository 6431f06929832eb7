#include "dataplane/policy/authenticate.h"

namespace aurora::policy {
namespace {

// No key of ours is longer; hashing megabytes for a stranger is not our job.
constexpr size_t kCredentialBytesMax = 512;

std::string_view BearerToken(std::string_view value) {
  constexpr std::string_view kBearer = "bearer ";
  if (value.size() <= kBearer.size() || !http::EqualsIgnoreCase(value.substr(0, kBearer.size()), kBearer)) {
    return {};
  }
  value.remove_prefix(kBearer.size());
  while (!value.empty() && value.front() == ' ') {
    value.remove_prefix(1);
  }
  return value;
}

}  // namespace

std::string_view ExtractCredential(const http::Head& head) {
  std::string_view bearer;
  std::string_view x_api_key;
  std::string_view api_key;
  std::string_view x_goog;
  for (const http::Header& header : head.all()) {
    switch (header.id) {
      case http::HeaderId::kAuthorization:
        bearer = bearer.empty() ? BearerToken(header.value) : bearer;
        break;
      case http::HeaderId::kXApiKey:
        x_api_key = x_api_key.empty() ? header.value : x_api_key;
        break;
      case http::HeaderId::kApiKey:
        api_key = api_key.empty() ? header.value : api_key;
        break;
      case http::HeaderId::kXGoogApiKey:
        x_goog = x_goog.empty() ? header.value : x_goog;
        break;
      default:
        break;
    }
  }
  return !bearer.empty() ? bearer : !x_api_key.empty() ? x_api_key : !api_key.empty() ? api_key : x_goog;
}

AuthError CheckSecret(const model::KeySecret& secret, int64_t unix_ms) {
  const model::AuthKey& key = *secret.key;
  if (key.ended) {
    return AuthError::kDeactivated;
  }
  if (!key.enabled) {
    return AuthError::kDisabled;
  }
  if (key.expires_at_ms != 0 && unix_ms >= key.expires_at_ms) {
    return AuthError::kExpired;
  }
  if (secret.not_after_ms != 0 && unix_ms >= secret.not_after_ms) {
    return AuthError::kRotated;
  }
  return AuthError::kNone;
}

AuthResult Authenticate(const http::Head& head, const model::Snapshot& snapshot, crypto::Sha256& sha256,
                        int64_t unix_ms) {
  const std::string_view credential = ExtractCredential(head);
  if (credential.empty()) {
    return {nullptr, AuthError::kMissing};
  }
  if (credential.size() > kCredentialBytesMax) {
    return {nullptr, AuthError::kUnknown};
  }
  const model::KeySecret* secret = snapshot.FindKey(sha256.Hash(credential));
  if (secret == nullptr || secret->key == nullptr) {
    return {nullptr, AuthError::kUnknown};
  }
  return {secret, CheckSecret(*secret, unix_ms)};
}

std::string_view CodeOf(AuthError error) {
  switch (error) {
    case AuthError::kNone:
      return "";
    case AuthError::kMissing:
      return "missing_api_key";
    case AuthError::kUnknown:
      return "invalid_api_key";
    case AuthError::kDisabled:
      return "disabled_api_key";
    case AuthError::kDeactivated:
      return "deactivated_api_key";
    case AuthError::kExpired:
      return "expired_api_key";
    case AuthError::kRotated:
      return "rotated_api_key";
  }
  return "";
}

std::string_view MessageOf(AuthError error) {
  switch (error) {
    case AuthError::kNone:
      return "";
    case AuthError::kMissing:
      return "No API key was sent: use the header 'Authorization: Bearer KEY' or 'x-api-key: KEY'.";
    case AuthError::kUnknown:
      return "This API key is not known here.";
    case AuthError::kDisabled:
      return "This API key is disabled.";
    case AuthError::kDeactivated:
      return "This API key has been deactivated.";
    case AuthError::kExpired:
      return "This API key has expired.";
    case AuthError::kRotated:
      return "This API key has been rotated: use the new one.";
  }
  return "";
}

}  // namespace aurora::policy
