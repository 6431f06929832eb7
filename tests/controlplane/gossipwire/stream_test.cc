#include "controlplane/gossipwire/stream.h"

#include <string>

#include "controlplane/gossipwire/layers.h"
#include "shared/crypto/encoding.h"
#include "shared/crypto/random.h"
#include "tests/controlplane/gossipwire/random_message.h"
#include "tests/controlplane/gossipwire/vectors.h"
#include "tests/support/test.h"

namespace aurora::gossipwire {
namespace {

using Side = StreamDecoder::Side;
using State = StreamDecoder::State;

StreamConfig Plain() {
  return {"", nullptr, {}, {}, false};
}

StreamDecoder Decode(const StreamConfig& config, std::string_view wire, Side side = Side::kInbound) {
  StreamDecoder decoder(config, side);
  decoder.Feed(wire);
  return decoder;
}

Refusal RefusalOf(const StreamConfig& config, std::string_view wire, Side side = Side::kInbound) {
  const StreamDecoder decoder = Decode(config, wire, side);
  CHECK(decoder.state() == (decoder.refusal() == Refusal::kNone ? decoder.state() : State::kRefused));
  CHECK(decoder.error().ok() == (decoder.refusal() == Refusal::kNone));
  return decoder.refusal();
}

Message RandomStreamMessage(Rng& rng) {
  switch (rng.Below(5)) {
    case 0:
      return Ping{RandomU32(rng), RandomText(rng, 0, 255), RandomAddress(rng), RandomText(rng, 0, 255)};
    case 1:
      return Ack{RandomU32(rng), RandomText(rng, 0, 300)};
    case 2:
      return Error{RandomText(rng, 0, kMaxErrorText)};
    case 3:
      return User{RandomText(rng, 0, 5000)};
    default:
      return RandomPushPull(rng);
  }
}

NodeRecord Record(const std::string& name) {
  return {name, {std::string(4, '\x0a'), 7946}, "", 1, NodeState::kAlive, {}};
}

std::string PushPullHead(std::string_view nodes_hex, std::string_view state_hex) {
  return Hex("0683a44a6f696ec2a54e6f646573" + std::string(nodes_hex) + "ac5573657253746174654c656e" +
             std::string(state_hex));
}

}  // namespace

TEST_CASE("Every message comes back from every stream configuration, split anywhere") {
  Rng rng(5);
  const Keyring ring = RingOf({kPrimaryKey});
  for (int i = 0; i < 1500; ++i) {
    StreamConfig config{rng.OneIn(2) ? RandomText(rng, 1, 255) : "",
                        rng.OneIn(2) ? &ring : nullptr,
                        {},
                        crypto::RandomBytes,
                        rng.OneIn(2)};
    const bool inbound = rng.OneIn(2);
    const Message message = RandomStreamMessage(rng);
    const auto blob = EncodeStream(message, config);
    REQUIRE(blob.ok());
    const std::string wire = (inbound ? LabelHeader(config.label) : "") + *blob;
    StreamDecoder decoder(config, inbound ? Side::kInbound : Side::kAnswer);
    for (size_t at = 0; at < wire.size();) {
      REQUIRE(decoder.state() == State::kMore);
      const size_t step = 1 + static_cast<size_t>(rng.Below(rng.OneIn(3) ? 3000 : 40));
      decoder.Feed(std::string_view(wire).substr(at, step));
      at += step;
    }
    INFO(MessageName(message) << " " << decoder.error());
    REQUIRE(decoder.state() == State::kMessage);
    REQUIRE(decoder.message() == message);
    REQUIRE(decoder.encrypted() == (config.keys != nullptr));
    // Nothing after the message matters.
    CHECK(decoder.Feed("more") == State::kMessage);
  }
}

TEST_CASE("A join of Debian's node reads byte by byte, and its compressed form to the same shape") {
  const std::string join =
      Hex("0683a44a6f696ec3a54e6f64657301ac5573657253746174654c656e0787a441646472a47f000001ab496e6361726e6174696f6e01a4"
          "4d657461"
          "a66d6574612d62a44e616d65a66e6f64652d62a4506f7274cd45eea5537461746500a356736ea601050200000073746174652d62");
  StreamDecoder decoder(Plain(), Side::kInbound);
  for (size_t i = 0; i < join.size(); ++i) {
    REQUIRE(decoder.state() == State::kMore);
    decoder.Feed(std::string_view(join).substr(i, 1));
  }
  REQUIRE(decoder.state() == State::kMessage);
  const PushPull& push_pull = std::get<PushPull>(decoder.message());
  CHECK(push_pull.join);
  REQUIRE(push_pull.nodes.size() == 1);
  CHECK(push_pull.nodes[0].name == "node-b");
  CHECK(push_pull.nodes[0].address.port == 17902);
  CHECK(push_pull.user_state == "state-b");
  CHECK(Decode(Plain(), Compress(join)).message() == decoder.message());
}

TEST_CASE("An inbound stream shows its label first, an answer shows none") {
  StreamConfig prod = Plain();
  prod.label = "prod";
  const std::string blob = EncodeStream(Ack{1, ""}, Plain()).value();
  CHECK(RefusalOf(prod, LabelHeader("prod") + blob) == Refusal::kNone);
  CHECK(RefusalOf(prod, blob) == Refusal::kLabel);
  CHECK(RefusalOf(prod, LabelHeader("test") + blob) == Refusal::kLabel);
  CHECK(RefusalOf(prod, LabelHeader("pro") + blob) == Refusal::kLabel);
  CHECK(RefusalOf(prod, LabelHeader("product") + blob) == Refusal::kLabel);
  CHECK(RefusalOf(prod, Hex("f400") + blob) == Refusal::kLabel);
  // Refused at the first byte that differs, not when the length it claims has come.
  CHECK(RefusalOf(prod, Hex("f4ff")) == Refusal::kLabel);
  CHECK(RefusalOf(prod, Hex("f40470")) == Refusal::kNone);
  CHECK(RefusalOf(Plain(), LabelHeader("prod") + blob) == Refusal::kLabel);
  CHECK(RefusalOf(prod, blob, Side::kAnswer) == Refusal::kNone);
  CHECK(RefusalOf(prod, LabelHeader("prod") + blob, Side::kAnswer) == Refusal::kMalformed);
}

TEST_CASE("The label, the length and the key decide whether an encrypted stream opens") {
  const Keyring ring = RingOf({kPrimaryKey}), other = RingOf({std::string(16, 'o')}),
                both = RingOf({std::string(16, 'o'), kPrimaryKey});
  const StreamConfig prod{"prod", &ring, {}, crypto::RandomBytes, true};
  const std::string blob = EncodeStream(Ack{1, ""}, prod).value();
  CHECK(RefusalOf(prod, blob, Side::kAnswer) == Refusal::kNone);
  CHECK(RefusalOf({"prod", &both, {}, {}, true}, blob, Side::kAnswer) == Refusal::kNone);
  CHECK(RefusalOf({"prod", &other, {}, {}, true}, blob, Side::kAnswer) == Refusal::kKey);
  CHECK(RefusalOf({"test", &ring, {}, {}, true}, blob, Side::kAnswer) == Refusal::kKey);
  CHECK(RefusalOf({"prod", nullptr, {}, {}, true}, blob, Side::kAnswer) == Refusal::kKey);
  const std::string clear = EncodeStream(Ack{1, ""}, Plain()).value();
  CHECK(RefusalOf(prod, clear, Side::kAnswer) == Refusal::kKey);
  CHECK(RefusalOf({"prod", &ring, {false, false}, {}, true}, clear, Side::kAnswer) == Refusal::kNone);
  CHECK(RefusalOf({"prod", &ring, {false, false}, {}, true}, blob, Side::kAnswer) == Refusal::kNone);
  CHECK(EncodeStream(Ack{1, ""}, {"prod", &ring, {true, false}, {}, false}).value() == clear);
  for (size_t bit = 0; bit < blob.size() * 8; ++bit) {
    std::string changed = blob;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    CHECK(Decode(prod, changed, Side::kAnswer).state() != State::kMessage);
  }
}

TEST_CASE("A length over its bound is refused at the header, before any of it came") {
  const Keyring ring = RingOf({kPrimaryKey});
  const StreamConfig sealed{"", &ring, {}, {}, true};
  CHECK(RefusalOf(sealed, Hex("0a01400000")) == Refusal::kNone);  // 20 MiB: waits
  CHECK(RefusalOf(sealed, Hex("0a01400001")) == Refusal::kTooMuch);
  CHECK(RefusalOf(sealed, Hex("0affffffff")) == Refusal::kTooMuch);
  CHECK(RefusalOf(sealed, Hex("0a0000001c")) == Refusal::kMalformed);
  CHECK(RefusalOf(Plain(), PushPullHead("ce00100000", "ce01400000")) == Refusal::kNone);
  CHECK(RefusalOf(Plain(), PushPullHead("ce00100001", "00")) == Refusal::kMalformed);
  CHECK(RefusalOf(Plain(), PushPullHead("00", "ce01400001")) == Refusal::kMalformed);
  CHECK(RefusalOf(Plain(), PushPullHead("ff", "00")) == Refusal::kMalformed);
  CHECK(RefusalOf(Plain(), PushPullHead("cfffffffffffffffff", "00")) == Refusal::kMalformed);
  CHECK(RefusalOf(Plain(), Hex("0881aa557365724d73674c656ece01400000")) == Refusal::kNone);
  CHECK(RefusalOf(Plain(), Hex("0881aa557365724d73674c656ece01400001")) == Refusal::kMalformed);
  CHECK(RefusalOf(Plain(), Hex("0982a4416c676f00a3427566dbffffffff")) == Refusal::kMalformed);
  CHECK(RefusalOf(Plain(), Hex("06dfffffffff")) == Refusal::kMalformed);
  CHECK(RefusalOf(Plain(), Hex("0681dbffffffff")) == Refusal::kMalformed);
  CHECK(RefusalOf(Plain(), PushPullHead("01", "00") + Hex("81dbffffffff")) == Refusal::kMalformed);
  CHECK(RefusalOf(Plain(), PushPullHead("01", "00") + Hex("ddffffffff")) == Refusal::kMalformed);
}

TEST_CASE("A node's map over 4 KiB is refused while it comes") {
  std::string wire = PushPullHead("01", "00") + Hex("81a3") + "foo" + Hex("db00000ff8");
  CHECK(RefusalOf(Plain(), wire) == Refusal::kMalformed);
  wire = PushPullHead("01", "00") + Hex("81a3") + "foo" + Hex("da0800");
  CHECK(RefusalOf(Plain(), wire) == Refusal::kNone);
}

TEST_CASE("A stream that is wrapped must hold all of its message") {
  const std::string whole = EncodeStream(PushPull{false, {Record("a")}, "state"}, Plain()).value();
  for (size_t n = 0; n < whole.size(); ++n) {
    CHECK(RefusalOf(Plain(), std::string_view(whole).substr(0, n)) == Refusal::kNone);
    CHECK(RefusalOf(Plain(), Compress(std::string_view(whole).substr(0, n))) == Refusal::kMalformed);
  }
  CHECK(RefusalOf(Plain(), Compress(whole)) == Refusal::kNone);
  // One layer of compression is all there is.
  CHECK(RefusalOf(Plain(), Compress(Compress(whole))) == Refusal::kMalformed);
}

TEST_CASE("A stream that grows over 40 MiB when decompressed is refused") {
  const std::string bomb = Compress(std::string(kMaxStreamInflated + 1, '\x06'));
  REQUIRE(bomb.size() < 200000);
  CHECK(RefusalOf(Plain(), bomb) == Refusal::kTooMuch);
}

TEST_CASE("An endless stream in the clear ends at 40 MiB") {
  // Node records that are skipped, for ever: the header claims the most there may be.
  StreamDecoder decoder(Plain(), Side::kInbound);
  decoder.Feed(PushPullHead("ce00100000", "00"));
  const std::string record = Hex("81a3") + "foo" + Hex("da0f00") + std::string(0xf00, 'x');
  size_t fed = 0;
  while (decoder.state() == State::kMore && fed < 2 * kMaxStreamInflated) {
    decoder.Feed(record);
    fed += record.size();
  }
  CHECK(decoder.refusal() == Refusal::kTooMuch);
  CHECK(fed < kMaxStreamInflated + 2 * record.size());
}

TEST_CASE("Node records end at 64 MiB of memory") {
  // 28 bytes each on the wire, several times that in memory; LZW makes them small.
  std::string wire = PushPullHead("ce00100000", "00");
  const std::string address_and_name = Hex("82a441646472a40a0a0a0aa44e616d65a6") + "n";
  for (uint32_t i = 0; i < 1u << 20 && wire.size() < kMaxStreamInflated - 100; ++i) {
    wire += address_and_name + std::to_string(10000 + i % 90000);
  }
  const StreamDecoder decoder = Decode(Plain(), wire);
  CHECK(decoder.refusal() == Refusal::kTooMuch);
}

TEST_CASE("A record that is no use is left out and counted; the others and the state come through") {
  const std::string good = EncodeStream(PushPull{false, {Record("a"), Record("b")}, "state"}, Plain()).value();
  const std::string head = PushPullHead("02", "05");
  const std::string records = good.substr(head.size());
  REQUIRE(good == head + records);
  const std::string too_long = EncodeMessage(PushPull{false, {Record(std::string(256, 'n'))}, ""}).substr(head.size());
  // Nothing in it; no address; a state that does not exist; an address of three bytes; a name over its bound.
  for (const std::string& map :
       {Hex("80"), Hex("81a44e616d65a161"), Hex("83a44e616d65a161a441646472a401020304a5537461746504"),
        Hex("82a44e616d65a161a441646472a3010203"), too_long}) {
    StreamDecoder decoder = Decode(Plain(), PushPullHead("03", "05") + map + records);
    INFO(crypto::HexLower(map));
    REQUIRE(decoder.state() == State::kMessage);
    CHECK(decoder.dropped_records() == 1);
    CHECK(decoder.message() == Message(PushPull{false, {Record("a"), Record("b")}, "state"}));
  }
}

TEST_CASE("Types that have no place in a stream are refused") {
  for (int type = 0; type < 256; ++type) {
    const bool known = type == 0 || type == 2 || type == 6 || type == 8 || type == 13;
    const std::string wire = std::string(1, static_cast<char>(type)) + Hex("80");
    INFO(type);
    CHECK((RefusalOf(Plain(), wire) == Refusal::kNone) == known);
  }
}

TEST_CASE("What a peer would not read is not written") {
  const Keyring ring = RingOf({kPrimaryKey});
  const StreamConfig sealed{"", &ring, {}, crypto::RandomBytes, false};
  const auto code = [](const Message& message, const StreamConfig& config) {
    return EncodeStream(message, config).status().code();
  };
  CHECK(code(User{std::string(kMaxStreamSealed, 'x')}, Plain()) == absl::StatusCode::kOk);
  CHECK(code(User{std::string(kMaxStreamSealed + 1, 'x')}, Plain()) == absl::StatusCode::kResourceExhausted);
  CHECK(code(User{std::string(kMaxStreamSealed, 'x')}, sealed) == absl::StatusCode::kResourceExhausted);
  CHECK(code(PushPull{false, {}, std::string(kMaxStreamSealed + 1, 'x')}, Plain()) ==
        absl::StatusCode::kResourceExhausted);
}

TEST_CASE("A thousand nodes and a large state come back, sealed and compressed, in network-sized reads") {
  Rng rng(8);
  PushPull message;
  for (int i = 0; i < 1000; ++i) {
    message.nodes.push_back(RandomRecord(rng));
  }
  message.user_state = std::string(3 << 20, 's');
  const Keyring ring = RingOf({kPrimaryKey});
  for (const bool sealed : {false, true}) {
    for (const bool compress : {false, true}) {
      const StreamConfig config{"prod", sealed ? &ring : nullptr, {}, crypto::RandomBytes, compress};
      const std::string wire = LabelHeader("prod") + EncodeStream(message, config).value();
      StreamDecoder decoder(config, Side::kInbound);
      for (size_t at = 0; at < wire.size(); at += 1460) {
        decoder.Feed(std::string_view(wire).substr(at, 1460));
      }
      REQUIRE(decoder.state() == State::kMessage);
      CHECK(decoder.message() == Message(message));
      CHECK(decoder.compressed() == compress);
    }
  }
}

}  // namespace aurora::gossipwire
