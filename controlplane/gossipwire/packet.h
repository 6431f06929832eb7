// Datagrams: messages with all their layers.
// Source: hashicorp/memberlist net.go. Outermost first: label header, encryption, CRC, compression, compound.
// Thread: a value over a keyring that must outlive it; const calls only. Randomness comes through PacketConfig.
// Bounds: limits.h. Errors: Seal: ResourceExhausted when it does not fit. Open never fails as a whole once the outer
// layers are right: a bad part is dropped and counted, the others are used.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/gossipwire/keyring.h"
#include "controlplane/gossipwire/limits.h"
#include "controlplane/gossipwire/message.h"

namespace aurora::gossipwire {

// Which direction insists on encryption when there are keys. To change a running cluster from clear to encrypted:
// install keys with both false, then outgoing, then incoming.
struct Verify {
  bool incoming = true;
  bool outgoing = true;
};

// `n` bytes that no one can foresee: crypto::RandomBytes, but for tests.
using RandomSource = std::function<std::string(size_t n)>;

struct PacketConfig {
  std::string label;              // up to 255 bytes
  const Keyring* keys = nullptr;  // none or empty: no encryption
  Verify verify;
  RandomSource random_bytes;  // needed to seal with keys
};

struct SealOptions {
  bool crc = true;        // every peer since memberlist 0.1.4 (protocol 5) reads it
  bool compress = false;  // used when it makes the datagram smaller
  SealVersion version = SealVersion::kPlain;
  size_t max_bytes = kDatagramBudget;
};

// Why a datagram or a stream was refused; the names are for metrics and logs.
enum class Refusal : uint8_t { kNone, kLabel, kKey, kCrc, kMalformed, kTooMuch };
std::string_view RefusalName(Refusal refusal);  // "none", "label", "key", "crc", "malformed", "too_much"

struct Opened {
  Refusal refusal = Refusal::kNone;  // kNone: there is at least one message
  std::vector<Message> messages;
  uint32_t dropped = 0;  // parts that were not used
  int key = -1;          // which key of the ring opened it; -1: it came in the clear
  bool compressed = false;
};

class PacketCodec {
 public:
  explicit PacketCodec(PacketConfig config);

  // One datagram of one encoded message, or of up to 255 as a compound.
  absl::StatusOr<std::string> Seal(std::span<const std::string> messages, const SealOptions& options = {}) const;
  absl::StatusOr<std::string> Seal(std::string_view message, const SealOptions& options = {}) const;

  // Bytes for messages in a compound datagram: each costs its size and kCompoundPartOverhead.
  size_t Budget(const SealOptions& options = {}) const;

  Opened Open(std::string_view datagram) const;

 private:
  bool encrypts() const;
  Refusal StripLabel(std::string_view* bytes) const;

  PacketConfig config_;
};

}  // namespace aurora::gossipwire
