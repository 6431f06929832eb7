#include "controlplane/gossipwire/layers.h"

#include <string>

#include "controlplane/gossipwire/codec.h"
#include "controlplane/gossipwire/keyring.h"
#include "shared/crypto/encoding.h"
#include "tests/controlplane/gossipwire/random_message.h"
#include "tests/controlplane/gossipwire/vectors.h"
#include "tests/support/test.h"

namespace aurora::gossipwire {
namespace {

constexpr const char* kDebian = "v0.2.2-debian.txt";

std::string SequentialKey(size_t bytes) {
  std::string key;
  for (size_t i = 0; i < bytes; ++i) {
    key.push_back(static_cast<char>(i));
  }
  return key;
}

struct SealedVector {
  const char* name;
  size_t key_bytes;
  const char* label;
};
constexpr SealedVector kSealed[] = {
    {"enc v1 key16 aad=\"\"", 16, ""}, {"enc v1 key16 aad=\"prod\"", 16, "prod"},
    {"enc v1 key32 aad=\"\"", 32, ""}, {"enc v1 key32 aad=\"prod\"", 32, "prod"},
    {"enc v0 key16", 16, ""},
};

}  // namespace

TEST_CASE("CRC-32 is the one of IEEE 802.3") {
  CHECK(Crc32("123456789") == 0xcbf43926u);
  CHECK(Crc32("") == 0);
  CHECK(Crc32(NamedVector(kDebian, "alive")) == 0x24ab8de8u);
  CHECK(AddCrc(Hex("0868656c6c6f2d756470")) == Hex("0cf659ae0a0868656c6c6f2d756470"));
}

TEST_CASE("A compound of a ping and a suspect is the one Go makes") {
  const std::string ping = NamedVector(kDebian, "ping");
  const std::string suspect = NamedVector(kDebian, "suspect");
  const std::string parts[] = {ping, suspect};
  const std::string made = MakeCompound(parts);
  for (const char* file : kVectorFiles) {
    CHECK(crypto::HexLower(made) == crypto::HexLower(NamedVector(file, "compound(ping,suspect)")));
  }
  const auto split = SplitCompound(std::string_view(made).substr(1));
  REQUIRE(split.ok());
  CHECK(split->truncated == 0);
  CHECK(split->parts == std::vector<std::string_view>{ping, suspect});
}

TEST_CASE("A cut compound gives its whole parts and counts the others") {
  const std::string parts[] = {"first", "", "third"};
  const std::string made = MakeCompound(parts).substr(1);
  const size_t header = 1 + 2 * 3;
  for (size_t n = 0; n <= made.size(); ++n) {
    INFO(n);
    const auto split = SplitCompound(std::string_view(made).substr(0, n));
    if (n < header) {
      CHECK_FALSE(split.ok());
      continue;
    }
    REQUIRE(split.ok());
    const size_t whole = n - header < 5 ? 0 : n - header < 10 ? 2 : 3;
    CHECK(split->parts.size() == whole);
    CHECK(split->truncated == 3 - whole);
  }
  CHECK(SplitCompound(Hex("00")).value().parts.empty());
}

TEST_CASE("A compound of 255 parts of any size splits to what it was made of") {
  Rng rng(7);
  std::vector<std::string> parts;
  for (int i = 0; i < 255; ++i) {
    parts.push_back(RandomText(rng, 0, 300));
  }
  parts[100] = RandomText(rng, 65535, 65535);
  const std::string made = MakeCompound(parts);
  const auto split = SplitCompound(std::string_view(made).substr(1));
  REQUIRE(split.ok());
  REQUIRE(split->parts.size() == 255);
  for (size_t i = 0; i < 255; ++i) {
    REQUIRE(split->parts[i] == parts[i]);
  }
}

TEST_CASE("Compression wraps as Go does, byte for byte, and unwraps") {
  const std::string alive = NamedVector(kDebian, "alive");
  const std::string many(24, 'a');
  for (const char* file : kVectorFiles) {
    CHECK(Compress(alive) == NamedVector(file, "compress(alive)"));
    CHECK(Compress(many) == NamedVector(file, "compress(24x'a')"));
    CHECK(Decompress(std::string_view(NamedVector(file, "compress(alive)")).substr(1), 1000).value() == alive);
  }
  CHECK(Decompress(std::string_view(Compress(many)).substr(1), 24).value() == many);
  CHECK(Decompress(std::string_view(Compress(many)).substr(1), 23).status().code() ==
        absl::StatusCode::kResourceExhausted);
  // A join, as Debian's node wrote it on its stream.
  const std::string join =
      Hex("0982a4416c676f00a3427566da0071000d0c22a5e44d1a37c34a397943a6cc9c00acaacc2923670a9d3074ca3029e3e6c0215241c890"
          "9143ea0f"
          "00000156257133268c1c3718d3bc711380549332174db5c119a68518524ec2ec34e58661199fa4a0bc9143a799110ba52c622c036094"
          "95396e4c"
          "052820e02480391733fa0c08");
  const auto plain = Decompress(std::string_view(join).substr(1), 1000);
  REQUIRE(plain.ok());
  CHECK(Compress(*plain) == join);
}

TEST_CASE("Another algorithm, a missing buffer or one of another type is no compression") {
  CHECK_FALSE(Decompress(Hex("82a4416c676f01a3427566a3000302"), 100).ok());
  CHECK_FALSE(Decompress(Hex("81a4416c676f00"), 100).ok());
  CHECK_FALSE(Decompress(Hex("82a4416c676f00a342756605"), 100).ok());
  CHECK(Decompress(Hex("82a4416c676f00a3427566a3000302"), 100).value().empty());
  CHECK(Decompress(Hex("82a3427566c403000302a4416c676f00"), 100).value().empty());
}

TEST_CASE("What Go sealed opens with the key and label it was sealed with, and with nothing else") {
  const std::string alive = NamedVector(kDebian, "alive");
  for (const char* file : kVectorFiles) {
    for (const SealedVector& vector : kSealed) {
      INFO(file << " " << vector.name);
      const std::string sealed = NamedVector(file, vector.name);
      const Keyring ring = RingOf({SequentialKey(24), SequentialKey(vector.key_bytes)});
      const auto opened = Unseal(ring, sealed, vector.label);
      REQUIRE(opened.ok());
      CHECK(opened->plain == alive);
      CHECK(opened->key == 1);
      CHECK_FALSE(Unseal(ring, sealed, std::string(vector.label) + "x").ok());
      CHECK_FALSE(Unseal(RingOf({SequentialKey(24)}), sealed, vector.label).ok());
    }
  }
}

TEST_CASE("Sealing under Go's nonce gives Go's bytes") {
  const std::string alive = NamedVector(kDebian, "alive");
  for (const SealedVector& vector : kSealed) {
    INFO(vector.name);
    const std::string sealed = NamedVector(kDebian, vector.name);
    const SealVersion version = static_cast<SealVersion>(sealed[0]);
    const Keyring ring = RingOf({SequentialKey(vector.key_bytes), SequentialKey(24)});
    CHECK(SealWith(ring, version, sealed.substr(1, 12), alive, vector.label) == sealed);
    CHECK(sealed.size() == alive.size() + SealOverhead(version, alive.size()));
  }
}

TEST_CASE("Sealed text of every length opens, in both versions, and no bit after the version may change") {
  const Keyring ring = RingOf({SequentialKey(16)});
  for (const SealVersion version : {SealVersion::kPadded, SealVersion::kPlain}) {
    for (size_t n = 0; n < 40; ++n) {
      const std::string plain(n, 'p');
      const std::string sealed = SealWith(ring, version, std::string(12, 'n'), plain, "aad");
      CHECK(sealed.size() == n + SealOverhead(version, n));
      CHECK(Unseal(ring, sealed, "aad").value().plain == plain);
    }
    const std::string sealed = SealWith(ring, version, std::string(12, 'n'), "text", "");
    // memberlist does not authenticate the version byte itself.
    for (size_t bit = 8; bit < sealed.size() * 8; ++bit) {
      std::string changed = sealed;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
      CHECK_FALSE(Unseal(ring, changed, "").ok());
    }
    for (size_t n = 0; n < sealed.size(); ++n) {
      CHECK_FALSE(Unseal(ring, sealed.substr(0, n), "").ok());
    }
  }
}

TEST_CASE("Padding that says nothing sensible is refused though it authenticates") {
  const Keyring ring = RingOf({SequentialKey(16)});
  for (const int last : {0, 17, 255}) {
    // Sealed unpadded, then marked as padded: the version byte is not authenticated.
    std::string sealed =
        SealWith(ring, SealVersion::kPlain, std::string(12, 'n'), std::string(15, 'x') + static_cast<char>(last), "");
    sealed[0] = 0;
    CHECK_FALSE(Unseal(ring, sealed, "").ok());
  }
}

TEST_CASE("A keyring keeps its order, names keys by fingerprint and never loses its primary") {
  Keyring ring;
  CHECK(ring.empty());
  const std::string a = SequentialKey(16), b = SequentialKey(24), c = SequentialKey(32);
  // sha256 of 000102..0f begins with be45cb26.
  CHECK(Keyring::Fingerprint(a) == "be45cb26");
  CHECK(ring.Install(a).value() == "be45cb26");
  const std::string fb = ring.Install(b).value(), fc = ring.Install(c).value();
  CHECK(ring.Install(a).value() == "be45cb26");
  CHECK(ring.Fingerprints() == std::vector<std::string>{"be45cb26", fb, fc});
  CHECK(ring.Use(fc).ok());
  CHECK(ring.Fingerprints() == std::vector<std::string>{fc, "be45cb26", fb});
  CHECK(ring.key(0) == c);
  CHECK(ring.Remove(fc).code() == absl::StatusCode::kFailedPrecondition);
  CHECK(ring.Remove("be45cb26").ok());
  CHECK(ring.Remove("be45cb26").code() == absl::StatusCode::kNotFound);
  CHECK(ring.Use("be45cb26").code() == absl::StatusCode::kNotFound);
  CHECK(ring.Fingerprints() == std::vector<std::string>{fc, fb});
  CHECK(ring.Install("short").status().code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("A keyring holds 16 keys and no more") {
  Keyring ring;
  for (char i = 0; i < 16; ++i) {
    CHECK(ring.Install(std::string(16, i)).ok());
  }
  CHECK(ring.Install(std::string(16, 'x')).status().code() == absl::StatusCode::kResourceExhausted);
  CHECK(ring.Install(std::string(16, 0)).ok());
  CHECK(ring.size() == 16);
}

TEST_CASE("A label header is its type, its length and the label; no label has none") {
  CHECK(LabelHeader("prod") == Hex("f40470726f64"));
  CHECK(LabelHeader("").empty());
  CHECK(CheckLabel(std::string(255, 'l')).ok());
  CHECK_FALSE(CheckLabel(std::string(256, 'l')).ok());
}

}  // namespace aurora::gossipwire
