// One message over TCP, with all its layers: read as the bytes come, or written at once.
// Source: hashicorp/memberlist net.go. A dialler sends the label header as its own write, then one blob; the answer has
// no label header, but the label is authenticated in both directions. Blob: type and payload; around it 9 {Algo, Buf}
// if compressed; around that 10 | length u32 BE | sealed if encrypted. Thread: a value over a keyring that must outlive
// it. Bounds: limits.h; memory follows the bytes that arrived, never a length a header claims: a sealed or packed body
// is held once more opened, node records as kMaxNodeRecordMemory says. Errors: refusal() for metrics, error() in words;
// a stream refused once stays refused. Invariant: the outcome does not depend on how the bytes were split, and bytes
// after the message are ignored.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/gossipwire/codec.h"
#include "controlplane/gossipwire/packet.h"

namespace aurora::gossipwire {

struct StreamConfig {
  std::string label;
  const Keyring* keys = nullptr;
  Verify verify;
  RandomSource random_bytes;  // needed to seal with keys
  bool compress = true;       // Go compresses every stream; ours does when it helps
};

// The blob. Write LabelHeader(label) (layers.h) before it on a connection we opened, nothing before it in an answer.
// ResourceExhausted: over what a peer would read.
absl::StatusOr<std::string> EncodeStream(const Message& message, const StreamConfig& config);

class StreamDecoder {
 public:
  // kInbound: a connection a peer opened, the label header comes first. kAnswer: what a peer answers on one of ours.
  enum class Side : uint8_t { kInbound, kAnswer };
  enum class State : uint8_t { kMore, kMessage, kRefused };

  StreamDecoder(StreamConfig config, Side side);

  State Feed(std::string_view bytes);
  State state() const { return state_; }
  // kMessage only: Ping, Ack, User, Error or PushPull.
  Message& message() { return message_; }

  Refusal refusal() const { return refusal_; }
  const absl::Status& error() const { return error_; }
  bool encrypted() const { return encrypted_; }
  bool compressed() const { return compressed_; }
  // Node records of a PushPull that were well-formed but not usable, and left out.
  uint32_t dropped_records() const { return dropped_records_; }

 private:
  enum class Step : uint8_t { kLabel, kOuter, kSealed, kBody, kPacked, kMessage, kNodes, kUserState, kUser, kDone };

  bool Advance();  // one step; false: waits for bytes, or is done
  bool ReadLabel();
  bool ReadOuter();
  bool ReadSealed();
  bool ReadBody();
  bool ReadPacked();
  bool ReadMessage();
  bool ReadNode();
  bool ReadRest(std::string* out);

  template <typename M, typename Read>
  bool ReadWhole(Read read);
  bool Wait();  // for more bytes; refused when the body is complete already
  bool Refuse(Refusal why, std::string_view text);
  bool Finish(Message message);
  std::string_view Rest() const { return std::string_view(buffer_).substr(at_); }
  void Consume(size_t bytes);
  void Replace(std::string body);

  StreamConfig config_;
  State state_ = State::kMore;
  Step step_;
  std::string buffer_;
  size_t at_ = 0;        // of buffer_, consumed
  size_t fed_ = 0;       // bytes of the blob so far
  size_t consumed_ = 0;  // bytes done with
  bool whole_ = false;   // buffer_ holds all there will be
  uint64_t nodes_left_ = 0;
  uint64_t rest_bytes_ = 0;
  size_t record_memory_ = 0;
  PushPull push_pull_;
  User user_;
  Message message_;
  Refusal refusal_ = Refusal::kNone;
  absl::Status error_;
  bool encrypted_ = false;
  bool compressed_ = false;
  uint32_t dropped_records_ = 0;
};

}  // namespace aurora::gossipwire
