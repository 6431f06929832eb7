// Machine: one simulated host: its clock (wrong rate, reset by a reboot), its disk, its role page, its control plane
// (the real core) and its data plane's loops, seen at their worst. Source: ours. Thread: one. Units: true time and
// local time are both microseconds. Always: `admit_end` is the last true instant at which a loop may have passed a
// check.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "controlplane/election/election.h"
#include "tests/sim/election/mutants.h"

namespace aurora::elecsim {

using election::Durable;
using election::Election;
using election::Term;
using election::Uid;

struct Machine {
  int index = 0;
  std::string node_id;
  Uid uid;
  int life = 1;                     // of the disk
  election::Kind kind = election::Kind::kNode;
  election::Timers timers;
  Mutant mutant = Mutant::kNone;

  // Clock: local = base + t * rate / 1e6.
  int64_t base = 0;
  int64_t rate = 1'000'000;
  int64_t boot = 1;
  Instant Local(int64_t t) const { return Instant::FromMicros(base + t * rate / 1'000'000); }
  // The first true instant at which the clock shows at least this.
  int64_t TrueOf(Instant local) const {
    const int64_t x = local.micros() - base;
    int64_t t = x <= 0 ? 0 : x * 1'000'000 / rate;
    while (Local(t) < local) {
      ++t;
    }
    return t;
  }

  // Disk.
  Durable disk;
  std::optional<election::Persist> wanted;   // after the write under way
  std::optional<election::Persist> writing;
  int64_t fsync_low = 1'000;
  int64_t fsync_high = 10'000;
  bool write_errors = false;

  // Control plane.
  std::unique_ptr<Election> core;
  uint64_t start = 0;               // which process
  bool frozen = false;
  std::deque<std::function<void()>> held;  // what arrives while it stands still
  uint64_t wake = 0;
  int64_t wake_at = -1;
  Instant hold_until;               // nothing may be granted before this
  election::Config config_before;   // the present call

  // Data plane.
  bool dp_up = false;
  bool dp_frozen = false;
  uint64_t dp_start = 0;
  int64_t dp_clear_since = -1;      // died, froze or acknowledged: no running loop holds a check from before this

  // Role page.
  Instant word;
  Term word_term = 0;
  int64_t page_boot = 1;
  int64_t admit_end = -1;
  uint64_t close = 0;               // the last close asked for; 0: none open

  bool Up() const { return core != nullptr; }
  bool Open(int64_t t) const {
    const bool header = page_boot == boot || mutant == Mutant::kNoBootId;
    return header && election::Admits(Local(t), word);
  }
  // When the gate stopped, or stops, admitting.
  int64_t AdmitEnd(int64_t t) const {
    if (word == Instant() || page_boot != boot) {
      return admit_end;
    }
    return std::max(admit_end, std::min(t, TrueOf(word - election::kGateGuard)));
  }
  // A running loop may write this long after its check.
  bool MayStillWrite(int64_t t, int64_t check_to_write) const {
    const int64_t end = AdmitEnd(t);
    return dp_up && !dp_frozen && end >= 0 && t < end + check_to_write && dp_clear_since < end;
  }
};

}  // namespace aurora::elecsim
