#include "controlplane/peers/replicate_links.h"

#include <algorithm>
#include <map>
#include <utility>

#include "aurora/v1/sync.pb.h"
#include "controlplane/peers/control_driver.h"
#include "shared/log/log.h"

namespace aurora::peers {
namespace {

constexpr Duration kSlowLook = Duration::Seconds(1);

// How many there may be is Control's to say.
MeshConfig MeshOf(const ReplicateOptions& options) {
  MeshConfig config;
  config.node_id = options.node_id;
  config.uid = options.node_uid;
  config.peers_max = kPeersRemembered;
  config.hello_timeout = options.hello_timeout;
  config.refusal_min = Duration::Seconds(1);  // Control lets the peer in: what is wrong passes
  config.refusal_max = Duration::Seconds(5);
  return config;
}

void AddTo(Traffic& sum, const Traffic& more) {
  sum.frames_in += more.frames_in;
  sum.bytes_in += more.bytes_in;
  sum.frames_out += more.frames_out;
  sum.bytes_out += more.bytes_out;
}

}  // namespace

class ReplicateLinks::Impl final : public LinkDriver<ReplicateFrames> {
 public:
  Impl(uv::Loop& loop, ReplicateOptions options, ReplicateCallbacks callbacks)
      : LinkDriver(loop, MeshOf(options), options.seed, options.tls),
        options_(std::move(options)),
        callbacks_(std::move(callbacks)),
        slow_timer_(loop, [this] { OnSlowTimer(); }) {}

  void PeerUp(const ReplicatePeer& peer);
  void PeerDown(std::string_view uid);
  void DialNow();
  Sent Send(std::string_view uid, v1::ReplicateFrame&& frame);
  size_t Room(std::string_view uid) const;
  void Hold(std::string_view uid, bool hold);
  void Close(std::string_view uid, ByeReason reason, std::string_view message);
  void Shutdown(ByeReason reason, std::string_view message);
  bool up(std::string_view uid) const { return Current(uid) != nullptr; }
  std::vector<ReplicateState> Peers() const;
  Traffic TrafficOf(std::string_view uid) const;
  size_t up_count() const;
  size_t stream_count() const { return entries_.size(); }

 private:
  struct Peer {
    ReplicatePeer known;
    bool gone = false;  // PeerDown was called while its stream's end was still to be told
    LinkId link = 0;    // of the last `up`, until its `down`
    bool paused = false;
    Instant since;
    std::string trouble;
  };

  void Greet(Entry& entry) override;
  Judgement Judge(Entry& entry, const v1::ReplicateHello& hello) override;
  void Received(Entry& entry, v1::ReplicateFrame& frame) override;
  void Writable(Entry& entry) override;
  void IsUp(Entry& entry, const MeshAction& action) override;
  void IsDown(const MeshAction& action) override;
  void Ended(Entry& entry) override;
  void Refused(const Entry& entry, bool by_peer, ByeReason reason, std::string_view message) override;
  void DialFailed(const Entry& entry, ByeReason reason, std::string_view message) override;

  std::shared_ptr<const v1::ReplicateHello> OurHello(const std::string& dialled_uid);
  Verdict Check(const Entry& entry, const v1::ReplicateHello& hello) const;
  Entry* Current(std::string_view uid) const;
  void TellDown(Peer& peer, ByeReason reason, std::string_view message);
  void NoteTrouble(const Entry& entry, bool by_peer, ByeReason reason, std::string_view message);
  void SetTargets();
  void OnSlowTimer();

