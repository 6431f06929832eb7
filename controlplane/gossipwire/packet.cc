#include "controlplane/gossipwire/packet.h"

#include <utility>

#include "controlplane/gossipwire/codec.h"
#include "controlplane/gossipwire/layers.h"
#include "shared/base/check.h"
#include "shared/base/status.h"
#include "shared/crypto/aes_gcm.h"

namespace aurora::gossipwire {
namespace {

// Takes the layers inside the CRC apart. Everything one datagram can make us do is counted here.
class Unwrapper {
 public:
  explicit Unwrapper(Opened* out) : out_(out) {}

  void Visit(std::string_view bytes, size_t depth) {
    if (bytes.empty()) {
      Drop(Refusal::kMalformed);
      return;
    }
    const Type type = static_cast<Type>(static_cast<uint8_t>(bytes[0]));
    if (type != Type::kCompress && type != Type::kCompound) {
      VisitMessage(bytes);
    } else if (depth > kMaxLayers) {
      Drop(Refusal::kTooMuch);
    } else if (type == Type::kCompress) {
      VisitCompressed(bytes.substr(1), depth);
    } else {
      VisitCompound(bytes.substr(1), depth);
    }
  }

  Refusal refusal() const { return refusal_; }

 private:
  void Drop(Refusal why, size_t parts = 1) {
    out_->dropped += static_cast<uint32_t>(parts);
    refusal_ = why;
  }

  void VisitCompressed(std::string_view map, size_t depth) {
    const auto plain = Decompress(map, inflate_left_);
    if (!plain.ok()) {
      // The work was done: the next of its kind in this datagram must not get as much again.
      inflate_left_ = 0;
      Drop(plain.status().code() == absl::StatusCode::kResourceExhausted ? Refusal::kTooMuch : Refusal::kMalformed);
      return;
    }
    inflate_left_ -= plain->size();
    out_->compressed = true;
    Visit(*plain, depth + 1);
  }

  void VisitCompound(std::string_view body, size_t depth) {
    const auto compound = SplitCompound(body);
    if (!compound.ok()) {
      Drop(Refusal::kMalformed);
      return;
    }
    if (compound->truncated > 0) {
      Drop(Refusal::kMalformed, compound->truncated);
    }
    for (const std::string_view part : compound->parts) {
      Visit(part, depth + 1);
    }
  }

  void VisitMessage(std::string_view bytes) {
    if (out_->messages.size() >= kMaxDatagramMessages) {
      Drop(Refusal::kTooMuch);
      return;
    }
    auto message = DecodeMessage(bytes);
    if (!message.ok()) {
      Drop(Refusal::kMalformed);
      return;
    }
    out_->messages.push_back(*std::move(message));
  }

  Opened* out_;
  size_t inflate_left_ = kMaxDatagramInflated;
  Refusal refusal_ = Refusal::kMalformed;
};

bool CrcFits(std::string_view bytes) {
  uint32_t said = 0;
  for (size_t i = 1; i < kCrcOverhead; ++i) {
    said = said << 8 | static_cast<uint8_t>(bytes[i]);
  }
  return said == Crc32(bytes.substr(kCrcOverhead));
}

}  // namespace

std::string_view RefusalName(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone:
      return "none";
    case Refusal::kLabel:
      return "label";
    case Refusal::kKey:
      return "key";
    case Refusal::kCrc:
      return "crc";
    case Refusal::kMalformed:
      return "malformed";
    case Refusal::kTooMuch:
      return "too_much";
  }
  return "unknown";
}

PacketCodec::PacketCodec(PacketConfig config) : config_(std::move(config)) {
  AURORA_CHECK(CheckLabel(config_.label).ok());
}

bool PacketCodec::encrypts() const {
  return config_.keys != nullptr && !config_.keys->empty() && config_.verify.outgoing;
}

