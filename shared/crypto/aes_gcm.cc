#include "shared/crypto/aes_gcm.h"

#include <climits>
#include <memory>

#include <openssl/evp.h>

#include "shared/base/check.h"
#include "shared/base/status.h"
#include "shared/crypto/secret.h"

namespace aurora::crypto {
namespace {

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

const EVP_CIPHER* CipherFor(size_t key_bytes) {
  return key_bytes == 16 ? EVP_aes_128_gcm() : key_bytes == 24 ? EVP_aes_192_gcm() : EVP_aes_256_gcm();
}

absl::Status CheckSizes(std::string_view key, std::string_view nonce, std::string_view text, std::string_view aad) {
  if (!IsAesKeySize(key.size())) {
    return InvalidArgument("an AES key has 16, 24 or 32 bytes, this one has " + std::to_string(key.size()));
  }
  if (nonce.size() != kGcmNonceBytes) {
    return InvalidArgument("a GCM nonce has 12 bytes, this one has " + std::to_string(nonce.size()));
  }
  if (text.size() > INT_MAX / 2 || aad.size() > INT_MAX / 2) {
    return InvalidArgument("too long for one AES-GCM message");
  }
  return absl::OkStatus();
}

CipherPtr Start(std::string_view key, std::string_view nonce, std::string_view aad, int encrypt) {
  CipherPtr ctx(EVP_CIPHER_CTX_new());
  AURORA_CHECK(ctx != nullptr);
  // 12 bytes is GCM's default nonce length.
  AURORA_CHECK(EVP_CipherInit_ex(ctx.get(), CipherFor(key.size()), nullptr, Bytes(key), Bytes(nonce), encrypt) == 1);
  int n = 0;
  if (!aad.empty()) {
    AURORA_CHECK(EVP_CipherUpdate(ctx.get(), nullptr, &n, Bytes(aad), static_cast<int>(aad.size())) == 1);
  }
  return ctx;
}

}  // namespace

absl::StatusOr<std::string> AesGcmSeal(std::string_view key, std::string_view nonce, std::string_view plaintext,
                                       std::string_view aad) {
  AURORA_RETURN_IF_ERROR(CheckSizes(key, nonce, plaintext, aad));
  const CipherPtr ctx = Start(key, nonce, aad, 1);
  std::string out(plaintext.size() + kGcmTagBytes, '\0');
  int n = 0;
  if (!plaintext.empty()) {
    AURORA_CHECK(EVP_CipherUpdate(ctx.get(), Bytes(out, 0), &n, Bytes(plaintext), static_cast<int>(plaintext.size())) ==
                 1);
  }
  AURORA_CHECK(static_cast<size_t>(n) == plaintext.size());
  AURORA_CHECK(EVP_CipherFinal_ex(ctx.get(), Bytes(out, plaintext.size()), &n) == 1);
  AURORA_CHECK(EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kGcmTagBytes),
                                   Bytes(out, plaintext.size())) == 1);
  return out;
}

absl::StatusOr<std::string> AesGcmOpen(std::string_view key, std::string_view nonce, std::string_view sealed,
                                       std::string_view aad) {
  AURORA_RETURN_IF_ERROR(CheckSizes(key, nonce, sealed, aad));
  if (sealed.size() < kGcmTagBytes) {
    return DataLoss("shorter than an authentication tag");
  }
  const size_t length = sealed.size() - kGcmTagBytes;
  const CipherPtr ctx = Start(key, nonce, aad, 0);
  // One byte more: EVP wants a place to write to even for nothing.
  std::string plain(length + 1, '\0');
  int n = 0;
  if (length > 0) {
    AURORA_CHECK(EVP_CipherUpdate(ctx.get(), Bytes(plain, 0), &n, Bytes(sealed), static_cast<int>(length)) == 1);
  }
  std::string tag(sealed.substr(length));
  AURORA_CHECK(EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(kGcmTagBytes), tag.data()) == 1);
  if (EVP_CipherFinal_ex(ctx.get(), Bytes(plain, length), &n) != 1) {
    Wipe(plain);
    return DataLoss("does not authenticate under this key");
  }
  plain.resize(length);
  return plain;
}

}  // namespace aurora::crypto
