// Datagrams: whatever comes in, what comes out encodes, seals and opens to itself, and the counts add up.
#include <cstdint>
#include <string>
#include <vector>

#include "controlplane/gossipwire/codec.h"
#include "controlplane/gossipwire/packet.h"
#include "shared/base/check.h"

namespace {

using namespace aurora::gossipwire;

// A first byte chooses the configuration: 1 a label, 2 keys, 4 insist on them, 8 seal the input first.
void Run(uint8_t choice, std::string_view bytes) {
  static const Keyring ring = Keyring::Make({std::string(16, 'k'), std::string(32, 'o')}).value();
  PacketConfig config;
  config.label = (choice & 1) != 0 ? "prod" : "";
  config.keys = (choice & 2) != 0 ? &ring : nullptr;
  config.verify.incoming = (choice & 4) != 0;
  config.random_bytes = [](size_t n) { return std::string(n, 'n'); };
  const PacketCodec codec(config);
  SealOptions options;
  options.max_bytes = 1u << 22;
  options.crc = (choice & 16) != 0;
  std::string wire(bytes);
  if ((choice & 8) != 0) {
    wire = codec.Seal(bytes, options).value();
  }
  const Opened opened = codec.Open(wire);
  AURORA_CHECK((opened.refusal == Refusal::kNone) == !opened.messages.empty());
  AURORA_CHECK(opened.messages.size() <= kMaxDatagramMessages);
  std::vector<std::string> encoded;
  for (const Message& message : opened.messages) {
    encoded.push_back(EncodeMessage(message));
    const auto again = DecodeMessage(encoded.back());
    AURORA_CHECK(again.ok() && *again == message);
  }
  size_t total = 0;
  for (const std::string& message : encoded) {
    total += message.size() + kCompoundPartOverhead;
  }
  if (encoded.empty() || encoded.size() > kMaxCompoundParts || total > kMaxDatagram / 2) {
    return;
  }
  const auto sealed = codec.Seal(encoded, options);
  AURORA_CHECK(sealed.ok());
  const Opened second = codec.Open(*sealed);
  AURORA_CHECK(second.messages == opened.messages && second.dropped == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0) {
    Run(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  }
  return 0;
}
