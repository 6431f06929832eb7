#include "shared/crypto/seal.h"

#include <climits>
#include <memory>

#include <openssl/evp.h>

#include "shared/base/check.h"
#include "shared/base/status.h"
#include "shared/crypto/random.h"
#include "shared/crypto/sha256.h"

namespace aurora::crypto {
namespace {

constexpr char kVersion = 1;
constexpr size_t kKeyIdBytes = 4;
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* ctx) const { EVP_CIPHER_CTX_free(ctx); }
};
using CipherPtr = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

const unsigned char* Bytes(std::string_view s) {
  return reinterpret_cast<const unsigned char*>(s.data());
}
unsigned char* Bytes(std::string& s, size_t at) {
  return reinterpret_cast<unsigned char*>(s.data()) + at;
}

// Feeds header and associated data. The header has a fixed length, so the two cannot be confused.
void Authenticate(EVP_CIPHER_CTX* ctx, std::string_view header, std::string_view aad) {
  int n = 0;
  AURORA_CHECK(EVP_CipherUpdate(ctx, nullptr, &n, Bytes(header), static_cast<int>(header.size())) ==
               1);
  if (!aad.empty()) {
    AURORA_CHECK(EVP_CipherUpdate(ctx, nullptr, &n, Bytes(aad), static_cast<int>(aad.size())) == 1);
  }
}

CipherPtr Start(std::string_view key32, std::string_view nonce, int encrypt) {
  CipherPtr ctx(EVP_CIPHER_CTX_new());
  AURORA_CHECK(ctx != nullptr);
  AURORA_CHECK(EVP_CipherInit_ex(ctx.get(), EVP_aes_256_gcm(), nullptr, Bytes(key32), Bytes(nonce),
                                 encrypt) == 1);
  return ctx;
}

absl::Status CheckSizes(std::string_view key32, std::string_view text, std::string_view aad) {
  if (key32.size() != kSealKeyBytes) {
    return InvalidArgument("a sealing key is 32 bytes, this one has " +
                           std::to_string(key32.size()));
  }
  if (text.size() > INT_MAX / 2 || aad.size() > INT_MAX / 2) {
    return InvalidArgument("too long to seal");
  }
  return absl::OkStatus();
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

absl::StatusOr<std::string> Seal(std::string_view key32, std::string_view plaintext,
                                 std::string_view aad) {
  AURORA_RETURN_IF_ERROR(CheckSizes(key32, plaintext, aad));
  std::string out(1, kVersion);
  out += SealKeyId(key32);
  out += RandomBytes(kNonceBytes);
  const std::string header = out;
  out.resize(kSealOverhead + plaintext.size());
  const CipherPtr ctx = Start(key32, std::string_view(header).substr(1 + kKeyIdBytes), 1);
  Authenticate(ctx.get(), header, aad);
  int n = 0;
  AURORA_CHECK(EVP_CipherUpdate(ctx.get(), Bytes(out, kSealHeaderBytes), &n, Bytes(plaintext),
                                static_cast<int>(plaintext.size())) == 1);
  AURORA_CHECK(static_cast<size_t>(n) == plaintext.size());
  const size_t tag_at = kSealHeaderBytes + plaintext.size();
  AURORA_CHECK(EVP_CipherFinal_ex(ctx.get(), Bytes(out, tag_at), &n) == 1);
  AURORA_CHECK(
      EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, Bytes(out, tag_at)) == 1);
  return out;
}

absl::StatusOr<Secret> Open(std::string_view key32, std::string_view sealed, std::string_view aad) {
  AURORA_RETURN_IF_ERROR(CheckSizes(key32, sealed, aad));
  if (sealed.size() < kSealOverhead || sealed[0] != kVersion) {
    return DataLoss("not a sealed value of a version this build knows");
  }
  if (SealedKeyId(sealed) != SealKeyId(key32)) {
    return FailedPrecondition(
        "sealed with another key (AURORA_ENCRYPTION_KEY differs from the one in use then)");
  }
  const std::string_view header = sealed.substr(0, kSealHeaderBytes);
  const size_t length = sealed.size() - kSealOverhead;
  const CipherPtr ctx = Start(key32, header.substr(1 + kKeyIdBytes), 0);
  Authenticate(ctx.get(), header, aad);
  // One byte more: EVP wants a place to write to even for nothing.
  std::string plain(length + 1, '\0');
  int n = 0;
  AURORA_CHECK(EVP_CipherUpdate(ctx.get(), Bytes(plain, 0), &n,
                                Bytes(sealed.substr(kSealHeaderBytes)),
                                static_cast<int>(length)) == 1);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  AURORA_CHECK(EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1);
  if (EVP_CipherFinal_ex(ctx.get(), Bytes(plain, length), &n) != 1) {
    Wipe(plain);
    return DataLoss(
        "sealed value does not authenticate: it was changed, cut, or belongs to another row");
  }
  plain.resize(length);
  return Secret::Take(plain);
}

}  // namespace aurora::crypto
