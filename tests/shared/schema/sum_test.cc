#include "shared/schema/sum.h"

#include "shared/base/status.h"
#include "tests/support/test.h"

namespace aurora::schema {
namespace {

TEST_CASE("a value with its sum comes back, and every changed bit of it or of the sum is told") {
  for (const std::string& value : {std::string(), std::string("x"), std::string("a value\0with a zero", 19)}) {
    const std::string stored = WithSum(kRowColumn, "AuthKey", "id", value);
    CHECK(stored.size() == value.size() + kSumBytes);
    REQUIRE(WithoutSum(kRowColumn, "AuthKey", "id", stored).ok());
    CHECK(*WithoutSum(kRowColumn, "AuthKey", "id", stored) == value);
    for (size_t bit = 0; bit < stored.size() * 8; ++bit) {
      std::string changed = stored;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
      INFO(bit);
      CHECK(absl::IsDataLoss(WithoutSum(kRowColumn, "AuthKey", "id", changed).status()));
    }
  }
}

TEST_CASE("a value under another name, kind or column is told, and the error names it") {
  const std::string stored = WithSum(kRowColumn, "AuthKey", "id", "value");
  CHECK_FALSE(WithoutSum(kSpecColumn, "AuthKey", "id", stored).ok());
  CHECK_FALSE(WithoutSum(kRowColumn, "Alias", "id", stored).ok());
  CHECK_FALSE(WithoutSum(kRowColumn, "AuthKeyi", "d", stored).ok());
  const absl::Status other = WithoutSum(kRowColumn, "AuthKey", "other", stored).status();
  CHECK(std::string(Std(other.message())).find("AuthKey other") != std::string::npos);
}

TEST_CASE("a value from before there were sums is taken as it is") {
  for (const std::string& value : {std::string(), std::string("short"), std::string(40, 'x'), std::string(40, '\0')}) {
    const auto read = WithoutSum(kRowColumn, "AuthKey", "id", value);
    REQUIRE(read.ok());
    CHECK(*read == value);
  }
}

}  // namespace
}  // namespace aurora::schema
