// Founding: how nodes whose disks know no cluster come to one cluster id, never to two. Source: ours; the rules, the
// holes they close and the proof are in docs/adr/0010-founding.md and docs/protocols/founding.md.
//
// A pure core inside Roster. Input: what live peers say of themselves, the facts about the first seed, the time. Output
// of Step: a record to make durable. Until OnPersisted says that it is, nothing changes and nothing is announced: what
// `durable()` holds is exactly what may be told to others.
//
// Thread: one owner. Units: Instant is monotonic. Bounds: peers_max live peers, founders_max founders a proposal.
// Errors: none; a proposal that breaks the bounds counts as none. Always: an initialised node stays in its cluster; the
// proposals one uid holds only ascend; a commit needs every founder to have had the proposal on disk.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/rng.h"
#include "shared/base/time.h"

namespace aurora::roster {

inline constexpr size_t kFoundersMax = 16;
inline constexpr uint64_t kRoundMax = 1'000'000'000;

struct Founder {
  std::string uid;
  std::string node_id;
  bool operator==(const Founder&) const = default;
};

// The first founder is the coordinator: who made the proposal. One coordinator uid never makes two of one round.
struct Proposal {
  std::string cluster_id;
  uint64_t round = 0;
  std::vector<Founder> founders;
  bool operator==(const Proposal&) const = default;
};

bool WellFormed(const Proposal& proposal);
// Total order: a higher round, then the coordinator with the lower node id, goes first (is "higher").
bool Higher(const Proposal& a, const Proposal& b);
bool SameNodes(const Proposal& a, const Proposal& b);

// What election.db keeps of it. A cluster id: initialised. None: fresh.
struct FoundingRecord {
  std::string cluster_id;
  std::optional<Proposal> proposal;
  // Of a cluster that this node held the proposal of: who founded it, the first voters among them. Else empty.
  std::vector<Founder> founders;
  bool operator==(const FoundingRecord&) const = default;
};

// A live peer's latest word, heard from itself.
struct FoundingPeer {
  std::string uid;
  std::string node_id;
  std::string cluster_id;  // empty: fresh
  uint32_t expect = 0;
  std::optional<Proposal> proposal;
  std::vector<std::string> sees;  // uids it has a stream to
};

// The first entry of seed_nodes, as the driver resolved it last.
struct SeedFacts {
  std::string entry;     // as written; empty: there are no seeds
  size_t addresses = 0;  // 0: not resolved (yet)
  bool mine = false;     // one of them, with its port, is the address this node tells its peers
};

struct FoundingConfig {
  std::string uid;
  std::string node_id;
  uint32_t expect = 0;
  size_t peers_max = 64;
  // What is fresh must have looked the same this long before a proposal is made of it.
  Duration settle = Duration::Seconds(1);
  // Who founds alone first looks for an initialised node this long, from the start and from the last sign of one.
  Duration alone_after = Duration::Seconds(10);
  Duration persist_retry = Duration::Seconds(1);
};

class Founding {
 public:
  enum class Outcome : uint8_t { kNone, kProposed, kAccepted, kFounded, kJoined };

  Founding(Instant now, FoundingConfig config, FoundingRecord durable, uint64_t seed);

  void OnPeer(Instant now, const FoundingPeer& peer);
  void OnPeerGone(Instant now, std::string_view uid);
  void OnSeed(const SeedFacts& facts) { seed_ = facts; }
  // An initialised node is out there, though there is no stream to it (yet): nothing is proposed or founded for
  // alone_after from now. `why` is for Waiting.
  void OnInitialisedSeen(Instant now, std::string why);

  // The next record to store, if one is due; the caller stores it and answers with OnPersisted. Call again after it.
  std::optional<FoundingRecord> Step(Instant now);
  // Stored, or not: then it is tried again later. Returns what has come of it.
  Outcome OnPersisted(Instant now, bool ok);
  Instant NextDeadline() const;

  bool fresh() const { return durable_.cluster_id.empty(); }
  const FoundingRecord& durable() const { return durable_; }
  const FoundingConfig& config() const { return config_; }
  // Whom the last kJoined followed.
  const std::string& joined_through() const { return joined_through_; }
  // What a fresh node waits for and, where it will wait for ever, what to do; empty once initialised.
  std::string Waiting(Instant now) const;

 private:
  using Peers = std::map<std::string, FoundingPeer, std::less<>>;  // by node id: one live uid each

  void NoteAnnouncement(const FoundingPeer& peer);
  bool Complete() const;
  bool Dead(const Proposal& proposal) const;
  const FoundingPeer* Initialised() const;
  const Proposal* Offered() const;
  bool MustRenew() const;
  const Proposal* FormerLife() const;
  std::vector<Founder> Candidates() const;
  bool MutuallyVisible(const std::vector<Founder>& founders) const;
  std::optional<std::vector<Founder>> Reassembled(const Proposal& former) const;
  std::optional<FoundingRecord> Decide(Instant now);
  std::optional<FoundingRecord> DecideProposal(Instant now);
  std::optional<FoundingRecord> DecideAlone(Instant now);
  FoundingRecord Propose(std::vector<Founder> founders);
  void Watch(Instant now);
  bool AloneBlocked() const;
  Instant AloneAt() const { return std::max(started_, seen_at_) + config_.alone_after; }
  Instant SettledAt() const;
  std::string WaitingForFounders() const;
  std::string WaitingForPeers() const;
  std::string WaitingAlone(Instant now) const;
  std::string RandomId();

  const FoundingConfig config_;
  Rng rng_;
  FoundingRecord durable_;
  std::optional<FoundingRecord> pending_;
  Outcome pending_outcome_ = Outcome::kNone;
  Peers peers_;
  std::set<std::string, std::less<>> announced_;  // uids seen with durable_.proposal on disk
  SeedFacts seed_;
  std::vector<Founder> candidates_;
  Instant candidates_since_;
  Instant started_;
  Instant seen_at_ = Instant::FromMicros(INT64_MIN / 2);  // the last sign of an initialised node
  std::string seen_why_;
  Instant retry_at_;
  bool persist_failed_ = false;
  std::string joining_;
  std::string joined_through_;
};

}  // namespace aurora::roster
