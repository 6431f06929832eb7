// What a call into the membership core wants done: datagrams, streams, events, one number to store. Source: ours.
//
// The driver passes an Outbox, carries it out in order, and may reuse it (Clear keeps capacity). Thread: the owner's.
// Bounds: one call adds at most a few datagrams per member. Nothing in here refers back into the core.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/gossipwire/message.h"

namespace aurora::membership {

using gossipwire::Address;
using gossipwire::Message;
using gossipwire::NodeState;

// One datagram: send the messages as one compound (a single one bare). Sizes are already within the budget.
struct Datagram {
  Address to;
  std::vector<Message> messages;
};

// A TCP exchange to begin. Answer with Membership::OnStream under the same id, whatever happens.
struct StreamRequest {
  enum class Kind : uint8_t { kPushPull, kPing };
  uint64_t id = 0;
  Kind kind = Kind::kPushPull;
  Address to;
  bool join = false;           // push/pull: the flag to send, with Membership::LocalState(join) at connect time
  gossipwire::Ping ping;       // kPing: what to send; an ack of the same sequence is success
};

// Each event follows a change of state or tells of something refused. `node` is its subject.
struct Event {
  enum class Kind : uint8_t {
    kJoin,         // seen for the first time
    kRejoin,       // was dead or had left and is alive again, or lives at a new address
    kUpdate,       // meta or versions changed
    kSuspect,      // accused; by whom is in `detail`
    kRefuted,      // was suspected and is alive
    kFailed,       // declared dead
    kLeave,        // left by its own will
    kSelfAccused,  // we were accused and answered with a higher incarnation
    kConflict,     // the same name at two addresses that both answer
    kForeign,      // a peer of another cluster was refused
    kOneWayUdp,    // only TCP reaches this node
    kAlarm,        // an accusation far above our incarnation, or incompatible versions: ignored
    kLeft,         // our own leave has been told as often as it will be
  };
  Kind kind = Kind::kJoin;
  std::string node;
  Address address;
  uint32_t incarnation = 0;
  bool guest = false;
  std::string detail;
};

struct Outbox {
  std::vector<Datagram> datagrams;
  std::vector<StreamRequest> streams;
  std::vector<Event> events;
  // Store this durably; it need not be waited for (a loss costs one refutation).
  std::optional<uint32_t> persist_incarnation;
  // Resolve one seed afresh and hand its addresses to Membership::Contact.
  bool wants_seed = false;

  void Clear() {
    datagrams.clear();
    streams.clear();
    events.clear();
    persist_incarnation.reset();
    wants_seed = false;
  }
};

}  // namespace aurora::membership
