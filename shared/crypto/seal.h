// Sealing of stored credentials: AES-256-GCM with a key id.
// Source: NIST SP 800-38D; the envelope is ours: version(1) = 1 | key id(4) | nonce(12) |
// ciphertext | tag(16). The header is authenticated together with the caller's associated data.
// Nonces are random 96 bits: safe to 2^32 seals per key, far above what a provider table writes.
// The key id is the first 4 bytes of SHA-256 over "aurora seal key id" and the key: it says which
// key to try and nothing about it. Thread: stateless. Units: bytes; the envelope adds
// kSealOverhead. Errors: InvalidArgument for a key that is not 32 bytes; FailedPrecondition when
// the key id names another key; DataLoss for anything tampered, cut or of an unknown version.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "shared/crypto/secret.h"

namespace aurora::crypto {

inline constexpr size_t kSealKeyBytes = 32;
inline constexpr size_t kSealHeaderBytes = 1 + 4 + 12;
inline constexpr size_t kSealOverhead = kSealHeaderBytes + 16;

absl::StatusOr<std::string> Seal(std::string_view key32, std::string_view plaintext,
                                 std::string_view aad);
absl::StatusOr<Secret> Open(std::string_view key32, std::string_view sealed, std::string_view aad);

// A node's keys: `current` seals and opens, `previous` opens what was sealed before the key was changed. Either may
// be empty.
struct SealKeys {
  SealKeys() = default;
  // Not explicit: one key alone is the usual case.
  SealKeys(Secret now, Secret before = {})  // NOLINT
      : current(std::move(now)), previous(std::move(before)) {}
  Secret current;
  Secret previous;
};
// With whichever of the two the envelope names. FailedPrecondition also when there is no key at all.
absl::StatusOr<Secret> Open(const SealKeys& keys, std::string_view sealed, std::string_view aad);
// Whether the envelope names another key than this one.
bool SealedWithOther(std::string_view key32, std::string_view sealed);

// The 4-byte key id of a key, and of an envelope ("" when it is too short to have one).
std::string SealKeyId(std::string_view key32);
std::string SealedKeyId(std::string_view sealed);

}  // namespace aurora::crypto
