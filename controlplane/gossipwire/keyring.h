// The cluster's keys, and what is sealed with them.
// Source: hashicorp/memberlist keyring.go, security.go. Thread: a value, owned by one thread. Bounds: kMaxKeys keys of
// 16, 24 or 32 bytes (AES-128, 192, 256). A key is named by its fingerprint: the first 8 hex digits of its SHA-256,
// which says nothing about it. Errors: InvalidArgument for sizes; NotFound for a fingerprint that is not here;
// FailedPrecondition for what would leave no key; ResourceExhausted over the bound. Invariant: the first key is the
// primary one: it seals what we send; all are tried on what we receive. Empty: no encryption.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/gossipwire/limits.h"
#include "shared/crypto/secret.h"

namespace aurora::gossipwire {

class Keyring {
 public:
  Keyring() = default;
  // The first is the primary. A key given twice counts once.
  static absl::StatusOr<Keyring> Make(const std::vector<std::string>& keys);

  bool empty() const { return keys_.empty(); }
  size_t size() const { return keys_.size(); }
  std::string_view key(size_t index) const { return keys_[index].key.Reveal(); }

  // Adds it last (a first key becomes the primary). Answers its fingerprint, also when it was here already.
  absl::StatusOr<std::string> Install(std::string_view key);
  // Makes it the primary.
  absl::Status Use(std::string_view fingerprint);
  // Not the primary: change it first.
  absl::Status Remove(std::string_view fingerprint);
  // The primary first.
  std::vector<std::string> Fingerprints() const;
  static std::string Fingerprint(std::string_view key);

 private:
  struct Entry {
    std::string fingerprint;
    crypto::Secret key;
  };
  size_t Find(std::string_view fingerprint) const;  // size() when it is not here

  std::vector<Entry> keys_;
};

// The versions of the sealed layout: version(1) | nonce(12) | ciphertext | tag(16).
enum class SealVersion : uint8_t { kPadded = 0, kPlain = 1 };

// What is added to `plain_bytes`.
size_t SealOverhead(SealVersion version, size_t plain_bytes);
// The primary key seals. `nonce` has 12 bytes and is never used again.
std::string SealWith(const Keyring& keys, SealVersion version, std::string_view nonce, std::string_view plain,
                     std::string_view aad);
struct Unsealed {
  std::string plain;
  size_t key = 0;  // which key fitted
};
// Tries every key. Unauthenticated: none fits, or it is no sealed text of a known version.
absl::StatusOr<Unsealed> Unseal(const Keyring& keys, std::string_view sealed, std::string_view aad);

}  // namespace aurora::gossipwire
