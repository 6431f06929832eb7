#include "controlplane/gossipwire/keyring.h"

#include <algorithm>
#include <utility>

#include "shared/base/check.h"
#include "shared/base/status.h"
#include "shared/crypto/aes_gcm.h"
#include "shared/crypto/encoding.h"
#include "shared/crypto/sha256.h"

namespace aurora::gossipwire {
namespace {

constexpr size_t kBlock = 16;
constexpr size_t kHeader = 1 + crypto::kGcmNonceBytes;
static_assert(kHeader + crypto::kGcmTagBytes == kEncryptionV1Overhead);

size_t Padding(size_t plain_bytes) {
  return kBlock - plain_bytes % kBlock;
}

// PKCS7: 1 to 16 bytes, each saying how many. Go looks at the last only; a peer that pads wrongly is not one of ours.
bool Unpad(std::string* plain) {
  if (plain->empty()) {
    return false;
  }
  const size_t pad = static_cast<uint8_t>(plain->back());
  if (pad < 1 || pad > kBlock || pad > plain->size()) {
    return false;
  }
  plain->resize(plain->size() - pad);
  return true;
}

}  // namespace

std::string Keyring::Fingerprint(std::string_view key) {
  const crypto::Digest digest = crypto::Sha256Of(key);
  return crypto::HexLower({reinterpret_cast<const char*>(digest.data()), 4});
}

absl::StatusOr<Keyring> Keyring::Make(const std::vector<std::string>& keys) {
  Keyring ring;
  for (const std::string& key : keys) {
    AURORA_RETURN_IF_ERROR(ring.Install(key).status());
  }
  return ring;
}

size_t Keyring::Find(std::string_view fingerprint) const {
  const auto it =
      std::find_if(keys_.begin(), keys_.end(), [&](const Entry& entry) { return entry.fingerprint == fingerprint; });
  return static_cast<size_t>(it - keys_.begin());
}

absl::StatusOr<std::string> Keyring::Install(std::string_view key) {
  if (!crypto::IsAesKeySize(key.size())) {
    return InvalidArgument("a gossip key has 16, 24 or 32 bytes, this one has " + std::to_string(key.size()));
  }
  std::string fingerprint = Fingerprint(key);
  if (const size_t at = Find(fingerprint); at < keys_.size()) {
    if (!crypto::ConstantTimeEqual(keys_[at].key.Reveal(), key)) {
      return InvalidArgument("another key has the same fingerprint " + fingerprint + "; make a new one");
    }
    return fingerprint;
  }
  if (keys_.size() >= kMaxKeys) {
    return ResourceExhausted("the keyring is full: " + std::to_string(kMaxKeys) + " keys");
  }
  keys_.push_back({fingerprint, crypto::Secret(key)});
  return fingerprint;
}

absl::Status Keyring::Use(std::string_view fingerprint) {
  const size_t at = Find(fingerprint);
  if (at == keys_.size()) {
    return NotFound("no gossip key " + std::string(fingerprint));
  }
  const auto begin = keys_.begin();
  std::rotate(begin, begin + static_cast<std::ptrdiff_t>(at), begin + static_cast<std::ptrdiff_t>(at) + 1);
  return absl::OkStatus();
}

absl::Status Keyring::Remove(std::string_view fingerprint) {
  const size_t at = Find(fingerprint);
  if (at == keys_.size()) {
    return NotFound("no gossip key " + std::string(fingerprint));
  }
  if (at == 0) {
    return FailedPrecondition("the primary gossip key is in use; make another the primary first");
  }
  keys_.erase(keys_.begin() + static_cast<std::ptrdiff_t>(at));
  return absl::OkStatus();
}

std::vector<std::string> Keyring::Fingerprints() const {
  std::vector<std::string> out;
  for (const Entry& entry : keys_) {
    out.push_back(entry.fingerprint);
  }
  return out;
}

size_t SealOverhead(SealVersion version, size_t plain_bytes) {
  return kEncryptionV1Overhead + (version == SealVersion::kPadded ? Padding(plain_bytes) : 0);
}

std::string SealWith(const Keyring& keys, SealVersion version, std::string_view nonce, std::string_view plain,
                     std::string_view aad) {
  AURORA_CHECK(!keys.empty());
  std::string padded;
  if (version == SealVersion::kPadded) {
    const size_t pad = Padding(plain.size());
    padded = std::string(plain) + std::string(pad, static_cast<char>(pad));
    plain = padded;
  }
  auto body = crypto::AesGcmSeal(keys.key(0), nonce, plain, aad);
  AURORA_CHECK(body.ok());  // the keyring holds only good keys, and callers bound the text
  std::string out(1, static_cast<char>(version));
  out += nonce;
  out += *body;
  return out;
}

absl::StatusOr<Unsealed> Unseal(const Keyring& keys, std::string_view sealed, std::string_view aad) {
  if (sealed.empty() || static_cast<uint8_t>(sealed[0]) > static_cast<uint8_t>(SealVersion::kPlain)) {
    return Unauthenticated("not encrypted, or in a version this build does not know");
  }
  const bool padded = sealed[0] == static_cast<char>(SealVersion::kPadded);
  if (sealed.size() < (padded ? kEncryptionV0Overhead : kEncryptionV1Overhead)) {
    return Unauthenticated("too short to be encrypted");
  }
  const std::string_view nonce = sealed.substr(1, crypto::kGcmNonceBytes);
  for (size_t i = 0; i < keys.size(); ++i) {
    auto plain = crypto::AesGcmOpen(keys.key(i), nonce, sealed.substr(kHeader), aad);
    if (!plain.ok()) {
      continue;
    }
    if (padded && !Unpad(&*plain)) {
      return Unauthenticated("sealed with one of our keys, but padded wrongly");
    }
    return Unsealed{*std::move(plain), i};
  }
  return Unauthenticated("no gossip key fits");
}

}  // namespace aurora::gossipwire
