#include "tests/controlplane/election/bench.h"
#include "tests/support/test.h"

namespace aurora::election::testing {
namespace {

TEST_CASE("a start grants nothing for the largest promise of any profile") {
  Bench bench({"a", "b", "c"}, 0, AggressiveTimers());
  bench.Inject("a", "b", 1, Vote{{0, 1}, 0});
  bench.Inject("a", "b", 1, Renew{bench.now, true, {}});
  bench.Run(1498);
  CHECK(bench.nodes.at("a").sent.empty());
  CHECK(bench.core("a").role() == Role::kHoldoff);
  bench.Run(3);
  CHECK(bench.core("a").role() != Role::kHoldoff);
}

TEST_CASE("three voters that start together have one active node") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntil([&] { return !bench.Active().empty(); }, 5000));
  bench.Run(20'000);
  CHECK(bench.Active() == "a");  // the best rank: equal but for the uid
  CHECK(bench.core("b").Leader(bench.now) == "a");
  CHECK(bench.core("a").term() == 1);
}

TEST_CASE("a lone voter serves at once after its start") {
  Bench bench({"a"});
  bench.Run(1503);
  CHECK(bench.Active() == "a");
}

TEST_CASE("a dead active node is replaced after suspicion and barrier") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(100);
  bench.dead.insert("a");
  const Instant killed = bench.now;
  REQUIRE(bench.RunUntilActive("b"));
  CHECK(bench.now - killed > Duration::Millis(1200));
  CHECK(bench.now - killed < Duration::Millis(1520));
  CHECK(bench.core("c").term() == 2);
}

TEST_CASE("a node that lost everyone raises no term") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Isolate("c");
  bench.Run(20'000);
  CHECK(bench.core("c").term() == 1);
  bench.cut.clear();
  bench.Run(2000);
  CHECK(bench.Active() == "a");
  CHECK(bench.core("a").term() == 1);
}

TEST_CASE("no pre-vote while a Renew was heard within six tenths of suspect") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(2000);
  bench.dead.insert("a");
  const auto ask = [&] {
    bench.Forget();
    bench.Inject("b", "c", 1, PreVote{9, bench.core("b").config().id, Rank{.uid = "c"}});
    return bench.Sent<PreVoteReply>("b").at(0).second.second;
  };
  bench.Run(200);
  CHECK(ask().reason == Deny::kHeardLeader);
  bench.Run(610);
  CHECK(ask().granted);
}

