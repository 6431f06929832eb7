// Gossip: the membership core on real sockets, with a thread and a loop of its own, so that nothing
// the control plane does can make this node look dead. Source: hashicorp/memberlist's transport
// (docs/protocols/gossip.md); the core is controlplane/membership. Thread: Start, the destructor
// and all callbacks belong to the thread of the home mailbox's loop; every other call may come from
// any thread. Callbacks are posted there, in order, and none comes after the destructor. Bounds:
// GossipOptions, StreamLimits, membership::Config; kEventsKept events wait while the home mailbox
// is full, then the oldest are lost and counted. Errors: Start says what could not be opened; later
// trouble is an event or a counter. Invariant: Members() is at least as new as any event that has
// been delivered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "controlplane/gossipwire/packet.h"
#include "controlplane/membership/config.h"
#include "controlplane/membership/outbox.h"
#include "controlplane/peers/gossip_stats.h"
#include "controlplane/peers/gossip_streams.h"
#include "shared/base/status.h"
#include "shared/crypto/secret.h"
#include "shared/uv/loop.h"
#include "shared/uv/mailbox.h"

namespace aurora::peers {

inline constexpr size_t kEventsKept = 4096;

struct GossipOptions {
  std::string node_name;              // unique in the cluster: the node_id
  std::string bind_addr = "0.0.0.0";  // an IP; "::" serves both families
  uint16_t bind_port = 7946;          // UDP and TCP; 0: the kernel chooses
  std::string advertise_addr;         // AdvertisedIp
  std::string label;                  // up to 255 bytes
  std::vector<crypto::Secret> keys;   // the first seals; none: no encryption
  gossipwire::Verify verify;          // both on, but while a cluster goes from clear to encrypted
  std::string meta;                   // membership::EncodeMeta
  std::vector<std::string> seeds;     // host[:port], names too
  std::optional<uint32_t> stored_incarnation;  // what on_persist said last
  membership::Config core;                     // cluster_id and, in tests, other times
  StreamLimits streams;
  int64_t max_datagrams_per_second = 20000;
};

struct Member {
  std::string name;
  gossipwire::Address address;
  std::string meta;
  gossipwire::NodeState state = gossipwire::NodeState::kAlive;
  uint32_t incarnation = 0;
  bool guest = false;  // speaks the protocol and is no node of ours
  bool self = false;
  Instant since;  // of `state`, on uv::Loop::Now's clock
};
using MemberList = std::vector<Member>;  // by name; the dead are kept for core.dead_memory

// Something or somebody was refused; told at most once a minute for each peer and reason.
struct PeerRefused {
  Reason reason = Reason::kMalformed;
  gossipwire::Address from;
  bool stream = false;
  std::string node;  // kForeign, kConflict
  std::string detail;
};

struct UserMessage {
  gossipwire::Address from;
  bool stream = false;
  std::string payload;
};

// Each may be empty.
struct GossipCallbacks {
  absl::AnyInvocable<void(std::span<const membership::Event>)> on_events;
  absl::AnyInvocable<void(const PeerRefused&)> on_refused;
  // Store it; it need not be waited for.
  absl::AnyInvocable<void(uint32_t)> on_persist;
  // Messages of memberlist applications. Ours sends none; without this they are counted only.
  absl::AnyInvocable<void(const UserMessage&)> on_user;
};

class GossipEngine;
class GossipOutlet;

class Gossip {
 public:
  // Bound, running, and contacting the seeds. Errors: InvalidArgument (an option), AlreadyExists
  // (address in use), Unavailable.
  static absl::StatusOr<std::unique_ptr<Gossip>> Start(uv::Mailbox& home, GossipOptions options,
                                                       GossipCallbacks callbacks);
  // Stops at once, without telling anyone: peers will find this node failed unless Leave ended
  // before.
  ~Gossip();
  Gossip(const Gossip&) = delete;
  Gossip& operator=(const Gossip&) = delete;

  // What peers are told.
  const gossipwire::Address& address() const { return address_; }
  uint16_t port() const { return address_.port; }

  std::shared_ptr<const MemberList> Members() const;
  GossipStats Stats() const;  // at most a second old

  // False: too many calls wait (the loop is stuck).
  bool UpdateMeta(std::string meta);
  // Replaces the keys at run time; the first seals from now on. Errors: InvalidArgument (a key's
  // size), ResourceExhausted.
  absl::Status SetKeys(const std::vector<crypto::Secret>& keys, gossipwire::Verify verify = {});
  // Replaces the seeds and contacts all of them now. Errors: InvalidArgument names the seed.
  absl::Status SetSeeds(const std::vector<std::string>& seeds);
  // Exchanges views with whoever is at `address` now; our own is ignored.
  bool Contact(gossipwire::Address address);
  // To a member, by name; unknown names are ignored.
  bool SendUser(std::string node, std::string payload, bool stream);
  // Tells the others, then calls `done` at home: when it has been told as often as it will be, or
  // after `bound`. Destroy this then.
  bool Leave(Duration bound, absl::AnyInvocable<void()> done);

 private:
  Gossip();
  bool Post(uv::Mailbox::Task task) { return mailbox_->Post(std::move(task)); }

  std::shared_ptr<GossipOutlet> outlet_;
  uv::Loop loop_;
  std::unique_ptr<GossipEngine> engine_;
  std::unique_ptr<uv::Mailbox> mailbox_;
  std::unique_ptr<uv::Mailbox> stop_;
  gossipwire::Address address_;
  std::thread thread_;
};

}  // namespace aurora::peers
