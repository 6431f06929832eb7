// BasicLink: one end of one stream to a peer, whichever side dialled; PeerLink is Control's, ReplicateLink Replicate's.
// Source: ours (docs/protocols/sync.md).
// Thread: the control loop's, callbacks too; gRPC's threads reach it only through a Mailbox. Bounds: a frame 1 MiB;
// what waits to be sent: F's kQueueBytes and kQueueFrames; of what was received F's kReadAhead and a frame wait for the
// loop, the rest in the sender (HTTP/2 flow control). Errors: Sent; a frame that is not queued is dropped.
// Always: OnClosed comes exactly once and last; the object may be dropped at any time, the stream then ends by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "controlplane/peers/control_mesh.h"
#include "shared/base/time.h"

namespace aurora::uv {
class Mailbox;
}  // namespace aurora::uv

namespace aurora::v1 {
class Bye;
class ControlFrame;
class ControlRequest;
class ControlResponse;
class Hello;
class ReplicateFrame;
class ReplicateHello;
class ReplicateRequest;
class ReplicateResponse;
}  // namespace aurora::v1

namespace aurora::peers {

inline constexpr size_t kFrameBytesMax = 1 << 20;
// A frame in its Request or Response.
inline constexpr size_t kMessageBytesMax = kFrameBytesMax + 16;
inline constexpr size_t kQueueBytesMax = 4 << 20;
inline constexpr size_t kQueueFramesMax = 1024;
// Received; more is a flood: the stream is for heartbeats and elections.
inline constexpr int kFramesPerSecond = 500;
inline constexpr size_t kPeersRemembered = 64;  // whose counts are kept when they are gone
// What a Replicate frame costs in the queue: its encoded bytes and this.
inline constexpr size_t kReplicateFrameOverhead = 128;
inline constexpr size_t kReplicateQueueMax = 2 << 20;

// What a stream carries and how much of it waits.
struct ControlFrames {
  using Frame = v1::ControlFrame;
  using Hello = v1::Hello;
  using Request = v1::ControlRequest;
  using Response = v1::ControlResponse;
  static constexpr size_t kQueueBytes = kQueueBytesMax;
  static constexpr size_t kQueueFrames = kQueueFramesMax;
  static constexpr size_t kFrameOverhead = 0;
  static constexpr int kPerSecond = kFramesPerSecond;
  static constexpr bool kCoalesces = true;  // of heartbeats the latest waits
  static constexpr size_t kReadAhead = 0;   // one received frame waits for the loop
};

struct ReplicateFrames {
  using Frame = v1::ReplicateFrame;
  using Hello = v1::ReplicateHello;
  using Request = v1::ReplicateRequest;
  using Response = v1::ReplicateResponse;
  static constexpr size_t kQueueBytes = kReplicateQueueMax;
  static constexpr size_t kQueueFrames = kReplicateQueueMax / kReplicateFrameOverhead;
  static constexpr size_t kFrameOverhead = kReplicateFrameOverhead;
  static constexpr int kPerSecond = 0;  // any number: who takes them sets the pace
  static constexpr bool kCoalesces = false;
  // More is read while what was read and waits for the loop is less: small frames then cost no turn of it each.
  static constexpr size_t kReadAhead = 32 << 10;
};

// How a stream ended.
struct Closure {
  ByeReason reason = ByeReason::kNone;  // of the Bye, the peer's or ours
  bool by_peer = false;                 // the Bye was the peer's
  std::string message;                  // the Bye's, or what gRPC said
};

// One per link.
template <class F>
class BasicListener {
 public:
  virtual ~BasicListener() = default;
  // The first frame, bounded and well-formed: node_id, uid and strings within their limits.
  virtual void OnHello(const typename F::Hello& hello) = 0;
  // Every later frame but Bye; may be moved from.
  virtual void OnFrame(typename F::Frame& frame) = 0;
  // Once there was no room for a largest frame: three quarters of the queue are free again.
  virtual void OnWritable() = 0;
  virtual void OnClosed(const Closure& closure) = 0;
};

enum class Sent {
  kQueued,
  kGone,      // closing, or over: OnClosed is on its way
  kFull,      // no room: the peer does not read, or not so fast
  kTooLarge,  // above kFrameBytesMax
};

// Frames, and their encoded bytes.
struct Traffic {
  uint64_t frames_in = 0;
  uint64_t bytes_in = 0;
  uint64_t frames_out = 0;
  uint64_t bytes_out = 0;
};

template <class F>
class BasicLink {
 public:
  virtual ~BasicLink() = default;

  // The listener must outlive the link's last callback; null: drop what comes.
  virtual void SetListener(BasicListener<F>* listener) = 0;
  // Takes the frame when it is queued, else leaves it.
  [[nodiscard]] virtual Sent Send(typename F::Frame&& frame) = 0;
  // Bytes that may be queued, kFrameOverhead a frame included.
  virtual size_t Room() const = 0;
  // For how long no frame has gone out although there is no room for a largest one.
  virtual Duration Stuck() const = 0;
  virtual Traffic traffic() const = 0;
  // While held no frame is called back; what was read ahead is kept.
  virtual void Hold(bool hold) = 0;
  // Drops what waits, sends the Bye (none for kNone) and ends the stream once it is out. The first call counts.
  virtual void Close(ByeReason reason, std::string message) = 0;
  // Ends the stream at once: for a peer that takes not even the Bye.
  virtual void Abort() = 0;
  // The other end's address as gRPC prints it.
  virtual std::string address() const = 0;
};

// Whom a server hands the streams that come in.
template <class F>
class BasicAcceptor {
 public:
  virtual ~BasicAcceptor() = default;
  // On the mailbox's loop: a stream came in; its first callback comes after this call. Drop it: it stays until the
  // caller of the stream goes.
  virtual void OnAccepted(std::shared_ptr<BasicLink<F>> link) = 0;
  virtual uv::Mailbox& mailbox() = 0;
};

using LinkListener = BasicListener<ControlFrames>;
using PeerLink = BasicLink<ControlFrames>;
using StreamAcceptor = BasicAcceptor<ControlFrames>;
using ReplicateAcceptor = BasicAcceptor<ReplicateFrames>;

// "" when the frame keeps the limits of docs/protocols/sync.md, else what is wrong. `first`: a Hello (or a Bye) is due.
std::string CheckFrame(const v1::ControlFrame& frame, bool first);
std::string CheckFrame(const v1::ReplicateFrame& frame, bool first);

}  // namespace aurora::peers
