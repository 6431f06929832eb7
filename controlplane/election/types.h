// What the election talks about: uids, terms, who votes, what a disk keeps, promises, ranks. Source: ours
// (docs/protocols/failover.md); the shape of Config is logless reconfiguration (arXiv 2102.11960). Thread: values.
// Bounds: kSlotsMax slots.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/time.h"

namespace aurora::election {

using Uid = std::string;
using Term = uint64_t;

inline constexpr size_t kSlotsMax = 9;

// A place for a voter. Slots are fixed to a node; the uid in it changes only as remove, then add.
struct Slot {
  std::string node_id;
  Uid uid;               // empty: vacant, waits for the node to show up; votes for nothing and counts for nothing
  bool leaving = false;  // the leader that can, removes it; one that is it, hands over first
  bool operator==(const Slot&) const = default;
};

// Total order over all configs ever made: a leader stamps them with its own term. Whoever holds an older one takes a
// newer one from anybody, unless it leads.
struct ConfigId {
  Term term = 0;
  uint64_t version = 0;
  auto operator<=>(const ConfigId&) const = default;
};

// Who votes. A pair that is being added or removed is written here whole (a vacant slot, a leaving one), so that the
// next leader finishes what the last one began.
struct Config {
  ConfigId id;
  std::vector<Slot> slots;  // by node_id
  bool operator==(const Config&) const = default;

  const Slot* Find(std::string_view uid) const;
  const Slot* FindNode(std::string_view node_id) const;
  bool Votes(std::string_view uid) const { return Find(uid) != nullptr; }
  std::vector<Uid> Voters() const;
  size_t VoterCount() const;
  size_t Quorum() const { return VoterCount() / 2 + 1; }
};

// The voters of a new cluster: the three lowest node ids, or the lowest one if there are fewer than three.
struct Founder {
  std::string node_id;
  Uid uid;
};
Config FoundingConfig(std::vector<Founder> founders);
// Voters that are in one config and not in the other. A change may have one at most: then any quorum of the one meets
// any quorum of the other.
size_t VoterDifference(const Config& a, const Config& b);

// What election.db keeps. Nothing in here is said to anyone before it is on disk.
struct Durable {
  Term term = 0;
  Uid voted_for;  // in `term`
  Config config;
  bool operator==(const Durable&) const = default;
};

// Not to help anyone else serve before `until`, owed to the holder of `term`. Volatile: a start waits out the largest.
struct Promise {
  Instant until;
  Term term = 0;
};

// Who should campaign first. It orders, it never excludes.
struct Rank {
  int32_t priority = 0;        // higher first
  uint32_t penalty = 0;        // lower first: Lifeguard's score, loop lag, a slot that is leaving
  bool preferred_zone = false;
  Uid uid;
};
bool Better(const Rank& a, const Rank& b);

enum class Kind : uint8_t { kNode, kWitness };

enum class Role : uint8_t {
  kHoldoff,       // just started: grants nothing
  kFollower,      // also a node without a vote
  kPreCandidate,  // asks whether a campaign would be welcome
  kCandidate,
  kLeader,        // waits for its barrier, or is active: Election::Active()
  kDraining,      // its gate is being closed; nothing more happens in this term
};
std::string_view Name(Role role);

// What the control plane knows of its own data plane.
enum class DataPlane : uint8_t {
  kReady,
  kNotReady,  // up, and should not take traffic: draining, no listener
  kFrozen,    // holds its lock and does not tick
  kGone,      // its lock is free
};

}  // namespace aurora::election
