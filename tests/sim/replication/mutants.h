// Mutants: wrong rules, put between the real core and the real store by the simulator, so that each invariant is seen
// to be able to fail. Source: ours. They live here only: the product has no switches for them. Thread: any.
#pragma once

#include <cstdint>
#include <vector>

namespace aurora::repsim {

enum class Mutant : uint8_t {
  kNone,
  kAckDurable,
  kHighestLoop,
  kNoopAtOnce,
  kAppliedWithoutEpoch,
  kNotServingEarly,
  kUnreachableDone,
  kMembersNotLearned,
  kWaitOnOldSeq,
  kGapAccepted,
  kOneCursor,
  kCursorBeforeRows,
  kSenderCursor,
  kLateSync,
  kNoRelay,
  kParkedSkipped,
  kAdmitsAtOnce,
  kOneIsEnough,
  kEpochKept,
  kLoadsBeforeLock,
  kMarkKept,
  kClockFollows,
  kLimitNewest,
  kEndedCleared,
  kDisableForgotten,
  kTombstonesCollected,
  kSiblingsDropped,
  kNoRevokeLane,
  kMovedInPlace,
  kReplacedUnseen,
  kDamageTaken,
};

struct MutantInfo {
  Mutant mutant;
  const char* name;
};

inline const std::vector<MutantInfo>& Mutants() {
  static const std::vector<MutantInfo> all = {
      {Mutant::kAckDurable, "enforced = durable"},
      {Mutant::kHighestLoop, "enforced = highest loop"},
      {Mutant::kNoopAtOnce, "no-op merge acknowledged as enforced at once"},
      {Mutant::kAppliedWithoutEpoch, "applied without its epoch"},
      {Mutant::kNotServingEarly, "not_serving without being durable"},
      {Mutant::kUnreachableDone, "unreachable counts as done"},
      {Mutant::kMembersNotLearned, "members are not learned from Acks"},
      {Mutant::kWaitOnOldSeq, "wait=all on the seq of the write"},
      {Mutant::kGapAccepted, "a gap moves the cursor"},
      {Mutant::kOneCursor, "revocations first on one cursor"},
      {Mutant::kCursorBeforeRows, "cursor durable before its rows"},
      {Mutant::kSenderCursor, "the sender owns the cursor"},
      {Mutant::kLateSync, "answers before the fsync"},
      {Mutant::kNoRelay, "merged rows are not relayed"},
      {Mutant::kParkedSkipped, "a row that does not resolve is not merged"},
      {Mutant::kAdmitsAtOnce, "admits before it has caught up"},
      {Mutant::kOneIsEnough, "one member is enough after a restore"},
      {Mutant::kEpochKept, "the epoch comes back with an old disk"},
      {Mutant::kLoadsBeforeLock, "data plane loads before its lock"},
      {Mutant::kMarkKept, "clock mark kept after a clock fault"},
      {Mutant::kClockFollows, "the clock follows any peer"},
      {Mutant::kLimitNewest, "limits by the newest sibling"},
      {Mutant::kEndedCleared, "a later write clears a deactivation"},
      {Mutant::kDisableForgotten, "an enable undoes disables it has not seen"},
      {Mutant::kTombstonesCollected, "tombstones are collected"},
      {Mutant::kSiblingsDropped, "only the newest sibling is kept"},
      {Mutant::kNoRevokeLane, "no lane for revocations"},
      {Mutant::kMovedInPlace, "a new file is moved in place of the open one"},
      {Mutant::kReplacedUnseen, "a file replaced underneath is not noticed"},
      {Mutant::kDamageTaken, "bytes that changed on the disk are taken as they are"},
  };
  return all;
}

}  // namespace aurora::repsim
