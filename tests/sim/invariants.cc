// What must hold in every world at every step, whatever the network does.
#include <cstdio>

#include "tests/sim/world.h"

namespace aurora::sim {

void World::Violation(int i, const std::string& what) {
  if (++violations_ <= 5) {
    std::fprintf(stderr, "sim: at %.3f s %s: %s\n  replay: %s\n", static_cast<double>(now_.micros()) / 1e6,
                 name(i).c_str(), what.c_str(), replay_.c_str());
  }
}

void World::NoteEvent(int i, const Event& e) {
  if (e.kind == Event::Kind::kRejoin) {
    const Seen& seen = seen_[static_cast<size_t>(i)][static_cast<size_t>(IndexOf(e.node))];
    const bool was_dead = seen.state == NodeState::kDead;
    if (config.rules == Rules::kAurora && was_dead && e.incarnation <= seen.incarnation) {
      Violation(i, e.node + " rose from the dead without a higher incarnation");
    }
  }
  if (e.kind == Event::Kind::kFailed && e.node == name(i)) {
    Violation(i, "acted on its own death");
  }
  if (e.kind == Event::Kind::kFailed || e.kind == Event::Kind::kSuspect || e.kind == Event::Kind::kRejoin ||
      e.kind == Event::Kind::kRefuted) {
    CheckRecord(i, *core(i)->Find(e.node));
  }
  if (on_event) {
    on_event(i, e);
  }
}

void World::CheckRecord(int i, const membership::Record& r) {
  const bool aurora = config.rules == Rules::kAurora;
  Seen& seen = seen_[static_cast<size_t>(i)][static_cast<size_t>(IndexOf(r.name))];
  if (aurora && r.incarnation < seen.incarnation) {
    Violation(i, "the stored incarnation of " + r.name + " fell");
  }
  if (aurora && seen.state == NodeState::kDead && r.state == NodeState::kAlive && r.incarnation <= seen.incarnation) {
    Violation(i, r.name + " is alive again without a higher incarnation");
  }
  seen = {r.incarnation, r.state};
}

void World::CheckHost(int i) {
  const Membership& m = *core(i);
  m.table().ForEach([&](const membership::Record& r) { CheckRecord(i, r); });
  const membership::Record* own = m.Find(name(i));
  if (own == nullptr || own->state != NodeState::kAlive) {
    Violation(i, "does not hold itself alive");
  }
  if (m.table().size() > config.max_members) {
    Violation(i, "the member table grew past its bound");
  }
  if (m.queued() > m.table().size() + config.max_strangers) {
    Violation(i, "the broadcast queue grew past its bound");
  }
  if (m.pending() > config.max_relays + config.max_checks + config.max_strangers + m.table().size() + 128) {
    Violation(i, "a pending list grew past its bound");
  }
}

void World::CheckInvariants() {
  for (int i = 0; i < size(); ++i) {
    if (core(i) != nullptr) {
      CheckHost(i);
    }
  }
}

bool World::QueuesEmpty() const {
  for (const Host& h : hosts_) {
    if (h.core && h.core->queued() > 0) {
      return false;
    }
  }
  return true;
}

bool World::ViewsAgree() const {
  size_t live = 0;
  for (const Host& h : hosts_) {
    live += h.core ? size_t{1} : size_t{0};
  }
  for (const Host& h : hosts_) {
    if (!h.core) {
      continue;
    }
    size_t alive = 0;
    for (size_t i = 0; i < h.core->table().listed(); ++i) {
      const membership::Record& r = *h.core->table().At(i);
      if (r.state != NodeState::kAlive) {
        if (r.state == NodeState::kSuspect) {
          return false;
        }
        continue;
      }
      const Host& subject = hosts_[static_cast<size_t>(IndexOf(r.name))];
      if (!subject.core || r.address != AddressOfIp(subject.ip) || r.incarnation != subject.core->incarnation()) {
        return false;
      }
      ++alive;
    }
    if (alive != live) {
      return false;
    }
  }
  return true;
}

}  // namespace aurora::sim
