// The election's driver on real role pages, real election.db files and their threads; frames pass through memory, as
// bytes. The core is simulated elsewhere (tests/sim/election): here it is the wiring.
#include "controlplane/node/failover.h"

#include <algorithm>
#include <map>
#include <set>

#include "aurora/v1/sync.pb.h"
#include "controlplane/store/election_thread.h"
#include "shared/rolepage/boottime.h"
#include "shared/rolepage/control_page.h"
#include "shared/rolepage/data_page.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

namespace aurora::node {
namespace {

using election::Role;

constexpr size_t kMailbox = 4096;

struct Rig;

struct Host {
  Host(Rig& rig, int index);
  void StartData() {
    data = *rolepage::DataPage::Open(dir.Path("role.page"), 2, 7);
    data->SetReady(true);
    Tick();
  }
  void Tick() {
    if (data != nullptr && !frozen) {
      data->SetTick(rolepage::BoottimeNs());
      if (acknowledges) {
        data->CopyCloseSeq(0);
        data->CopyCloseSeq(1);
      }
    }
  }
  bool Open() const { return data != nullptr && data->GateOpen(rolepage::BoottimeNs()); }
  bool Told(const std::string& type) const { return events.contains(type); }
  void StartControl();
  void StopControl() {
    failover.reset();
    disk.reset();
    page.reset();
  }

  Rig& rig;
  const std::string uid;
  const std::string node_id;
  testing::TempDir dir;
  std::unique_ptr<rolepage::ControlPage> page;
  std::unique_ptr<rolepage::DataPage> data;
  std::unique_ptr<store::ElectionThread> disk;
  std::unique_ptr<Failover> failover;
  std::set<std::string> events;
  bool frozen = false;
  bool acknowledges = true;
  bool cut = false;
};

struct Rig {
  explicit Rig(int count) : mailbox(loop, kMailbox) {
    for (int i = 0; i < count; ++i) {
      hosts.push_back(std::make_unique<Host>(*this, i));
    }
    for (auto& host : hosts) {
      host->StartData();
      host->StartControl();
    }
    ticks.StartRepeating(Duration::Millis(10));
  }
  ~Rig() {
    for (auto& host : hosts) {
      host->StopControl();
    }
    mailbox.Close();
  }

  void Deliver(const Host& from, const std::string& to, std::string bytes) {
    (void)mailbox.Post([this, &from, to, bytes = std::move(bytes)] {
      v1::ControlFrame frame;
      REQUIRE(frame.ParseFromString(bytes));
      for (auto& host : hosts) {
        if (host->uid == to && host->failover != nullptr && !host->cut && !from.cut) {
          host->failover->OnFrame(from.uid, frame.election());
        }
      }
    });
  }

  int OpenGates() const {
    return static_cast<int>(std::count_if(hosts.begin(), hosts.end(), [](const auto& h) { return h->Open(); }));
  }
  Host* Active() const {
    const auto at = std::find_if(hosts.begin(), hosts.end(), [](const auto& h) { return h->Open(); });
    return at == hosts.end() ? nullptr : at->get();
  }
  Host& Other(const Host& than) const {
    return **std::find_if(hosts.begin(), hosts.end(), [&](const auto& h) { return h.get() != &than; });
  }

  template <class F>
  bool Until(F condition, Duration most = Duration::Seconds(60)) {
    const Instant end = uv::Loop::Now() + most;
    while (!condition()) {
      if (uv::Loop::Now() > end) {
        return false;
      }
      loop.RunOnce(true);
      REQUIRE(OpenGates() <= 1);
    }
    return true;
  }

