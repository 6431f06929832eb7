#include "controlplane/peers/gossip_engine.h"

#include <chrono>
#include <utility>

#include <netinet/in.h>

#include "controlplane/gossipwire/codec.h"
#include "controlplane/gossipwire/layers.h"
#include "controlplane/peers/gossip_address.h"
#include "shared/base/check.h"
#include "shared/crypto/random.h"
#include "shared/log/log.h"

namespace aurora::peers {

using gossipwire::Address;
using membership::Event;

namespace {

// A tick this late waits for one pass over the sockets first: libuv 1.44 runs timers before it
// polls, and the answer that the tick would miss may lie there. Beyond the core's stall threshold
// the core itself moves its deadlines.
constexpr Duration kPollFirst = Duration::Millis(20);
constexpr int kPollsAtMost = 8;
constexpr uint64_t kDatagramsPerPoll = 32;  // what libuv reads of one socket in a pass
constexpr int kPortTries = 16;
constexpr Duration kHousekeeping = Duration::Seconds(1);

int64_t UnixSeconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

absl::Status CheckOptions(const GossipOptions& options) {
  if (options.node_name.empty() || options.node_name.size() > gossipwire::kMaxName) {
    return InvalidArgument("cluster.node_id has " + std::to_string(options.node_name.size()) +
                           " bytes, not 1 to 255");
  }
  if (options.meta.size() > gossipwire::kMaxMeta) {
    return InvalidArgument("gossip meta has " + std::to_string(options.meta.size()) +
                           " bytes; the most is 512");
  }
  return WithContext("cluster.label", gossipwire::CheckLabel(options.label));
}

}  // namespace

absl::StatusOr<gossipwire::Keyring> MakeKeyring(const std::vector<crypto::Secret>& keys) {
  std::vector<std::string> bytes;
  for (const crypto::Secret& key : keys) {
    bytes.emplace_back(key.Reveal());
  }
  auto ring = gossipwire::Keyring::Make(bytes);
  for (std::string& key : bytes) {
    crypto::Wipe(key);
  }
  if (!ring.ok()) {
    return WithContext("cluster.gossip_keys", ring.status());
  }
  return ring;
}

absl::StatusOr<std::unique_ptr<GossipEngine>> GossipEngine::Open(
    uv::Loop& loop, GossipOptions options, std::shared_ptr<GossipOutlet> outlet) {
  AURORA_RETURN_IF_ERROR(CheckOptions(options));
  AURORA_ASSIGN_OR_RETURN(auto seeds, GossipSeeds::Parse(options.seeds, options.bind_port));
  AURORA_ASSIGN_OR_RETURN(gossipwire::Keyring ring, MakeKeyring(options.keys));
  std::unique_ptr<GossipEngine> engine(
      new GossipEngine(loop, std::move(options), std::move(outlet)));
  engine->keys_ = std::move(ring);
  AURORA_RETURN_IF_ERROR(engine->Bind());
  engine->seeds_->Set(std::move(seeds));
  return engine;
}

GossipEngine::GossipEngine(uv::Loop& loop, GossipOptions options,
                           std::shared_ptr<GossipOutlet> outlet)
    : loop_(loop),
      options_(std::move(options)),
      outlet_(std::move(outlet)),
      bucket_(options_.max_datagrams_per_second, uv::Loop::Now()),
      timer_(loop, [this] { OnTimer(); }),
      housekeeping_(loop, [this] { Housekeep(); }),
      tell_timer_(loop, [this] { TellNow(); }),
      leave_timer_(loop, [this] { FinishLeave(); }),
      batch_(std::make_shared<GossipBatch>()) {
  options_.keys.clear();
}

GossipEngine::~GossipEngine() = default;

absl::Status GossipEngine::Bind() {
  AURORA_RETURN_IF_ERROR(OpenSockets());
  const sockaddr_storage local = udp_->local();
  bound_ = FromSockaddr(local);
  if (local.ss_family == AF_INET6) {
    scope_id_ = reinterpret_cast<const sockaddr_in6&>(local).sin6_scope_id;
  }
  AURORA_ASSIGN_OR_RETURN(std::string ip,
                          AdvertisedIp(options_.bind_addr, options_.advertise_addr, LocalIps()));
  address_ = {std::move(ip), bound_.port};
  stream_config_ = {options_.label, &keys_, options_.verify, crypto::RandomBytes, true};
  MakeCodec();
  // Always room for encryption: keys may come later.
  options_.core.datagram_bytes = gossipwire::kDatagramBudget -
                                 gossipwire::LabelHeader(options_.label).size() -
                                 gossipwire::kEncryptionV1Overhead - gossipwire::kCrcOverhead;
  core_.emplace(options_.core, Self(), crypto::RandomU64());
  streams_ = std::make_unique<GossipStreams>(loop_, options_.streams, &stream_config_, scope_id_,
                                             &stats_, this);
  seeds_ = std::make_unique<GossipSeeds>(loop_, bound_, address_,
                                         [this](const auto& addresses, bool join) {
                                           for (const Address& address : addresses) {
                                             core_->Contact(uv::Loop::Now(), address, join, out_);
                                           }
                                           Settle();
                                         });
  return absl::OkStatus();
}

// UDP and TCP share a number: with port 0, what the kernel gave to UDP may be taken for TCP.
absl::Status GossipEngine::OpenSockets() {
  for (int tries = 0;; ++tries) {
    uv::UdpSocket::Options udp;
    udp.host = options_.bind_addr;
    udp.port = options_.bind_port;
    AURORA_ASSIGN_OR_RETURN(udp_, uv::UdpSocket::Open(loop_, udp, this));
    uv::TcpListener::Options tcp;
    tcp.host = options_.bind_addr;
    tcp.port = udp_->port();
    auto listener = uv::TcpListener::Open(loop_, tcp, this);
    if (listener.ok()) {
      listener_ = *std::move(listener);
      return absl::OkStatus();
    }
    udp_.reset();
    if (options_.bind_port != 0 || tries == kPortTries ||
        listener.status().code() != absl::StatusCode::kAlreadyExists) {
      return WithContext("gossip", listener.status());
    }
  }
}

membership::Identity GossipEngine::Self() const {
  membership::Identity self;
  self.name = options_.node_name;
  self.address = address_;
  self.meta = options_.meta;
  self.start_incarnation = membership::StartIncarnation(options_.stored_incarnation, UnixSeconds());
  return self;
}

void GossipEngine::MakeCodec() {
  codec_.emplace(
      gossipwire::PacketConfig{options_.label, &keys_, options_.verify, crypto::RandomBytes});
  stream_config_.verify = options_.verify;
}

void GossipEngine::Start() {
  (void)throttle_.Since();
  core_->Start(uv::Loop::Now(), out_);
  housekeeping_.StartRepeating(kHousekeeping);
  members_changed_ = true;
  Settle();
  seeds_->ResolveAll(true);
}

void GossipEngine::UpdateMeta(std::string meta) {
  core_->UpdateMeta(uv::Loop::Now(), std::move(meta), out_);
  members_changed_ = true;
  Settle();
}

void GossipEngine::SetKeys(gossipwire::Keyring keys, gossipwire::Verify verify) {
  keys_ = std::move(keys);
  options_.verify = verify;
  MakeCodec();
  log::Info("gossip: keys changed", {{"keys", keys_.size()}});
}

void GossipEngine::SetSeeds(std::vector<gossipwire::JoinAddress> seeds) {
  seeds_->Set(std::move(seeds));
  seeds_->ResolveAll(true);
}

void GossipEngine::Contact(const Address& address) {
  if (!seeds_->IsOwn(address)) {
    core_->Contact(uv::Loop::Now(), address, true, out_);
    Settle();
  }
}

void GossipEngine::SendUser(std::string_view node, std::string payload, bool stream) {
  const membership::Record* record = core_->Find(node);
  if (record == nullptr) {
    return;
  }
  if (stream) {
    streams_->SendUser(record->address, std::move(payload));
  } else {
    Carry({record->address, {gossipwire::User{std::move(payload)}}});
  }
}

void GossipEngine::Leave(Duration bound, absl::AnyInvocable<void()> done) {
  FinishLeave();  // an earlier call is not forgotten
  left_ = std::move(done);
  leave_timer_.Start(bound);
  core_->Leave(uv::Loop::Now(), out_);
  members_changed_ = true;
  Settle();
}

void GossipEngine::FinishLeave() {
  leave_timer_.Stop();
  if (left_) {
    batch_->done.push_back(std::exchange(left_, nullptr));
    Tell();
  }
}

// --- time
// ------------------------------------------------------------------------------------------------------------

void GossipEngine::OnTimer() {
  const Instant now = uv::Loop::Now();
  const Duration late = now - armed_for_;
  if (polls_ == 0) {
    lateness_.Add(late);
  }
  const bool more = polls_ == 0 || stats_.datagrams_in - datagrams_before_ >= kDatagramsPerPoll;
  if (late > kPollFirst && late <= options_.core.stall_threshold && more && polls_ < kPollsAtMost) {
    ++polls_;
    datagrams_before_ = stats_.datagrams_in;
    timer_.Start(Duration::Millis(1));
    return;
  }
  core_->Tick(now, out_);
  armed_for_ = Instant::Never();
  Settle();
}

// A datagram may be read before the timer that says how long we stood still. The core must learn of
// that once, and before it judges what it reads.
void GossipEngine::CatchUp(Instant now) {
  if (core_->NextDeadline() + options_.core.stall_threshold < now) {
    core_->Tick(now, out_);
  }
}

void GossipEngine::Settle() {
  // Carrying out cannot call back into the core: streams report from the loop.
  for (const membership::Datagram& datagram : out_.datagrams) {
    Carry(datagram);
  }
  for (const membership::StreamRequest& request : out_.streams) {
    streams_->Begin(request);
  }
  for (const Event& event : out_.events) {
    Each(event);
  }
  if (out_.persist_incarnation) {
    batch_->persist = out_.persist_incarnation;
    members_changed_ = true;
  }
  const bool wants_seed = out_.wants_seed;
  out_.Clear();
  const Instant due = core_->NextDeadline();
  if (due != armed_for_) {
    armed_for_ = due;
    polls_ = 0;
    timer_.StartAt(due);
  }
  if (members_changed_ || !batch_->empty()) {
    Tell();
  }
  if (wants_seed) {
    seeds_->ResolveNext(false);
  }
}

void GossipEngine::Carry(const membership::Datagram& datagram) {
  const auto to = ToSockaddr(datagram.to, scope_id_);
  if (!to || datagram.messages.empty()) {
    return;  // a stream's peer whose own address is not known
  }
  const Instant now = uv::Loop::Now();
  parts_.clear();
  for (const gossipwire::Message& message : datagram.messages) {
    NotePing(message, now);
    parts_.push_back(gossipwire::EncodeMessage(message));
  }
  auto sealed = codec_->Seal(parts_, {});
  if (!sealed.ok() || !udp_->Send(*sealed, *to)) {
    ++stats_.send_failed;
    return;
  }
  ++stats_.datagrams_out;
  stats_.bytes_out += sealed->size();
}

void GossipEngine::Housekeep() {
  const Instant now = uv::Loop::Now();
  const Duration throttled = throttle_.Since();
  const uint64_t stalls = core_->stats().stalls;
  if (throttled > options_.core.stall_threshold) {
    ++stats_.throttled;
    if (stalls == stalls_seen_) {
      core_->NoteLateness(now, throttled);  // it did not notice by itself
    }
  }
  stalls_seen_ = core_->stats().stalls;
  members_changed_ = true;  // incarnations rise without an event
  Settle();
  PublishStats();
}

}  // namespace aurora::peers
