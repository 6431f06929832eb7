#include "tests/controlplane/election/bench.h"
#include "tests/support/test.h"

namespace aurora::election::testing {
namespace {

TEST_CASE("a vote is on disk before its reply, and a campaign's own vote before it asks") {
  Bench bench({"a", "b", "c"});
  for (auto& [name, node] : bench.nodes) {
    node.disk_held = true;
  }
  REQUIRE(bench.RunUntil([&] { return bench.core("a").role() == Role::kCandidate; }));
  bench.Run(100);
  CHECK(bench.Sent<Vote>("a").empty());
  bench.nodes.at("a").disk_held = false;
  bench.Settle("a");
  bench.Run(100);
  CHECK(bench.Sent<Vote>("a").size() == 2);
  CHECK(bench.Sent<VoteReply>("b").empty());
  bench.nodes.at("b").disk_held = false;
  bench.Settle("b");
  bench.Run(2);
  CHECK(bench.Sent<VoteReply>("b").at(0).second.second.granted);
  CHECK(bench.core("a").role() == Role::kLeader);
}

TEST_CASE("a write that takes more than 500 ms gives no vote and no campaign") {
  Bench bench({"a", "b", "c"});
  bench.dead = {"a", "b"};
  bench.Run(1501);
  bench.nodes.at("c").disk_held = true;
  bench.Inject("c", "a", 1, Vote{{0, 1}, 0});
  bench.Run(501);
  CHECK_FALSE(bench.core("c").DiskOk(bench.now));
  bench.Inject("c", "b", 1, PreVote{2, {0, 1}, Rank{.uid = "b"}});
  CHECK(bench.Sent<PreVoteReply>("c").at(0).second.second.reason == Deny::kDisk);
  bench.Inject("c", "b", 2, Vote{{0, 1}, 0});
  CHECK(bench.Sent<VoteReply>("c").at(0).second.second.reason == Deny::kDisk);
  bench.nodes.at("c").disk_held = false;
  bench.Settle("c");
  CHECK(bench.Sent<VoteReply>("c").size() == 1);
  CHECK(bench.core("c").DiskOk(bench.now));
  CHECK(bench.core("c").term() == 1);
}

TEST_CASE("a failed write gives no vote, keeps the vote in mind and is tried again") {
  Bench bench({"a", "b", "c"});
  bench.dead = {"a", "b"};
  bench.Run(1501);
  BenchNode& c = bench.nodes.at("c");
  c.disk_held = true;
  bench.Inject("c", "a", 1, Vote{{0, 1}, 0});
  const uint64_t version = c.write->version;
  c.write.reset();
  bench.Call("c", [&](Election& e, Outbox& out) { e.OnPersistFailed(bench.now, version, out); });
  CHECK_FALSE(bench.core("c").DiskOk(bench.now));
  bench.Run(1001);
  REQUIRE(c.write);
  CHECK(c.write->version > version);
  CHECK(c.write->state.voted_for == "a");
  c.disk_held = false;
  bench.Settle("c");
  CHECK(bench.core("c").DiskOk(bench.now));
  CHECK(bench.Sent<VoteReply>("c").empty());
  bench.Inject("c", "b", 1, Vote{{0, 1}, 0});
  CHECK(bench.Sent<VoteReply>("c").at(0).second.second.reason == Deny::kVoted);
}

TEST_CASE("a Renew of a new term is acknowledged when the term is on disk") {
  Bench bench({"a", "b", "c"});
  bench.dead = {"a", "b"};
  bench.Run(1501);
  bench.nodes.at("c").disk_held = true;
  bench.Inject("c", "a", 4, Renew{bench.now, false, {}});
  bench.Run(100);
  CHECK(bench.Sent<RenewAck>("c").empty());
  CHECK(bench.core("c").promise().until > bench.now);
  bench.nodes.at("c").disk_held = false;
  bench.Settle("c");
  CHECK(bench.Sent<RenewAck>("c").size() == 1);
  bench.Inject("c", "a", 4, Renew{bench.now, false, {}});
  CHECK(bench.Sent<RenewAck>("c").size() == 2);
}

TEST_CASE("an active leader with a dead disk keeps serving") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(1000);
  bench.nodes.at("a").disk_held = true;
  bench.Run(20'000);
  CHECK(bench.Active() == "a");
}

TEST_CASE("a restarted node holds its term, vote and config") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(1000);
  bench.Restart("b");
  CHECK(bench.core("b").term() == 1);
  CHECK(bench.core("b").config().id == ConfigId{1, 2});
  bench.Run(5000);
  CHECK(bench.Active() == "a");
}

}  // namespace
}  // namespace aurora::election::testing
