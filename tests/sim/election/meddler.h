// Meddler: the core's friend, for mutants of rules that no message and no driver could break. Source: ours. Thread: the
// simulator's.
#pragma once

#include <algorithm>
#include <utility>

#include "controlplane/election/election.h"

namespace aurora::election {

struct Meddler {
  static void NoBarrier(Election& e) { e.barrier_ = Instant(); }
  static void SetPromise(Election& e, Promise promise) { e.promise_ = promise; }
  static void ForgetVote(Durable& d) {
    d.voted_for.clear();
    d.term = 0;
  }
  static Instant LastRenew(const Election& e) { return e.renewed_at_; }
  // A leader that still waits closes, and so releases and names a successor.
  static void ReleaseEarly(Election& e, Instant now, Outbox& out) {
    if (e.role_ == Role::kLeader && now < e.barrier_) {
      e.BeginClose(now, e.BestTarget(now), out);
      e.Finish(now, out);
    }
  }
  static void ForgetWhenConfigTaken(Election& e, Instant now) { e.config_taken_at_ = now - kConfigStable * 2; }
  // As if every voter had acknowledged.
  static void BelieveConfig(Election& e) {
    for (auto& [uid, peer] : e.peers_) {
      peer.config = e.state_.config.id;
    }
  }
  // The leader changes what its predecessor left without stamping it first.
  static void ChangeUnstamped(Election& e, Instant now) {
    Config& config = e.state_.config;
    if (e.role_ != Role::kLeader || e.elected_at_ != now || config.slots.size() < 3) {
      return;
    }
    config.id = {e.durable_.config.id.term, e.durable_.config.id.version + 1};
    const auto other = std::find_if(config.slots.begin(), config.slots.end(),
                                    [&](const Slot& slot) { return slot.uid != e.settings_.uid; });
    config.slots.erase(other);
  }
  // One voter out and another node in, at once.
  static bool Swap(Election& e, Instant now, Outbox& out) {
    if (!e.MayChange(now).ok() || e.state_.config.slots.size() < 3) {
      return false;
    }
    for (const auto& [uid, peer] : e.peers_) {
      if (!peer.member || e.state_.config.FindNode(peer.node_id) != nullptr) {
        continue;
      }
      for (Slot& slot : e.state_.config.slots) {
        if (slot.uid != e.settings_.uid && !slot.uid.empty()) {
          slot = {.node_id = peer.node_id, .uid = uid, .leaving = false};
          ++e.state_.config.id.version;
          e.dirty_ = true;
          e.Finish(now, out);
          return true;
        }
      }
    }
    return false;
  }
};

}  // namespace aurora::election
