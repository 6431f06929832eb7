// Hand-written interleavings. Source: each is a rule of docs/protocols/failover.md that needs several things to happen
// within milliseconds; a sweep over the one free moment finds them.
#include <algorithm>

#include "shared/base/check.h"
#include "tests/sim/election/world.h"

namespace aurora::elecsim {

using election::Outbox;
using election::Role;

// B hears nothing from the holder A, then C does not either; A's own voice is what completes the quorum for B, with
// only a little of A's lease left. A's loops may be between a check and its write.
void World::OwnPromise(int64_t after_us) {
  RunUntil(8'000'000 + Between(0, 250'000));
  Machine* a = Leader();
  if (a == nullptr) {
    return;
  }
  Machine* b = machines_[static_cast<size_t>((a->index + 1) % 3)].get();
  Machine* c = machines_[static_cast<size_t>((a->index + 2) % 3)].get();
  cut_ = {{a->index, b->index}};
  RunUntil(t_ + 600'000);
  cut_.insert({{a->index, c->index}, {b->index, c->index}, {c->index, b->index}});
  RunUntil(t_ + after_us);
  cut_.erase({b->index, c->index});
  cut_.erase({c->index, b->index});
  const int64_t end = t_ + 400'000;
  while (failure_.empty() && t_ < end && b->core->role() != Role::kCandidate) {
    RunUntil(t_ + 200);
  }
  cut_ = {{b->index, c->index}, {c->index, b->index}};
  RunUntil(t_ + 1'000'000);
}

// A hands over to B; C hears B and then, late, that A's term is released. B goes silent: A and C make a new leader.
void World::LateRelease() {
  RunUntil(8'000'000 + Between(0, 250'000));
  Machine* a = Leader();
  if (a == nullptr) {
    return;
  }
  Machine* b = machines_[static_cast<size_t>((a->index + 1) % 3)].get();
  Machine* c = machines_[static_cast<size_t>((a->index + 2) % 3)].get();
  const Term term = a->core->term();
  cut_ = {{a->index, c->index}};
  Call(*a, [id = b->node_id](Election& e, Instant now, Outbox& out) { (void)e.Transfer(now, id, out).ok(); });
  const int64_t end = t_ + 3'000'000;
  while (failure_.empty() && t_ < end && !b->Open(t_)) {
    RunUntil(t_ + 200);
  }
  cut_ = {{a->index, b->index}, {b->index, a->index}};
  RunUntil(t_ + 1'500'000 + Between(0, 250'000));
  Deliver(a->index, a->uid, c->uid, {term, election::LeaseRelease{}});
  cut_.insert({{b->index, c->index}, {c->index, b->index}});
  RunUntil(t_ + 4'000'000);
}

std::vector<std::pair<std::string, std::string>> RunScenarios(Mutant mutant) {
  const Plain plain{.nodes = 3,
                    .timers = election::LanTimers(),
                    .fsyncs_us = {},
                    .fsync_low_us = 300,
                    .fsync_high_us = 3'000,
                    .rtt_us = 500,
                    .loss_per_mille = 0};
  std::string own;
  for (int64_t ms = 700; ms <= 1400 && own.empty(); ms += 2) {
    World world(static_cast<uint64_t>(ms), plain, mutant);
    world.OwnPromise(ms * 1000);
    own = world.failure();
  }
  std::string late;
  for (uint64_t seed = 1; seed <= 40 && late.empty(); ++seed) {
    World world(seed, plain, mutant);
    world.LateRelease();
    late = world.failure();
  }
  return {{"the holder's own promise", own}, {"a release that comes late", late}};
}

}  // namespace aurora::elecsim
