#include "shared/crypto/sha256.h"

// The low-level interface: EVP (OpenSSL 3.0) frees and allocates its state at every re-init, and a
// key is hashed per request.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "shared/base/check.h"

namespace aurora::crypto {

Sha256::Sha256() : ctx_(new SHA256_CTX) {
  AURORA_CHECK(SHA256_Init(ctx_) == 1);
}

Sha256::~Sha256() {
  OPENSSL_cleanse(ctx_, sizeof *ctx_);
  delete ctx_;
}

Sha256& Sha256::Update(std::string_view bytes) {
  AURORA_CHECK(SHA256_Update(ctx_, bytes.data(), bytes.size()) == 1);
  return *this;
}

Digest Sha256::Finish() {
  Digest digest;
  AURORA_CHECK(SHA256_Final(digest.data(), ctx_) == 1);
  AURORA_CHECK(SHA256_Init(ctx_) == 1);
  return digest;
}

Digest Sha256Of(std::string_view bytes) {
  thread_local Sha256 hasher;
  return hasher.Hash(bytes);
}

bool ConstantTimeEqual(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool ConstantTimeEqual(const Digest& a, const Digest& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace aurora::crypto
