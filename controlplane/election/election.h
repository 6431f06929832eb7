// Election: exactly one node serves. Raft's election half (terms, one durable vote, pre-vote, transfer) and a time
// lease that a majority of voters grants and the data plane enforces; no log. Source: ours; the rules, and the models
// that forced them, are in docs/protocols/failover.md.
//
// A pure core: the driver brings messages, the time, what its disk and its data plane did, and carries out the Outbox.
// After every call ask NextDeadline() again. `now` is CLOCK_BOOTTIME, read after the input arrived; it never falls.
// Thread: one owner. Bounds: kSlotsMax slots; per known node one record. Errors: what an operator asks for and cannot
// have is a Status; the rest is events. Always: nothing is said about a term, vote or config before it is on disk; from
// the moment a gate is cleared its term sends no Renew and opens no gate.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "controlplane/election/gate.h"
#include "controlplane/election/messages.h"
#include "controlplane/election/outbox.h"
#include "controlplane/election/timers.h"
#include "controlplane/election/types.h"
#include "shared/base/rng.h"
#include "shared/base/time.h"

namespace aurora::election {

struct Settings {
  Uid uid;
  std::string node_id;
  Kind kind = Kind::kNode;
  int32_t priority = 0;
  bool preferred_zone = false;
  bool grow = true;           // to three voters, as members stay
  Timers timers = LanTimers();
};

// A member of the cluster as the roster knows it. A node id has one uid at a time: the newest.
struct Member {
  Uid uid;
  std::string node_id;
  bool operator==(const Member&) const = default;
};

class Election {
 public:
  Election(Settings settings, Durable durable, uint64_t seed);

  // Once, first. The word in the role page is 0 by now.
  void Start(Instant now, Outbox& out);

  void Receive(Instant now, const Uid& from, const Message& message, Outbox& out);
  // What is due. Calling early is harmless.
  void Tick(Instant now, Outbox& out);
  Instant NextDeadline() const;

  void OnPersisted(Instant now, uint64_t version, Outbox& out);
  // It may or may not be on disk.
  void OnPersistFailed(Instant now, uint64_t version, Outbox& out);

  // Everyone the roster admits, ourselves excepted.
  void SetMembers(Instant now, const std::vector<Member>& members, Outbox& out);
  // What a peer's Hello says is on its disk. Lower than it ever announced: its disk went back, its uid counts no more.
  void OnPeerTerm(Instant now, const Uid& uid, Term term, Outbox& out);
  void SetDataPlane(Instant now, DataPlane state, Outbox& out);
  // Lifeguard's score, loop lag: makes others go first, excludes nobody.
  void SetPenalty(uint32_t penalty) { penalty_ = penalty; }
  void OnGateClosed(Instant now, uint64_t close, Outbox& out);

  // Hands over to this node; empty: to the best one. Success means begun.
  absl::Status Transfer(Instant now, std::string_view node_id, Outbox& out);
  // In pairs, so that the number of voters stays odd. Success means begun: the config holds the rest.
  absl::Status AddVoters(Instant now, std::string_view a, std::string_view b, Outbox& out);
  absl::Status RemoveVoters(Instant now, std::string_view a, std::string_view b, Outbox& out);
  // When the majority is gone for good: this node alone becomes the config. Unsafe by nature: a quorum that lives
  // elsewhere keeps its own leader.
  absl::Status UnsafeRecover(Instant now, Outbox& out);

  Role role() const { return role_; }
  Term term() const { return state_.term; }
  // What a Hello may say.
  Term durable_term() const { return durable_.term; }
  const Config& config() const { return state_.config; }
  const Settings& settings() const { return settings_; }
  // Who leads, as far as this node has heard lately; empty: nobody.
  Uid Leader(Instant now) const;
  // The same rule as the gate, on the same word.
  bool Active(Instant now) const { return role_ == Role::kLeader && Admits(now, deadline_); }
  Instant deadline() const { return deadline_; }
  Instant barrier() const { return barrier_; }
  const Promise& promise() const { return promise_; }
  bool DiskOk(Instant now) const;
  // Whether this voter could follow us now, if we lead.
  bool Able(Instant now, const Uid& uid) const {
    return role_ == Role::kLeader && (uid == settings_.uid ? CanLead(now) : GoodTarget(now, uid));
  }
  // One line for the status: why a takeover would fail, or nothing.
  std::string Warning(Instant now) const;

