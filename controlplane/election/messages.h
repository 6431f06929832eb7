// What nodes say to each other about who leads. Source: ours (docs/protocols/failover.md). Thread: values. Sent in
// order on the Control stream of two nodes that have exchanged Hellos: `from` is proven and of this cluster. Loss,
// delay, repetition and reordering of any of them is harmless. Always: `term` is on the sender's disk.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "controlplane/election/types.h"

namespace aurora::election {

// Leader to everyone, every renew period.
struct Renew {
  Instant sent_at;           // the leader's clock; comes back in the ack, means nothing to anyone else
  bool active = false;
  std::vector<Uid> order;    // the voters that could follow, best first: who suspects first
};

// "I promise from now on." Also from nodes without a vote: it shows that they could have one.
struct RenewAck {
  Instant sent_at;
  Duration promise;          // the acknowledger's own; the holder counts the shorter
  ConfigId config;           // on its disk
  bool can_lead = false;     // a node with a ready data plane and a healthy disk
  Rank rank;
};

// Would you vote for me? Changes nothing on any disk and raises no term.
struct PreVote {
  Term next_term = 0;
  ConfigId config;
  Rank rank;
};

enum class Deny : uint8_t { kNone, kHeardLeader, kBackedBetter, kStaleTerm, kStaleConfig, kVoted, kDisk, kNotVoter };

struct PreVoteReply {
  Term next_term = 0;
  bool granted = false;
  Deny reason = Deny::kNone;
};

// `term` of the message is the candidate's new one.
struct Vote {
  ConfigId config;
  Term released = 0;         // the holder of this term has released it (0: of none)
};

struct VoteReply {
  Term asked = 0;
  bool granted = false;
  Deny reason = Deny::kNone;
  Duration promise_remaining;  // what the voter still owes an older holder, from the moment of sending
};

// "Nobody is served under my `term` any more, and never will be again."
struct LeaseRelease {
  Uid target;                // who is asked to follow; empty: anyone
};

// "Campaign now." Never more than that.
struct TransferNow {
  bool released = false;
};

struct ConfigPush {
  Config config;
};

struct ConfigAck {
  ConfigId config;
};

// To someone who speaks for an older term.
struct TermNotice {};

struct Message {
  Term term = 0;
  std::variant<Renew, RenewAck, PreVote, PreVoteReply, Vote, VoteReply, LeaseRelease, TransferNow, ConfigPush,
               ConfigAck, TermNotice>
      body;
};

}  // namespace aurora::election
