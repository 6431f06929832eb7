#include "shared/config/value.h"

#include "shared/config/hostport.h"
#include "tests/support/test.h"

namespace aurora::config {
namespace {

TEST_CASE("durations are sums of counted units") {
  CHECK(ParseDuration("5s") == Duration::Seconds(5));
  CHECK(ParseDuration("100ms") == Duration::Millis(100));
  CHECK(ParseDuration("250us") == Duration::Micros(250));
  CHECK(ParseDuration("2m") == Duration::Seconds(120));
  CHECK(ParseDuration("1h30m") == Duration::Seconds(5400));
  CHECK(ParseDuration("30d") == Duration::Seconds(2592000));
  CHECK(ParseDuration("0") == Duration());
  for (const char* bad : {"", "5", "s", "-5s", "5 s", "5x", "1.5s", "9999999999999999999s",
                          "9000000000000d", "5s5"}) {
    INFO(bad);
    CHECK_FALSE(ParseDuration(bad).has_value());
  }
}

TEST_CASE("a printed duration reads back as itself") {
  for (const int64_t us : {0LL, 1LL, 1000LL, 1500LL, 5'000'000LL, 90'000'000LL, 86'400'000'000LL}) {
    CHECK(ParseDuration(FormatDuration(Duration::Micros(us))) == Duration::Micros(us));
  }
}

TEST_CASE("sizes take binary units") {
  CHECK(ParseBytes("1048576") == 1048576);
  CHECK(ParseBytes("2GiB") == 2147483648LL);
  for (const char* bad : {"", "MiB", "1MB", "-1", "99999999999TiB", "1MiBx"}) {
    INFO(bad);
    CHECK_FALSE(ParseBytes(bad).has_value());
  }
}

TEST_CASE("edit distance counts insertions, deletions and swaps up to its limit") {
  CHECK(EditDistance("kitten", "sitting", 10) == 3);
  CHECK(EditDistance("", "abc", 10) == 3);
  CHECK(EditDistance("abc", "abc", 0) == 0);
  CHECK(EditDistance("abcdef", "uvwxyz", 2) == 3);
}

TEST_CASE("host and port are read in every documented form and no other") {
  CHECK(ParseHostPort("10.0.0.1:80")->ToString() == "10.0.0.1:80");
  CHECK(ParseHostPort("[::1]:80")->ToString() == "[::1]:80");
  CHECK(ParseHostPort(":80")->ToString() == "0.0.0.0:80");
  CHECK(ParseHostPort("*:80")->ToString() == "0.0.0.0:80");
  CHECK(ParseHostPort("name:0")->port == 0);
  for (const char* bad :
       {"", ":", "name", "name:", "name:x", "name:65536", "name:-1", "name: 1", "::1:80", "[]:80",
        "[::1]", "[::1]80", "a b:80", "a/b:80", "u@h:80", "[x]:80", "name:80 "}) {
    INFO(bad);
    CHECK_FALSE(ParseHostPort(bad).ok());
  }
}

TEST_CASE("quoted text stays on one line and is bounded") {
  CHECK(Quoted("a\"b\nc") == "\"a\\\"b\\x0ac\"");
  CHECK(Quoted(std::string(500, 'x')).size() < 100);
}

}  // namespace
}  // namespace aurora::config