  uv::Loop loop;
  const election::Timers timers = election::AggressiveTimers();
  uv::Mailbox mailbox;
  std::vector<std::unique_ptr<Host>> hosts;
  uv::Timer ticks{loop, [this] {
                    for (auto& host : hosts) {
                      host->Tick();
                    }
                  }};
};

Host::Host(Rig& owner, int index)
    : rig(owner), uid(std::string(32, static_cast<char>('a' + index))), node_id("n" + std::to_string(index + 1)) {}

void Host::StartControl() {
  page = *rolepage::ControlPage::Open(dir.Path("role.page"));
  auto db = store::ElectionDb::Open({dir.Path("election.db"), {}, ""});
  REQUIRE(db.ok());
  election::Durable durable = (*db)->Load()->election;
  disk = std::make_unique<store::ElectionThread>(*std::move(db));
  if (durable.config.slots.empty()) {
    std::vector<election::Founder> founders;
    for (const auto& host : rig.hosts) {
      founders.push_back({host->node_id, host->uid});
    }
    durable.config = election::FoundingConfig(std::move(founders));
  }
  FailoverDeps deps;
  deps.loop = &rig.loop;
  deps.mailbox = &rig.mailbox;
  deps.election = disk.get();
  deps.page = page.get();
  deps.settings.uid = uid;
  deps.settings.node_id = node_id;
  deps.settings.timers = rig.timers;
  deps.peer_addr = node_id + ":7950";
  deps.seed = static_cast<uint64_t>(uid[0]);
  deps.send = [this](const election::Uid& to, const v1::ControlFrame& frame) {
    rig.Deliver(*this, to, frame.SerializeAsString());
  };
  deps.node_id_of = [](const election::Uid& u) { return u; };
  deps.peer_addr_of = [](const election::Uid& u) { return u.substr(0, 1) + ":7950"; };
  deps.tell = [this](std::string_view, std::string_view type, const std::string&) { events.emplace(type); };
  deps.changed = [] {};
  failover = std::make_unique<Failover>(std::move(deps));
  failover->Begin(std::move(durable));
  std::vector<election::Member> members;
  for (const auto& host : rig.hosts) {
    if (host.get() != this) {
      members.push_back({host->uid, host->node_id});
    }
  }
  failover->SetMembers(members);
}

TEST_CASE("one of three becomes active, its page admits, and every page names it") {
  Rig rig(3);
  REQUIRE(rig.Until([&] { return rig.Active() != nullptr; }));
  Host& active = *rig.Active();
  CHECK(active.failover->View().active);
  CHECK(active.Told("failover_active"));
  REQUIRE(rig.Until([&] {
    return std::all_of(rig.hosts.begin(), rig.hosts.end(), [&](const auto& host) {
      const auto leader = host->data->leader();
      return leader.has_value() && leader->node_id == active.node_id && leader->term == active.failover->View().term &&
             leader->address == (host.get() == &active ? active.node_id : active.uid.substr(0, 1)) + ":7950";
    });
  }));
  CHECK(rig.Until([&] { return rig.Other(active).failover->View().leader_active; }));
}

TEST_CASE("a planned switch closes the old gate first, and the new one opens without a pause of a lease") {
  Rig rig(3);
  REQUIRE(rig.Until([&] { return rig.Active() != nullptr; }));
  Host& old = *rig.Active();
  Host& next = rig.Other(old);
  CHECK_FALSE(next.failover->Transfer("").ok());
  CHECK_FALSE(old.failover->Transfer("n9").ok());
  REQUIRE(rig.Until([&] { return old.failover->Transfer(next.node_id).ok(); }));
  CHECK_FALSE(old.Open());
  REQUIRE(rig.Until([&] { return next.Open(); }));
  CHECK(old.Told("failover_released"));
  CHECK(next.failover->View().term > 1);
}

TEST_CASE("a data plane that does not acknowledge the close is not released over") {
  Rig rig(3);
  REQUIRE(rig.Until([&] { return rig.Active() != nullptr; }));
  Host& old = *rig.Active();
  old.acknowledges = false;
  REQUIRE(rig.Until([&] { return old.failover->Transfer("").ok(); }));
  REQUIRE(rig.Until([&] { return old.Told("failover_not_released"); }));
  CHECK_FALSE(old.Told("failover_released"));
  REQUIRE(rig.Until([&] { return rig.Active() != nullptr && rig.Active() != &old; }));
}

TEST_CASE("when the active node dies another one opens its gate") {
  Rig rig(3);
  REQUIRE(rig.Until([&] { return rig.Active() != nullptr; }));
  Host& old = *rig.Active();
  old.StopControl();
  old.data.reset();
  REQUIRE(rig.Until([&] { return rig.Active() != nullptr; }));
  CHECK(rig.Active() != &old);
}

TEST_CASE("a control plane that dies leaves its data plane serving to the end of the lease and no longer") {
  Rig rig(3);
  REQUIRE(rig.Until([&] { return rig.Active() != nullptr; }));
  Host& old = *rig.Active();
  const uint64_t until = old.data->active_until();
  old.StopControl();
  CHECK(old.data->active_until() >= until);
  REQUIRE(rig.Until([&] { return rig.Active() != nullptr && rig.Active() != &old; }));
  CHECK_FALSE(old.Open());
}

TEST_CASE("a data plane that dies or stops ticking costs its node the lead") {
  Rig rig(3);
  REQUIRE(rig.Until([&] { return rig.Active() != nullptr; }));
  Host& old = *rig.Active();
  SECTION("dead: released at once") {
    old.data.reset();
    REQUIRE(rig.Until([&] { return old.Told("failover_released"); }));
  }
  SECTION("frozen: not released, it may wake") {
    old.frozen = true;
    REQUIRE(rig.Until([&] { return old.Told("failover_stood_down"); }));
    CHECK_FALSE(old.Told("failover_released"));
  }
  REQUIRE(rig.Until([&] { return rig.Active() != nullptr && rig.Active() != &old; }));
}

TEST_CASE("a node cut off from the others closes by itself") {
  Rig rig(3);
  REQUIRE(rig.Until([&] { return rig.Active() != nullptr; }));
  Host& old = *rig.Active();
  old.cut = true;
  REQUIRE(rig.Until([&] { return rig.Active() != nullptr && rig.Active() != &old; }));
  CHECK_FALSE(old.Open());
  old.cut = false;
  REQUIRE(rig.Until([&] { return old.failover->View().leader == rig.Active()->uid; }));
}

TEST_CASE("term, vote and voters are on disk and outlast a restart of everything") {
  Rig rig(3);
  REQUIRE(rig.Until([&] { return rig.Active() != nullptr; }));
  const election::Term term = rig.Active()->failover->View().term;
  const election::ConfigId config = rig.Active()->failover->View().config.id;
  for (auto& host : rig.hosts) {
    host->StopControl();
  }
  REQUIRE(rig.Until([&] { return rig.OpenGates() == 0; }));
  for (auto& host : rig.hosts) {
    host->StartControl();
    CHECK(host->failover->durable_term() <= term);
  }
  REQUIRE(rig.Until([&] { return rig.Active() != nullptr; }));
  CHECK(rig.Active()->failover->View().term > term);
  CHECK(rig.Active()->failover->View().config.id > config);
}

TEST_CASE("a drained node leads no more, and again once it may") {
  Rig rig(3);
  REQUIRE(rig.Until([&] { return rig.Active() != nullptr; }));
  Host& old = *rig.Active();
  REQUIRE(rig.Until([&] { return old.failover->Drain().ok(); }));
  REQUIRE(rig.Until([&] { return rig.Active() != nullptr && rig.Active() != &old; }));
  Host& next = *rig.Active();
  const auto refused = [&] { return next.failover->Transfer(old.node_id).code(); };
  REQUIRE(rig.Until([&] { return refused() == absl::StatusCode::kFailedPrecondition; }));
  CHECK(old.failover->View().drained);
  old.failover->Undrain();
  REQUIRE(rig.Until([&] { return next.failover->Transfer(old.node_id).ok(); }));
  REQUIRE(rig.Until([&] { return old.Open(); }));
}

TEST_CASE("before it ends a node hands over, and without anyone to hand to it does not wait") {
  SECTION("three") {
    Rig rig(3);
    REQUIRE(rig.Until([&] { return rig.Active() != nullptr; }));
    Host& old = *rig.Active();
    bool done = false;
    // At first the others have yet to hold its config: then there is nothing to wait for.
    REQUIRE(rig.Until([&] {
      done = false;
      old.failover->StepDown("", [&] { done = true; });
      return !done;
    }));
    CHECK_FALSE(old.Open());
    REQUIRE(rig.Until([&] { return done; }));
    REQUIRE(rig.Until([&] { return rig.Active() != nullptr && rig.Active() != &old; }));
  }
  SECTION("one") {
    Rig rig(1);
    REQUIRE(rig.Until([&] { return rig.Active() != nullptr; }));
    bool done = false;
    rig.Active()->failover->StepDown("", [&] { done = true; });
    CHECK(done);
  }
}

TEST_CASE("a Hello that was long on its way is no disk that went back, a new start with an older term is") {
  Rig rig(3);
  REQUIRE(rig.Until([&] { return rig.Active() != nullptr; }));
  Host& one = *rig.Active();
  Host& other = rig.Other(one);
  one.failover->OnPeerTerm(other.uid, 7, 1);
  one.failover->OnPeerTerm(other.uid, 7, 0);
  CHECK_FALSE(one.Told("election_rolled_back"));
  one.failover->OnPeerTerm(other.uid, 8, 0);
  CHECK(one.Told("election_rolled_back"));
}

TEST_CASE("before a cluster is known nothing is admitted and an operator is told so") {
  Rig rig(1);
  uv::Loop& loop = rig.loop;
  testing::TempDir dir;
  auto page = *rolepage::ControlPage::Open(dir.Path("role.page"));
  FailoverDeps deps;
  deps.loop = &loop;
  deps.mailbox = &rig.mailbox;
  deps.page = page.get();
  Failover failover(std::move(deps));
  CHECK_FALSE(failover.begun());
  CHECK(failover.Transfer("").code() == absl::StatusCode::kUnavailable);
  CHECK(failover.Drain().code() == absl::StatusCode::kUnavailable);
  CHECK_FALSE(failover.durable_term().has_value());
  failover.SetMembers({});
  failover.OnFrame("ua", v1::ElectionFrame());
  failover.OnPeerTerm("ua", 1, 3);
  failover.OnSecond();
  CHECK_FALSE(failover.View().begun);
  CHECK(page->active_until() == 0);
}

}  // namespace
}  // namespace aurora::node
