// What a history is made of: a cluster of some shape, random faults on it, then calm, in which it must serve.
#include <algorithm>

#include "shared/base/check.h"
#include "tests/sim/election/world.h"

namespace aurora::elecsim {

using election::Outbox;

namespace {
constexpr int64_t kSecond = 1'000'000;
}  // namespace

World::World(uint64_t seed, Mutant mutant) : mutant_(mutant), rng_(seed * 2654435761U + 17) { Shape(); }

World::World(uint64_t seed, const Plain& plain, Mutant mutant)
    : mutant_(mutant), rng_(seed * 2654435761U + 17), plain_(true), how_(plain) {
  voters_ = plain.nodes;
  loss_ = plain.loss_per_mille;
  delay_low_ = plain.rtt_us / 4;
  delay_high_ = plain.rtt_us * 3 / 4;
  Shape();
}

void World::Shape() {
  int nodes = how_.nodes;
  bool witness = false;
  if (!plain_) {
    switch (rng_.Below(10)) {
      case 0:
        nodes = 2, voters_ = 1;
        break;
      case 1:
      case 2:
        nodes = 3, voters_ = 3, witness = true;
        break;
      case 3:
        nodes = 5, voters_ = 5;
        break;
      case 4:
        nodes = 5, voters_ = 3;
        break;
      case 5:
        nodes = 4, voters_ = 1;  // grows
        break;
      default:
        nodes = 3, voters_ = 3;
    }
  }
  const uint64_t profile = rng_.Below(8);   // 0-4 lan, 5-6 aggressive, 7 mixed
  const uint64_t clocks = rng_.Below(3);    // true, anywhere, at the ends
  const int64_t error = mutant_ == Mutant::kFastClocks ? 200'000 : 50'000;
  const int64_t bases = rng_.OneIn(2) ? 3 * kSecond : 100'000 * kSecond;
  election::Config config;
  config.id.version = 1;
  for (int i = 0; i < nodes; ++i) {
    auto m = std::make_unique<Machine>();
    m->index = i;
    m->node_id = "n" + std::to_string(i);
    m->uid = m->node_id + ".1";
    m->mutant = mutant_;
    m->kind = witness && i == nodes - 1 ? election::Kind::kWitness : election::Kind::kNode;
    const bool fast = profile == 7 ? rng_.OneIn(2) : profile >= 5;
    m->timers = plain_ ? how_.timers : fast ? election::AggressiveTimers() : election::LanTimers();
    if (!plain_) {
      check_to_write_ = fast ? std::min<int64_t>(check_to_write_, 22'900) : std::min<int64_t>(check_to_write_, 26'900);
      m->base = Between(0, bases);
      m->rate += clocks == 0 ? 0 : clocks == 1 ? Between(-error, error) : rng_.OneIn(2) ? error : -error;
    } else {
      m->fsync_low = how_.fsync_low_us;
      m->fsync_high = how_.fsync_high_us;
    }
    if (i < voters_) {
      config.slots.push_back({.node_id = m->node_id, .uid = m->uid, .leaving = false});
    }
    machines_.push_back(std::move(m));
  }
  configs_[config.id] = config;
  for (auto& m : machines_) {
    m->disk.config = config;
    held_[config.id].insert(m->uid);
    At(Between(0, plain_ ? 0 : 3 * kSecond), [this, &machine = *m] {
      StartData(machine);
      StartControl(machine);
    });
  }
  if (!plain_) {
    fault_gap_ = Between(150'000, 3 * kSecond);
    wipes_left_ = rng_.OneIn(2) ? 1 : 0;
    chaos_until_ = Between(12, voters_ == 1 || nodes == 5 ? 50 : 25) * kSecond;
    At(Between(2 * kSecond, 6 * kSecond), [this] { ScheduleFault(); });
  }
}

void World::ScheduleFault() {
  if (t_ >= chaos_until_) {
    return;
  }
  Fault();
  At(t_ + Between(1'000, fault_gap_ * 2), [this] { ScheduleFault(); });
}

void World::Fault() {
  // The one that serves is the interesting one.
  Machine* leader = Leader();
  Machine& m = leader != nullptr && Chance(40) ? *leader : *machines_[rng_.Below(machines_.size())];
  switch (rng_.Below(15)) {
    case 0:
      StopControl(m);
      if (wipes_left_ > 0 && machines_.size() >= 3 && voters_ >= 3 && Chance(30)) {
        --wipes_left_;
        Wipe(m);
      }
      At(t_ + Between(10'000, 4 * kSecond), [this, &m] { StartControl(m); });
      return;
    case 1:
      StopData(m);
      At(t_ + Between(10'000, 4 * kSecond), [this, &m] { StartData(m); });
      return;
    case 2:
      PowerOff(m);
      At(t_ + Between(100'000, 6 * kSecond), [this, &m] { PowerOn(m); });
      return;
    case 3:
    case 4:
      Freeze(m, Between(10'000, rng_.OneIn(2) ? 300'000 : 6 * kSecond));
      return;
    case 5:
      FreezeData(m, Between(10'000, 4 * kSecond));
      return;
    case 6: {
      const int64_t us = Between(10'000, 4 * kSecond);  // a paused guest
      FreezeData(m, us);
      Freeze(m, us);
      return;
    }
    case 7:
    case 8:
    case 9:
      Network(Between(50'000, 6 * kSecond));
      return;
    case 10:
      m.fsync_high = Between(20'000, kSecond);
      m.write_errors = Chance(30);
      At(t_ + Between(kSecond, 8 * kSecond), [&m] { m.fsync_high = 10'000, m.write_errors = false; });
      return;
    case 11: {
      // Nobody hears it for about as long as a suspicion, then a little longer than its lease at most.
      std::vector<std::pair<int, int>> links;
      for (const auto& other : machines_) {
        links.emplace_back(m.index, other->index);
      }
      cut_.insert(links.begin(), links.end());
      At(t_ + Between(500'000, 1'500'000), [this, links] {
        for (const auto& link : links) {
          cut_.erase(link);
        }
      });
      return;
    }
    case 12:
      Call(m, [penalty = static_cast<uint32_t>(rng_.Below(8))](Election& e, Instant, Outbox&) {
        e.SetPenalty(penalty);
      });
      return;
    default:
      Operate();
  }
}

void World::Network(int64_t for_us) {
  const int n = static_cast<int>(machines_.size());
  const int a = static_cast<int>(rng_.Below(machines_.size()));
  const int b = static_cast<int>(rng_.Below(machines_.size()));
  std::vector<std::pair<int, int>> links;
  switch (rng_.Below(6)) {
    case 0:
      links = {{a, b}};  // one way
      break;
    case 1:
      links = {{a, b}, {b, a}};  // the two ends of a line
      break;
    case 2:
      for (int i = 0; i < n; ++i) {
        links.insert(links.end(), {{a, i}, {i, a}});
      }
      break;
    case 3:
      for (int i = 0; i < n; ++i) {
        links.push_back(Chance(50) ? std::pair(a, i) : std::pair(i, a));
      }
      break;
    case 4:
      loss_ = static_cast<int>(rng_.Below(400));
      duplicates_ = static_cast<int>(rng_.Below(300));
      At(t_ + for_us, [this] { loss_ = duplicates_ = 0; });
      return;
    default:
      delay_high_ = Between(2'000, 400'000);
      At(t_ + for_us, [this] { delay_high_ = 2'000; });
      return;
  }
  cut_.insert(links.begin(), links.end());
  At(t_ + for_us, [this, links] {
    for (const auto& link : links) {
      cut_.erase(link);
    }
  });
}

// What an operator does, or the SIGTERM of a data plane.
void World::Operate() {
  Machine* leader = Leader();
  if (leader == nullptr) {
    return;
  }
  const std::string a = "n" + std::to_string(rng_.Below(machines_.size()));
  const std::string b = "n" + std::to_string(rng_.Below(machines_.size()));
  const uint64_t what = machines_.size() >= 5 ? rng_.Below(4) : rng_.Below(2);
  Call(*leader, [this, a, b, what](Election& e, Instant now, Outbox& out) {
    switch (what) {
      case 0:
        tally_.transfers += e.Transfer(now, a, out).ok() ? 1U : 0U;
        return;
      case 1:
        tally_.transfers += e.Transfer(now, "", out).ok() ? 1U : 0U;
        return;
      case 2:
        (void)e.AddVoters(now, a, b, out).ok();
        return;
      default:
        (void)e.RemoveVoters(now, a, b, out).ok();
    }
  });
}

// I10: with everything well again, someone serves within 2 x promise and two vote timeouts of being able to, and goes
// on serving.
void World::Calm() {
  calm_ = true;
  cut_.clear();
  loss_ = duplicates_ = 0;
  delay_high_ = 2'000;
  for (auto& machine : machines_) {
    Machine& m = *machine;
    m.fsync_high = 10'000;
    m.write_errors = false;
    ThawData(m);
    if (m.frozen) {
      Thaw(m);
    }
    StartData(m);
    StartControl(m);
  }
  // Whoever was powered off meanwhile comes up by itself; starts and the roster's news take up to two seconds each, a
  // hold-off 1.5 s, a failed write a second.
  RunUntil(t_ + 7 * kSecond);
  if (!MajorityExists()) {
    ++tally_.stuck;
    return;
  }
  const int64_t limit = t_ + 2 * 1'500'000 * 105 / 100 + 2 * 500'000;
  while (failure_.empty() && t_ < limit && !SomeoneOpen()) {
    RunUntil(t_ + 10'000);
  }
  Need(SomeoneOpen(), "I10", "nobody serves though everything is well");
  // From here on nothing is left to be repaired but the voters, and that takes nobody's gate away but by hand-over.
  RunUntil(t_ + 8 * kSecond);
  int64_t dark = 0;
  for (int i = 0; i < 250 && failure_.empty(); ++i) {
    RunUntil(t_ + 20'000);
    dark += SomeoneOpen() ? 0 : 20'000;
  }
  Need(dark <= 500'000, "I10", "the gate was closed for " + std::to_string(dark / 1000) + " ms of calm");
}

bool World::Run() {
  while (failure_.empty() && t_ < chaos_until_) {
    RunUntil(t_ + 100'000);
    tally_.open_us += SomeoneOpen() ? 100'000 : 0;
    tally_.chaos_us += 100'000;
  }
  if (failure_.empty()) {
    Calm();
  }
  return failure_.empty();
}

int64_t World::Takeover() {
  RunUntil(8 * kSecond + Between(0, kSecond));
  Machine* leader = Leader();
  if (leader == nullptr) {
    return -1;
  }
  PowerOff(*leader);
  const int64_t killed = t_;
  leader->word = Instant();
  while (failure_.empty() && t_ < killed + 60 * kSecond && !SomeoneOpen()) {
    RunUntil(queue_.empty() ? t_ + kSecond : queue_.top().t);
  }
  AURORA_CHECK(failure_.empty());
  return SomeoneOpen() ? t_ - killed : -1;
}

int64_t World::Switchover() {
  RunUntil(8 * kSecond + Between(0, kSecond));
  Machine* leader = Leader();
  if (leader == nullptr) {
    return -1;
  }
  const int64_t begun = t_;
  Call(*leader, [](Election& e, Instant now, Outbox& out) { (void)e.Transfer(now, "", out).ok(); });
  while (failure_.empty() && t_ < begun + 60 * kSecond && (leader->Open(t_) || !SomeoneOpen())) {
    RunUntil(queue_.empty() ? t_ + kSecond : queue_.top().t);
  }
  AURORA_CHECK(failure_.empty());
  return SomeoneOpen() ? t_ - begun : -1;
}

}  // namespace aurora::elecsim
