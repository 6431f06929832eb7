// Streams: the outcome does not depend on how the bytes were split, and a message read is a message that can be
// written.
#include <algorithm>
#include <cstdint>
#include <string>

#include "controlplane/gossipwire/layers.h"
#include "controlplane/gossipwire/stream.h"
#include "shared/base/check.h"
#include "shared/base/rng.h"

namespace {

using namespace aurora::gossipwire;

void Same(StreamDecoder& a, StreamDecoder& b) {
  AURORA_CHECK(a.state() == b.state());
  AURORA_CHECK(a.refusal() == b.refusal());
  AURORA_CHECK(a.error() == b.error());
  AURORA_CHECK(a.encrypted() == b.encrypted() && a.compressed() == b.compressed());
  if (a.state() == StreamDecoder::State::kMessage) {
    AURORA_CHECK(a.dropped_records() == b.dropped_records());
    AURORA_CHECK(a.message() == b.message());
  }
}

// A first byte chooses: 1 a label, 2 keys, 4 insist on them, 8 seal the input first, 16 an answer, 32 compress it
// first.
void Run(uint8_t choice, uint64_t seed, std::string_view bytes) {
  static const Keyring ring = Keyring::Make({std::string(16, 'k')}).value();
  StreamConfig config;
  config.label = (choice & 1) != 0 ? "prod" : "";
  config.keys = (choice & 2) != 0 ? &ring : nullptr;
  config.verify.incoming = (choice & 4) != 0;
  config.random_bytes = [](size_t n) { return std::string(n, 'n'); };
  const auto side = (choice & 16) != 0 ? StreamDecoder::Side::kAnswer : StreamDecoder::Side::kInbound;
  std::string wire = (choice & 32) != 0 ? Compress(bytes) : std::string(bytes);
  if ((choice & 8) != 0 && config.keys != nullptr) {
    const size_t size = wire.size() + kEncryptionV1Overhead;
    const std::string header{'\x0a', 0, static_cast<char>(size >> 16), static_cast<char>(size >> 8),
                             static_cast<char>(size)};
    wire = header + SealWith(ring, SealVersion::kPlain, std::string(12, 'n'), wire, header + config.label);
  }
  StreamDecoder whole(config, side), split(config, side);
  whole.Feed(wire);
  aurora::Rng rng(seed);
  for (size_t at = 0; at < wire.size();) {
    const size_t step = 1 + static_cast<size_t>(rng.Below(rng.OneIn(2) ? 4 : 400));
    split.Feed(std::string_view(wire).substr(at, step));
    at += step;
  }
  Same(whole, split);
  if (whole.state() != StreamDecoder::State::kMessage) {
    return;
  }
  const auto blob = EncodeStream(whole.message(), config);
  AURORA_CHECK(blob.ok());
  StreamDecoder again(config, side);
  again.Feed((side == StreamDecoder::Side::kInbound ? LabelHeader(config.label) : "") + *blob);
  AURORA_CHECK(again.state() == StreamDecoder::State::kMessage);
  AURORA_CHECK(again.message() == whole.message());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 1) {
    Run(data[0], data[1], {reinterpret_cast<const char*>(data) + 2, size - 2});
  }
  return 0;
}
