// FailoverView: the election as other parts of the node and an operator see it, and what was counted of it.
// Source: ours. Thread: values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controlplane/election/types.h"
#include "shared/base/time.h"

namespace aurora::node {

struct FailoverView {
  bool begun = false;
  election::Role role = election::Role::kHoldoff;
  bool active = false;         // our own gate is open
  election::Uid leader;        // empty: nobody, as far as we know
  bool leader_active = false;
  election::Term term = 0;
  election::Config config;
  std::vector<election::Uid> able;  // voters that could serve, if we lead
  Duration lease_remaining;
  Duration barrier_remaining;
  Duration promise_remaining;
  bool disk_ok = true;
  bool drained = false;
  std::string warning;
  Duration leaderless;         // nobody leads since; 0: somebody does
};

struct FailoverCounters {
  uint64_t switches = 0;    // another leader than before
  uint64_t won = 0;         // elections by this node
  uint64_t lost = 0;        // candidacies that came to nothing
  uint64_t frames_in = 0;
  uint64_t frames_bad = 0;
};

}  // namespace aurora::node
