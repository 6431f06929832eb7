// ReplicateLinks: the Replicate streams of this node, one to every peer whose Control stream is up, each on a
// connection of its own: bulk never delays a heartbeat. Source: ours (docs/protocols/sync.md); Mesh decides, gRPC
// carries. Hello-first, backoff and which of two crossing streams stays are here; what frames mean is the owner's.
//
// Thread: the control loop's; callbacks too, possibly inside the call that caused them: a callback may call any method,
// but not destroy the links. Bounds: a frame kFrameBytesMax (1 MiB), what waits to be sent kReplicateQueueMax a peer;
// received: 32 KiB and a frame wait for the loop, 1 MiB in gRPC, the rest in the sender. Errors: peers that cannot
// be reached or refuse are dialled again, 0.1 s doubling to 5 s; Sent says what became of a frame.
// Always: `down` follows each `up` once, before the next `up`, unless the links are destroyed first; frames come
// between the two, in the order sent.
//
// Order: ReplicateLinks, ControlServer::Open(.., links, &replicate_links.acceptor()); at the end Shutdown of both,
// ~ControlServer, ~ReplicateLinks, ~Links. Control's pulse keeps gRPC's threads awake for these streams too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "controlplane/peers/control_link.h"
#include "controlplane/peers/control_mesh.h"
#include "controlplane/peers/control_tls.h"
#include "shared/base/time.h"
#include "shared/uv/loop.h"

namespace aurora::v1 {
class ReplicateFrame;
class ReplicateHello;
}  // namespace aurora::v1

namespace aurora::peers {

// A peer whose Control stream is up.
struct ReplicatePeer {
  std::string uid;
  std::string node_id;
  std::string address;  // its sync address, "host:port"; only dialled ones need it
  uint64_t epoch = 0;   // of its Control Hello; the last epoch of its ReplicateHello.history must be the same
  bool dial = false;    // we dialled the Control stream (PeerState.outbound)
};

struct ReplicateState {
  std::string uid;
  std::string node_id;
  std::string address;  // the stream's other end, or what is dialled
  bool up = false;
  bool outbound = false;  // we dialled
  bool paused = false;
  Instant since;         // up or down
  size_t queued = 0;     // bytes that wait to be sent
  std::string trouble;   // while down: how the last stream or dial ended; "": none yet
  Traffic traffic;       // all streams of this uid since the start, of the last 64 uids
};

struct ReplicateCallbacks {
  // Fills in our Hello but node_uid, node_id and dialled_node_uid. history must not be empty, its last epoch ours.
  // An empty cluster_id: no stream comes up (founded: DialNow).
  absl::AnyInvocable<void(v1::ReplicateHello&)> hello;
  // Cluster, uids and epoch are checked; the peer has or will get our Hello before anything else that is sent.
  absl::AnyInvocable<void(std::string_view uid, const v1::ReplicateHello&)> up;
  // Every frame but Hello and Bye; may be moved from. Kinds of later versions come too, with frame_case() not set.
  absl::AnyInvocable<void(std::string_view uid, v1::ReplicateFrame&)> frame;
  absl::AnyInvocable<void(std::string_view uid, ByeReason, std::string_view message)> down;
  // After the room was less than a largest frame: it is at least three quarters of the queue again.
  absl::AnyInvocable<void(std::string_view uid)> writable;
};

struct ReplicateOptions {
  std::string node_id;
  std::string node_uid;
  uint64_t seed = 0;
  std::shared_ptr<const ControlTls> tls;
  // No room for a largest frame, and none went out for so long: the peer is parted from with SLOW.
  Duration slow_limit = Duration::Seconds(30);
  Duration hello_timeout = Duration::Seconds(5);
};

class ReplicateLinks {
 public:
  ReplicateLinks(uv::Loop& loop, ReplicateOptions options, ReplicateCallbacks callbacks);
  // Nothing is called back any more.
  ~ReplicateLinks();
  ReplicateLinks(const ReplicateLinks&) = delete;
  ReplicateLinks& operator=(const ReplicateLinks&) = delete;

  // From Control's up and down. Up again: another epoch parts from the stream of the peer's other life; another `dial`
  // leaves a stream that is up alone.
  void PeerUp(const ReplicatePeer& peer);
  void PeerDown(std::string_view uid);
  // Whom we dial and have not: at once; only who refused us waits its 1 to 5 s.
  void DialNow();

  // `frame` is taken when it is queued, else left as it was. kGone: not up.
  [[nodiscard]] Sent Send(std::string_view uid, v1::ReplicateFrame&& frame);
  // Bytes that may be queued, kReplicateFrameOverhead a frame included; 0: not up.
  size_t Room(std::string_view uid) const;
  // No frame of this peer is called back until Resume; 32 KiB and a frame are kept here, the rest waits in the sender.
  // A pause ends with the stream. Paused for long, the end of a stream that we dialled may be heard of with Resume
  // only.
  void Pause(std::string_view uid);
  void Resume(std::string_view uid);
  // Parts with one peer, which is dialled again after the backoff: its frames make no sense.
  void Close(std::string_view uid, ByeReason reason, std::string_view message);
  // Bye to everyone; dials and accepts no more. kShutdown or kLeaving.
  void Shutdown(ByeReason reason, std::string_view message);

  bool up(std::string_view uid) const;
  // Peers whose Control stream is up.
  std::vector<ReplicateState> Peers() const;
  // Also of peers that are gone.
  Traffic TrafficOf(std::string_view uid) const;
  size_t up_count() const;
  // Streams whose end has not been seen yet, closing ones included.
  size_t stream_count() const;

  // For ControlServer::Open.
  ReplicateAcceptor& acceptor();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace aurora::peers
