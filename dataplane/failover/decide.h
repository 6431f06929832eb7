// Decide: what becomes of a request on a node of an active_passive cluster.
// Source: failover.md sections 3 and 6. Thread: pure. Invariants: only an open gate serves; what came from a peer is
// never forwarded again, so that no request goes round in circles.
#pragma once

#include <cstdint>

namespace aurora::failover {

enum class Arrival : uint8_t {
  kServe,
  kForward,  // to the node that leads
  kHold,     // nobody to forward to: wait for a leader or for our own gate
  kReject,   // cluster.passive_behavior = reject
  kNotHere,  // a peer took us for the active node
};

struct Situation {
  bool open = false;              // the gate, now
  bool from_peer = false;         // it came in on cluster.peer_listen
  bool forwards = true;           // cluster.passive_behavior = forward
  bool leader_elsewhere = false;  // somebody else leads, and where is known
};

constexpr Arrival Decide(const Situation& s) {
  return s.open               ? Arrival::kServe
         : s.from_peer        ? Arrival::kNotHere
         : !s.forwards        ? Arrival::kReject
         : s.leader_elsewhere ? Arrival::kForward
                              : Arrival::kHold;
}

}  // namespace aurora::failover