absl::StatusOr<std::string> PacketCodec::Seal(std::span<const std::string> messages, const SealOptions& options) const {
  if (messages.size() == 1) {
    return Seal(messages[0], options);
  }
  if (messages.empty() || messages.size() > kMaxCompoundParts) {
    return InvalidArgument("a datagram carries 1 to 255 messages, not " + std::to_string(messages.size()));
  }
  for (const std::string& message : messages) {
    if (message.size() > kMaxCompoundPart) {
      return ResourceExhausted("a message of " + std::to_string(message.size()) + " bytes fits no datagram");
    }
  }
  return Seal(MakeCompound(messages), options);
}

absl::StatusOr<std::string> PacketCodec::Seal(std::string_view message, const SealOptions& options) const {
  std::string body(message);
  if (options.compress) {
    if (std::string packed = Compress(body); packed.size() < body.size()) {
      body = std::move(packed);
    }
  }
  if (options.crc) {
    body = AddCrc(body);
  }
  std::string out = LabelHeader(config_.label);
  if (encrypts()) {
    out += SealWith(*config_.keys, options.version, config_.random_bytes(crypto::kGcmNonceBytes), body, config_.label);
  } else {
    out += body;
  }
  if (out.size() > options.max_bytes) {
    return ResourceExhausted("a datagram of " + std::to_string(out.size()) + " bytes; at most " +
                             std::to_string(options.max_bytes));
  }
  return out;
}

size_t PacketCodec::Budget(const SealOptions& options) const {
  size_t overhead = kCompoundHeader + LabelHeader(config_.label).size() + (options.crc ? kCrcOverhead : 0);
  if (encrypts()) {
    overhead += options.version == SealVersion::kPadded ? kEncryptionV0Overhead : kEncryptionV1Overhead;
  }
  return options.max_bytes > overhead ? options.max_bytes - overhead : 0;
}

Refusal PacketCodec::StripLabel(std::string_view* bytes) const {
  const bool labelled = !bytes->empty() && static_cast<uint8_t>((*bytes)[0]) == static_cast<uint8_t>(Type::kLabel);
  if (labelled != !config_.label.empty()) {
    return Refusal::kLabel;
  }
  if (!labelled) {
    return Refusal::kNone;
  }
  const std::string expected = LabelHeader(config_.label);
  if (bytes->substr(0, expected.size()) != expected) {
    return Refusal::kLabel;
  }
  bytes->remove_prefix(expected.size());
  return Refusal::kNone;
}

Opened PacketCodec::Open(std::string_view datagram) const {
  Opened out;
  if (datagram.empty() || datagram.size() > kMaxDatagram) {
    out.refusal = datagram.empty() ? Refusal::kMalformed : Refusal::kTooMuch;
    return out;
  }
  std::string_view bytes = datagram;
  out.refusal = StripLabel(&bytes);
  if (out.refusal != Refusal::kNone) {
    return out;
  }
  absl::StatusOr<Unsealed> unsealed = Unsealed{};
  if (config_.keys != nullptr && !config_.keys->empty()) {
    unsealed = Unseal(*config_.keys, bytes, config_.label);
    if (unsealed.ok()) {
      bytes = unsealed->plain;
      out.key = static_cast<int>(unsealed->key);
    } else if (config_.verify.incoming) {
      out.refusal = Refusal::kKey;
      return out;
    }
  }
  if (bytes.size() >= kCrcOverhead && static_cast<uint8_t>(bytes[0]) == static_cast<uint8_t>(Type::kCrc)) {
    if (!CrcFits(bytes)) {
      out.refusal = Refusal::kCrc;
      return out;
    }
    bytes.remove_prefix(kCrcOverhead);
  }
  Unwrapper unwrapper(&out);
  unwrapper.Visit(bytes, 1);
  out.refusal = out.messages.empty() ? unwrapper.refusal() : Refusal::kNone;
  return out;
}

}  // namespace aurora::gossipwire
