#include "controlplane/gossipwire/lzw.h"

#include <fstream>
#include <string>
#include <vector>

#include "shared/crypto/encoding.h"
#include "shared/crypto/sha256.h"
#include "tests/controlplane/gossipwire/random_message.h"
#include "tests/controlplane/gossipwire/vectors.h"
#include "tests/support/test.h"

namespace aurora::gossipwire {
namespace {

std::vector<std::string> Inputs() {
  Rng rng(3);
  std::vector<std::string> out = {"", "a", "aa", "ab", std::string(24, 'a'), std::string("\0", 1)};
  // Around the steps of the code width (512, 1024, 2048, 4096 codes) and past a full table.
  for (const size_t n : {254u, 255u, 256u, 257u, 510u, 766u, 767u, 1790u, 1791u, 3836u, 3837u, 3838u, 3839u, 3840u,
                         3841u, 7000u, 65536u, 400000u}) {
    out.push_back(RandomText(rng, n, n));
    out.push_back(std::string(n, 'z'));
    std::string text;
    while (text.size() < n) {
      text += "node-" + std::to_string(rng.Below(50)) + " alive ";
    }
    out.push_back(text.substr(0, n));
  }
  return out;
}

std::string GoInput(const std::string& kind, size_t n) {
  std::string out;
  uint32_t x = static_cast<uint32_t>(n);
  const auto next = [&x] {
    x = x * 1664525 + 1013904223;
    return x >> 24;
  };
  while (out.size() < n) {
    if (kind == "same") {
      out += 'z';
    } else if (kind == "count") {
      out += static_cast<char>(out.size() % 251);
    } else if (kind == "noise") {
      out += static_cast<char>(next());
    } else {
      out += "node-" + std::to_string(next() % 50) + " alive ";
    }
  }
  return out.substr(0, n);
}

}  // namespace

TEST_CASE("Every input comes back from LZW, also through a full table and past it") {
  for (const std::string& plain : Inputs()) {
    const std::string packed = LzwEncode(plain);
    const auto back = LzwDecode(packed, plain.size());
    INFO(plain.size());
    REQUIRE(back.ok());
    REQUIRE(*back == plain);
  }
}

TEST_CASE("LZW encodes to the published bytes of Go's encoder") {
  CHECK(crypto::HexLower(LzwEncode("")) == "000302");
  CHECK(crypto::HexLower(LzwEncode("a")) == "00c30404");
  CHECK(crypto::HexLower(LzwEncode(std::string(24, 'a'))) == "00c3081c48b0a0c1810101");
}

TEST_CASE("LZW encodes 64 inputs to what Go's compress/lzw makes of them") {
  // Lines "kind n packed-bytes sha256-of-packed"; GoInput makes the same inputs.
  std::ifstream in("tests/controlplane/gossipwire/vectors/lzw-go.txt");
  std::string kind, hash;
  size_t n = 0, size = 0, lines = 0;
  while (in >> kind >> n >> size >> hash) {
    INFO(kind << " " << n);
    const std::string packed = LzwEncode(GoInput(kind, n));
    CHECK(packed.size() == size);
    const crypto::Digest digest = crypto::Sha256Of(packed);
    CHECK(crypto::HexLower({reinterpret_cast<const char*>(digest.data()), digest.size()}) == hash);
    ++lines;
  }
  CHECK(lines == 64);
}

TEST_CASE("LZW output has a limit, to the byte") {
  for (const std::string& plain : Inputs()) {
    if (plain.empty()) {
      continue;
    }
    CHECK(LzwDecode(LzwEncode(plain), plain.size() - 1).status().code() == absl::StatusCode::kResourceExhausted);
  }
}

TEST_CASE("A small LZW text that wants to become very large stops at the limit without having grown past it") {
  const std::string packed = LzwEncode(std::string(8u << 20, 'x'));
  CHECK(packed.size() < 16384);
  CHECK_FALSE(LzwDecode(packed, 1u << 20).ok());
}

TEST_CASE("LZW cut anywhere has no end and is refused") {
  const std::string packed = LzwEncode("node-a node-b node-a node-b");
  for (size_t n = 0; n + 1 < packed.size(); ++n) {
    CHECK_FALSE(LzwDecode(std::string_view(packed).substr(0, n), 1000).ok());
  }
}

TEST_CASE("Bytes after the end code are ignored") {
  CHECK(LzwDecode(LzwEncode("abc") + "rest", 1000).value() == "abc");
}

TEST_CASE("A code for what was never defined is refused") {
  // clear, then 258 with nothing before it: 9 bits each, least significant first.
  const uint32_t codes = 256u | 258u << 9;
  const std::string packed{static_cast<char>(codes), static_cast<char>(codes >> 8), static_cast<char>(codes >> 16), 0};
  CHECK_FALSE(LzwDecode(packed, 1000).ok());
}

TEST_CASE("A full table stays as it is when no clear comes") {
  // Our encoder clears at 4095 codes as Go's does; other encoders of the family do not. 4200 literals in a row:
  // the width grows to 12 and stays there.
  std::string packed;
  uint32_t bits = 0, count = 0;
  const auto put = [&](uint32_t code, uint32_t width) {
    bits |= code << count;
    for (count += width; count >= 8; count -= 8, bits >>= 8) {
      packed.push_back(static_cast<char>(bits));
    }
  };
  put(256, 9);
  std::string plain;
  uint32_t high = 257, width = 9;
  const auto data = [&](uint32_t code) {
    put(code, width);
    high = high < 4095 ? high + 1 : high;
    width = high >= 2048 ? 12 : high >= 1024 ? 11 : high >= 512 ? 10 : 9;
  };
  for (int i = 0; i < 4200; ++i) {
    const char c = static_cast<char>('a' + i % 26);
    plain.push_back(c);
    data(static_cast<uint8_t>(c));
  }
  // Entry 258 is the first two literals; 4095 the last pair that was stored.
  data(258);
  plain += "ab";
  put(257, width);
  put(0, 12);
  const auto back = LzwDecode(packed, 10000);
  REQUIRE(back.ok());
  CHECK(*back == plain);
}

}  // namespace aurora::gossipwire
