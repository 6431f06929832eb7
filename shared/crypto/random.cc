#include "shared/crypto/random.h"

#include <cstring>

#include <openssl/rand.h>

#include "shared/base/check.h"
#include "shared/crypto/encoding.h"

namespace aurora::crypto {

std::string RandomBytes(size_t n) {
  std::string bytes(n, '\0');
  AURORA_CHECK(n <= 1 << 20);
  AURORA_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(n)) ==
               1);
  return bytes;
}

uint64_t RandomU64() {
  uint64_t word = 0;
  const std::string bytes = RandomBytes(sizeof word);
  std::memcpy(&word, bytes.data(), sizeof word);
  return word;
}

std::string UuidV4() {
  std::string bytes = RandomBytes(16);
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);
  std::string text = HexLower(bytes);
  for (const size_t at : {20U, 16U, 12U, 8U}) {
    text.insert(at, 1, '-');
  }
  return text;
}

}  // namespace aurora::crypto
