#include "shared/crypto/sha256.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "shared/base/check.h"

namespace aurora::crypto {
namespace {

// Fetched once: EVP_sha256() would look the algorithm up again at every init.
const EVP_MD* FetchedSha256() {
  static const EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  AURORA_CHECK(md != nullptr);
  return md;
}

}  // namespace

Sha256::Sha256() : ctx_(EVP_MD_CTX_new()) {
  AURORA_CHECK(ctx_ != nullptr);
  AURORA_CHECK(EVP_DigestInit_ex2(ctx_, FetchedSha256(), nullptr) == 1);
}

Sha256::~Sha256() { EVP_MD_CTX_free(ctx_); }

Sha256& Sha256::Update(std::string_view bytes) {
  AURORA_CHECK(EVP_DigestUpdate(ctx_, bytes.data(), bytes.size()) == 1);
  return *this;
}

Digest Sha256::Finish() {
  Digest digest;
  AURORA_CHECK(EVP_DigestFinal_ex(ctx_, digest.data(), nullptr) == 1);
  // A null type keeps the algorithm and its allocated state.
  AURORA_CHECK(EVP_DigestInit_ex2(ctx_, nullptr, nullptr) == 1);
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