 private:
  friend struct Meddler;  // the simulator's mutants

  struct Peer {
    std::string node_id;
    bool member = false;
    bool rolled_back = false;
    Term announced = 0;
    // In the term we lead:
    Instant granted_until;                 // when what it promised us ends, by our clock
    std::optional<Instant> acked_at;
    std::optional<Instant> alive_since;    // acknowledges without a gap since then
    ConfigId config;
    bool can_lead = false;
    Rank rank;
  };
  enum class Step : uint8_t { kAck, kVoteReply, kCampaign, kConfigAck };
  // What waits for the disk.
  struct Pending {
    Step step = Step::kAck;
    uint64_t version = 0;                  // 0: whatever this call submits
    Term term = 0;
    Uid to;
    Instant since;
    ConfigId config;                       // kVoteReply: by which the vote was given
  };
  struct Backed {
    ConfigId config;
    Rank rank;
    Instant until;
    bool voted = false;                    // more than backed: nobody else
  };
  struct InFlight {
    uint64_t version = 0;
    Durable state;
    Instant since;
  };

  // election.cc
  void AdoptTerm(Instant now, Term term, Outbox& out);
  void ToFollower(Instant campaign_at);
  void Send(const Uid& to, decltype(Message::body) body, Outbox& out);
  void Emit(Outbox& out, Event::Kind kind, std::string detail = {}) const;
  bool Voter() const { return state_.config.Votes(settings_.uid); }
  bool Quorum(const std::set<Uid>& uids) const;
  Rank OwnRank() const;
  Duration CampaignDelay();
  Peer& PeerOf(const Uid& uid);
  // Voters of the config and members, without us.
  std::vector<Uid> Everyone() const;
  bool CanLead(Instant now) const;

  // durable.cc
  void Finish(Instant now, Outbox& out);
  void Submit(Instant now, Outbox& out);
  void Run(Instant now, const Pending& pending, Outbox& out);
  void TickDisk(Instant now, Outbox& out);

  // follow.cc
  void OnRenew(Instant now, const Uid& from, Term term, const Renew& renew, Outbox& out);
  void OnRelease(Instant now, const Uid& from, Term term, const LeaseRelease& release);
  void OnConfigPush(Instant now, const Uid& from, const ConfigPush& push, Outbox& out);
  void OnTermNotice(Instant now, const Uid& from, Term term, Outbox& out);
  void ClearPromise(Term released);
  void MergePromise(Instant until, Term term);

  // campaign.cc
  void TickCampaign(Instant now, Outbox& out);
  void StartPreVote(Instant now, Outbox& out);
  void StartVote(Instant now, Term term);
  void AskVotes(Instant now, Outbox& out);
  void CountVotes(Instant now, Outbox& out);
  Deny JudgePreVote(Instant now, const Uid& from, const PreVote& ask) const;
  Deny JudgeVote(Instant now, const Uid& from, Term term, const Vote& ask) const;
  void PassOnConfig(const Uid& to, const ConfigId& theirs, Outbox& out);
  void OnPreVote(Instant now, const Uid& from, const PreVote& ask, Outbox& out);
  void OnPreVoteReply(Instant now, const Uid& from, Term term, const PreVoteReply& reply, Outbox& out);
  void OnVote(Instant now, const Uid& from, Term term, const Vote& ask, Outbox& out);
  void OnVoteReply(Instant now, const Uid& from, Term term, const VoteReply& reply, Outbox& out);
  void OnTransferNow(Instant now, const Uid& from, Term term, const TransferNow& transfer);
  void GiveUp(Instant now);