TEST_CASE("who backed a pre-candidate refuses a worse one and keeps still for defer") {
  Bench bench({"a", "b", "c", "d", "e"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(2000);
  bench.dead = {"a", "b", "c", "d"};
  bench.Run(700);
  const ConfigId config = bench.core("e").config().id;
  bench.Forget();
  bench.Inject("e", "c", 1, PreVote{2, config, Rank{.uid = "c"}});
  bench.Inject("e", "d", 1, PreVote{2, config, Rank{.uid = "d"}});
  bench.Inject("e", "b", 1, PreVote{2, config, Rank{.uid = "b"}});
  const auto replies = bench.Sent<PreVoteReply>("e");
  REQUIRE(replies.size() == 3);
  CHECK(replies[0].second.second.granted);
  CHECK(replies[1].second.second.reason == Deny::kBackedBetter);
  CHECK(replies[2].second.second.granted);
  bench.Run(495);
  CHECK(bench.core("e").role() == Role::kFollower);
}

TEST_CASE("a pre-candidate with an older config yields to one with a newer, whatever their ranks") {
  Bench bench({"a", "b", "c"});
  bench.dead = {"b", "c"};
  REQUIRE(bench.RunUntil([&] { return bench.core("a").role() == Role::kPreCandidate; }));
  bench.Inject("a", "c", 0, PreVote{1, {0, 1}, Rank{.uid = "c"}});
  CHECK(bench.Sent<PreVoteReply>("a").back().second.second.reason == Deny::kBackedBetter);
  bench.Inject("a", "c", 0, PreVote{1, {0, 2}, Rank{.uid = "c"}});
  CHECK(bench.Sent<PreVoteReply>("a").back().second.second.granted);
  CHECK(bench.core("a").role() == Role::kFollower);
}

TEST_CASE("an older config gets neither a vote nor raises the term") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(1000);
  REQUIRE(bench.core("b").config().id == ConfigId{1, 2});
  bench.Forget();
  bench.Inject("b", "c", 7, Vote{{0, 1}, 0});
  CHECK(bench.Sent<VoteReply>("b").at(0).second.second.reason == Deny::kStaleConfig);
  CHECK(bench.core("b").term() == 1);
}

TEST_CASE("whoever holds a newer config hands it to a candidate with an older one") {
  Bench bench({});
  const Config old = FoundingConfig({{"a", "a"}, {"b", "b"}, {"w", "w"}});
  Config stamped = old;
  stamped.id = {3, 2};
  bench.Add("a", Settings{.uid = "a", .node_id = "a"}, Durable{2, {}, old});
  bench.Add("w", Settings{.uid = "w", .node_id = "w", .kind = Kind::kWitness}, Durable{3, "b", stamped},
            DataPlane::kGone);
  bench.Introduce();
  REQUIRE(bench.RunUntilActive("a"));  // only the witness held the newer one, and b is gone for good
  CHECK(bench.core("a").config().id > stamped.id);
}

TEST_CASE("one vote a term") {
  Bench bench({"a", "b", "c"});
  bench.dead = {"a", "b"};
  bench.Run(1501);
  bench.Inject("c", "a", 1, Vote{{0, 1}, 0});
  bench.Inject("c", "b", 1, Vote{{0, 1}, 0});
  bench.Inject("c", "a", 1, Vote{{0, 1}, 0});
  const auto replies = bench.Sent<VoteReply>("c");
  REQUIRE(replies.size() == 3);
  CHECK(replies[0].second.second.granted);
  CHECK(replies[1].second.second.reason == Deny::kVoted);
  CHECK(replies[2].second.second.granted);
}

TEST_CASE("a term from someone without a vote never ends a lease") {
  Bench bench({"a", "b", "c", "d"}, 3);
  REQUIRE(bench.RunUntilActive("a"));
  bench.Inject("a", "d", 40, TermNotice{});
  CHECK(bench.Active() == "a");
  bench.Inject("a", "b", 40, TermNotice{});
  CHECK(bench.Active().empty());
  CHECK(bench.core("a").term() == 40);
}

TEST_CASE("priority orders and excludes nobody") {
  Bench bench({});
  const Config config = FoundingConfig({{"a", "a"}, {"b", "b"}, {"c", "c"}});
  for (const auto& [name, priority] : std::map<std::string, int>{{"a", 0}, {"b", 0}, {"c", 5}}) {
    bench.Add(name, Settings{.uid = name, .node_id = name, .priority = priority}, Durable{0, {}, config});
  }
  bench.Introduce();
  REQUIRE(bench.RunUntilActive("a"));  // nobody knows the others' ranks yet
  bench.Run(2000);
  bench.dead.insert("a");
  REQUIRE(bench.RunUntilActive("c"));
  bench.dead = {"c"};
  bench.Restart("a");
  REQUIRE(bench.RunUntil([&] { return !bench.Active().empty() && bench.Active() != "c"; }));
}

TEST_CASE("a witness votes and never leads") {
  Bench bench({});
  const Config config = FoundingConfig({{"a", "a"}, {"b", "b"}, {"w", "w"}});
  for (const std::string name : {"a", "b", "w"}) {
    bench.Add(name, Settings{.uid = name, .node_id = name, .kind = name == "w" ? Kind::kWitness : Kind::kNode},
              Durable{0, {}, config}, name == "w" ? DataPlane::kGone : DataPlane::kReady);
  }
  bench.Introduce();
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(1000);
  bench.dead.insert("a");
  REQUIRE(bench.RunUntilActive("b"));
  bench.dead.insert("b");
  bench.Run(20'000);
  CHECK(bench.core("w").role() == Role::kFollower);
}

TEST_CASE("a node whose data plane cannot serve does not campaign") {
  Bench bench({"a", "b", "c"});
  bench.Call("a", [&](Election& e, Outbox& out) { e.SetDataPlane(bench.now, DataPlane::kNotReady, out); });
  REQUIRE(bench.RunUntilActive("b"));
}

TEST_CASE("a uid whose disk went back counts no more") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(1000);
  bench.Call("b", [&](Election& e, Outbox& out) { e.OnPeerTerm(bench.now, "c", 1, out); });
  bench.Forget();
  bench.Inject("b", "c", 2, Vote{bench.core("b").config().id, 0});
  CHECK(bench.Sent<VoteReply>("b").size() == 1);
  bench.Call("b", [&](Election& e, Outbox& out) { e.OnPeerTerm(bench.now, "c", 1, out); });
  bench.Forget();
  bench.Inject("b", "c", 3, Vote{bench.core("b").config().id, 0});
  CHECK(bench.Sent<VoteReply>("b").empty());
  CHECK(bench.nodes.at("b").events.empty());
}

}  // namespace
}  // namespace aurora::election::testing
