// Membership: who is in the cluster and who answers. SWIM with Lifeguard, on HashiCorp memberlist's wire and by its
// rules, plus ours (docs/protocols/membership.md lists each difference and why). Source: SWIM (Das, Gupta, Motivala
// 2002), Lifeguard (arXiv 1707.00788), memberlist state.go.
//
// A pure core: the driver brings what arrives and the time, and carries out the Outbox. After every call ask
// NextDeadline() again. `now` is monotonic and never falls. Thread: one owner. Errors: none; what peers send wrong is
// dropped and counted. Bounds: Config. Always: a stored incarnation never falls; our own death is never acted on
// unless we are leaving; a dead record lives again only through a higher incarnation.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/gossipwire/message.h"
#include "controlplane/membership/awareness.h"
#include "controlplane/membership/broadcast_queue.h"
#include "controlplane/membership/config.h"
#include "controlplane/membership/meta.h"
#include "controlplane/membership/node_table.h"
#include "controlplane/membership/outbox.h"
#include "shared/base/rng.h"
#include "shared/base/time.h"

namespace aurora::membership {

struct Identity {
  std::string name;
  Address address;
  std::string meta;
  uint32_t start_incarnation = 1;  // StartIncarnation()
  gossipwire::Versions versions;
};

// Counters since the start; the driver exports them.
struct Stats {
  uint64_t probes = 0;
  uint64_t probes_failed = 0;
  uint64_t stalls = 0;
  uint64_t refutations = 0;
  uint64_t stale_alive = 0;       // an old life or an echo; told to its subject when we know worse
  uint64_t dropped_invalid = 0;   // empty names, impossible versions or incarnations, user messages
  uint64_t dropped_full = 0;      // a bound of Config was reached
};

class Membership {
 public:
  Membership(Config config, Identity self, uint64_t seed);

  // Once, first. Says which incarnation to store.
  void Start(Instant now, Outbox& out);

  // One message of a datagram, in the order in which it came.
  void Receive(Instant now, const Address& from, const Message& message, Outbox& out);
  // What is due. Calling early is harmless.
  void Tick(Instant now, Outbox& out);
  Instant NextDeadline() const;
  // The driver found the process to have stood still this long and has NOT yet polled its sockets: every deadline
  // moves. Tick finds this out by itself; call it for what only the driver sees (a throttled cgroup).
  void NoteLateness(Instant now, Duration lateness);

  // Begins a push/pull. With join false, nothing happens for our own address or that of a live member.
  void Contact(Instant now, const Address& address, bool join, Outbox& out);
  // Our view, for a push/pull we begin. Built at each call: ask when the stream is connected.
  gossipwire::PushPull LocalState(bool join) const;
  // A peer's push/pull: returns what to answer (our view from before), then merges.
  gossipwire::PushPull ReceiveStream(Instant now, const Address& from, const gossipwire::PushPull& state, Outbox& out);
  // Whether to ack a ping that came over a stream. False: close without a word.
  bool AnswersStreamPing(const gossipwire::Ping& ping) const { return ping.node.empty() || ping.node == self_.name; }
  // How the streams asked for by StreamRequest ended. An id no longer wanted is ignored.
  void OnStreamState(Instant now, uint64_t id, const gossipwire::PushPull& state, Outbox& out);
  void OnStreamPong(Instant now, uint64_t id, Outbox& out);
  void OnStreamFailed(Instant now, uint64_t id, Outbox& out);

  void UpdateMeta(Instant now, std::string meta, Outbox& out);
  // Tells everyone that we leave; kLeft follows when it has been told. Nobody is probed any more.
  void Leave(Instant now, Outbox& out);

  const Identity& self() const { return self_; }
  uint32_t incarnation() const { return own_->incarnation; }
  const NodeTable& table() const { return table_; }
  const Record* Find(std::string_view name) const { return table_.Find(name); }
  // Members that are alive or merely suspected, ourselves included, guests not.
  size_t LiveCount() const;
  int health() const { return awareness_.score(); }
  const Stats& stats() const { return stats_; }
  size_t queued() const { return queue_.size(); }
  // Entries in all lists but the member table: stays within Config's bounds.
  size_t pending() const {
    return relays_.size() + checks_.size() + strangers_.size() + streams_.size() + urgent_.size() + suspects_.size();
  }

 private:
  struct Probe {
    bool active = false;
    bool indirect = false;
    bool stream_answered = false;
    std::string target;
    uint32_t sequence = 0;
    uint64_t stream_id = 0;
    int nacks_expected = 0;
    int nacks = 0;
    Instant timeout_at;
    Instant end_at;
  };
  // A ping we sent because another node asked us to.
  struct Relay {
    uint32_t sequence = 0;
    uint32_t asked_sequence = 0;
    Address asker;
    bool wants_nack = false;
    Instant deadline;
  };
  // A known name spoke from a new address. Asked: the old address is pinged until `deadline`. Refused: it answered, and
  // the new one is not asked about again until then.
  struct AddressCheck {
    gossipwire::Alive claim;
    Address old_address;
    uint32_t sequence = 0;
    bool refused = false;
    Instant next_ping;
    Instant deadline;
  };
  struct Stranger {
    std::string name;
    uint32_t incarnation = 0;
    Instant until;
  };
  struct PendingStream {
    uint64_t id = 0;
    Address to;
    Instant until;
  };

  friend struct NewsForgotten;  // the simulator's