  // lead.cc
  void BecomeLeader(Instant now, Outbox& out);
  void TickLeader(Instant now, Outbox& out);
  void SendRenews(Instant now, Outbox& out);
  void OnRenewAck(Instant now, const Uid& from, Term term, const RenewAck& ack, Outbox& out);
  Instant LeaseUntil() const;
  void UpdateGate(Instant now, Outbox& out);
  // The word becomes 0; what it promised stays owed by our own vote.
  void ZeroGate(Instant now, Outbox& out);
  void StandDown(Instant now, std::string why, Outbox& out);
  std::vector<Uid> Successors(Instant now) const;

  // release.cc
  void BeginClose(Instant now, Uid target, Outbox& out);
  void EndClose(Instant now, bool released, Outbox& out);
  bool MayRelease(Instant now) const { return role_ == Role::kLeader && now >= barrier_; }
  absl::Status HandOver(Instant now, std::string_view node_id, Outbox& out);
  bool GoodTarget(Instant now, const Uid& uid) const;
  Uid BestTarget(Instant now) const;

  // change_voters.cc
  absl::Status MayChange(Instant now) const;
  bool Fresh(Instant now, const Uid& uid) const;
  bool ConfigOnQuorum() const;
  void Propose(Instant now, Config next, Outbox& out);
  void PushConfig(Outbox& out);
  void OnConfigAck(const Uid& from, Term term, const ConfigAck& ack);
  void TickVoters(Instant now, Outbox& out);
  bool FinishBusiness(Instant now, Outbox& out);
  bool ReplaceSuperseded(Instant now, Outbox& out);
  void Grow(Instant now, Outbox& out);
  const Uid* UidOf(std::string_view node_id) const;

  const Settings settings_;
  Rng rng_;

  // What is said to be wanted on disk, what is known to be there, and what is under way.
  Durable state_;
  Durable durable_;
  bool dirty_ = false;
  bool disk_failed_ = false;
  bool disk_told_ = false;
  uint64_t version_ = 0;
  uint64_t durable_version_ = 0;
  Instant disk_retry_ = Instant::Never();
  std::deque<InFlight> in_flight_;
  std::vector<Pending> pending_;

  Role role_ = Role::kHoldoff;
  Uid leader_;                             // of this term, once known; the only one whose Renews count
  std::map<Uid, Peer, std::less<>> peers_;
  DataPlane data_plane_ = DataPlane::kGone;
  uint32_t penalty_ = 0;
  Promise promise_;
  Term over_ = 0;                          // this term and older ones serve nobody any more
  Term term_floor_ = 0;                    // heard of, from those who may not raise our term
  Instant holdoff_until_ = Instant::Never();

  // Following.
  std::optional<Instant> heard_;           // the last Renew of the leader
  Instant led_at_;                         // when anybody last led, as far as we know
  Instant renew_sent_at_;                  // its sent_at
  std::vector<Uid> order_;
  Instant campaign_at_ = Instant::Never();
  Instant hold_until_;                     // no candidacy of our own before this
  std::optional<Backed> backed_;

  // Campaigning.
  Term next_term_ = 0;
  Term released_ = 0;
  std::set<Uid> votes_;
  std::set<Uid> denials_;
  bool asked_ = false;                     // our own vote is durable
  Instant campaign_end_;
  Instant resend_at_;

  // Leading.
  Instant elected_at_;
  Instant renewed_at_;
  Instant barrier_;
  bool barrier_passed_ = false;
  Instant deadline_;                       // the word of the role page, as we wrote it
  bool was_active_ = false;
  Instant config_taken_at_;
  Instant handover_after_;                 // no transfer of our own making before this

  // Draining.
  uint64_t close_ = 0;
  Instant close_end_;
  Uid target_;
};

}  // namespace aurora::election