  const ReplicateOptions options_;
  ReplicateCallbacks callbacks_;
  uv::Timer slow_timer_;
  std::map<std::string, Peer, std::less<>> peers_;      // by uid
  std::map<std::string, Traffic, std::less<>> totals_;  // by uid, of streams that are over
};

// ---- peers

void ReplicateLinks::Impl::SetTargets() {
  std::vector<Target> targets;
  for (const auto& [uid, peer] : peers_) {
    if (peer.known.dial && !peer.gone) {
      targets.push_back({peer.known.node_id, uid, peer.known.address});
    }
  }
  MeshActions actions;
  mesh_.SetTargets(Now(), targets, actions);
  Apply(std::move(actions));
}

void ReplicateLinks::Impl::PeerUp(const ReplicatePeer& peer) {
  std::vector<std::string> replaced;
  for (const auto& [uid, other] : peers_) {
    if (uid != peer.uid && other.known.node_id == peer.node_id && !other.gone) {
      replaced.push_back(uid);
    }
  }
  for (const std::string& uid : replaced) {
    PeerDown(uid);
  }
  Peer& mine = peers_[peer.uid];
  const bool other_life = mine.known.epoch != peer.epoch;
  mine.known = peer;
  mine.gone = false;
  if (mine.link == 0 && mine.trouble.empty()) {
    mine.since = Now();
  }
  if (Entry* entry = UpEntry(peer.uid); entry != nullptr && other_life) {
    CloseEntry(*entry, ByeReason::kSupersededStream, "the stream was with another life of the peer");
  }
  SetTargets();
}

void ReplicateLinks::Impl::PeerDown(std::string_view uid) {
  const auto found = peers_.find(uid);
  if (found == peers_.end() || found->second.gone) {
    return;
  }
  found->second.gone = true;
  SetTargets();
  if (Entry* entry = UpEntry(uid); entry != nullptr) {
    CloseEntry(*entry, ByeReason::kNotLinked, "the Control stream is down");  // erases it when that is told
  } else if (const auto again = peers_.find(uid); again != peers_.end() && again->second.gone) {
    TellDown(again->second, ByeReason::kNotLinked, "the Control stream is down");
  }
}

void ReplicateLinks::Impl::DialNow() {
  MeshActions actions;
  for (const auto& [uid, peer] : peers_) {
    mesh_.DialNow(Now(), peer.known.node_id, actions);
  }
  Apply(std::move(actions));
}

// The stream that `up` was told of and that stands.
ReplicateLinks::Impl::Entry* ReplicateLinks::Impl::Current(std::string_view uid) const {
  const auto peer = peers_.find(uid);
  Entry* entry = UpEntry(uid);
  return peer != peers_.end() && entry != nullptr && entry->id == peer->second.link ? entry : nullptr;
}

Sent ReplicateLinks::Impl::Send(std::string_view uid, v1::ReplicateFrame&& frame) {
  Entry* entry = Current(uid);
  if (entry == nullptr) {
    return Sent::kGone;
  }
  const Sent sent = SendOn(*entry, std::move(frame));
  if (!slow_timer_.active() && entry->link->Room() < kFrameBytesMax) {
    slow_timer_.StartRepeating(std::min(kSlowLook, options_.slow_limit / 4));
  }
  return sent;
}

size_t ReplicateLinks::Impl::Room(std::string_view uid) const {
  const Entry* entry = Current(uid);
  return entry == nullptr || entry->closing ? 0 : entry->link->Room();
}

void ReplicateLinks::Impl::Hold(std::string_view uid, bool hold) {
  if (Entry* entry = Current(uid); entry != nullptr) {
    peers_.find(uid)->second.paused = hold;
    entry->link->Hold(hold);
  }
}

void ReplicateLinks::Impl::Close(std::string_view uid, ByeReason reason, std::string_view message) {
  if (Entry* entry = Current(uid); entry != nullptr) {
    CloseEntry(*entry, reason, message);
  }
}

void ReplicateLinks::Impl::Shutdown(ByeReason reason, std::string_view message) {
  MeshActions actions;
  mesh_.Shutdown(Now(), reason, message, actions);
  Apply(std::move(actions));
}

void ReplicateLinks::Impl::OnSlowTimer() {
  std::vector<std::string> slow;
  bool crowded = false;
  for (const auto& [uid, peer] : peers_) {
    const Entry* entry = Current(uid);
    if (entry == nullptr || entry->closing) {
      continue;
    }
    const Duration stuck = entry->link->Stuck();
    crowded = crowded || stuck > Duration() || entry->link->Room() < kFrameBytesMax;
    if (stuck >= options_.slow_limit) {
      slow.push_back(uid);
    }
  }
  if (!crowded) {
    slow_timer_.Stop();
  }
  for (const std::string& uid : slow) {
    Close(uid, ByeReason::kSlow, "does not read what is sent to it");
  }
}

// ---- Hello

std::shared_ptr<const v1::ReplicateHello> ReplicateLinks::Impl::OurHello(const std::string& dialled_uid) {
  auto hello = std::make_shared<v1::ReplicateHello>();
  callbacks_.hello(*hello);
  hello->set_node_uid(options_.node_uid);
  hello->set_node_id(options_.node_id);
  hello->set_dialled_node_uid(dialled_uid);
  return hello;
}

void ReplicateLinks::Impl::Greet(Entry& entry) {
  if (entry.ours == nullptr) {
    entry.ours = OurHello(entry.target_uid);
  }
  v1::ReplicateFrame frame;
  *frame.mutable_hello() = *entry.ours;
  if (SendOn(entry, std::move(frame)) == Sent::kTooLarge) {
    log::Error("replication: this node's Hello is above 1 MiB", {{"epochs", entry.ours->history_size()}});
  }
}

Verdict ReplicateLinks::Impl::Check(const Entry& entry, const v1::ReplicateHello& hello) const {
  if (!entry.outbound && hello.dialled_node_uid() != options_.node_uid) {
    return {ByeReason::kWrongNode, "dialled " + hello.dialled_node_uid() + ", this is " + options_.node_uid};
  }
  if (entry.outbound && hello.node_uid() != entry.target_uid) {
    return {ByeReason::kWrongNode, "dialled " + entry.target_uid + ", " + hello.node_uid() + " answered"};
  }
  const auto peer = peers_.find(hello.node_uid());
  if (peer == peers_.end() || peer->second.gone || peer->second.known.node_id != hello.node_id()) {
    return {ByeReason::kNotLinked, "no Control stream to this node"};
  }
  if (hello.history().rbegin()->epoch() != peer->second.known.epoch) {
    return {ByeReason::kNotLinked, "the Control stream is with another life of this node"};
  }
  if (hello.cluster_id().empty() || entry.ours->cluster_id().empty()) {
    return {ByeReason::kNotLinked, "no cluster yet"};
  }
  if (hello.cluster_id() != entry.ours->cluster_id()) {
    return {ByeReason::kForeignCluster, "this is cluster " + entry.ours->cluster_id()};
  }
  return {};
}

ReplicateLinks::Impl::Judgement ReplicateLinks::Impl::Judge(Entry& entry, const v1::ReplicateHello& hello) {
  if (entry.ours == nullptr) {
    entry.ours = OurHello(hello.node_uid());
  }
  Judgement judgement;
  judgement.peer.uid = hello.node_uid();
  judgement.peer.node_id = hello.node_id();
  judgement.peer.epoch = hello.history().rbegin()->epoch();
  judgement.verdict = Check(entry, hello);
  return judgement;
}

// ---- up, frames, down

void ReplicateLinks::Impl::IsUp(Entry& entry, const MeshAction& action) {
  const auto found = peers_.find(action.uid);
  if (found == peers_.end() || found->second.gone) {
    return;
  }
  Peer& peer = found->second;
  if (peer.link != 0) {
    TellDown(peer, ByeReason::kSupersededStream, "a newer stream links the two nodes");
    if (peer.gone || entry.closing) {
      return;
    }
  }
  peer.link = entry.id;
  peer.since = Now();
  peer.trouble.clear();
  log::Info("replication stream up", {{"peer", action.node_id},
                                      {"uid", action.uid},
                                      {"address", entry.link->address()},
                                      {"dialled", entry.outbound}});
  const auto hello = entry.hello;
  callbacks_.up(action.uid, *hello);
}

void ReplicateLinks::Impl::Received(Entry& entry, v1::ReplicateFrame& frame) {
  if (Current(entry.uid) == &entry) {
    callbacks_.frame(std::string(entry.uid), frame);
  }
}

void ReplicateLinks::Impl::Writable(Entry& entry) {
  if (Current(entry.uid) == &entry) {
    callbacks_.writable(std::string(entry.uid));
  }
}

void ReplicateLinks::Impl::IsDown(const MeshAction& action) {
  if (const auto found = peers_.find(action.uid); found != peers_.end()) {
    TellDown(found->second, action.reason, action.message);
  }
}

// `peer` may be gone afterwards, but not while a stream to it is up.
void ReplicateLinks::Impl::TellDown(Peer& peer, ByeReason reason, std::string_view message) {
  const std::string uid = peer.known.uid;
  const bool told = peer.link != 0;
  if (told) {
    peer.link = 0;
    peer.paused = false;
    peer.since = Now();
    peer.trouble = std::string(Name(reason)) + ": " + std::string(message);
    log::Info("replication stream down", {{"peer", peer.known.node_id},
                                          {"uid", uid},
                                          {"reason", Name(reason)},
                                          {"detail", message}});
    callbacks_.down(uid, reason, message);
  }
  if (const auto found = peers_.find(uid); found != peers_.end() && found->second.gone && UpEntry(uid) == nullptr) {
    peers_.erase(found);
  }
}

void ReplicateLinks::Impl::Refused(const Entry& entry, bool by_peer, ByeReason reason, std::string_view message) {
  NoteTrouble(entry, by_peer, reason, message);
}

void ReplicateLinks::Impl::DialFailed(const Entry& entry, ByeReason reason, std::string_view message) {
  if (reason != ByeReason::kSupersededStream) {
    NoteTrouble(entry, false, reason, message);
  }
}

// One line when it begins to fail and when it fails in another way. A stranger is not worth one: it has no Control
// stream, and there its refusal is told.
void ReplicateLinks::Impl::NoteTrouble(const Entry& entry, bool by_peer, ByeReason reason, std::string_view message) {
  const auto peer = peers_.find(entry.outbound || entry.hello == nullptr ? entry.target_uid : entry.hello->node_uid());
  if (peer == peers_.end() || peer->second.link != 0) {
    return;
  }
  std::string trouble = std::string(Name(reason)) + ": " + std::string(message);
  if (trouble == peer->second.trouble) {
    return;
  }
  peer->second.trouble = std::move(trouble);
  log::Warn("no replication stream", {{"peer", peer->second.known.node_id},
                                      {"uid", peer->first},
                                      {"address", entry.link->address()},
                                      {"by_peer", by_peer},
                                      {"reason", Name(reason)},
                                      {"detail", message}});
}

// ---- what there is

void ReplicateLinks::Impl::Ended(Entry& entry) {
  if (entry.uid.empty()) {
    return;
  }
  if (totals_.size() >= kPeersRemembered && !totals_.contains(entry.uid)) {
    for (auto it = totals_.begin(); it != totals_.end();) {
      it = peers_.contains(it->first) ? std::next(it) : totals_.erase(it);
    }
  }
  AddTo(totals_[entry.uid], entry.link->traffic());
}

Traffic ReplicateLinks::Impl::TrafficOf(std::string_view uid) const {
  const auto total = totals_.find(uid);
  Traffic sum = total == totals_.end() ? Traffic() : total->second;
  for (const auto& [id, entry] : entries_) {
    if (entry->uid == uid) {
      AddTo(sum, entry->link->traffic());
    }
  }
  return sum;
}

size_t ReplicateLinks::Impl::up_count() const {
  return static_cast<size_t>(
      std::count_if(peers_.begin(), peers_.end(), [this](const auto& peer) { return up(peer.first); }));
}

std::vector<ReplicateState> ReplicateLinks::Impl::Peers() const {
  std::vector<ReplicateState> all;
  for (const auto& [uid, peer] : peers_) {
    if (peer.gone) {
      continue;
    }
    const Entry* entry = Current(uid);
    ReplicateState state;
    state.uid = uid;
    state.node_id = peer.known.node_id;
    state.address = entry != nullptr ? entry->link->address() : peer.known.address;
    state.up = entry != nullptr;
    state.outbound = entry != nullptr ? entry->outbound : peer.known.dial;
    state.paused = peer.paused;
    state.since = peer.since;
    state.queued = entry != nullptr ? kReplicateQueueMax - entry->link->Room() : 0;
    state.trouble = peer.trouble;
    state.traffic = TrafficOf(uid);
    all.push_back(std::move(state));
  }
  return all;
}

// ---- the face

ReplicateLinks::ReplicateLinks(uv::Loop& loop, ReplicateOptions options, ReplicateCallbacks callbacks)
    : impl_(std::make_unique<Impl>(loop, std::move(options), std::move(callbacks))) {}
ReplicateLinks::~ReplicateLinks() = default;
void ReplicateLinks::PeerUp(const ReplicatePeer& peer) {
  impl_->PeerUp(peer);
}
void ReplicateLinks::PeerDown(std::string_view uid) {
  impl_->PeerDown(std::string(uid));
}
void ReplicateLinks::DialNow() {
  impl_->DialNow();
}
Sent ReplicateLinks::Send(std::string_view uid, v1::ReplicateFrame&& frame) {
  return impl_->Send(uid, std::move(frame));
}
size_t ReplicateLinks::Room(std::string_view uid) const {
  return impl_->Room(uid);
}
void ReplicateLinks::Pause(std::string_view uid) {
  impl_->Hold(uid, true);
}
void ReplicateLinks::Resume(std::string_view uid) {
  impl_->Hold(uid, false);
}
void ReplicateLinks::Close(std::string_view uid, ByeReason reason, std::string_view message) {
  impl_->Close(uid, reason, message);
}
void ReplicateLinks::Shutdown(ByeReason reason, std::string_view message) {
  impl_->Shutdown(reason, message);
}
bool ReplicateLinks::up(std::string_view uid) const {
  return impl_->up(uid);
}
std::vector<ReplicateState> ReplicateLinks::Peers() const {
  return impl_->Peers();
}
Traffic ReplicateLinks::TrafficOf(std::string_view uid) const {
  return impl_->TrafficOf(uid);
}
size_t ReplicateLinks::up_count() const {
  return impl_->up_count();
}
size_t ReplicateLinks::stream_count() const {
  return impl_->stream_count();
}
ReplicateAcceptor& ReplicateLinks::acceptor() {
  return *impl_;
}

}  // namespace aurora::peers
