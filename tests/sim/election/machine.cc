// What happens to a machine: processes die, stand still and come back; power goes; a disk is replaced.
#include <utility>

#include "tests/sim/election/meddler.h"
#include "tests/sim/election/world.h"

namespace aurora::elecsim {

using election::DataPlane;
using election::Outbox;

void World::StartControl(Machine& m) {
  if (m.Up()) {
    return;
  }
  const Instant now = m.Local(t_);
  ++m.start;
  m.close = 0;
  m.frozen = false;
  m.wake_at = -1;
  Durable disk = m.disk;
  if (mutant_ == Mutant::kVoteForgotten) {
    election::Meddler::ForgetVote(disk);
  }
  Need(disk.term >= announced_[m.uid], "I2", m.uid + " starts with a lower term than it had announced");
  m.core = std::make_unique<Election>(
      election::Settings{.uid = m.uid, .node_id = m.node_id, .kind = m.kind, .timers = m.timers}, disk, rng_.Next());
  m.hold_until = now + election::kLargestPromise;
  if (mutant_ != Mutant::kWordKept) {
    WriteWord(m, Instant(), 0);
  }
  const bool early = mutant_ == Mutant::kNoHoldoff || mutant_ == Mutant::kWordKept;
  Outbox out;
  m.core->Start(early ? now - election::kLargestPromise : now, out);
  if (early) {
    m.core->Tick(now, out);
  }
  out.gate.reset();
  Carry(m, out);
  TellData(m, 0);
  TellMembers();
  Wake(m);
}

void World::StopControl(Machine& m) {
  if (!m.Up()) {
    return;
  }
  ++tally_.crashes;
  m.core.reset();
  m.frozen = false;
  m.held.clear();
  m.wanted.reset();
  if (m.writing) {
    // What was written and not yet synced is there, or not.
    if (Chance(50)) {
      const Durable before = std::exchange(m.disk, m.writing->state);
      CheckDisk(m, before);
    } else {
      ++tally_.lost_writes;
    }
    m.writing.reset();
  }
}

void World::Freeze(Machine& m, int64_t us) {
  if (!m.Up() || m.frozen) {
    return;
  }
  ++tally_.freezes;
  m.frozen = true;
  At(t_ + us, [this, &m, start = m.start] {
    if (m.start == start) {
      Thaw(m);
    }
  });
}

void World::Thaw(Machine& m) {
  m.frozen = false;
  while (m.Up() && !m.frozen && !m.held.empty()) {
    const auto next = std::move(m.held.front());
    m.held.pop_front();
    next();
  }
  m.wake_at = -1;
  Wake(m);
}

// The control plane sees the lock within milliseconds and a still tick after 150 ms.
void World::TellData(Machine& m, int64_t after) {
  At(t_ + after, [this, &m] {
    if (m.kind == election::Kind::kWitness) {
      return;
    }
    const DataPlane state = !m.dp_up ? DataPlane::kGone : m.dp_frozen ? DataPlane::kFrozen : DataPlane::kReady;
    Call(m, [state](Election& e, Instant now, Outbox& out) { e.SetDataPlane(now, state, out); });
  });
}

void World::StartData(Machine& m) {
  if (m.dp_up || m.kind == election::Kind::kWitness) {
    return;
  }
  m.dp_up = true;
  m.dp_frozen = false;
  ++m.dp_start;
  AcknowledgeSoon(m);  // it reads the number after it has its lock
  TellData(m, Between(10'000, 100'000));
}

void World::StopData(Machine& m) {
  if (!m.dp_up) {
    return;
  }
  m.dp_up = false;
  m.dp_frozen = false;
  m.dp_clear_since = t_;
  AcknowledgeSoon(m);
  TellData(m, Between(1'000, 20'000));
}

void World::FreezeData(Machine& m, int64_t us) {
  if (!m.dp_up || m.dp_frozen) {
    return;
  }
  m.dp_frozen = true;
  m.dp_clear_since = t_;  // what it had checked it may write at any later time: at most one request a loop
  TellData(m, 150'000);
  At(t_ + us, [this, &m, start = m.dp_start] {
    if (m.dp_start == start && m.dp_up) {
      ThawData(m);
    }
  });
}

void World::ThawData(Machine& m) {
  if (!m.dp_frozen) {
    return;
  }
  m.dp_frozen = false;
  m.dp_clear_since = t_;
  AcknowledgeSoon(m);
  TellData(m, Between(1'000, 60'000));
}

void World::PowerOff(Machine& m) {
  m.admit_end = m.Open(t_) ? t_ : m.AdmitEnd(t_);
  StopControl(m);
  StopData(m);
  ++m.start;
  m.close = 0;
}

// BOOTTIME begins again; a page that was not on tmpfs is still there.
void World::PowerOn(Machine& m) {
  if (m.Up() || m.dp_up) {
    return;
  }
  m.boot += 1;
  m.base = Between(0, 3'000'000) - t_ * m.rate / 1'000'000;
  if (Chance(50)) {
    m.word = Instant();
  }
  const int64_t control_after = Between(10'000, 2'000'000);
  CheckReboot(m, t_, t_ + control_after);
  StartData(m);
  At(t_ + control_after, [this, &m] { StartControl(m); });
}

// A new disk: a new uid on the old node id; it knows the cluster and no term, no vote, no config.
void World::Wipe(Machine& m) {
  ++tally_.wiped;
  m.uid = m.node_id + "." + std::to_string(++m.life);
  m.disk = Durable{};
}

// The roster tells everyone, each in its own time.
void World::TellMembers() {
  for (auto& machine : machines_) {
    Machine& m = *machine;
    At(t_ + Between(1'000, 2'000'000), [this, &m] {
      std::vector<election::Member> members;
      for (const auto& other : machines_) {
        members.push_back({other->uid, other->node_id});
      }
      Call(m, [members](Election& e, Instant now, Outbox& out) { e.SetMembers(now, members, out); });
    });
  }
}

}  // namespace aurora::elecsim
