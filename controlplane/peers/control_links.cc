#include "controlplane/peers/control_links.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "aurora/v1/sync.pb.h"
#include "controlplane/peers/control_stream.h"
#include "shared/log/log.h"

namespace aurora::peers {
namespace {

constexpr size_t kMailboxTasks = 4096;  // a stream posts at most two
constexpr size_t kPeersRemembered = 64;
// gRPC 1.51's callback threads sleep 0.1 s at a time after a second without an event; then every frame would wait.
constexpr Duration kPulse = Duration::Millis(400);
constexpr Duration kParting = Duration::Seconds(1);  // for a Bye to get out
constexpr int64_t kIntervalDefaultMs = 30'000;
constexpr int64_t kIntervalMaxMs = 3'600'000;

Instant Now() {
  return uv::Loop::Now();
}

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

struct Links::Entry final : LinkListener {
  Entry(Links& owner, LinkId link_id) : links(owner), id(link_id) {}
  void OnHello(const v1::Hello& hello_frame) override { links.OnHello(*this, hello_frame); }
  void OnFrame(const v1::ControlFrame& frame) override { links.OnFrame(*this, frame); }
  void OnClosed(const Closure& closure) override { links.OnClosed(*this, closure); }

  Links& links;
  const LinkId id;
  std::shared_ptr<PeerLink> link;
  std::string target;  // of a dial
  bool outbound = false;
  bool closing = false;
  Instant abort_at = Instant::Never();
  std::shared_ptr<const v1::Hello> hello;
  std::string uid;  // once it is up
};

Links::Links(uv::Loop& loop, LinksOptions options, LinksCallbacks callbacks)
    : options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      mailbox_(loop, kMailboxTasks),
      timer_(loop, [this] { OnTimer(); }),
      heartbeat_timer_(loop, [this] { OnHeartbeatTimer(); }),
      pulse_timer_(loop, [this] { OnPulse(); }),
      mesh_(options_.mesh, options_.seed),
      client_(std::make_unique<ControlClient>(mailbox_, options_.tls)) {
  heartbeat_timer_.StartRepeating(options_.heartbeat_interval);
  pulse_timer_.StartRepeating(kPulse);
}

Links::~Links() {
  // No callback any more: who is told would be half destroyed.
  mailbox_.Close();
  for (const auto& [id, entry] : entries_) {
    if (!entry->closing) {
      entry->link->Close(ByeReason::kShutdown, "shutting down");
    }
  }
  client_.reset();
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
  MeshActions actions;
  if (const LinkId id = mesh_.Find(uid); id != 0) {
    mesh_.Close(Now(), id, reason, message, actions);
  }
  Apply(std::move(actions));
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
    if (const auto entry = entries_.find(mesh_.Find(uid)); entry != entries_.end()) {
      SendHeartbeat(*entry->second);
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
  SendOn(entry, frame);
}

bool Links::SendOn(Entry& entry, const v1::ControlFrame& frame) {
  if (entry.closing) {
    return false;
  }
  const Sent sent = entry.link->Send(frame);
  if (sent == Sent::kFull) {
    MeshActions actions;
    mesh_.Close(Now(), entry.id, ByeReason::kSlow, "does not read what is sent to it", actions);
    Apply(std::move(actions));
  }
  return sent == Sent::kQueued;
}

bool Links::Send(std::string_view uid, const v1::ControlFrame& frame) {
  const auto entry = entries_.find(mesh_.Find(uid));
  return entry != entries_.end() && SendOn(*entry->second, frame);
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

Links::Entry& Links::Add(LinkId id) {
  auto& entry = entries_[id];
  entry = std::make_unique<Entry>(*this, id);
  return *entry;
}

void Links::OnAccepted(std::shared_ptr<PeerLink> link) {
  MeshActions actions;
  const LinkId id = mesh_.Accept(Now(), actions);
  Entry& entry = Add(id);
  link->SetListener(&entry);
  entry.link = std::move(link);
  Apply(std::move(actions));
}

void Links::SendHello(Entry& entry) {
  v1::ControlFrame frame;
  v1::Hello& hello = *frame.mutable_hello();
  callbacks_.hello(hello);
  hello.set_wall_unix_ms(UnixMillis());
  hello.set_heartbeat_interval_ms(static_cast<uint32_t>(options_.heartbeat_interval.millis()));
  hello.set_dialled_node_id(entry.target);
  SendOn(entry, frame);
}

Admission Links::Judge(const Entry& entry, const v1::Hello& hello) {
  if (!entry.outbound && !hello.dialled_node_id().empty() && hello.dialled_node_id() != options_.mesh.node_id) {
    return {ByeReason::kWrongNode,
            "dialled " + hello.dialled_node_id() + ", this is " + options_.mesh.node_id, ""};
  }
  if (hello.node_uid() == options_.mesh.uid) {
    return {ByeReason::kWrongNode, "this is the dialling node itself", ""};
  }
  Admission admission = callbacks_.admit(hello, entry.outbound);
  if (!admission.warning.empty()) {
    log::Warn("peer: " + admission.warning, {{"peer", hello.node_id()}, {"uid", hello.node_uid()}});
  }
  return admission;
}

void Links::OnHello(Entry& entry, const v1::Hello& hello) {
  if (entry.closing) {
    return;
  }
  entry.hello = std::make_shared<v1::Hello>(hello);
  const Admission admission = Judge(entry, hello);
  const int64_t claimed =
      hello.heartbeat_interval_ms() == 0 ? kIntervalDefaultMs : int64_t{hello.heartbeat_interval_ms()};
  MeshPeer peer;
  peer.uid = hello.node_uid();
  peer.node_id = hello.node_id();
  peer.epoch = hello.epoch();
  const Duration interval =
      std::max(options_.heartbeat_interval, Duration::Millis(std::min(claimed, kIntervalMaxMs)));
  peer.idle = interval * 3 + options_.idle_slack;
  MeshActions actions;
  mesh_.OnHello(Now(), entry.id, peer, {admission.reason, admission.message}, actions);
  Apply(std::move(actions));
}

void Links::OnFrame(Entry& entry, const v1::ControlFrame& frame) {
  const auto peer = peers_.find(entry.uid);
  const bool known = frame.frame_case() != v1::ControlFrame::FRAME_NOT_SET;
  if (entry.closing || peer == peers_.end() || !known) {
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

void Links::OnClosed(Entry& entry, const Closure& closure) {
  const LinkId id = entry.id;
  // The mesh knows it no more when it was ours to close.
  const bool news = !entry.closing;
  entry.closing = true;
  if (news && closure.reason != ByeReason::kNone && IsRefusal(closure.reason)) {
    TellRefusal(entry, closure.by_peer, closure.reason, closure.message);
  }
  if (news && entry.outbound && entry.uid.empty()) {
    NoteFailure(entry, closure.reason, closure.message);
  }
  MeshActions actions;
  mesh_.OnClosed(Now(), id, closure.reason, closure.message, actions);
  entries_.erase(id);
  Apply(std::move(actions));
}

// One line when it begins to fail and when it fails in another way, not one per dial.
void Links::NoteFailure(const Entry& entry, ByeReason reason, std::string_view message) {
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

void Links::TellRefusal(const Entry& entry, bool by_peer, ByeReason reason, std::string_view message) {
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

// ---- what the mesh decides

// A callback may come back in here: what it causes is done after what caused it.
void Links::Apply(MeshActions actions) {
  todo_.insert(todo_.end(), std::make_move_iterator(actions.begin()), std::make_move_iterator(actions.end()));
  if (applying_) {
    return;
  }
  applying_ = true;
  while (!todo_.empty()) {
    const MeshAction action = std::move(todo_.front());
    todo_.pop_front();
    Do(action);
  }
  applying_ = false;
  Arm();
}

void Links::Do(const MeshAction& action) {
  switch (action.kind) {
    case MeshAction::Kind::kDial:
      DoDial(action);
      break;
    case MeshAction::Kind::kClose:
      DoClose(action);
      break;
    case MeshAction::Kind::kUp:
      DoUp(action);
      break;
    case MeshAction::Kind::kDown:
      DoDown(action);
      break;
  }
}

void Links::DoDial(const MeshAction& action) {
  Entry& entry = Add(action.link);
  entry.outbound = true;
  entry.target = action.node_id;
  entry.link = client_->Dial(action.address, &entry);
  SendHello(entry);
}

void Links::DoClose(const MeshAction& action) {
  const auto found = entries_.find(action.link);
  if (found == entries_.end() || found->second->closing) {
    return;
  }
  Entry& entry = *found->second;
  entry.closing = true;
  entry.abort_at = Now() + kParting;
  entry.link->Close(action.reason, action.message);
  if (action.reason == ByeReason::kNone) {
    entry.link->Abort();
  }
  if (IsRefusal(action.reason)) {
    TellRefusal(entry, false, action.reason, action.message);
  }
  const bool given_up = action.reason == ByeReason::kNone || IsRefusal(action.reason);
  if (entry.outbound && entry.uid.empty() && given_up) {
    NoteFailure(entry, action.reason, action.message);
  }
}

void Links::DoUp(const MeshAction& action) {
  const auto found = entries_.find(action.link);
  if (found == entries_.end() || found->second->closing) {
    return;
  }
  Entry& entry = *found->second;
  entry.uid = action.uid;
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
  if (!entry.outbound) {
    SendHello(entry);
  }
  if (heartbeat_ != nullptr) {
    SendHeartbeat(entry);
  }
  callbacks_.up(peer);
}

void Links::DoDown(const MeshAction& action) {
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

// ---- time

void Links::OnTimer() {
  const Instant now = Now();
  for (const auto& [id, entry] : entries_) {
    if (entry->abort_at <= now) {
      entry->abort_at = Instant::Never();
      entry->link->Abort();
    }
  }
  MeshActions actions;
  mesh_.Tick(now, actions);
  Apply(std::move(actions));
}

void Links::Arm() {
  Instant next = mesh_.NextDeadline();
  for (const auto& [id, entry] : entries_) {
    next = std::min(next, entry->abort_at);
  }
  timer_.StartAt(next);
}

}  // namespace aurora::peers
