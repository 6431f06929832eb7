// What a call into the roster wants done. The driver carries it out in the order of the fields; Clear to reuse it.
// Source: ours. Thread: the owner's. Bounds: a few events a call; repeated ones are held back by the roster.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/roster/founding.h"
#include "controlplane/roster/types.h"

namespace aurora::roster {

struct Event {
  enum class Kind : uint8_t {
    kNodeJoined,
    kNodeFailed,
    kNodeRecovered,
    kNodeLeft,
    kNodeForgotten,
    kNodeRemoved,
    kNodeSuperseded,
    kNodeDiskLost,
    kClusterFounded,
    kClusterJoined,
    kFoundingProposed,
    kForeignCluster,
    kProtocolVersion,
    kDuplicateNodeId,
    kLabelMismatch,
    kClusterFull,
    kClockSkew,
    kKeyDiffers,
    kRingDiffers,
    kModeDiffers,
    kPersistFailed,
  };
  Kind kind = Kind::kNodeJoined;
  bool warning = false;
  std::string node_id;
  std::string uid;
  std::string text;
};

// snake_case, as events are stored.
std::string_view Name(Event::Kind kind);

struct Outbox {
  // Make it durable, then call OnFoundingStored, whatever came of it. Announce nothing of it before.
  std::optional<FoundingRecord> founding;
  // This node is in another cluster than before (or in one at all): gossip's meta, aurora.db.
  bool cluster_id_changed = false;
  // Replaces what is stored. Need not be waited for.
  std::optional<RosterRecord> roster;
  struct Close {
    std::string uid;
    Refuse reason = Refuse::kNone;
    std::string message;
  };
  std::vector<Close> closes;
  // Heartbeat() says something new: send it now, not at the next interval.
  bool heartbeat_changed = false;
  bool targets_changed = false;
  std::vector<Event> events;

  void Clear() { *this = Outbox(); }
};

}  // namespace aurora::roster
