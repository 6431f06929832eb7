#include "controlplane/gossipwire/codec.h"

#include <string>

#include "shared/crypto/encoding.h"
#include "tests/controlplane/gossipwire/random_message.h"
#include "tests/controlplane/gossipwire/vectors.h"
#include "tests/support/test.h"

namespace aurora::gossipwire {
namespace {

const std::string kLoopback("\x7f\0\0\1", 4);
const std::string kUla = std::string("\xfd", 1) + std::string(14, char{0}) + std::string(1, char{1});

struct Example {
  std::string name;
  Message message;
};

// Section by section what the vectors of vectors/*.txt mean. Those bytes are canonical: they encode back to themselves.
std::vector<Example> Canonical() {
  const Address a{kLoopback, 7946};
  return {
      {"ping", Ping{1, "node-b", a, "node-a"}},
      {"ping-nosrc", Ping{300, "node-b", {}, ""}},
      {"indirect", IndirectPing{70000, {kLoopback, 7947}, "node-c", true, a, "node-a"}},
      {"ack-nil", Ack{1, ""}},
      {"ack-payload", Ack{1, "hi"}},
      {"nack", Nack{1}},
      {"err", Error{"boom"}},
      {"suspect", Suspect{5, "node-b", "node-a"}},
      {"alive", Alive{1, "node-a", a, "meta", {}}},
      {"alive-nilmeta", Alive{1, "node-a", a, "", {}}},
      {"alive-ip6-meta40-name40",
       Alive{0xffffffff, std::string(40, 'n'), {kUla, 80}, std::string(40, '\xab'), {1, 5, 2, 2, 5, 4}}},
      {"dead", Dead{5, "node-b", "node-b"}},
  };
}

std::string Map(std::string_view hex) {
  return Hex("04" + std::string(hex));
}

}  // namespace

TEST_CASE("Every message encodes to the bytes a Go node sends for it, and those bytes decode to it") {
  for (const char* file : kVectorFiles) {
    for (const Example& example : Canonical()) {
      INFO(file << " " << example.name);
      const std::string bytes = NamedVector(file, example.name);
      CHECK(crypto::HexLower(EncodeMessage(example.message)) == crypto::HexLower(bytes));
      if (std::holds_alternative<Error>(example.message)) {
        Error error;
        CHECK(ReadError(std::string_view(bytes).substr(1), &error).parse == Parse::kOk);
        CHECK(Message(error) == example.message);
        continue;
      }
      const auto decoded = DecodeMessage(bytes);
      REQUIRE(decoded.ok());
      CHECK(*decoded == example.message);
    }
  }
}

TEST_CASE("An empty meta and an IPv4-mapped address decode to the same values as their canonical forms") {
  const auto empty = DecodeMessage(NamedVector("v0.2.2-debian.txt", "alive-emptymeta"));
  REQUIRE(empty.ok());
  CHECK(std::get<Alive>(*empty).meta.empty());
  const auto mapped = DecodeMessage(NamedVector("v0.2.2-debian.txt", "alive-16byte-mapped4"));
  REQUIRE(mapped.ok());
  CHECK(std::get<Alive>(*mapped).address == Address{kLoopback, 7946});
  // And what is written is never the mapped form: Go compares the bytes.
  Alive alive = std::get<Alive>(*mapped);
  alive.address.ip = Hex("00000000000000000000ffff7f000001");
  CHECK(EncodeMessage(alive) == NamedVector("v0.2.2-debian.txt", "alive-nilmeta"));
}

TEST_CASE("A join's stream encodes byte for byte as Debian's memberlist writes it") {
  PushPull join{true, {{"node-b", {kLoopback, 17902}, "meta-b", 1, NodeState::kAlive, {}}}, "state-b"};
  const std::string expected =
      Hex("0683a44a6f696ec3a54e6f64657301ac5573657253746174654c656e0787a441646472a47f000001ab496e6361726e6174696f6e01a4"
          "4d657461"
          "a66d6574612d62a44e616d65a66e6f64652d62a4506f7274cd45eea5537461746500a356736ea601050200000073746174652d62");
  CHECK(EncodeMessage(join) == expected);
  CHECK(EncodeStreamMessage(join) == expected);
}

TEST_CASE("Push/pull and user headers read alike from both libraries, which write integers differently") {
  for (const char* file : kVectorFiles) {
    INFO(file);
    const std::string bytes = NamedVector(file, "pushPullHeader-200-70000");
    PushPullHeader header;
    CHECK(ReadPushPullHeader(std::string_view(bytes).substr(1), &header).parse == Parse::kOk);
    CHECK_FALSE(header.join);
    CHECK(header.nodes == 200);
    CHECK(header.user_state_bytes == 70000);
    const std::string user = NamedVector(file, "userMsgHeader");
    uint64_t length = 0;
    CHECK(ReadUserHeader(std::string_view(user).substr(1), &length).parse == Parse::kOk);
    CHECK(length == 300);
    for (const auto& [name, state] :
         {std::pair{"pushNodeState", NodeState::kAlive}, {"pushNodeState-left", NodeState::kLeft}}) {
      NodeRecord record;
      bool usable = false;
      // Go's test wrote a type byte that no stream has before the map.
      CHECK(ReadNodeRecord(std::string_view(NamedVector(file, name)).substr(1), &record, &usable).parse == Parse::kOk);
      CHECK(usable);
      CHECK(record.name == "node-a");
      CHECK(record.state == state);
      CHECK(record.versions == Versions{});
    }
  }
}

TEST_CASE("A stream's user message says its length; a datagram's is the rest") {
  CHECK(EncodeMessage(User{"hello"}) == Hex("0868656c6c6f"));
  CHECK(EncodeStreamMessage(User{std::string(300, 'x')}) ==
        NamedVector("v0.2.2-debian.txt", "userMsgHeader") + std::string(300, 'x'));
  CHECK(std::get<User>(DecodeMessage(Hex("08")).value()).payload.empty());
}

TEST_CASE("What both Go libraries accept is accepted, what they refuse is refused") {
  const std::string addr = "a441646472a47f000001";
  const std::string node = "a44e6f6465a161";
  struct Case {
    const char* what;
    std::string hex;
    bool ok;
  };
  const Case cases[] = {
      {"bin8 values", "83a441646472c4047f000001a44d657461c4026869" + node, true},
      {"str8 value", "82" + addr + "a44e6f6465d9066e6f64652d62", true},
      {"an unknown key holding containers", "83a3666f6f82a16193010203a162c7030aaabbcc" + addr + node, true},
      {"a float under an unknown key", "83a3666f6fcb3ff0000000000000" + addr + node, true},
      {"uint64 port", "83a4506f7274cf0000000000001f0a" + addr + node, true},
      {"int16 port", "83a4506f7274d11f0a" + addr + node, true},
      {"negative port", "83a4506f7274ff" + addr + node, false},
      {"port 70000", "83a4506f7274ce00011170" + addr + node, false},
      {"float port", "83a4506f7274ca3f800000" + addr + node, false},
      {"Vsn as an array", "83a356736e96010502000000" + addr + node, true},
      {"Vsn nil", "83a356736ec0" + addr + node, true},
      {"Vsn of three bytes", "83a356736ea3010502" + addr + node, true},
      {"keys in another case", "82a46e6f6465a161" + addr, false},  // leaves no node's name
      {"an array for the map", "920102", false},
      {"a number as key", "8301a161" + addr + node, false},
      {"bytes after the map", "82" + addr + node + "ffff", true},
      {"an address of five bytes", "82a441646472a57f00000101" + node, false},
      {"no address", "81" + node, false},
      {"no name", "81" + addr, false},
      {"the unused type c1", "83a3666f6fc1" + addr + node, false},
      {"a negative incarnation", "83ab496e6361726e6174696f6ed0ff" + addr + node, false},
      {"an incarnation over 32 bits", "83ab496e6361726e6174696f6ecf0000000100000000" + addr + node, false},
      {"map16", "de0002" + addr + node, true},
      {"map32", "df00000002" + addr + node, true},
      {"a name as a number", "82a44e6f646501" + addr, false},
      {"nothing", "", false},
  };
  for (const Case& c : cases) {
    INFO(c.what);
    CHECK(DecodeMessage(Map(c.hex)).ok() == c.ok);
  }
  CHECK(std::get<Alive>(DecodeMessage(Map("83a356736e96010502000000" + addr + node)).value()).versions == Versions{});
  // Fewer than six versions say nothing, so no default slips in for them.
  const Versions zero{0, 0, 0, 0, 0, 0};
  CHECK(std::get<Alive>(DecodeMessage(Map("83a356736ea3010502" + addr + node)).value()).versions == zero);
  CHECK(std::get<Alive>(DecodeMessage(Map("82" + addr + node)).value()).versions == zero);
}

TEST_CASE("A message cut anywhere is refused and says so") {
  for (const Example& example : Canonical()) {
    const std::string bytes = EncodeMessage(example.message);
    for (size_t n = 0; n < bytes.size(); ++n) {
      INFO(example.name << " cut to " << n);
      CHECK_FALSE(DecodeMessage(std::string_view(bytes).substr(0, n)).ok());
    }
  }
}

TEST_CASE("Names over 255 bytes and metas over 512 are refused, up to there they pass") {
  const Address a{kLoopback, 1};
  CHECK(DecodeMessage(EncodeMessage(Alive{1, std::string(255, 'n'), a, std::string(512, 'm'), {}})).ok());
  CHECK_FALSE(DecodeMessage(EncodeMessage(Alive{1, std::string(256, 'n'), a, "", {}})).ok());
  CHECK_FALSE(DecodeMessage(EncodeMessage(Alive{1, "n", a, std::string(513, 'm'), {}})).ok());
  CHECK_FALSE(DecodeMessage(EncodeMessage(Suspect{1, "n", std::string(256, 'f')})).ok());
  CHECK_FALSE(DecodeMessage(EncodeMessage(Ping{1, "", a, std::string(256, 'f')})).ok());
}

TEST_CASE("Stream-only and unknown types are no datagram messages") {
  for (int type = 0; type < 256; ++type) {
    const std::string bytes = std::string(1, static_cast<char>(type)) + Hex("81a4") + "Node" + Hex("a161");
    const bool message = type <= 5 || type == 8 || type == 11;
    INFO(type);
    CHECK(DecodeMessage(bytes).ok() == (message && type != 1 && type != 4));
  }
  CHECK_FALSE(DecodeMessage(EncodeMessage(Error{"x"})).ok());
  CHECK_FALSE(DecodeMessage(EncodeMessage(PushPull{})).ok());
}

TEST_CASE("Decoding what was encoded gives the message back") {
  Rng rng(20261126);
  for (int i = 0; i < 5000; ++i) {
    const Message message = RandomMessage(rng);
    const auto decoded = DecodeMessage(EncodeMessage(message));
    INFO(i << " " << MessageName(message));
    REQUIRE(decoded.ok());
    REQUIRE(*decoded == message);
  }
}

TEST_CASE("One bad node record does not stop the next from being read") {
  const std::string good = EncodeMessage(PushPull{false, {{"n", {kLoopback, 1}, "", 1, NodeState::kDead, {}}}, ""});
  NodeRecord record;
  bool usable = true;
  // State 4 does not exist.
  const std::string bad = Hex("83a44e616d65a16ea441646472a47f000001a5537461746504");
  const MapResult result = ReadNodeRecord(bad, &record, &usable);
  CHECK(result.parse == Parse::kOk);
  CHECK(result.size == bad.size());
  CHECK_FALSE(usable);
}

TEST_CASE("An error's text is cut at its bound") {
  const std::string bytes = EncodeMessage(Error{std::string(5000, 'e')});
  Error error;
  CHECK(ReadError(std::string_view(bytes).substr(1), &error).parse == Parse::kOk);
  CHECK(error.text == std::string(kMaxErrorText, 'e'));
}

}  // namespace aurora::gossipwire
