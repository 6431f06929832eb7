#include "shared/crypto/seal.h"

#include "shared/crypto/sha256.h"
#include "tests/support/test.h"

namespace aurora::crypto {
namespace {

const std::string kSealKey(32, 'k');
const std::string kOther(32, 'o');

TEST_CASE("what was sealed opens with the same key and associated data") {
  for (const std::string& plain : {std::string(), std::string("x"), std::string(5000, 'p')}) {
    const auto sealed = Seal(kSealKey, plain, "provider/openai/1");
    REQUIRE(sealed.ok());
    CHECK(sealed->size() == plain.size() + kSealOverhead);
    const auto opened = Open(kSealKey, *sealed, "provider/openai/1");
    REQUIRE(opened.ok());
    CHECK(opened->Reveal() == plain);
  }
}

TEST_CASE("the same text never seals to the same bytes twice") {
  CHECK(*Seal(kSealKey, "same", "a") != *Seal(kSealKey, "same", "a"));
}

TEST_CASE("a flip of any single bit keeps a seal shut") {
  const std::string sealed = *Seal(kSealKey, "sk-secret", "row");
  for (size_t i = 0; i < sealed.size() * 8; ++i) {
    std::string bad = sealed;
    bad[i / 8] = static_cast<char>(bad[i / 8] ^ (1 << (i % 8)));
    const auto opened = Open(kSealKey, bad, "row");
    INFO("bit " << i);
    CHECK_FALSE(opened.ok());
  }
}

TEST_CASE("a seal cut at any length stays shut") {
  const std::string sealed = *Seal(kSealKey, "sk-secret", "row");
  for (size_t n = 0; n < sealed.size(); ++n) {
    CHECK(Open(kSealKey, sealed.substr(0, n), "row").status().code() == absl::StatusCode::kDataLoss);
  }
}

TEST_CASE("a seal moved to another row stays shut") {
  const std::string sealed = *Seal(kSealKey, "sk-secret", "provider/a/1");
  CHECK(Open(kSealKey, sealed, "provider/b/1").status().code() == absl::StatusCode::kDataLoss);
  CHECK(Open(kSealKey, sealed, "").status().code() == absl::StatusCode::kDataLoss);
}

TEST_CASE("a seal under another key says so") {
  const std::string sealed = *Seal(kSealKey, "sk-secret", "row");
  CHECK(Open(kOther, sealed, "row").status().code() == absl::StatusCode::kFailedPrecondition);
  CHECK(SealedKeyId(sealed) == SealKeyId(kSealKey));
  CHECK(SealKeyId(kSealKey) != SealKeyId(kOther));
  CHECK(SealedKeyId("short").empty());
}

TEST_CASE("two keys open what either sealed, and nothing of a third") {
  const SealKeys both(Secret{kSealKey}, Secret{kOther});
  for (const std::string& key : {kSealKey, kOther}) {
    const std::string sealed = *Seal(key, "sk-secret", "row");
    const auto opened = Open(both, sealed, "row");
    REQUIRE(opened.ok());
    CHECK(opened->Reveal() == "sk-secret");
    CHECK(Open(both, sealed, "another row").status().code() == absl::StatusCode::kDataLoss);
    CHECK(SealedWithOther(kSealKey, sealed) == (key == kOther));
  }
  const std::string third = *Seal(std::string(32, '3'), "sk-secret", "row");
  CHECK(Open(both, third, "row").status().code() == absl::StatusCode::kFailedPrecondition);
  CHECK_FALSE(Open(SealKeys(Secret{kSealKey}), *Seal(kOther, "x", ""), "").ok());
  CHECK(Open(SealKeys(), third, "row").status().code() == absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("a key of another length is refused") {
  CHECK(Seal("short", "x", "").status().code() == absl::StatusCode::kInvalidArgument);
  CHECK(Open(std::string(33, 'k'), "x", "").status().code() == absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace aurora::crypto