  bool Aurora() const { return config_.rules == Rules::kAurora; }
  // A fresh node, whose meta names no cluster yet, is welcome to any.
  bool Foreign(const NodeMeta& meta) const {
    return !config_.cluster_id.empty() && !meta.cluster_id.empty() && meta.cluster_id != config_.cluster_id;
  }
  bool Deaf(Instant now) const {
    constexpr size_t kFrom = 4;
    const Duration silence = now - heard_;
    return Aurora() && table_.listed() >= kFrom && silence > config_.deaf_after && silence < config_.deaf_at_most;
  }
  bool IsSelf(std::string_view name) const { return name == self_.name; }

  // membership.cc
  void NoticeStall(Instant now);
  void TickGossip(Instant now, Outbox& out);
  void Broadcast(Instant now, std::string_view node, Message message);
  void Send(const Address& to, Message message, Outbox& out);
  int TransmitLimit() const;
  gossipwire::Alive AliveOf(const Record& record) const;
  Message AccusationOf(const Record& record) const;
  void Emit(Outbox& out, Event::Kind kind, const Record& record, std::string detail = {}) const;
  // For what a peer can make us say as often as it likes: one a second of each kind.
  void Notice(Instant now, Event event, Outbox& out);
  Duration Stagger(Duration interval);
  // Up to `count` distinct listed records for which `wanted` holds, in picked_.
  template <class F>
  void Pick(size_t count, F&& wanted);

  // rules.cc
  void OnAlive(Instant now, const Address& from, const gossipwire::Alive& alive, Outbox& out);
  void OnSuspect(Instant now, const Address& from, const gossipwire::Suspect& suspect, Outbox& out);
  void OnDead(Instant now, const Address& from, const gossipwire::Dead& dead, Outbox& out);
  void OnAliveSelf(Instant now, const Address& from, const gossipwire::Alive& alive, Outbox& out);
  void StoreAlive(Instant now, Record& record, const gossipwire::Alive& alive, Outbox& out);
  bool AddressAllowed(Instant now, Record& record, const gossipwire::Alive& alive, Outbox& out);
  void Refute(Instant now, const Address& from, uint32_t accused, std::string_view accuser, Outbox& out);
  void Reaccuse(Instant now, Record& record, const Address& subject, Outbox& out);
  void Vindicate(Instant now, Record& record, const Address& from, std::string_view accuser, Outbox& out);
  void PassOnStranger(Instant now, std::string_view name, uint32_t incarnation, Message message);
  void EndSuspicion(Record& record);
  // Too far above what we hold to be true: refuted it could hardly ever be.
  bool Jumps(const Record& record, uint32_t incarnation) const;
  void TickSuspicions(Instant now, Outbox& out);

  // probe.cc
  void StartProbe(Instant now, Outbox& out);
  Record* NextTarget(Instant now);
  void ProbeIndirectly(Instant now, Outbox& out);
  void EndProbe(Instant now, bool answered, Outbox& out);
  void NoteTcpOnly(Outbox& out);
  void TickProbe(Instant now, Outbox& out);
  void TickRelays(Instant now, Outbox& out);
  void OnPing(const Address& from, const gossipwire::Ping& ping, Outbox& out);
  void OnIndirectPing(Instant now, const Address& from, const gossipwire::IndirectPing& ping, Outbox& out);
  void OnAck(Instant now, const gossipwire::Ack& ack, Outbox& out);
  void OnNack(const gossipwire::Nack& nack);

  // address_check.cc
  void StartCheck(Instant now, const Record& record, const gossipwire::Alive& claim, Outbox& out);
  bool OnCheckAck(Instant now, uint32_t sequence, Outbox& out);
  void TickChecks(Instant now, Outbox& out);

  // exchange.cc
  void Merge(Instant now, const Address& from, const gossipwire::PushPull& state, Outbox& out);
  bool Acceptable(Instant now, const gossipwire::PushPull& state, Outbox& out);
  void TickExchange(Instant now, Outbox& out);
  void StartPushPull(Instant now, const Address& to, bool join, Outbox& out);
  Duration PushPullPeriod() const;
  bool TakeStream(uint64_t id, Address& to);

  Config config_;
  Identity self_;
  Rng rng_;
  NodeTable table_;
  Record* own_ = nullptr;
  BroadcastQueue queue_;
  Awareness awareness_;
  Stats stats_;
  bool leaving_ = false;
  std::optional<Instant> contested_;  // when somebody else was last seen under our name
  bool left_told_ = false;

  uint32_t sequence_;
  uint64_t stream_id_ = 0;
  Probe probe_;
  int tcp_only_ = 0;  // probes in a row, of any nodes, that TCP alone answered
  std::vector<std::string> urgent_;
  std::vector<Relay> relays_;          // by deadline
  std::vector<AddressCheck> checks_;
  std::vector<Stranger> strangers_;
  std::vector<PendingStream> streams_;
  std::vector<Record*> suspects_;
  std::vector<Record*> picked_;        // scratch of Pick

  std::array<Instant, 16> notice_after_{};  // by Event::Kind

  Instant started_;
  Instant heard_;  // anything, from anyone
  Instant gossip_phase_;
  Instant next_gossip_ = Instant::Never();   // never while there is no news
  Instant next_probe_ = Instant::Never();
  Instant next_push_pull_ = Instant::Never();
  Instant next_rejoin_ = Instant::Never();
  Instant suspicion_due_ = Instant::Never();  // no later than the earliest
  Instant check_due_ = Instant::Never();      // likewise
};

}  // namespace aurora::membership
