#include <set>
#include <sstream>

#include "shared/crypto/encoding.h"
#include "shared/crypto/random.h"
#include "shared/crypto/secret.h"
#include "shared/crypto/sha256.h"
#include "tests/support/test.h"

namespace aurora::crypto {
namespace {

std::string Hex(const Digest& d) {
  return HexLower(std::string_view(reinterpret_cast<const char*>(d.data()), d.size()));
}

TEST_CASE("SHA-256 answers the published vectors") {
  CHECK(Hex(Sha256Of("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(Hex(Sha256Of("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Hex(Sha256Of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_CASE("a hasher starts afresh after each message and joins updates") {
  Sha256 hasher;
  const Digest abc = Sha256Of("abc");
  CHECK(hasher.Hash("something else") != abc);
  CHECK(hasher.Hash("abc") == abc);
  CHECK(hasher.Update("a").Update("").Update("bc").Finish() == abc);
}

TEST_CASE("constant-time equality agrees with equality") {
  CHECK(ConstantTimeEqual("", ""));
  CHECK(ConstantTimeEqual("secret", "secret"));
  CHECK_FALSE(ConstantTimeEqual("secret", "secreT"));
  CHECK_FALSE(ConstantTimeEqual("secret", "secret1"));
  CHECK_FALSE(ConstantTimeEqual(Sha256Of("a"), Sha256Of("b")));
}

TEST_CASE("base64 answers the vectors of RFC 4648 both ways") {
  const std::pair<const char*, const char*> vectors[] = {
      {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
      {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) {
    CHECK(Base64Encode(plain) == coded);
    CHECK(Base64Decode(coded) == std::string(plain));
  }
  CHECK(Base64UrlEncode("\xfb\xff\xfe") == "-__-");
  CHECK(Base64UrlDecode("-__-") == std::string("\xfb\xff\xfe"));
  CHECK(Base64UrlEncode("f") == "Zg");
}

TEST_CASE("base64 refuses every second spelling of the same bytes") {
  for (const char* bad :
       {"Zg", "Zg=", "Zh==", "Zg==\n", "Z===", "====", "Zm9v=", "Zm-v", "=", "Zg==Zg=="}) {
    INFO(bad);
    CHECK_FALSE(Base64Decode(bad).has_value());
  }
  for (const char* bad : {"Zg==", "Zh", "Z", "Zm+v", "Zm9/"}) {
    INFO(bad);
    CHECK_FALSE(Base64UrlDecode(bad).has_value());
  }
}

TEST_CASE("hex goes both ways") {
  CHECK(HexLower(std::string_view("\x00\xab\xff", 3)) == "00abff");
  CHECK(HexDecode("00ABff") == std::string("\x00\xab\xff", 3));
  CHECK_FALSE(HexDecode("0").has_value());
  CHECK_FALSE(HexDecode("0g").has_value());
}

TEST_CASE("random bytes come in the length asked for and never twice") {
  CHECK(RandomBytes(0).empty());
  CHECK(RandomBytes(32).size() == 32);
  CHECK(RandomBytes(16) != RandomBytes(16));
}

TEST_CASE("a uuid has version 4 and variant 1 in place") {
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    const std::string id = UuidV4();
    REQUIRE(id.size() == 36);
    CHECK(id[8] == '-');
    CHECK(id[13] == '-');
    CHECK(id[14] == '4');
    CHECK(id[18] == '-');
    CHECK(std::string("89ab").find(id[19]) != std::string::npos);
    CHECK(id[23] == '-');
    seen.insert(id);
  }
  CHECK(seen.size() == 200);
}

TEST_CASE("wiping clears the bytes where they were, small buffer included") {
  for (const size_t length : {5U, 15U, 100U}) {
    std::string text(length, 'k');
    text.resize(text.size() / 2);  // the tail is still in the buffer
    const char* at = text.data();
    const size_t capacity = text.capacity();
    Wipe(text);
    CHECK(text.empty());
    CHECK(text.data() == at);
    text.resize(capacity, 'x');
    text.clear();
    CHECK(text.capacity() == capacity);
  }
}

TEST_CASE("a moved-from or taken secret holds nothing") {
  std::string text = "hunter2";
  Secret secret = Secret::Take(text);
  CHECK(text.empty());
  CHECK(std::string(text.data(), 7) != "hunter2");
  Secret moved = std::move(secret);
  CHECK(secret.empty());  // NOLINT: the point of the test
  CHECK(moved.Reveal() == "hunter2");
  Secret copy = moved;
  moved = Secret("other");
  CHECK(copy.Reveal() == "hunter2");
}

TEST_CASE("a redacted secret hides at least as much as it shows") {
  CHECK(Secret("").Redacted() == "");
  CHECK(Secret("short").Redacted() == "****");
  CHECK(Secret("sk_aur_abcdefghijklmnop").Redacted(7) == "sk_aur_…mnop");
  CHECK(Secret("sk_aur_abcdefghijk").Redacted(7) == "****");
}

}  // namespace
}  // namespace aurora::crypto
