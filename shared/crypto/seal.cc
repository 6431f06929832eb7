#include "shared/crypto/seal.h"

#include "shared/base/status.h"
#include "shared/crypto/aes_gcm.h"
#include "shared/crypto/random.h"
#include "shared/crypto/sha256.h"

namespace aurora::crypto {
namespace {

constexpr char kVersion = 1;
constexpr size_t kKeyIdBytes = 4;

absl::Status CheckKey(std::string_view key32) {
  if (key32.size() != kSealKeyBytes) {
    return InvalidArgument("a sealing key is 32 bytes, this one has " + std::to_string(key32.size()));
  }
  return absl::OkStatus();
}

// What is authenticated and not encrypted. The header has a fixed length, so the two cannot be confused.
std::string Associated(std::string_view header, std::string_view aad) {
  std::string both(header);
  both += aad;
  return both;
}

}  // namespace

std::string SealKeyId(std::string_view key32) {
  Sha256 hasher;
  const Digest digest = hasher.Update("aurora seal key id").Hash(key32);
  return std::string(reinterpret_cast<const char*>(digest.data()), kKeyIdBytes);
}

std::string SealedKeyId(std::string_view sealed) {
  return sealed.size() < kSealOverhead ? "" : std::string(sealed.substr(1, kKeyIdBytes));
}

absl::StatusOr<std::string> Seal(std::string_view key32, std::string_view plaintext, std::string_view aad) {
  AURORA_RETURN_IF_ERROR(CheckKey(key32));
  const std::string nonce = RandomBytes(kGcmNonceBytes);
  const std::string header = std::string(1, kVersion) + SealKeyId(key32) + nonce;
  AURORA_ASSIGN_OR_RETURN(const std::string sealed, AesGcmSeal(key32, nonce, plaintext, Associated(header, aad)));
  return header + sealed;
}

absl::StatusOr<Secret> Open(std::string_view key32, std::string_view sealed, std::string_view aad) {
  AURORA_RETURN_IF_ERROR(CheckKey(key32));
  if (sealed.size() < kSealOverhead || sealed[0] != kVersion) {
    return DataLoss("not a sealed value of a version this build knows");
  }
  if (SealedKeyId(sealed) != SealKeyId(key32)) {
    return FailedPrecondition("sealed with another key (AURORA_ENCRYPTION_KEY differs from the one in use then)");
  }
  const std::string_view header = sealed.substr(0, kSealHeaderBytes);
  absl::StatusOr<std::string> plain = AesGcmOpen(key32, header.substr(1 + kKeyIdBytes), sealed.substr(kSealHeaderBytes),
                                                 Associated(header, aad));
  if (absl::IsDataLoss(plain.status())) {
    return DataLoss("sealed value does not authenticate: it was changed, cut, or belongs to another row");
  }
  AURORA_RETURN_IF_ERROR(plain.status());
  return Secret::Take(*plain);
}

absl::StatusOr<Secret> Open(const SealKeys& keys, std::string_view sealed, std::string_view aad) {
  if (!keys.previous.empty() && SealedKeyId(sealed) == SealKeyId(keys.previous.Reveal())) {
    return Open(keys.previous.Reveal(), sealed, aad);
  }
  if (keys.current.empty()) {
    return FailedPrecondition("sealed, but there is no AURORA_ENCRYPTION_KEY");
  }
  return Open(keys.current.Reveal(), sealed, aad);
}

bool SealedWithOther(std::string_view key32, std::string_view sealed) {
  return SealedKeyId(sealed) != SealKeyId(key32);
}

}  // namespace aurora::crypto
