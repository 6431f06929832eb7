// World: a cluster of Machines on one true time and one network of bad habits. Source: ours; the rules it checks are
// the invariants of docs/protocols/failover.md. Deterministic in (seed, mutant). Thread: one. The first invariant that
// is broken is failure() and stops the run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "shared/base/rng.h"
#include "tests/sim/election/machine.h"

namespace aurora::elecsim {

struct Tally {
  uint64_t events = 0;
  uint64_t elections = 0;
  uint64_t openings = 0;
  uint64_t releases = 0;
  uint64_t unreleased = 0;
  uint64_t config_changes = 0;
  uint64_t crashes = 0;
  uint64_t freezes = 0;
  uint64_t wiped = 0;
  uint64_t lost_writes = 0;
  uint64_t transfers = 0;
  uint64_t stuck = 0;              // histories whose majority was wiped away
  int64_t open_us = 0;             // of chaos, with a gate open
  int64_t chaos_us = 0;
};

// A cluster without random faults, for measuring.
struct Plain {
  int nodes = 3;
  election::Timers timers;
  std::vector<int64_t> fsyncs_us;  // one of these, or
  int64_t fsync_low_us = 1'000;
  int64_t fsync_high_us = 10'000;  // uniform between these
  int64_t rtt_us = 1'000;
  int loss_per_mille = 10;
};

class World {
 public:
  World(uint64_t seed, Mutant mutant);
  World(uint64_t seed, const Plain& plain, Mutant mutant = Mutant::kNone);

  // Faults, then calm; false: failure() says what broke.
  bool Run();
  // Settles, kills the active machine at a random moment; microseconds until another gate is open, -1 for never.
  int64_t Takeover();
  // The same with a planned switchover.
  int64_t Switchover();
  // Hand-written interleavings that random seeds rarely reach (scenarios.cc).
  void OwnPromise(int64_t after_us);
  void LateRelease();
  const std::string& failure() const { return failure_; }
  // Every machine in a line: where a history ended.
  std::string Describe() const;
  const Tally& tally() const { return tally_; }

 private:
  struct Event {
    int64_t t = 0;
    uint64_t seq = 0;
    std::function<void()> run;
    bool operator>(const Event& o) const { return t != o.t ? t > o.t : seq > o.seq; }
  };
  // What leaders sent and voters acknowledged, kept outside of the cores.
  struct Ledger {
    std::map<Uid, Instant> granted;  // by voter: sent_at + lease of that ack, on the leader's clock
    Instant renewed;
  };

  // world.cc
  void At(int64_t t, std::function<void()> run);
  void RunUntil(int64_t t);
  void Call(Machine& m, const std::function<void(Election&, Instant, election::Outbox&)>& f);
  void Carry(Machine& m, election::Outbox& out);
  void Wake(Machine& m);
  void WriteWord(Machine& m, Instant until, Term term);
  void Close(Machine& m, uint64_t close);
  void AcknowledgeSoon(Machine& m);
  void Acknowledge(Machine& m, uint64_t start, uint64_t close);
  void Mutate(Machine& m, election::Message& message);
  void MeddleBefore(Machine& m, Instant now);
  void MeddleAfter(Machine& m, Instant now, const election::Promise& before, election::Outbox& out);
  void StartWrite(Machine& m);
  void EndWrite(Machine& m, uint64_t start);
  void Post(Machine& m, election::Envelope envelope);
  void Deliver(int from, const Uid& from_uid, const Uid& to, election::Message message);
  Machine* ByUid(const Uid& uid);
  Machine* Leader();
  int64_t Between(int64_t low, int64_t high);
  bool Chance(int percent) { return rng_.Below(100) < static_cast<uint64_t>(percent); }

  // machine.cc
  void StartControl(Machine& m);
  void StopControl(Machine& m);
  void Freeze(Machine& m, int64_t us);
  void Thaw(Machine& m);
  void StartData(Machine& m);
  void StopData(Machine& m);
  void FreezeData(Machine& m, int64_t us);
  void ThawData(Machine& m);
  void TellData(Machine& m, int64_t after);
  void PowerOff(Machine& m);
  void PowerOn(Machine& m);
  void Wipe(Machine& m);
  void TellMembers();

  // faults.cc
  void Shape();
  void ScheduleFault();
  void Fault();
  void Network(int64_t for_us);
  void Operate();
  void Calm();

  // invariants.cc
  void Need(bool ok, const char* invariant, const std::string& text);
  void CheckOpening(Machine& m, Instant until, Term term);
  void CheckLease(Machine& m, Instant until, Term term);
  void CheckMessage(Machine& m, const election::Envelope& envelope);
  void CheckDisk(Machine& m, const Durable& before);
  void CheckStep(Machine& m, const election::Config& before);
  void CheckInForce();
  void CheckChange(Machine& m, const election::Config& before);
  void CheckReboot(const Machine& m, int64_t from, int64_t to);
  bool MajorityExists() const;
  bool SomeoneOpen() const;

  const Mutant mutant_;
  Rng rng_;
  int64_t t_ = 0;
  uint64_t seq_ = 0;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> queue_;
  std::vector<std::unique_ptr<Machine>> machines_;
  int voters_ = 3;
  bool calm_ = false;
  bool plain_ = false;
  Plain how_;
  int64_t chaos_until_ = 0;
  int64_t fault_gap_ = 1'000'000;
  int wipes_left_ = 0;
  int64_t check_to_write_ = 27'000;
  std::set<std::pair<int, int>> cut_;
  int loss_ = 0;                   // per mille
  int duplicates_ = 0;
  int64_t delay_low_ = 300;
  int64_t delay_high_ = 2'000;

  std::map<Term, Uid> leaders_;
  std::map<std::pair<Uid, Term>, Ledger> ledgers_;
  std::map<std::pair<Uid, Term>, Uid> votes_;
  std::map<std::pair<Uid, Term>, election::ConfigId> asked_with_;
  std::map<Uid, Term> announced_;
  std::map<election::ConfigId, election::Config> configs_;
  std::set<Term> released_;
  std::set<Term> closed_;
  std::map<std::pair<Uid, election::ConfigId>, Instant> taken_;  // by a leader, on its clock
  std::map<election::ConfigId, std::set<Uid>> held_;  // on whose disk it has been
  Tally tally_;
  std::string failure_;
};

// The name of each and what broke (empty: nothing).
std::vector<std::pair<std::string, std::string>> RunScenarios(Mutant mutant);

}  // namespace aurora::elecsim
