// Links: the Control streams of this node, one per peer: dialling, Hello, heartbeats. Mesh decides, gRPC carries.
// Source: ours (docs/protocols/sync.md).
// Thread: the control loop's; callbacks too, never inside the call that caused them is not promised: a callback may
// call any method, but not destroy the Links. Bounds: 15 peers up, 64 streams from outside, 64 peers remembered.
// Errors: peers that cannot be reached are dialled again; refusals are told to `refused`. Always: at most one link per
// peer is up; `down` follows the last `up` of a peer once, unless the Links are destroyed first.
//
// Order: Links, ControlServer::Open(.., links); at the end Shutdown, ~ControlServer, ~Links.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "controlplane/peers/control_driver.h"
#include "controlplane/peers/control_link.h"
#include "controlplane/peers/control_mesh.h"
#include "controlplane/peers/control_tls.h"
#include "shared/uv/loop.h"
#include "shared/uv/timer.h"

namespace aurora::v1 {
class Heartbeat;
}  // namespace aurora::v1

namespace aurora::peers {

// This protocol's only version so far (Hello.protocol_min, protocol_max).
inline constexpr uint32_t kControlProtocol = 1;

struct PeerState {
  std::string uid;
  std::string node_id;
  std::string address;  // the stream's other end, or what was dialled
  bool up = false;
  bool outbound = false;  // we dialled
  Instant since;          // up or down
  std::shared_ptr<const v1::Hello> hello;          // the latest
  std::shared_ptr<const v1::Heartbeat> heartbeat;  // the latest; null: none yet
  Instant heartbeat_at;                            // when it came
};

// What the roster says to a Hello.
struct Admission {
  ByeReason reason = ByeReason::kNone;  // kNone: welcome
  std::string message;
  std::string warning;  // logged, no refusal: a clock far off
};

struct Refusal {
  std::string node_id;  // "" when it said none
  std::string uid;
  std::string address;
  bool by_peer = false;
  ByeReason reason = ByeReason::kNone;
  std::string message;
};

// Why a target is not linked, as its last dial ended; forgotten when it comes up or is no target any more.
struct DialFailure {
  std::string node_id;
  std::string address;
  Instant at;
  int count = 0;  // in a row
  ByeReason reason = ByeReason::kNone;
  std::string message;
};

struct LinksCallbacks {
  // Fills in our Hello; wall_unix_ms, heartbeat_interval_ms and dialled_node_id are filled in here.
  absl::AnyInvocable<void(v1::Hello&)> hello;
  // Judges only: a peer that is welcome is a peer when `up` says so. `outbound`: we dialled. Protocol, cluster, label
  // and duplicate ids are its business; FULL and WRONG_NODE are ours.
  absl::AnyInvocable<Admission(const v1::Hello&, bool outbound)> admit;
  // Also when another stream took over from one that was up; `hello` may then be news.
  absl::AnyInvocable<void(const PeerState&)> up;
  // Heartbeat (after PeerState has it) and GossipKeyChange. Kinds of later versions are dropped.
  absl::AnyInvocable<void(const PeerState&, const v1::ControlFrame&)> frame;
  absl::AnyInvocable<void(const PeerState&, ByeReason, std::string_view message)> down;
  absl::AnyInvocable<void(const Refusal&)> refused;
};

struct LinksOptions {
  MeshConfig mesh;
  uint64_t seed = 0;
  Duration heartbeat_interval = Duration::Seconds(30);
  // A peer is silent too long after three of the longer heartbeat intervals and this.
  Duration idle_slack = Duration::Seconds(10);
  std::shared_ptr<const ControlTls> tls;
};

class Links final : public LinkDriver<ControlFrames> {
 public:
  Links(uv::Loop& loop, LinksOptions options, LinksCallbacks callbacks);

  // Persisted roster and those whom gossip sees alive; 15 count, those that were targets before or are linked first.
  // Who is missing here keeps a stream that is up.
  void SetTargets(const std::vector<Target>& targets);
  void DialNow(std::string_view node_id);

  // Sent to every peer: at once when it differs from the last one in more than sequence, wall_unix_ms, load and
  // lag_ms; else with the next tick of the interval, and to each peer that comes up. sequence and wall_unix_ms are set
  // here.
  void Broadcast(const v1::Heartbeat& heartbeat);
  // False: not up, or its queue is full (then the link is closed).
  bool Send(std::string_view uid, const v1::ControlFrame& frame);
  void SendAll(const v1::ControlFrame& frame);
  // Parts with one peer: after a change of the cluster that its Hello was admitted under.
  void Close(std::string_view uid, ByeReason reason, std::string_view message);
  // Bye to everyone; dials and accepts no more. kShutdown or kLeaving.
  void Shutdown(ByeReason reason, std::string_view message);

  // Up and lately gone; valid until the next turn of the loop.
  const PeerState* Find(std::string_view uid) const;
  std::vector<const PeerState*> Peers() const;
  std::vector<DialFailure> Failures() const;
  size_t up_count() const { return mesh_.up_count(); }
  // Streams whose end has not been seen yet, closing ones included.
  size_t stream_count() const { return entries_.size(); }

 private:
  void Greet(Entry& entry) override;
  Judgement Judge(Entry& entry, const v1::Hello& hello) override;
  void Received(Entry& entry, v1::ControlFrame& frame) override;
  void IsUp(Entry& entry, const MeshAction& action) override;
  void IsDown(const MeshAction& action) override;
  void Refused(const Entry& entry, bool by_peer, ByeReason reason, std::string_view message) override;
  void DialFailed(const Entry& entry, ByeReason reason, std::string_view message) override;

  Admission Admit(const Entry& entry, const v1::Hello& hello);
  void SendHeartbeat(Entry& entry);
  bool SendFrame(Entry& entry, v1::ControlFrame frame);
  void ForgetOldest();
  void OnHeartbeatTimer();
  void OnPulse();

  LinksOptions options_;
  LinksCallbacks callbacks_;
  uv::Timer heartbeat_timer_;
  uv::Timer pulse_timer_;
  std::map<std::string, PeerState, std::less<>> peers_;  // by uid
  std::map<std::string, DialFailure, std::less<>> failures_;  // by node id, targets only
  std::unique_ptr<v1::Heartbeat> heartbeat_;
  std::string heartbeat_news_;  // what of it is sent at once
  uint64_t sequence_ = 0;
};

}  // namespace aurora::peers
