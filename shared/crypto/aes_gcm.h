// AES-GCM under the caller's nonce, for wire formats that are not ours.
// Source: NIST SP 800-38D through OpenSSL. Thread: stateless. Units: bytes; keys of 16, 24 or 32 choose AES-128, 192,
// 256; the nonce has 12, the tag appended to the ciphertext 16. The caller never uses a nonce twice under one key:
// random ones are good for 2^32 messages. Values of our own use seal.h, which picks the nonce.
// Errors: InvalidArgument for sizes; DataLoss for what does not authenticate.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace aurora::crypto {

inline constexpr size_t kGcmNonceBytes = 12;
inline constexpr size_t kGcmTagBytes = 16;

constexpr bool IsAesKeySize(size_t bytes) {
  return bytes == 16 || bytes == 24 || bytes == 32;
}

// ciphertext | tag.
absl::StatusOr<std::string> AesGcmSeal(std::string_view key, std::string_view nonce, std::string_view plaintext,
                                       std::string_view aad);
absl::StatusOr<std::string> AesGcmOpen(std::string_view key, std::string_view nonce, std::string_view sealed,
                                       std::string_view aad);

}  // namespace aurora::crypto
