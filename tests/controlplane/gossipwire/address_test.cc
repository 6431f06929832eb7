#include "controlplane/gossipwire/address.h"

#include <string>

#include "tests/controlplane/gossipwire/vectors.h"
#include "tests/support/test.h"

namespace aurora::gossipwire {

TEST_CASE("Join addresses read as memberlist's grammar says") {
  const std::string v4 = Hex("0a000007"), ula = Hex("fd000000000000000000000000000001");
  const std::string link = Hex("fe800000000000000000000000000001"), loop6 = Hex("00000000000000000000000000000001");
  struct Case {
    const char* text;
    JoinAddress expected;
  };
  const Case cases[] = {
      {"10.0.0.7", {"", "", v4, "", 7946}},
      {"10.0.0.7:80", {"", "", v4, "", 80}},
      {"node-a/10.0.0.7", {"node-a", "", v4, "", 7946}},
      {"node-a/10.0.0.7:80", {"node-a", "", v4, "", 80}},
      {"fd00::1", {"", "", ula, "", 7946}},
      {"FD00:0:0:0:0:0:0:1", {"", "", ula, "", 7946}},
      {"[fd00::1]", {"", "", ula, "", 7946}},
      {"[fd00::1]:80", {"", "", ula, "", 80}},
      {"node-a/[fd00::1]:65535", {"node-a", "", ula, "", 65535}},
      {"node-a/fd00::1", {"node-a", "", ula, "", 7946}},
      {"::1", {"", "", loop6, "", 7946}},
      {"::ffff:10.0.0.7", {"", "", v4, "", 7946}},
      {"[::ffff:10.0.0.7]:80", {"", "", v4, "", 80}},
      {"::ffff:a00:7", {"", "", v4, "", 7946}},
      {"fe80::1%eth0", {"", "", link, "eth0", 7946}},
      {"[fe80::1%2]:80", {"", "", link, "2", 80}},
      {"a", {"", "a", "", "", 7946}},
      {"gateway.internal", {"", "gateway.internal", "", "", 7946}},
      {"gateway.internal.:1", {"", "gateway.internal.", "", "", 1}},
      {"_gossip._udp.example", {"", "_gossip._udp.example", "", "", 7946}},
      {"n/gateway-0.gateway:7946", {"n", "gateway-0.gateway", "", "", 7946}},
      {"1a", {"", "1a", "", "", 7946}},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    const auto parsed = ParseJoinAddress(c.text, 7946);
    REQUIRE(parsed.ok());
    CHECK(*parsed == c.expected);
    // What is written reads as the same.
    CHECK(ParseJoinAddress(FormatJoinAddress(*parsed), 1).value() == *parsed);
  }
}

TEST_CASE("What is no join address is refused with the text in the message") {
  const std::string long_label(254, 'h');
  const std::string long_node = std::string(256, 'n') + "/a";
  for (const std::string& text : {std::string(""),
                                  std::string("/a"),
                                  std::string("a/"),
                                  std::string("a/b/c"),
                                  std::string(":80"),
                                  std::string("a:"),
                                  std::string("a:0"),
                                  std::string("a:65536"),
                                  std::string("a:-1"),
                                  std::string("a:+1"),
                                  std::string("a:1x"),
                                  std::string("a: 1"),
                                  std::string("a:000080"),
                                  std::string("a b"),
                                  std::string("a\0b", 3),
                                  std::string("10.0.0"),
                                  std::string("10.0.0.256"),
                                  std::string("1.2.3.4.5"),
                                  std::string("10.0.0.7:"),
                                  std::string("0x7f.1"),
                                  std::string("127.1"),
                                  std::string("[fd00::1"),
                                  std::string("fd00::1]"),
                                  std::string("[fd00::1]80"),
                                  std::string("[fd00::1]:"),
                                  std::string("[fd00::1]:0"),
                                  std::string("[]"),
                                  std::string("[10.0.0.7]:80"),
                                  std::string("[::ffff:10.0.0.7"),
                                  std::string("[a]:80"),
                                  std::string("fd00:::1"),
                                  std::string("fd00::1::2"),
                                  std::string("1:2"),
                                  std::string("fd00::1%eth0"),
                                  std::string("fe80::1%"),
                                  std::string("fe80::1%eth0/1"),
                                  std::string("fe80::1%0123456789abcdef"),
                                  std::string("10.0.0.7%eth0"),
                                  std::string("-a"),
                                  std::string(".a"),
                                  std::string("http://a"),
                                  long_label,
                                  long_node}) {
    INFO(text);
    const auto parsed = ParseJoinAddress(text, 7946);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.status().code() == absl::StatusCode::kInvalidArgument);
  }
  CHECK_FALSE(ParseJoinAddress("a", 0).ok());
}

TEST_CASE("Addresses are written in one form and read in that form only") {
  const Address v4{Hex("7f000001"), 7946}, v6{Hex("fd000000000000000000000000000001"), 1};
  CHECK(FormatAddress(v4) == "127.0.0.1:7946");
  CHECK(FormatAddress(v6) == "[fd00::1]:1");
  CHECK(FormatAddress({Hex("00000000000000000000ffff7f000001"), 5}) == "127.0.0.1:5");
  CHECK(ParseAddress("127.0.0.1:7946") == v4);
  CHECK(ParseAddress("[fd00::1]:1") == v6);
  for (const char* text : {"127.0.0.1", "fd00::1", "[fd00::1]", "[FD00::1]:1", "[fd00:0::1]:1", "a:1", "n/127.0.0.1:1",
                           "[fe80::1%eth0]:1", "127.0.0.1:07", "127.0.0.1:0", "", "[::ffff:127.0.0.1]:1"}) {
    INFO(text);
    CHECK_FALSE(ParseAddress(text).has_value());
  }
}

TEST_CASE("An IP address is 4 or 16 bytes, never IPv4-mapped") {
  CHECK(ParseIp("127.0.0.1") == Hex("7f000001"));
  CHECK(ParseIp("::ffff:127.0.0.1") == Hex("7f000001"));
  CHECK(ParseIp("::") == std::string(16, '\0'));
  CHECK_FALSE(ParseIp("fe80::1%1").has_value());
  CHECK_FALSE(ParseIp("localhost").has_value());
  CHECK(FormatIp("") == "");
  CHECK(FormatIp("12345") == "");
  CHECK(FormatIp(std::string(16, '\0')) == "::");
}

}  // namespace aurora::gossipwire
