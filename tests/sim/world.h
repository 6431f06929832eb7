// World: hundreds of real membership cores on one virtual clock and one network of bad habits. Source: ours.
//
// Deterministic: the same seed and calls give the same run. Everything a core says travels as an event in a heap;
// loss, delay, duplication and cuts are decided when it is sent. Thread: one. Times are virtual. A broken invariant is
// printed with the replay command and counted; scenarios report it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "controlplane/membership/membership.h"
#include "shared/base/rng.h"
#include "shared/base/time.h"

namespace aurora::sim {

using gossipwire::Address;
using gossipwire::NodeState;
using membership::Config;
using membership::Event;
using membership::Membership;
using membership::Outbox;
using membership::Rules;

struct Network {
  double loss = 0;       // of each datagram
  double duplicate = 0;
  double reorder = 0;    // share of datagrams held back up to 50 ms more
  Duration delay_min = Duration::Micros(200);
  Duration delay_max = Duration::Millis(2);
  bool tcp_blocked = false;
  // Whether nothing passes from one host to the other; unset: everything passes.
  std::function<bool(int from, int to)> cut;
};

struct Host {
  std::unique_ptr<Membership> core;  // null while the process is down
  int ip = 0;
  bool frozen = false;
  bool blocked = false;
  Duration clock_ahead;              // of this host's clock before the world's
  int64_t wall_behind = 0;           // seconds its wall clock is behind
  std::optional<uint32_t> disk;      // stored incarnation
  Instant wake_at = Instant::Never();
  std::vector<uint32_t> unread;      // flights that wait in the socket of a frozen process
  std::vector<membership::Datagram> unsent;
  uint64_t bytes = 0;                // sent, headers included
  uint64_t packets = 0;
  bool joined = false;               // some push/pull of this life succeeded
  uint32_t life = 0;
};

class World {
 public:
  World(int hosts, Config config, uint64_t seed, std::string replay);

  // Starts every host; with `acquainted` they know each other already and have nothing left to tell of it.
  void StartAll(bool acquainted);
  void Start(int host, bool keep_disk, bool new_ip);
  void Crash(int host);
  // Two hosts that are down: each starts next at the other's address.
  void SwapIps(int a, int b);
  void Freeze(int host, Duration d);  // the process: nothing runs, its socket fills
  void Block(int host, Duration d);   // its input and output: timers run, nothing comes or goes
  void JumpClock(int host, Duration forward);

  void At(Instant when, std::function<void()> script);
  void RunUntil(Instant end);
  void RunFor(Duration d) { RunUntil(now_ + d); }
  // Stops early, checked each `step`, once `done` holds.
  bool RunUntilTrue(Duration at_most, Duration step, const std::function<bool()>& done);

  // Calls a core and carries out what it wants.
  template <class F>
  void Call(int host, F&& f) {
    Host& h = hosts_[static_cast<size_t>(host)];
    f(*h.core, HostNow(h), out_);
    Carry(host);
  }

  Instant now() const { return now_; }
  int size() const { return static_cast<int>(hosts_.size()); }
  Host& host(int i) { return hosts_[static_cast<size_t>(i)]; }
  Membership* core(int i) { return hosts_[static_cast<size_t>(i)].core.get(); }
  const std::string& name(int i) const { return names_[static_cast<size_t>(i)]; }
  int IndexOf(const std::string& name) const { return std::stoi(name.substr(1)); }
  Address AddressOf(int i) const { return AddressOfIp(hosts_[static_cast<size_t>(i)].ip); }
  Rng& rng() { return rng_; }

  // Every live host sees exactly the live hosts alive, each at its present address and incarnation.
  bool ViewsAgree() const;
  bool QueuesEmpty() const;
  // Stored incarnations, queues and lists of every host. Called by scenarios as often as they can afford.
  void CheckInvariants();
  int violations() const { return violations_; }
  uint64_t steps() const { return steps_; }

  Network net;
  // Called for each event a core emits.
  std::function<void(int host, const Event&)> on_event;
  // Called after each call of a core.
  std::function<void(int host)> on_step;
  Config config;
  std::string meta = std::string(40, 'm');  // of every host, about as long as Aurora's
  int seeds = 3;  // the first hosts are everyone's seeds; a starting host asks all of them, as the driver does
  uint32_t aged = 0;  // how far a first life begins above its usual incarnation

 private:
  enum class Kind : uint8_t { kFlight, kWake, kThaw, kUnblock, kStream, kReply, kStreamFailed, kJoinRetry, kScript };
  struct Flight {
    int from_ip = 0;
    std::vector<gossipwire::Message> messages;
  };
  struct Stream {
    int from = 0;
    uint32_t life = 0;
    membership::StreamRequest request;
    gossipwire::PushPull state;
  };
  struct Scheduled {
    int64_t at;
    uint64_t order;
    Kind kind;
    int host;
    uint64_t what;
    bool operator>(const Scheduled& o) const { return at != o.at ? at > o.at : order > o.order; }
  };
  struct Seen {
    uint32_t incarnation = 0;
    NodeState state = NodeState::kLeft;
  };

  Instant HostNow(const Host& h) const { return now_ + h.clock_ahead; }
  static Address AddressOfIp(int ip);
  void Push(Instant at, Kind kind, int host, uint64_t what);
  void Handle(const Scheduled& e);
  void Deliver(int host, uint32_t flight);
  void Wake(int host);
  void Thaw(int host);
  void Unblock(int host);
  void Carry(int host);
  void SendDatagram(int host, membership::Datagram datagram);
  void BeginStream(int host, membership::StreamRequest request);
  void ServeStream(int host, uint64_t stream);
  void FinishStream(uint64_t stream, bool answered);
  void Join(int host);
  void AskSeed(int host, int seed, bool join);
  void NoteEvent(int host, const Event& e);
  void CheckHost(int host);
  void CheckRecord(int host, const membership::Record& record);
  void Violation(int host, const std::string& what);
  bool Cut(int from, int to) const { return net.cut && net.cut(from, to); }
  Duration Delay();
  bool Chance(double p) { return p > 0 && static_cast<double>(rng_.Next() >> 11) * 0x1.0p-53 < p; }

  std::string replay_;
  Rng rng_;
  Instant now_ = Instant::FromMicros(1'000'000'000);
  std::vector<Host> hosts_;
  std::vector<std::string> names_;
  std::vector<int> host_of_ip_;
  std::priority_queue<Scheduled, std::vector<Scheduled>, std::greater<>> heap_;
  std::vector<Flight> flights_;
  std::vector<uint32_t> free_flights_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<uint64_t> free_streams_;
  std::vector<std::function<void()>> scripts_;
  std::vector<std::vector<Seen>> seen_;  // [observer][subject], of this life of the observer
  Outbox out_;
  uint64_t order_ = 0;
  uint64_t steps_ = 0;
  int violations_ = 0;
};

}  // namespace aurora::sim
