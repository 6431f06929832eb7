// Every byte that three-node clusters of real memberlist nodes sent: plain, labelled, encrypted, compressed, mixed
// versions.
#include <map>
#include <set>
#include <string>

#include "controlplane/gossipwire/codec.h"
#include "controlplane/gossipwire/layers.h"
#include "controlplane/gossipwire/packet.h"
#include "controlplane/gossipwire/stream.h"
#include "shared/crypto/encoding.h"
#include "tests/controlplane/gossipwire/vectors.h"
#include "tests/support/test.h"

namespace aurora::gossipwire {
namespace {

const std::string kClusterKey("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", 16);

struct Setup {
  std::string label;
  bool encrypted = false;
};
Setup SetupOf(const std::string& file) {
  const bool label = file.starts_with("cap-label");
  return {label ? "prod" : "", file.starts_with("cap-enc") || file.starts_with("cap-label-")};
}

bool HasCrc(std::string_view bytes) {
  return bytes.size() >= kCrcOverhead && bytes[0] == '\x0c';
}

}  // namespace

TEST_CASE("Every captured datagram opens whole, and seals to the same bytes under its nonce and layers") {
  const Keyring ring = Keyring::Make({kClusterKey}).value();
  std::map<std::string, int> seen;
  int datagrams = 0;
  for (const Captured& capture : CapturedBytes()) {
    if (capture.kind != Captured::Kind::kUdp) {
      continue;
    }
    ++datagrams;
    const Setup setup = SetupOf(capture.file);
    INFO(capture.file << " " << crypto::HexLower(capture.bytes));
    std::string inner = capture.bytes.substr(LabelHeader(setup.label).size());
    std::string nonce;
    if (setup.encrypted) {
      nonce = inner.substr(1, 12);
      inner = Unseal(ring, inner, setup.label).value().plain;
    }
    const PacketCodec codec({setup.label, setup.encrypted ? &ring : nullptr, {}, [&nonce](size_t) { return nonce; }});
    const Opened opened = codec.Open(capture.bytes);
    REQUIRE(opened.refusal == Refusal::kNone);
    REQUIRE(opened.dropped == 0);
    REQUIRE(opened.key == (setup.encrypted ? 0 : -1));
    std::vector<std::string> encoded;
    for (const Message& message : opened.messages) {
      ++seen[std::string(MessageName(message))];
      encoded.push_back(EncodeMessage(message));
    }
    SealOptions options;
    options.crc = HasCrc(inner);
    options.compress = opened.compressed;
    CHECK(crypto::HexLower(codec.Seal(encoded, options).value()) == crypto::HexLower(capture.bytes));
  }
  CHECK(datagrams == 695);
  for (const char* name : {"ping", "indirect_ping", "ack", "suspect", "alive", "dead", "user", "nack"}) {
    INFO(name);
    CHECK(seen[name] > 0);
  }
}

TEST_CASE("Every captured stream reads to one message and encodes to the same bytes") {
  const Keyring ring = Keyring::Make({kClusterKey}).value();
  std::map<std::string, int> seen;
  std::string header;
  for (const Captured& capture : CapturedBytes()) {
    if (capture.kind == Captured::Kind::kUdp) {
      continue;
    }
    const Setup setup = SetupOf(capture.file);
    INFO(capture.file << " " << crypto::HexLower(capture.bytes));
    // A dialler's label header is a write of its own; what an answering node sends has none.
    if (capture.kind == Captured::Kind::kTcpSent && capture.bytes == LabelHeader(setup.label)) {
      header = capture.bytes;
      continue;
    }
    const bool inbound = !header.empty();
    StreamConfig config{setup.label, setup.encrypted ? &ring : nullptr, {}, {}, true};
    StreamDecoder decoder(config, inbound ? StreamDecoder::Side::kInbound : StreamDecoder::Side::kAnswer);
    decoder.Feed(header);
    header.clear();
    for (const char c : capture.bytes) {
      decoder.Feed({&c, 1});
    }
    REQUIRE(decoder.error() == absl::OkStatus());
    REQUIRE(decoder.state() == StreamDecoder::State::kMessage);
    CHECK(decoder.dropped_records() == 0);
    CHECK(decoder.encrypted() == setup.encrypted);
    ++seen[std::string(MessageName(decoder.message()))];
    // Go compresses also what grows by it, ours does not: compare the message below the layers.
    std::string body = capture.bytes;
    if (setup.encrypted) {
      body = Unseal(ring, body.substr(5), body.substr(0, 5) + setup.label).value().plain;
    }
    const std::string ours = EncodeStreamMessage(decoder.message());
    CHECK(crypto::HexLower(decoder.compressed() ? Compress(ours) : ours) == crypto::HexLower(body));
    const std::string nonce = setup.encrypted ? capture.bytes.substr(6, 12) : "";
    config.random_bytes = [&nonce](size_t) { return nonce; };
    config.compress = decoder.compressed();
    if (!config.compress || Compress(ours).size() < ours.size()) {
      CHECK(crypto::HexLower(EncodeStream(decoder.message(), config).value()) == crypto::HexLower(capture.bytes));
    }
  }
  for (const char* name : {"push_pull", "user"}) {
    INFO(name);
    CHECK(seen[name] > 0);
  }
}

}  // namespace aurora::gossipwire
