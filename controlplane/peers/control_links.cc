#include "controlplane/peers/control_links.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "aurora/v1/sync.pb.h"
#include "controlplane/peers/control_stream.h"
#include "shared/log/log.h"

namespace aurora::peers {
namespace {

// gRPC 1.51's callback threads sleep 0.1 s at a time after a second without an event; then every frame would wait.
constexpr Duration kPulse = Duration::Millis(400);
constexpr int64_t kIntervalDefaultMs = 30'000;
constexpr int64_t kIntervalMaxMs = 3'600'000;

int64_t UnixMillis() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string News(v1::Heartbeat heartbeat) {
  heartbeat.clear_sequence();
  heartbeat.clear_wall_unix_ms();
  heartbeat.clear_load();
  heartbeat.clear_lag_ms();
  return heartbeat.SerializeAsString();
}

}  // namespace

Links::Links(uv::Loop& loop, LinksOptions options, LinksCallbacks callbacks)
    : LinkDriver(loop, options.mesh, options.seed, options.tls),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      heartbeat_timer_(loop, [this] { OnHeartbeatTimer(); }),
      pulse_timer_(loop, [this] { OnPulse(); }) {
  heartbeat_timer_.StartRepeating(options_.heartbeat_interval);
  pulse_timer_.StartRepeating(kPulse);
}

void Links::SetTargets(const std::vector<Target>& targets) {
  MeshActions actions;
  mesh_.SetTargets(Now(), targets, actions);
  std::erase_if(failures_, [&](const auto& failure) {
    return std::none_of(targets.begin(), targets.end(),
                        [&](const Target& target) { return target.node_id == failure.first; });
  });
  Apply(std::move(actions));
}

void Links::DialNow(std::string_view node_id) {
  MeshActions actions;
  mesh_.DialNow(Now(), node_id, actions);
  Apply(std::move(actions));
}

void Links::Close(std::string_view uid, ByeReason reason, std::string_view message) {
  if (Entry* entry = UpEntry(uid); entry != nullptr) {
    CloseEntry(*entry, reason, message);
  }
}

void Links::Shutdown(ByeReason reason, std::string_view message) {
  MeshActions actions;
  mesh_.Shutdown(Now(), reason, message, actions);
  Apply(std::move(actions));
}

const PeerState* Links::Find(std::string_view uid) const {
  const auto found = peers_.find(uid);
  return found == peers_.end() ? nullptr : &found->second;
}

std::vector<const PeerState*> Links::Peers() const {
  std::vector<const PeerState*> all;
  for (const auto& [uid, peer] : peers_) {
    all.push_back(&peer);
  }
  return all;
}

// ---- heartbeats

void Links::Broadcast(const v1::Heartbeat& heartbeat) {
  std::string news = News(heartbeat);
  const bool at_once = heartbeat_ == nullptr || news != heartbeat_news_;
  heartbeat_ = std::make_unique<v1::Heartbeat>(heartbeat);
  heartbeat_news_ = std::move(news);
  if (at_once) {
    OnHeartbeatTimer();
    heartbeat_timer_.StartRepeating(options_.heartbeat_interval);
  }
}

void Links::OnHeartbeatTimer() {
  if (heartbeat_ == nullptr) {
    return;
  }
  ++sequence_;
  for (const auto& [uid, peer] : peers_) {
    if (Entry* entry = UpEntry(uid); entry != nullptr) {
      SendHeartbeat(*entry);
    }
  }
  Arm();
}

// An empty frame to one peer: its write is the event.
void Links::OnPulse() {
  for (const auto& [id, entry] : entries_) {
    if (!entry->closing && !entry->uid.empty()) {
      (void)entry->link->Send(v1::ControlFrame());
      return;
    }
  }
}

void Links::SendHeartbeat(Entry& entry) {
  v1::ControlFrame frame;
  *frame.mutable_heartbeat() = *heartbeat_;
  frame.mutable_heartbeat()->set_sequence(sequence_);
  frame.mutable_heartbeat()->set_wall_unix_ms(UnixMillis());
  SendFrame(entry, std::move(frame));
}

bool Links::SendFrame(Entry& entry, v1::ControlFrame frame) {
  const Sent sent = SendOn(entry, std::move(frame));
  if (sent == Sent::kFull) {
    CloseEntry(entry, ByeReason::kSlow, "does not read what is sent to it");
  }
  return sent == Sent::kQueued;
}

bool Links::Send(std::string_view uid, const v1::ControlFrame& frame) {
  Entry* entry = UpEntry(uid);
  return entry != nullptr && SendFrame(*entry, frame);
}

void Links::SendAll(const v1::ControlFrame& frame) {
  std::vector<std::string> uids;
  for (const auto& [uid, peer] : peers_) {
    uids.push_back(uid);
  }
  for (const std::string& uid : uids) {
    Send(uid, frame);
  }
}

// ---- streams

void Links::Greet(Entry& entry) {
  v1::ControlFrame frame;
  v1::Hello& hello = *frame.mutable_hello();
  callbacks_.hello(hello);
  hello.set_wall_unix_ms(UnixMillis());
  hello.set_heartbeat_interval_ms(static_cast<uint32_t>(options_.heartbeat_interval.millis()));
  hello.set_dialled_node_id(entry.target);
  SendFrame(entry, std::move(frame));
}

Admission Links::Admit(const Entry& entry, const v1::Hello& hello) {
  if (!entry.outbound && !hello.dialled_node_id().empty() && hello.dialled_node_id() != options_.mesh.node_id) {
    return {ByeReason::kWrongNode,
            "dialled " + hello.dialled_node_id() + ", this is " + options_.mesh.node_id, ""};
  }
  // Under another node id it is a copied state directory, and that must be told.
  if (hello.node_uid() == options_.mesh.uid && hello.node_id() == options_.mesh.node_id) {
    return {ByeReason::kWrongNode, "this is the dialling node itself", ""};
  }
  Admission admission = callbacks_.admit(hello, entry.outbound);
  if (!admission.warning.empty()) {
    log::Warn("peer: " + admission.warning, {{"peer", hello.node_id()}, {"uid", hello.node_uid()}});
  }
  return admission;
}

Links::Judgement Links::Judge(Entry& entry, const v1::Hello& hello) {
  Admission admission = Admit(entry, hello);
  const int64_t claimed =
      hello.heartbeat_interval_ms() == 0 ? kIntervalDefaultMs : int64_t{hello.heartbeat_interval_ms()};
  const Duration interval =
      std::max(options_.heartbeat_interval, Duration::Millis(std::min(claimed, kIntervalMaxMs)));
  Judgement judgement;
  judgement.peer.uid = hello.node_uid();
  judgement.peer.node_id = hello.node_id();
  judgement.peer.epoch = hello.epoch();
  judgement.peer.idle = interval * 3 + options_.idle_slack;
  judgement.verdict = {admission.reason, std::move(admission.message)};
  return judgement;
}

void Links::Received(Entry& entry, v1::ControlFrame& frame) {
  const auto peer = peers_.find(entry.uid);
  const bool known = frame.frame_case() != v1::ControlFrame::FRAME_NOT_SET;
  if (peer == peers_.end() || !known) {
    return;
  }
  mesh_.Touch(Now(), entry.id);
  if (frame.has_heartbeat()) {
    peer->second.heartbeat = std::make_shared<v1::Heartbeat>(frame.heartbeat());
    peer->second.heartbeat_at = Now();
  }
  Arm();
  callbacks_.frame(peer->second, frame);
}

// One line when it begins to fail and when it fails in another way, not one per dial.
void Links::DialFailed(const Entry& entry, ByeReason reason, std::string_view message) {
  // Two that dial at once: not a failure. The other stream is up or about to be.
  if (reason == ByeReason::kSupersededStream) {
    return;
  }
  const bool first = !failures_.contains(entry.target);
  DialFailure& failure = failures_[entry.target];
  if (!IsRefusal(reason) && (first || failure.reason != reason || failure.message != message)) {
    log::Warn("peer cannot be reached", {{"peer", entry.target},
                                         {"address", entry.link->address()},
                                         {"reason", Name(reason)},
                                         {"detail", message}});
  }
  failure.node_id = entry.target;
  failure.address = entry.link->address();
  failure.at = Now();
  ++failure.count;
  failure.reason = reason;
  failure.message = std::string(message);
}

std::vector<DialFailure> Links::Failures() const {
  std::vector<DialFailure> all;
  for (const auto& [node_id, failure] : failures_) {
    all.push_back(failure);
  }
  return all;
}

void Links::Refused(const Entry& entry, bool by_peer, ByeReason reason, std::string_view message) {
  Refusal refusal;
  refusal.node_id = entry.hello != nullptr ? entry.hello->node_id() : entry.target;
  refusal.uid = entry.hello != nullptr ? entry.hello->node_uid() : "";
  refusal.address = entry.link->address();
  refusal.by_peer = by_peer;
  refusal.reason = reason;
  refusal.message = std::string(message);
  log::Warn(by_peer ? "peer refuses this node" : "peer refused", {{"peer", refusal.node_id},
                                                                  {"uid", refusal.uid},
                                                                  {"address", refusal.address},
                                                                  {"reason", Name(reason)},
                                                                  {"detail", message}});
  callbacks_.refused(refusal);
}

// ---- up and down

void Links::IsUp(Entry& entry, const MeshAction& action) {
  failures_.erase(action.node_id);
  const bool inserted = !peers_.contains(action.uid);
  PeerState& peer = peers_[action.uid];
  const bool again = peer.up;
  peer.uid = action.uid;
  peer.node_id = action.node_id;
  peer.address = entry.link->address();
  peer.outbound = entry.outbound;
  peer.hello = entry.hello;
  if (!again) {
    peer.up = true;
    peer.since = Now();
    log::Info("peer linked", {{"peer", peer.node_id}, {"uid", peer.uid}, {"address", peer.address},
                              {"dialled", peer.outbound}});
  }
  if (inserted) {
    ForgetOldest();
  }
  if (heartbeat_ != nullptr) {
    SendHeartbeat(entry);
  }
  callbacks_.up(peer);
}

void Links::IsDown(const MeshAction& action) {
  const auto found = peers_.find(action.uid);
  // Up again already by what came after in the same turn.
  if (found == peers_.end() || !found->second.up || mesh_.Find(action.uid) != 0) {
    return;
  }
  found->second.up = false;
  found->second.since = Now();
  log::Info("peer link down", {{"peer", action.node_id},
                               {"uid", action.uid},
                               {"reason", Name(action.reason)},
                               {"detail", action.message}});
  callbacks_.down(found->second, action.reason, action.message);
}

void Links::ForgetOldest() {
  if (peers_.size() <= kPeersRemembered) {
    return;
  }
  auto oldest = peers_.end();
  for (auto it = peers_.begin(); it != peers_.end(); ++it) {
    if (!it->second.up && (oldest == peers_.end() || it->second.since < oldest->second.since)) {
      oldest = it;
    }
  }
  if (oldest != peers_.end()) {
    peers_.erase(oldest);
  }
}

}  // namespace aurora::peers
