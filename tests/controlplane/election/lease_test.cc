#include "tests/controlplane/election/bench.h"
#include "tests/support/test.h"

namespace aurora::election::testing {
namespace {

TEST_CASE("the deadline counts from the sending of the Renew that was acknowledged") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(1000);
  const auto renews = bench.Sent<Renew>("a");
  bench.Run(5);
  const Instant sent = renews.back().second.second.sent_at;
  CHECK(bench.nodes.at("a").word == sent + Duration::Millis(1350));
  bench.Isolate("a");
  bench.Run(1325 - (bench.now - sent).millis());
  CHECK(bench.Active() == "a");
  bench.Run(6);  // 20 ms before the deadline
  CHECK(bench.Active().empty());
}

TEST_CASE("a promise shorter than our own makes the lease shorter") {
  Bench bench({});
  const Config config = FoundingConfig({{"a", "a"}, {"b", "b"}, {"c", "c"}});
  for (const std::string name : {"a", "b", "c"}) {
    bench.Add(name, Settings{.uid = name, .node_id = name, .timers = name == "a" ? LanTimers() : AggressiveTimers()},
              Durable{0, {}, config}, name == "a" ? DataPlane::kReady : DataPlane::kNotReady);
  }
  bench.Introduce();
  REQUIRE(bench.RunUntilActive("a"));
  CHECK(bench.core("a").deadline() - bench.now <= Duration::Millis(540));
}

TEST_CASE("a leader without acknowledgements is not active, and after two leases no leader") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Isolate("a");
  bench.Run(1400);
  CHECK(bench.Active().empty());
  CHECK(bench.core("a").role() == Role::kLeader);
  bench.Run(2000);
  CHECK(bench.core("a").role() != Role::kLeader);
}

TEST_CASE("renewing writes nothing") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(2000);
  for (const std::string name : {"a", "b", "c"}) {
    bench.nodes.at(name).disk_held = true;
  }
  bench.Run(30'000);
  CHECK(bench.Active() == "a");
  for (const std::string name : {"a", "b", "c"}) {
    CHECK(!bench.nodes.at(name).write);
  }
}

TEST_CASE("a new leader waits out the largest promise its voters still owe") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(1000);
  bench.Call("c", [&](Election& e, Outbox& out) { e.SetDataPlane(bench.now, DataPlane::kNotReady, out); });
  bench.cut = {{"a", "b"}, {"b", "a"}};  // c still renews a's lease
  bench.Run(1000);
  const Instant owed = bench.core("c").promise().until;
  REQUIRE(owed > bench.now);
  bench.dead.insert("a");
  bench.cut.clear();
  REQUIRE(bench.RunUntil([&] { return bench.core("b").role() == Role::kLeader; }));
  CHECK(bench.core("b").barrier() >= owed);
  bench.Run((owed - bench.now).millis() - 1);
  CHECK(bench.Active().empty());
  REQUIRE(bench.RunUntilActive("b"));
}

TEST_CASE("a higher term from a voter clears the gate first, and what it had promised stays owed") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(1000);
  const Instant word = bench.nodes.at("a").word;
  bench.nodes.at("a").disk_held = true;
  bench.Inject("a", "b", 5, Vote{bench.core("a").config().id, 0});
  CHECK(bench.Active().empty());
  CHECK(bench.nodes.at("a").word == Instant());
  const Instant owed = word + Duration::Millis(150);  // promise less lease, as with any voter
  CHECK(bench.core("a").promise().until == owed);
  bench.Forget();
  bench.nodes.at("a").disk_held = false;
  bench.Settle("a");
  CHECK(bench.Sent<VoteReply>("a").at(0).second.second.promise_remaining == owed - bench.now);
}

TEST_CASE("a frozen data plane closes the gate without a release") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(1000);
  bench.Forget();
  const Instant word = bench.nodes.at("a").word;
  bench.Call("a", [&](Election& e, Outbox& out) { e.SetDataPlane(bench.now, DataPlane::kFrozen, out); });
  CHECK(bench.Active().empty());
  bench.Run(5000);
  CHECK(bench.Sent<LeaseRelease>("a").empty());
  CHECK(bench.Sent<Renew>("a").empty());
  CHECK(bench.Active() == "b");
  CHECK(bench.core("a").promise().until >= word);
}

TEST_CASE("the gate admits until 20 ms before its deadline and trusts none that is far ahead") {
  const Instant now = Instant::FromMicros(50'000'000);
  CHECK(Admits(now, now + Duration::Millis(21)));
  CHECK_FALSE(Admits(now, now + Duration::Millis(20)));
  CHECK_FALSE(Admits(now, Instant()));
  CHECK(Admits(now, now + Duration::Millis(9999)));
  CHECK_FALSE(Admits(now, now + Duration::Millis(10'000)));
}

}  // namespace
}  // namespace aurora::election::testing
