#include "shared/crypto/aes_gcm.h"

#include <string>

#include "shared/crypto/encoding.h"
#include "tests/support/test.h"

namespace aurora::crypto {
namespace {

std::string Hex(std::string_view text) {
  return *HexDecode(text);
}

// The Galois/Counter Mode of Operation (McGrew, Viega), appendix B: cases 4, 10 and 16 without the last 4 bytes are the
// AAD cases; 1, 7 and 13 are empty.
constexpr std::string_view kPlain =
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba"
    "63"
    "7b39";
constexpr std::string_view kAad = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
constexpr std::string_view kNonce = "cafebabefacedbaddecaf888";
constexpr std::string_view kKey = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";

}  // namespace

TEST_CASE("AES-GCM gives the published answers for all three key sizes") {
  struct Case {
    size_t key_bytes;
    std::string_view sealed;
  };
  const Case cases[] = {
      {16,
       "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac9"
       "7"
       "3d58e0915bc94fbc3221a5db94fae95ae7121a47"},
      {24,
       "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d"
       "9"
       "ccda27102519498e80f1478f37ba55bd6d27618c"},
      {32,
       "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0"
       "a"
       "bcc9f66276fc6ece0f4e1768cddf8853bb2d551b"},
  };
  for (const Case& c : cases) {
    const std::string key = Hex(kKey).substr(0, c.key_bytes);
    const auto sealed = AesGcmSeal(key, Hex(kNonce), Hex(kPlain), Hex(kAad));
    REQUIRE(sealed.ok());
    CHECK(HexLower(*sealed) == c.sealed);
    const auto opened = AesGcmOpen(key, Hex(kNonce), *sealed, Hex(kAad));
    REQUIRE(opened.ok());
    CHECK(HexLower(*opened) == kPlain);
  }
}

TEST_CASE("An empty message without associated data is only a tag") {
  const std::string zero_key(16, '\0'), zero_nonce(12, '\0');
  const auto sealed = AesGcmSeal(zero_key, zero_nonce, "", "");
  REQUIRE(sealed.ok());
  CHECK(HexLower(*sealed) == "58e2fccefa7e3061367f1d57a4e7455a");
  CHECK(AesGcmOpen(zero_key, zero_nonce, *sealed, "").value() == "");
}

TEST_CASE("A changed bit anywhere, another key, nonce or associated data does not open") {
  const std::string key = Hex(kKey).substr(0, 16), nonce = Hex(kNonce);
  const std::string sealed = AesGcmSeal(key, nonce, "text", "aad").value();
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string changed = sealed;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    CHECK(!AesGcmOpen(key, nonce, changed, "aad").ok());
  }
  CHECK(!AesGcmOpen(std::string(16, 'k'), nonce, sealed, "aad").ok());
  CHECK(!AesGcmOpen(key, std::string(12, 'n'), sealed, "aad").ok());
  CHECK(!AesGcmOpen(key, nonce, sealed, "").ok());
  CHECK(!AesGcmOpen(key, nonce, sealed.substr(0, 15), "aad").ok());
}

TEST_CASE("Keys of other sizes and nonces of other sizes are refused") {
  for (const size_t bytes : {0u, 15u, 17u, 31u, 33u, 64u}) {
    CHECK(AesGcmSeal(std::string(bytes, 'k'), std::string(12, 'n'), "x", "").status().code() ==
          absl::StatusCode::kInvalidArgument);
  }
  CHECK(!AesGcmSeal(std::string(16, 'k'), std::string(11, 'n'), "x", "").ok());
  CHECK(!AesGcmOpen(std::string(16, 'k'), std::string(16, 'n'), std::string(20, 'x'), "").ok());
}

}  // namespace aurora::crypto
