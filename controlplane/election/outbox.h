// What a call into the election wants done. Source: ours. The driver carries it out in this order: gate, close,
// persist, messages. The order is a safety rule: the deadline is cleared before a vote goes to disk. Thread: the
// owner's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/election/messages.h"
#include "controlplane/election/types.h"

namespace aurora::election {

// Write this into the role page's word. Instant() is 0: closed.
struct Gate {
  Instant until;
  Term term = 0;
};

// Make this durable (fsync), then call OnPersisted(version), or OnPersistFailed. A newer version holds all of an older
// one: only the newest need be written. Versions ascend.
struct Persist {
  uint64_t version = 0;
  Durable state;
};

struct Envelope {
  Uid to;
  Message message;
};

struct Event {
  enum class Kind : uint8_t {
    kElected,        // we lead a term and wait for the barrier
    kActive,         // the gate opened
    kLapsed,         // the lease ran out
    kStoodDown,      // we lead no more; why is in `detail`
    kReleased,       // our term is over and said so
    kNotReleased,    // the data plane did not acknowledge the close: the promises run out
    kLeader,         // someone else leads; who is in `detail`
    kConfig,         // the voters changed
    kDiskFailed,     // a write failed or took too long: no vote, no campaign
    kRolledBack,     // a peer's disk went back; its uid counts no more
    kTwoLeaders,     // never: two uids speak for one term
  };
  Kind kind = Kind::kElected;
  Term term = 0;
  std::string detail;
};

struct Outbox {
  std::optional<Gate> gate;
  // With a closed gate: when every loop of the data plane has acknowledged, or its lock was found free after the word
  // was cleared, call OnGateClosed with this number.
  std::optional<uint64_t> close;
  std::optional<Persist> persist;
  std::vector<Envelope> messages;
  std::vector<Event> events;

  void Clear() {
    gate.reset();
    close.reset();
    persist.reset();
    messages.clear();
    events.clear();
  }
};

}  // namespace aurora::election
