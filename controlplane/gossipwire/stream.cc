#include "controlplane/gossipwire/stream.h"

#include <algorithm>
#include <utility>

#include "controlplane/gossipwire/layers.h"
#include "controlplane/gossipwire/lzw.h"
#include "shared/base/check.h"
#include "shared/base/status.h"
#include "shared/crypto/aes_gcm.h"

namespace aurora::gossipwire {
namespace {

constexpr size_t kSealedHeader = 5;        // type, length
constexpr size_t kCompactAt = 256 * 1024;  // consumed bytes worth moving the rest for
// What any usable record takes on the wire: a name, an address, their keys.
constexpr size_t kLeastRecordBytes = 18;

std::string SealedHeader(size_t bytes) {
  std::string out(1, static_cast<char>(Type::kEncrypt));
  for (const int shift : {24, 16, 8, 0}) {
    out.push_back(static_cast<char>(bytes >> shift & 0xff));
  }
  return out;
}

bool Encrypts(const StreamConfig& config) {
  return config.keys != nullptr && !config.keys->empty();
}

size_t MemoryOf(const NodeRecord& record) {
  return sizeof(NodeRecord) + record.name.size() + record.meta.size();
}

}  // namespace

absl::StatusOr<std::string> EncodeStream(const Message& message, const StreamConfig& config) {
  std::string body = EncodeStreamMessage(message);
  const auto* push_pull = std::get_if<PushPull>(&message);
  const auto* user = std::get_if<User>(&message);
  if (body.size() > kMaxStreamInflated || (push_pull != nullptr && push_pull->user_state.size() > kMaxStreamSealed) ||
      (push_pull != nullptr && push_pull->nodes.size() > kMaxStreamNodes) ||
      (user != nullptr && user->payload.size() > kMaxStreamSealed)) {
    return ResourceExhausted("a stream of " + std::to_string(body.size()) + " bytes is more than a peer reads");
  }
  if (config.compress) {
    if (std::string packed = Compress(body); packed.size() < body.size()) {
      body = std::move(packed);
    }
  }
  if (!Encrypts(config) || !config.verify.outgoing) {
    return body;
  }
  const size_t sealed_bytes = body.size() + SealOverhead(SealVersion::kPlain, body.size());
  if (sealed_bytes > kMaxStreamSealed) {
    return ResourceExhausted("an encrypted stream of " + std::to_string(sealed_bytes) +
                             " bytes is more than a peer reads");
  }
  const std::string header = SealedHeader(sealed_bytes);
  return header + SealWith(*config.keys, SealVersion::kPlain, config.random_bytes(crypto::kGcmNonceBytes), body,
                           header + config.label);
}

StreamDecoder::StreamDecoder(StreamConfig config, Side side)
    : config_(std::move(config)), step_(side == Side::kInbound ? Step::kLabel : Step::kOuter) {
  AURORA_CHECK(CheckLabel(config_.label).ok());
}

StreamDecoder::State StreamDecoder::Feed(std::string_view bytes) {
  if (state_ != State::kMore) {
    return state_;
  }
  fed_ += bytes.size();
  buffer_.append(bytes);
  while (state_ == State::kMore && Advance()) {
  }
  if (state_ != State::kMore) {
    std::string().swap(buffer_);
    at_ = 0;
  }
  return state_;
}

bool StreamDecoder::Advance() {
  switch (step_) {
    case Step::kLabel:
      return ReadLabel();
    case Step::kOuter:
      return ReadOuter();
    case Step::kSealed:
      return ReadSealed();
    case Step::kBody:
      return ReadBody();
    case Step::kPacked:
      return ReadPacked();
    case Step::kMessage:
      return ReadMessage();
    case Step::kNodes:
      return ReadNode();
    case Step::kUserState:
      return ReadRest(&push_pull_.user_state);
    case Step::kUser:
      return ReadRest(&user_.payload);
    case Step::kDone:
      return false;
  }
  return false;
}

bool StreamDecoder::ReadLabel() {
  if (Rest().empty()) {
    return Wait();
  }
  const bool labelled = static_cast<uint8_t>(Rest()[0]) == static_cast<uint8_t>(Type::kLabel);
  if (labelled != !config_.label.empty()) {
    return Refuse(Refusal::kLabel, labelled ? "a label where none is expected" : "no label");
  }
  if (labelled) {
    const std::string expected = LabelHeader(config_.label);
    const size_t have = std::min(expected.size(), Rest().size());
    if (Rest().substr(0, have) != std::string_view(expected).substr(0, have)) {
      return Refuse(Refusal::kLabel, "another cluster's label");
    }
    if (have < expected.size()) {
      return Wait();
    }
    Consume(expected.size());
  }
  step_ = Step::kOuter;
  return true;
}

bool StreamDecoder::ReadOuter() {
  if (Rest().empty()) {
    return Wait();
  }
  if (static_cast<uint8_t>(Rest()[0]) == static_cast<uint8_t>(Type::kEncrypt)) {
    if (!Encrypts(config_)) {
      return Refuse(Refusal::kKey, "encrypted, and this node has no gossip key");
    }
    step_ = Step::kSealed;
    return true;
  }
  if (Encrypts(config_) && config_.verify.incoming) {
    return Refuse(Refusal::kKey, "not encrypted");
  }
  step_ = Step::kBody;
  return true;
}

bool StreamDecoder::ReadSealed() {
  if (Rest().size() < kSealedHeader) {
    return Wait();
  }
  size_t size = 0;
  for (size_t i = 1; i < kSealedHeader; ++i) {
    size = size << 8 | static_cast<uint8_t>(Rest()[i]);
  }
  if (size > kMaxStreamSealed) {
    return Refuse(Refusal::kTooMuch, "encrypted: " + std::to_string(size) + " bytes announced");
  }
  if (size < kEncryptionV1Overhead) {
    return Refuse(Refusal::kMalformed, "encrypted: too short");
  }
  if (Rest().size() < kSealedHeader + size) {
    return Wait();
  }
  const std::string aad = std::string(Rest().substr(0, kSealedHeader)) + config_.label;
  auto unsealed = Unseal(*config_.keys, Rest().substr(kSealedHeader, size), aad);
  if (!unsealed.ok()) {
    return Refuse(Refusal::kKey, Std(unsealed.status().message()));
  }
  encrypted_ = true;
  Replace(std::move(unsealed->plain));
  step_ = Step::kBody;
  return true;
}

bool StreamDecoder::ReadBody() {
  if (Rest().empty()) {
    return Wait();
  }
  const bool packed = static_cast<uint8_t>(Rest()[0]) == static_cast<uint8_t>(Type::kCompress);
  step_ = packed ? Step::kPacked : Step::kMessage;
  return true;
}

bool StreamDecoder::ReadPacked() {
  std::string_view packed;
  const MapResult result = ReadCompressed(Rest().substr(1), &packed);
  if (result.parse == Parse::kMore) {
    return Wait();
  }
  if (result.parse == Parse::kBad) {
    return Refuse(Refusal::kMalformed, "compression: malformed, too long, or not LZW");
  }
  auto plain = LzwDecode(packed, kMaxStreamInflated);
  if (!plain.ok()) {
    const bool bomb = plain.status().code() == absl::StatusCode::kResourceExhausted;
    return Refuse(bomb ? Refusal::kTooMuch : Refusal::kMalformed, Std(plain.status().message()));
  }
  if (plain->empty()) {
    return Refuse(Refusal::kMalformed, "compression of nothing");
  }
  compressed_ = true;
  Replace(*std::move(plain));
  step_ = Step::kMessage;
  return true;
}

template <typename M, typename Read>
bool StreamDecoder::ReadWhole(Read read) {
  M message;
  const MapResult result = read(Rest().substr(1), &message);
  if (result.parse == Parse::kMore) {
    return Wait();
  }
  if (result.parse == Parse::kBad) {
    return Refuse(Refusal::kMalformed, std::string(MessageName(Message(message))) + ": malformed");
  }
  return Finish(std::move(message));
}

bool StreamDecoder::ReadMessage() {
  const uint8_t type = static_cast<uint8_t>(Rest()[0]);
  MapResult result;
  switch (static_cast<Type>(type)) {
    case Type::kPing:
      return ReadWhole<Ping>(ReadPing);
    case Type::kAck:
      return ReadWhole<Ack>(ReadAck);
    case Type::kError:
      return ReadWhole<Error>(ReadError);
    case Type::kUser:
      result = ReadUserHeader(Rest().substr(1), &rest_bytes_);
      step_ = result.parse == Parse::kOk ? Step::kUser : step_;
      break;
    case Type::kPushPull: {
      PushPullHeader header;
      result = ReadPushPullHeader(Rest().substr(1), &header);
      nodes_left_ = header.nodes;
      rest_bytes_ = header.user_state_bytes;
      push_pull_.join = header.join;
      step_ = result.parse == Parse::kOk ? Step::kNodes : step_;
      break;
    }
    default:
      return Refuse(Refusal::kMalformed, "message type " + std::to_string(type) + " has no place in a stream");
  }
  if (result.parse == Parse::kMore) {
    return Wait();
  }
  if (result.parse == Parse::kBad) {
    return Refuse(Refusal::kMalformed, "a header that is malformed or over its bounds");
  }
  Consume(1 + result.size);
  return true;
}

bool StreamDecoder::ReadNode() {
  if (nodes_left_ == 0) {
    step_ = Step::kUserState;
    return true;
  }
  NodeRecord record;
  bool usable = false;
  const MapResult result = ReadNodeRecord(Rest(), &record, &usable);
  if (result.parse == Parse::kMore) {
    return Wait();
  }
  if (result.parse == Parse::kBad) {
    return Refuse(Refusal::kMalformed, "node record: malformed or too long");
  }
  --nodes_left_;
  if (!usable) {
    ++dropped_records_;
  } else {
    record_memory_ += MemoryOf(record);
    if (record_memory_ > kMaxNodeRecordMemory) {
      return Refuse(Refusal::kTooMuch, "node records: more than this node holds");
    }
    if (push_pull_.nodes.empty()) {
      // One allocation, when the records are all there already; never more than the bytes at hand can hold.
      push_pull_.nodes.reserve(static_cast<size_t>(std::min<uint64_t>(
          {nodes_left_ + 1, Rest().size() / kLeastRecordBytes, kMaxNodeRecordMemory / sizeof(NodeRecord)})));
    }
    push_pull_.nodes.push_back(std::move(record));
  }
  Consume(result.size);
  return true;
}

bool StreamDecoder::ReadRest(std::string* out) {
  if (Rest().size() < rest_bytes_) {
    return Wait();
  }
  out->assign(Rest().substr(0, static_cast<size_t>(rest_bytes_)));
  return step_ == Step::kUser ? Finish(std::move(user_)) : Finish(std::move(push_pull_));
}

bool StreamDecoder::Wait() {
  if (whole_) {
    return Refuse(Refusal::kMalformed, "ends inside a message");
  }
  if (fed_ > kMaxStreamInflated) {
    return Refuse(Refusal::kTooMuch, "a stream over " + std::to_string(kMaxStreamInflated) + " bytes");
  }
  return false;
}

bool StreamDecoder::Refuse(Refusal why, std::string_view text) {
  state_ = State::kRefused;
  step_ = Step::kDone;
  refusal_ = why;
  error_ = InvalidArgument(text);
  push_pull_ = PushPull{};
  return false;
}

bool StreamDecoder::Finish(Message message) {
  if (!whole_ && consumed_ + rest_bytes_ > kMaxStreamInflated) {
    return Refuse(Refusal::kTooMuch, "a stream over " + std::to_string(kMaxStreamInflated) + " bytes");
  }
  message_ = std::move(message);
  state_ = State::kMessage;
  step_ = Step::kDone;
  return false;
}

void StreamDecoder::Consume(size_t bytes) {
  at_ += bytes;
  consumed_ += bytes;
  if (at_ >= kCompactAt && at_ * 2 >= buffer_.size()) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
}

void StreamDecoder::Replace(std::string body) {
  buffer_ = std::move(body);
  at_ = 0;
  whole_ = true;
}

}  // namespace aurora::gossipwire
