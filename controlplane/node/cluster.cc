#include "controlplane/node/cluster.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "aurora/v1/sync.pb.h"
#include "controlplane/gossipwire/address.h"
#include "controlplane/membership/meta.h"
#include "controlplane/node/cluster_frames.h"
#include "controlplane/node/cluster_impl.h"
#include "controlplane/peers/gossip_address.h"
#include "controlplane/peers/gossip_config.h"
#include "controlplane/store/election_thread.h"
#include "controlplane/store/store.h"
#include "shared/crypto/random.h"
#include "shared/crypto/sha256.h"
#include "shared/crypto/encoding.h"
#include "shared/log/log.h"
#include "shared/schema/aurora_db.h"

namespace aurora::node {
namespace {

constexpr Duration kSecond = Duration::Seconds(1);
constexpr Duration kLeaveMax = Duration::Seconds(2);
constexpr int kSeedEverySeconds = 5;
constexpr int kMembersEverySeconds = 10;

std::string ModeName(config::FailoverMode mode) {
  switch (mode) {
    case config::FailoverMode::kSingleNode:
      return "single_node";
    case config::FailoverMode::kActivePassive:
      return "active_passive";
    case config::FailoverMode::kActiveActive:
      return "active_active";
  }
  return "";
}

// What two nodes compare to find out whether they seal credentials alike; says nothing about the key.
std::string KeyFingerprint(const crypto::Secret& key) {
  if (key.empty()) {
    return "";
  }
  const crypto::Digest digest = crypto::Sha256Of(key.Reveal());
  return crypto::HexLower({reinterpret_cast<const char*>(digest.data()), 4});
}

std::vector<RingChange> StoredRing(const std::vector<store::GossipKeyRecord>& records) {
  std::vector<RingChange> out;
  for (const store::GossipKeyRecord& r : records) {
    out.push_back({static_cast<RingChange::Action>(r.action), r.fingerprint, r.key, r.unix_ms, r.node_uid});
  }
  return out;
}

roster::GossipState StateOf(gossipwire::NodeState state) {
  switch (state) {
    case gossipwire::NodeState::kAlive:
      return roster::GossipState::kAlive;
    case gossipwire::NodeState::kSuspect:
      return roster::GossipState::kSuspect;
    case gossipwire::NodeState::kDead:
      return roster::GossipState::kFailed;
    case gossipwire::NodeState::kLeft:
      return roster::GossipState::kLeft;
  }
  return roster::GossipState::kUnknown;
}

roster::GossipNews NewsOf(const peers::Member& member) {
  roster::GossipNews news;
  news.node_id = member.name;
  news.state = StateOf(member.state);
  news.guest = member.guest;
  news.gossip_addr = gossipwire::FormatAddress(member.address);
  if (const auto meta = membership::ParseMeta(member.meta); meta && !member.guest) {
    news.uid = meta->uid;
    news.cluster_id = meta->cluster_id;
    news.sync_addr = gossipwire::FormatAddress({member.address.ip, meta->sync_port});
  }
  return news;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Cluster>> Cluster::Open(ClusterDeps deps) {
  auto cluster = std::make_unique<ClusterImpl>(std::move(deps));
  AURORA_RETURN_IF_ERROR(cluster->Open());
  return cluster;
}

ClusterImpl::ClusterImpl(ClusterDeps deps)
    : deps_(std::move(deps)),
      settings_(deps_.config->cluster),
      ring_(settings_.gossip_keys, StoredRing(deps_.stored.gossip_keys)),
      tick_(*deps_.loop,
            [this] { Step([this](Instant now, int64_t wall, auto& out) { roster_->Tick(now, wall, out); }); }),
      second_(*deps_.loop, [this] { OnSecond(); }),
      resolver_(*deps_.loop) {}

// Who calls back goes first.
ClusterImpl::~ClusterImpl() {
  server_.reset();
  gossip_.reset();
  sync_.reset();
  failover_.reset();
  links_.reset();
}

bool ClusterImpl::IsWildcard(const std::string& host) {
  const auto ip = gossipwire::ParseIp(host);
  return ip && peers::IsWildcard(*ip);
}

int64_t ClusterImpl::WallMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

absl::Status ClusterImpl::Open() {
  AURORA_ASSIGN_OR_RETURN(
      const std::string advertised,
      peers::AdvertisedIp(settings_.bind_addr, settings_.advertise_addr, peers::LocalIps()));
  advertised_ip_ = gossipwire::FormatIp(advertised);
  sync_ip_ = IsWildcard(settings_.sync_bind_addr) ? advertised_ip_ : settings_.sync_bind_addr;
  failover_ = MakeFailover();
  AURORA_RETURN_IF_ERROR(OpenLinks());
  AURORA_RETURN_IF_ERROR(OpenGossip());
  OpenRoster(server_->port());
  second_.StartRepeating(kSecond);
  OnSecond();
  LookAtSeed();
  Arm();
  return absl::OkStatus();
}

absl::Status ClusterImpl::OpenLinks() {
  AURORA_ASSIGN_OR_RETURN(auto tls, peers::ControlTls::Load(settings_.tls));
  peers::LinksOptions options;
  options.mesh.node_id = settings_.node_id;
  options.mesh.uid = deps_.node_uid;
  options.seed = crypto::RandomU64();
  options.heartbeat_interval = settings_.heartbeat_interval;
  options.tls = tls;
  links_ = std::make_unique<peers::Links>(*deps_.loop, std::move(options), LinkCallbacks());
  config::HostPort listen;
  listen.host = settings_.sync_bind_addr;
  listen.port = settings_.sync_bind_port;
  sync_ = MakeSync(tls);
  AURORA_ASSIGN_OR_RETURN(server_, peers::ControlServer::Open({listen, tls}, *links_, &sync_->acceptor()));
  return absl::OkStatus();
}

membership::NodeMeta ClusterImpl::GossipMeta() const {
  membership::NodeMeta meta;
  meta.uid = deps_.node_uid;
  meta.cluster_id = roster_ == nullptr ? deps_.cluster_id : roster_->cluster_id();
  meta.sync_port = server_->port();
  return meta;
}

absl::Status ClusterImpl::OpenGossip() {
  peers::GossipOptions options = peers::GossipOptionsFrom(settings_, GossipMeta(), deps_.stored.incarnation);
  options.advertise_addr = advertised_ip_;
  options.keys = ring_.Keys();
  AURORA_ASSIGN_OR_RETURN(gossip_, peers::Gossip::Start(*deps_.mailbox, std::move(options), GossipHooks()));
  return absl::OkStatus();
}

roster::NodeInfo ClusterImpl::SelfInfo() const {
  roster::NodeInfo self;
  self.uid = deps_.node_uid;
  self.node_id = settings_.node_id;
  self.node_name = settings_.node_name;
  self.region = settings_.region;
  self.zone = settings_.zone;
  self.version = deps_.version;
  self.failover_mode = ModeName(settings_.failover_mode);
  self.cluster_role = settings_.role == config::ClusterRole::kWitness ? "witness" : "member";
  self.advertise_url = settings_.advertise_url;
  self.gossip_addr = gossipwire::FormatAddress(gossip_->address());
  self.label = settings_.label;
  self.key_fingerprint = KeyFingerprint(deps_.config->storage.encryption_key);
  self.previous_key_fingerprint = KeyFingerprint(deps_.config->storage.encryption_key_previous);
  self.protocol_min = peers::kControlProtocol;
  self.protocol_max = peers::kControlProtocol;
  self.epoch = deps_.epoch;
  return self;
}

void ClusterImpl::OpenRoster(uint16_t sync_port) {
  roster::NodeInfo self = SelfInfo();
  config::HostPort sync;
  sync.host = sync_ip_;
  sync.port = sync_port;
  self.sync_addr = sync.ToString();
  roster::RosterConfig config;
  config.bootstrap_expect = static_cast<uint32_t>(std::max(0, settings_.bootstrap_expect));
  config.heartbeat_interval = settings_.heartbeat_interval;
  roster::FoundingRecord founding = deps_.stored.founding;
  founding.cluster_id = deps_.cluster_id;
  roster_ = std::make_unique<roster::Roster>(uv::Loop::Now(), WallMs(), config, std::move(self), std::move(founding),
                                             std::move(deps_.stored.roster), crypto::RandomU64());
  links_->SetTargets({});
  links_->Broadcast(ToFrame());
}

v1::Heartbeat ClusterImpl::ToFrame() const { return ToProto(roster_->Heartbeat(), RoleNow()); }

peers::GossipCallbacks ClusterImpl::GossipHooks() {
  peers::GossipCallbacks callbacks;
  callbacks.on_events = [this](std::span<const membership::Event> events) { OnGossipEvents(events); };
  callbacks.on_refused = [this](const peers::PeerRefused& refused) { OnGossipRefused(refused); };
  callbacks.on_persist = [this](uint32_t incarnation) {
    deps_.election->Submit([incarnation](store::ElectionDb& db) { return db.SetIncarnation(incarnation); });
  };
  return callbacks;
}

void ClusterImpl::Enqueue(roster::Outbox out) {
  outboxes_.push_back(std::move(out));
  if (carrying_) {
    return;
  }
  carrying_ = true;
  while (!outboxes_.empty()) {
    roster::Outbox next = std::move(outboxes_.front());
    outboxes_.pop_front();
    Carry(next);
  }
  carrying_ = false;
  Arm();
}

void ClusterImpl::Carry(roster::Outbox& out) {
  if (out.founding) {
    // Nothing of it is announced before it is stored: the roster waits for the answer.
    deps_.election->Submit([record = *out.founding](store::ElectionDb& db) { return db.SetFounding(record); },
                           [this, mailbox = deps_.mailbox, late = late_answer_](const absl::Status& status) {
                             const bool ok = status.ok();
                             if (!mailbox->Post([this, ok] { OnFoundingStored(ok); })) {
                               late->store(ok ? kStored : kNotStored);  // the loop looks every second
                             }
                           });
  }
  if (out.cluster_id_changed) {
    gossip_->UpdateMeta(membership::EncodeMeta(GossipMeta()));
    deps_.store->SetMeta(std::string(schema::kMetaClusterId), roster_->cluster_id());
    const bool founded = std::any_of(out.events.begin(), out.events.end(), [](const roster::Event& event) {
      return event.kind == roster::Event::Kind::kClusterFounded;
    });
    TellSync();
    sync_->ClusterIdChanged(founded);
  }
  if (out.roster) {
    deps_.election->Submit([record = *std::move(out.roster)](store::ElectionDb& db) { return db.SetRoster(record); });
  }
  for (const roster::Outbox::Close& close : out.closes) {
    links_->Close(close.uid, static_cast<peers::ByeReason>(close.reason), close.message);
  }
  if (out.heartbeat_changed) {
    links_->Broadcast(ToFrame());
  }
  if (out.targets_changed) {
    std::vector<peers::Target> targets;
    for (const roster::DialTarget& target : roster_->Targets()) {
      targets.push_back({target.node_id, target.uid, target.address});
    }
    links_->SetTargets(targets);
  }
  for (const roster::Event& event : out.events) {
    Tell(event.warning, roster::Name(event.kind), event.text);
  }
}

void ClusterImpl::TellAs(std::string_view severity, std::string_view type, const std::string& text) {
  severity == "info"      ? log::Info(text, {{"event", type}})
  : severity == "warning" ? log::Warn(text, {{"event", type}})
                          : log::Error(text, {{"event", type}});
  deps_.store->AppendEvent(std::string(severity), std::string(type), text);
}

void ClusterImpl::OnGossipEvents(std::span<const membership::Event> events) {
  for (const membership::Event& event : events) {
    using Kind = membership::Event::Kind;
    const std::string at = gossipwire::FormatAddress(event.address);
    switch (event.kind) {
      case Kind::kForeign:
        Step([&](Instant now, int64_t, auto& out) { roster_->OnGossipForeign(now, event.node, event.detail, out); });
        break;
      case Kind::kConflict:
        Tell(true, "gossip_name_conflict",
             "two nodes call themselves " + event.node + ", one at " + at + ": " + event.detail +
                 "; give each its own cluster.node_id");
        break;
      case Kind::kOneWayUdp:
        Tell(true, "gossip_udp_blocked",
             "only TCP reaches " + event.node + " at " + at + ": open UDP on the gossip port between the nodes");
        break;
      case Kind::kAlarm:
        Tell(true, "gossip_alarm", "gossip about " + event.node + " was ignored: " + event.detail);
        break;
      case Kind::kSelfAccused:
        log::Warn("this node was thought dead and said that it lives", {{"accused_by", event.detail}});
        break;
      default:
        log::Debug("gossip", {{"node", event.node}, {"kind", static_cast<int>(event.kind)}, {"address", at}});
        break;
    }
  }
  SyncMembers();
  for (const membership::Event& event : events) {
    if (event.kind == membership::Event::Kind::kJoin || event.kind == membership::Event::Kind::kRejoin) {
      links_->DialNow(event.node);
    }
  }
}

// The roster keeps what is news of it.
void ClusterImpl::SyncMembers() {
  std::set<std::string> seen;
  const std::shared_ptr<const peers::MemberList> members = gossip_->Members();
  Step([&](Instant now, int64_t wall, auto& out) {
    for (const peers::Member& member : *members) {
      if (!member.self) {
        seen.insert(member.name);
        roster_->OnGossip(now, wall, NewsOf(member), out);
      }
    }
    for (const std::string& name : seen_in_gossip_) {
      if (!seen.contains(name)) {
        roster::GossipNews forgotten;
        forgotten.node_id = name;
        roster_->OnGossip(now, wall, forgotten, out);
      }
    }
  });
  seen_in_gossip_ = std::move(seen);
}

// After a start gossip asks the seeds alone, and the first node's only seed may be itself: whom a stream reaches,
// gossip is to know as well, or this node confirms no accusation until the next exchange of views.
void ClusterImpl::MeetInGossip(const roster::NodeInfo& peer) {
  const auto members = gossip_->Members();
  const bool known = std::any_of(members->begin(), members->end(), [&](const peers::Member& m) {
    return m.name == peer.node_id && m.state == gossipwire::NodeState::kAlive;
  });
  if (const auto address = gossipwire::ParseAddress(peer.gossip_addr); address && !known) {
    gossip_->Contact(*address);
  }
}

void ClusterImpl::OnGossipRefused(const peers::PeerRefused& refused) {
  const std::string who = (refused.node.empty() ? "" : refused.node + " at ") + gossipwire::FormatAddress(refused.from);
  std::string what;
  switch (refused.reason) {
    case peers::Reason::kLabel:
      what = "uses another cluster.label: set the same one on every node, or it belongs to another cluster";
      break;
    case peers::Reason::kKey:
      what = "uses a gossip key that is not in this node's ring (or none): compare `keyring list` on both nodes";
      break;
    case peers::Reason::kForeign:
    case peers::Reason::kConflict:
      return;  // told as an event
    default:
      what = "sent what cannot be used";
      break;
  }
  Tell(true, "gossip_refused_" + std::string(peers::ReasonName(refused.reason)),
       "gossip from " + who + " is refused: it " + what + (refused.detail.empty() ? "" : " (" + refused.detail + ")"));
}

// A node that founds alone must be the one that the first seed entry names; only while fresh does it matter.
void ClusterImpl::LookAtSeed() {
  if (settings_.seed_nodes.empty() || !roster_->cluster_id().empty() || seed_question_ != 0) {
    return;
  }
  const config::HostPort& seed = settings_.seed_nodes.front();
  roster::SeedFacts facts;
  facts.entry = seed.ToString();
  seed_question_ = resolver_.Resolve(
      seed.host, seed.port, [this, facts](absl::StatusOr<uv::Resolver::Addresses> found) mutable {
        seed_question_ = 0;
        if (found.ok()) {
          const std::vector<std::string> local = peers::LocalIps();
          std::set<gossipwire::Address> addresses;
          for (const sockaddr_storage& address : *found) {
            addresses.insert(peers::FromSockaddr(address));
          }
          facts.addresses = addresses.size();
          for (const gossipwire::Address& address : addresses) {
            const bool ours = address == gossip_->address() ||
                              (IsWildcard(settings_.bind_addr) &&
                               std::find(local.begin(), local.end(), address.ip) != local.end());
            facts.mine |= address.port == gossip_->port() && ours;
          }
        }
        Step([&](Instant now, int64_t wall, auto& out) { roster_->OnSeed(now, wall, facts, out); });
      });
}

void ClusterImpl::OnFoundingStored(bool ok) {
  Step([&](Instant now, int64_t wall, auto& out) { roster_->OnFoundingStored(now, wall, ok, out); });
}

void ClusterImpl::OnSecond() {
  ++seconds_;
  if (const int answer = late_answer_->exchange(kNoAnswer); answer != kNoAnswer) {
    OnFoundingStored(answer == kStored);
  }
  TellLocal();
  TellSync();
  failover_->OnSecond();
  failover_->SetPenalty(static_cast<uint32_t>(std::max(0, gossip_->Stats().health)));
  relay_.OnSecond(uv::Loop::Now());
  LookAtSwitches();
  if (seconds_ % kSeedEverySeconds == 0) {
    LookAtSeed();
  }
  if (seconds_ % kMembersEverySeconds == 0) {
    SyncMembers();
  }
  Publish();
}

void ClusterImpl::Publish() {
  ClusterNumbers numbers;
  numbers.view = roster_->View(uv::Loop::Now());
  numbers.node_id = settings_.node_id;
  numbers.gossip = gossip_->Stats();
  numbers.gossip_keys = ring_.keyring().size();
  numbers.streams_up = links_->up_count();
  numbers.heartbeats_in = heartbeats_in_;
  numbers.stream_reconnects = links_up_;
  numbers.refusals = refusals_;
  numbers.converged = sync_->Converged();
  if (Leads()) {
    numbers.failover = failover_->View();
    numbers.failover_counters = failover_->counters();
    numbers.voters_reached = VotersReached(numbers.failover->config);
    numbers.election_seconds = failover_->election_seconds();
    const bool well = !Exclusive() || FailoverReasons(*numbers.failover).empty();
    numbers.view.state = ClusterState(*numbers.failover, well ? numbers.view.state : "degraded");
  }
  if (const replication::Replicator* core = sync_->core(); core != nullptr) {
    numbers.sync = core->counters();
    numbers.feed_seq = core->head();
    numbers.applied_seq = sync_->applied_seq();
    numbers.revocation_seconds = sync_->revocation_seconds();
    numbers.merge_seconds = sync_->merge_seconds();
    const Instant now = uv::Loop::Now();
    const auto before = std::exchange(synced_at_, {});  // of those who are no peers any more, nothing is kept
    for (replication::PeerStatus& peer : core->Peers(now)) {
      double& synced_at = synced_at_[peer.member.uid];
      if (const auto at = before.find(peer.member.uid); at != before.end()) {
        synced_at = at->second;
      }
      if (peer.synced) {
        synced_at = static_cast<double>(WallMs()) / 1000 - (now - peer.last_heard).seconds();
      }
      const peers::Traffic traffic = sync_->links().TrafficOf(peer.member.uid);
      numbers.sync_peers.push_back({std::move(peer), traffic.bytes_in, traffic.bytes_out, synced_at});
    }
  }
  metrics_->Publish(std::move(numbers));
}

void ClusterImpl::Arm() {
  if (roster_ != nullptr && !leaving_) {
    tick_.StartAt(roster_->NextDeadline());
  }
}

void ClusterImpl::Leave(std::function<void()> done) {
  leaving_ = true;
  tick_.Stop();
  second_.Stop();
  sync_->Stop(peers::ByeReason::kLeaving, "the node was asked to end");
  links_->Shutdown(peers::ByeReason::kLeaving, "the node was asked to end");
  if (!gossip_->Leave(kLeaveMax, done)) {
    done();
  }
}

}  // namespace aurora::node
