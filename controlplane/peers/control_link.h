// PeerLink: one end of one Control stream, whichever side dialled. Source: ours (docs/protocols/sync.md).
// Thread: the control loop's, callbacks too; gRPC's threads reach it only through a Mailbox. Bounds: a frame 1 MiB;
// what waits to be sent 4 MiB and 1024 frames, of them one Heartbeat (the latest); one received frame waits for the
// loop, the rest waits in the sender (HTTP/2 flow control). Errors: Sent; a frame that is not queued is dropped.
// Always: OnClosed comes exactly once and last; the object may be dropped at any time, the stream then ends by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "controlplane/peers/control_mesh.h"
#include "shared/base/time.h"

namespace aurora::v1 {
class Bye;
class ControlFrame;
class Hello;
}  // namespace aurora::v1

namespace aurora::peers {

inline constexpr size_t kFrameBytesMax = 1 << 20;
inline constexpr size_t kQueueBytesMax = 4 << 20;
inline constexpr size_t kQueueFramesMax = 1024;
// Received; more is a flood: the stream is for heartbeats and elections.
inline constexpr int kFramesPerSecond = 500;

// How a stream ended.
struct Closure {
  ByeReason reason = ByeReason::kNone;  // of the Bye, the peer's or ours
  bool by_peer = false;                 // the Bye was the peer's
  std::string message;                  // the Bye's, or what gRPC said
};

// One per link.
class LinkListener {
 public:
  virtual ~LinkListener() = default;
  // The first frame, bounded and well-formed: node_id, uid and strings within their limits.
  virtual void OnHello(const v1::Hello& hello) = 0;
  // Every later frame but Bye.
  virtual void OnFrame(const v1::ControlFrame& frame) = 0;
  virtual void OnClosed(const Closure& closure) = 0;
};

enum class Sent {
  kQueued,
  kGone,      // closing, or over: OnClosed is on its way
  kFull,      // the peer does not read: close the link
  kTooLarge,  // above kFrameBytesMax
};

class PeerLink {
 public:
  virtual ~PeerLink() = default;

  // The listener must outlive the link's last callback; null: drop what comes.
  virtual void SetListener(LinkListener* listener) = 0;
  [[nodiscard]] virtual Sent Send(const v1::ControlFrame& frame) = 0;
  // Drops what waits, sends the Bye (none for kNone) and ends the stream once it is out. The first call counts.
  virtual void Close(ByeReason reason, std::string message) = 0;
  // Ends the stream at once: for a peer that takes not even the Bye.
  virtual void Abort() = 0;
  // The other end's address as gRPC prints it.
  virtual std::string address() const = 0;
};

// "" when the frame keeps the limits of docs/protocols/sync.md, else what is wrong. `first`: a Hello (or a Bye) is due.
std::string CheckFrame(const v1::ControlFrame& frame, bool first);

}  // namespace aurora::peers
