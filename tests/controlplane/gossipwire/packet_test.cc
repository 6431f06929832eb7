#include "controlplane/gossipwire/packet.h"

#include <string>

#include "controlplane/gossipwire/codec.h"
#include "controlplane/gossipwire/layers.h"
#include "shared/crypto/encoding.h"
#include "shared/crypto/random.h"
#include "tests/controlplane/gossipwire/random_message.h"
#include "tests/controlplane/gossipwire/vectors.h"
#include "tests/support/test.h"

namespace aurora::gossipwire {
namespace {

const std::string kOtherKey(16, 'o');

std::string Fixed(size_t n) {
  return std::string(n, 'n');
}

// Wraps `inner` in `levels` compounds of one part.
std::string Nest(std::string inner, int levels) {
  for (int i = 0; i < levels; ++i) {
    const std::string parts[] = {inner};
    inner = MakeCompound(parts);
  }
  return inner;
}

}  // namespace

TEST_CASE("A gossip datagram of Debian's node opens to its two alives and seals to the same bytes") {
  const std::string wire =
      Hex("0c87f00d260702004400440486a441646472a47f000001ab496e6361726e6174696f6e01a44d657461a66d6574612d62a44e6f6465a6"
          "6e6f6465"
          "2d62a4506f7274cd45eea356736ea60105020000000486a441646472a47f000001ab496e6361726e6174696f6e01a44d657461a66d65"
          "74612d61"
          "a44e6f6465a66e6f64652d61a4506f7274cd45eda356736ea6010502000000");
  const PacketCodec codec({});
  const Opened opened = codec.Open(wire);
  CHECK(opened.refusal == Refusal::kNone);
  CHECK(opened.dropped == 0);
  CHECK(opened.key == -1);
  REQUIRE(opened.messages.size() == 2);
  CHECK(std::get<Alive>(opened.messages[0]).node == "node-b");
  CHECK(std::get<Alive>(opened.messages[1]).meta == "meta-a");
  const std::string parts[] = {EncodeMessage(opened.messages[0]), EncodeMessage(opened.messages[1])};
  CHECK(codec.Seal(parts).value() == wire);
}

TEST_CASE("A user datagram with its CRC is the one Debian's node sends") {
  const PacketCodec codec({});
  const std::string wire = Hex("0cf659ae0a0868656c6c6f2d756470");
  CHECK(codec.Seal(EncodeMessage(User{"hello-udp"})).value() == wire);
  CHECK(std::get<User>(codec.Open(wire).messages.at(0)).payload == "hello-udp");
}

TEST_CASE("Every combination of layers opens to what was sealed") {
  Rng rng(11);
  const Keyring ring = RingOf({kPrimaryKey, kOtherKey});
  for (int i = 0; i < 1000; ++i) {
    PacketConfig config;
    config.label = rng.OneIn(2) ? RandomText(rng, 1, 255) : "";
    config.keys = rng.OneIn(2) ? &ring : nullptr;
    config.random_bytes = crypto::RandomBytes;
    SealOptions options;
    options.crc = rng.OneIn(2);
    options.compress = rng.OneIn(2);
    options.version = rng.OneIn(4) ? SealVersion::kPadded : SealVersion::kPlain;
    options.max_bytes = kMaxDatagram;
    std::vector<Message> messages;
    std::vector<std::string> encoded;
    for (uint64_t n = 1 + rng.Below(20); n > 0; --n) {
      messages.push_back(RandomMessage(rng));
      encoded.push_back(EncodeMessage(messages.back()));
    }
    const PacketCodec codec(config);
    const auto wire = codec.Seal(encoded, options);
    REQUIRE(wire.ok());
    const Opened opened = codec.Open(*wire);
    REQUIRE(opened.refusal == Refusal::kNone);
    REQUIRE(opened.dropped == 0);
    REQUIRE(opened.key == (config.keys != nullptr ? 0 : -1));
    REQUIRE(opened.messages == messages);
  }
}

TEST_CASE("Messages filled up to the budget make a datagram of at most 1400 bytes, in every configuration") {
  const Keyring ring = RingOf({kPrimaryKey});
  for (const char* label : {"", "prod"}) {
    for (const bool encrypt : {false, true}) {
      for (const bool crc : {false, true}) {
        for (const SealVersion version : {SealVersion::kPlain, SealVersion::kPadded}) {
          const PacketCodec codec({label, encrypt ? &ring : nullptr, {}, Fixed});
          SealOptions options;
          options.crc = crc;
          options.version = version;
          size_t left = codec.Budget(options);
          CHECK(left > 1300);
          std::vector<std::string> messages;
          for (size_t size = 60; left > size + kCompoundPartOverhead; left -= size + kCompoundPartOverhead) {
            messages.push_back(EncodeMessage(User{std::string(size - 1, 'u')}));
          }
          messages.push_back(EncodeMessage(User{std::string(left - kCompoundPartOverhead - 1, 'u')}));
          const auto wire = codec.Seal(messages, options);
          REQUIRE(wire.ok());
          CHECK(wire->size() <= kDatagramBudget);
          CHECK(wire->size() >= kDatagramBudget - 16);  // padding takes 1 to 16
          messages.back() += std::string(17, 'u');
          CHECK(codec.Seal(messages, options).status().code() == absl::StatusCode::kResourceExhausted);
        }
      }
    }
  }
}

TEST_CASE("A label that differs, is missing, or comes where none is configured refuses the datagram") {
  const std::string message = EncodeMessage(Nack{1});
  const PacketCodec none({}), prod({"prod", nullptr, {}, {}}), product({"product", nullptr, {}, {}}),
      test({"test", nullptr, {}, {}});
  const PacketCodec* all[] = {&none, &prod, &product, &test};
  for (const PacketCodec* from : all) {
    for (const PacketCodec* to : all) {
      const Opened opened = to->Open(from->Seal(message).value());
      CHECK(opened.refusal == (from == to ? Refusal::kNone : Refusal::kLabel));
      CHECK(opened.messages.size() == (from == to ? 1 : 0));
    }
  }
  CHECK(none.Open(Hex("f400") + message).refusal == Refusal::kLabel);
  CHECK(prod.Open(Hex("f400") + message).refusal == Refusal::kLabel);
  CHECK(prod.Open(Hex("f404") + "pro").refusal == Refusal::kLabel);
}

TEST_CASE("With keys only what one of them sealed is used; the label is authenticated with it") {
  const std::string message = EncodeMessage(Nack{1});
  const Keyring old_first = RingOf({kOtherKey, kPrimaryKey}), ring = RingOf({kPrimaryKey}), other = RingOf({kOtherKey});
  const PacketCodec ours({"prod", &ring, {}, crypto::RandomBytes});
  CHECK(ours.Open(ours.Seal(message).value()).key == 0);
  CHECK(PacketCodec({"prod", &old_first, {}, Fixed}).Open(ours.Seal(message).value()).key == 1);
  CHECK(PacketCodec({"prod", &other, {}, Fixed}).Open(ours.Seal(message).value()).refusal == Refusal::kKey);
  CHECK(ours.Open(PacketCodec({"prod", nullptr, {}, {}}).Seal(message).value()).refusal == Refusal::kKey);
  // The same sealed bytes under another label's header do not open.
  std::string moved = ours.Seal(message).value();
  moved.replace(2, 4, "test");
  CHECK(PacketCodec({"test", &ring, {}, Fixed}).Open(moved).refusal == Refusal::kKey);
}

TEST_CASE("A cluster turns to encryption in three steps without losing a datagram") {
  const std::string message = EncodeMessage(Nack{7});
  const Keyring ring = RingOf({kPrimaryKey});
  const PacketConfig steps[] = {{"c", nullptr, {}, Fixed},
                                {"c", &ring, {false, false}, Fixed},
                                {"c", &ring, {false, true}, Fixed},
                                {"c", &ring, {true, true}, Fixed}};
  for (size_t from = 0; from < 4; ++from) {
    for (size_t to = 0; to < 4; ++to) {
      const bool neighbours = from <= to + 1 && to <= from + 1;
      const Opened opened = PacketCodec(steps[to]).Open(PacketCodec(steps[from]).Seal(message).value());
      INFO(from << " to " << to);
      if (neighbours) {
        CHECK(opened.messages == std::vector<Message>{Nack{7}});
      }
    }
  }
}

TEST_CASE("A CRC that does not fit refuses the datagram") {
  const PacketCodec codec({});
  const std::string wire = codec.Seal(EncodeMessage(Nack{1})).value();
  for (size_t bit = 8; bit < wire.size() * 8; ++bit) {
    std::string changed = wire;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    CHECK(codec.Open(changed).refusal == Refusal::kCrc);
  }
}

TEST_CASE("A bad part is dropped and counted, the parts around it are used") {
  const PacketCodec codec({});
  const std::string parts[] = {EncodeMessage(Nack{1}), "\x63what", EncodeMessage(PushPull{}), "",
                               EncodeMessage(Nack{2})};
  const Opened opened = codec.Open(codec.Seal(parts).value());
  CHECK(opened.refusal == Refusal::kNone);
  CHECK(opened.messages == std::vector<Message>{Nack{1}, Nack{2}});
  CHECK(opened.dropped == 3);
  SealOptions bare;
  bare.crc = false;
  const std::string cut = codec.Seal(parts, bare).value();
  const Opened tail = codec.Open(std::string_view(cut).substr(0, cut.size() - 1));
  CHECK(tail.messages == std::vector<Message>{Nack{1}});
  CHECK(tail.dropped == 4 - 1 + 1);
}

TEST_CASE("A datagram with nothing usable says so") {
  const PacketCodec codec({});
  CHECK(codec.Open("").refusal == Refusal::kMalformed);
  CHECK(codec.Open("\x0c").refusal == Refusal::kMalformed);
  CHECK(codec.Open(Hex("0700")).refusal == Refusal::kMalformed);
  CHECK(codec.Open(Hex("07020001")).refusal == Refusal::kMalformed);
  CHECK(codec.Open(EncodeMessage(Error{"no"})).refusal == Refusal::kMalformed);
  CHECK(codec.Open(std::string(kMaxDatagram + 1, '\x08')).refusal == Refusal::kTooMuch);
  CHECK(codec.Open(std::string(kMaxDatagram, '\x08')).refusal == Refusal::kNone);
}

TEST_CASE("Layers inside one another end at four") {
  const PacketCodec codec({});
  const std::string message = EncodeMessage(Nack{1});
  CHECK(codec.Open(Nest(message, 4)).messages.size() == 1);
  const Opened deep = codec.Open(Nest(message, 5));
  CHECK(deep.messages.empty());
  CHECK(deep.refusal == Refusal::kTooMuch);
  CHECK(codec.Open(Compress(Compress(Nest(message, 2)))).messages.size() == 1);
  CHECK(codec.Open(Compress(Compress(Nest(message, 3)))).refusal == Refusal::kTooMuch);
}

TEST_CASE("All decompression of one datagram together ends at 1 MiB") {
  const PacketCodec codec({});
  const std::string bomb = Compress(std::string(kMaxDatagramInflated + 1, '\x08'));
  REQUIRE(bomb.size() < 4096);
  CHECK(codec.Open(bomb).refusal == Refusal::kTooMuch);
  const std::string big = Compress(std::string(kMaxDatagramInflated * 2 / 3, '\x08'));
  const std::string two[] = {big, big, EncodeMessage(Nack{3})};
  SealOptions options;
  options.max_bytes = kMaxDatagram;
  const Opened opened = codec.Open(codec.Seal(two, options).value());
  // The first and the nack; the second big one is over what is left.
  CHECK(opened.messages.size() == 2);
  CHECK(opened.dropped == 1);
  CHECK(opened.compressed);
}

TEST_CASE("At most 2048 messages of one datagram are kept") {
  const PacketCodec codec({});
  const std::vector<std::string> nacks(255, EncodeMessage(Nack{1}));
  const std::vector<std::string> compounds(25, MakeCompound(nacks));
  const std::string wire = Compress(MakeCompound(compounds));
  REQUIRE(wire.size() < kMaxDatagram);
  const Opened opened = codec.Open(wire);
  CHECK(opened.messages.size() == kMaxDatagramMessages);
  CHECK(opened.dropped == 25 * 255 - kMaxDatagramMessages);
}

TEST_CASE("Seal refuses no messages and more than 255") {
  const PacketCodec codec({});
  CHECK_FALSE(codec.Seal(std::vector<std::string>{}).ok());
  SealOptions options;
  options.max_bytes = kMaxDatagram;
  CHECK(codec.Seal(std::vector<std::string>(255, "x"), options).ok());
  CHECK_FALSE(codec.Seal(std::vector<std::string>(256, "x"), options).ok());
}

TEST_CASE("Compression is used when it makes the datagram smaller, and only then") {
  const PacketCodec codec({});
  SealOptions options;
  options.compress = true;
  const std::string same = EncodeMessage(User{std::string(500, 'a')});
  CHECK(codec.Seal(same, options).value().size() < 100);
  CHECK(codec.Open(codec.Seal(same, options).value()).compressed);
  const std::string small = EncodeMessage(Nack{1});
  CHECK(codec.Seal(small, options).value() == codec.Seal(small).value());
}

TEST_CASE("Bytes at random, and real datagrams changed at random, open within the bounds") {
  Rng rng(99);
  const Keyring ring = RingOf({kPrimaryKey});
  const PacketCodec plain({}), labelled({"prod", &ring, {false, false}, Fixed});
  for (int i = 0; i < 5000; ++i) {
    std::string wire;
    if (rng.OneIn(2)) {
      wire = RandomText(rng, 0, 200);
    } else {
      const std::string parts[] = {EncodeMessage(RandomMessage(rng)), EncodeMessage(RandomMessage(rng))};
      SealOptions options;
      options.crc = false;
      options.max_bytes = kMaxDatagram;
      options.compress = rng.OneIn(2);
      wire = plain.Seal(parts, options).value();
      for (uint64_t n = 1 + rng.Below(4); n > 0; --n) {
        wire[static_cast<size_t>(rng.Below(wire.size()))] = static_cast<char>(rng.Below(256));
      }
    }
    for (const PacketCodec* codec : {&plain, &labelled}) {
      const Opened opened = codec->Open(wire);
      REQUIRE((opened.refusal == Refusal::kNone) == !opened.messages.empty());
      for (const Message& message : opened.messages) {
        REQUIRE(DecodeMessage(EncodeMessage(message)).value() == message);
      }
    }
  }
}

}  // namespace aurora::gossipwire
