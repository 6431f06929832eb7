// Mutants: wrong rules, put between the real core and the simulated machine, or into the core by its friend Meddler, so
// that each invariant is seen to be able to fail. Source: ours. They live here only: the product has no switches for
// them. Thread: any.
#pragma once

#include <cstdint>
#include <vector>

namespace aurora::elecsim {

enum class Mutant : uint8_t {
  kNone,
  kNotDurable,
  kVoteForgotten,
  kNoHoldoff,
  kWordKept,
  kNoBarrier,
  kReceiveTime,
  kOwnLease,
  kShortPromise,
  kFastClocks,
  kUnackedRelease,
  kAnyRelease,
  kWaitReleases,
  kCloseIgnored,
  kReopens,
  kNoSelfPromise,
  kBareSelfPromise,
  kNoBootId,
  kSwap,
  kNoStabilise,
  kNoConfigQuorum,
  kNoStamp,
  kOldConfig,
  kWordLost,
  kNoPreVote,
};

struct MutantInfo {
  Mutant mutant;
  const char* name;
};

inline const std::vector<MutantInfo>& Mutants() {
  static const std::vector<MutantInfo> all = {
      {Mutant::kNotDurable, "a vote is told before it is on disk"},
      {Mutant::kVoteForgotten, "term and vote do not outlast a restart"},
      {Mutant::kNoHoldoff, "a start grants at once"},
      {Mutant::kWordKept, "a start neither clears the word nor holds off"},
      {Mutant::kNoBarrier, "a new leader does not wait for promises"},
      {Mutant::kReceiveTime, "the lease counts from the receipt of the ack"},
      {Mutant::kOwnLease, "the holder's own lease, whatever the voter promised"},
      {Mutant::kShortPromise, "a voter keeps half of what it promised"},
      {Mutant::kFastClocks, "clock rates 20 % apart from true time"},
      {Mutant::kUnackedRelease, "release before the data plane acknowledged"},
      {Mutant::kAnyRelease, "a release clears any promise"},
      {Mutant::kWaitReleases, "a leader releases before its barrier"},
      {Mutant::kCloseIgnored, "a close leaves the word as it is"},
      {Mutant::kReopens, "a term that was closed opens again"},
      {Mutant::kNoSelfPromise, "zeroing leaves no promise of one's own"},
      {Mutant::kBareSelfPromise, "one's own promise ends with the deadline itself"},
      {Mutant::kNoBootId, "a page of an earlier boot counts"},
      {Mutant::kSwap, "a voter is replaced in one step"},
      {Mutant::kNoStabilise, "no wait between two changes of the voters"},
      {Mutant::kNoConfigQuorum, "a change while no quorum holds the config"},
      {Mutant::kNoStamp, "a change of a config of another term"},
      {Mutant::kOldConfig, "a candidate with an older config gets votes"},
      {Mutant::kWordLost, "the word is not written and the node says active"},
      {Mutant::kNoPreVote, "nobody is asked before a campaign, so nobody campaigns"},
  };
  return all;
}

}  // namespace aurora::elecsim
