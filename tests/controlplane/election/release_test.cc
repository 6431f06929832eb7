#include "tests/controlplane/election/bench.h"
#include "tests/support/test.h"

namespace aurora::election::testing {
namespace {

absl::Status Transfer(Bench& bench, const std::string& from, const std::string& to) {
  absl::Status status;
  bench.Call(from, [&](Election& e, Outbox& out) { status = e.Transfer(bench.now, to, out); });
  return status;
}

TEST_CASE("a planned switchover takes milliseconds") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(1000);
  REQUIRE(Transfer(bench, "a", "c").ok());
  CHECK(bench.Active().empty());
  bench.Run(10);
  CHECK(bench.Active() == "c");
  CHECK(bench.core("c").term() == 2);
}

TEST_CASE("nothing is released before every loop of the data plane has acknowledged") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(1000);
  const Instant word = bench.nodes.at("a").word;
  bench.nodes.at("a").loops_held = true;
  REQUIRE(Transfer(bench, "a", "c").ok());
  bench.Run(99);
  CHECK(bench.Active().empty());
  CHECK(bench.Sent<LeaseRelease>("a").empty());
  CHECK(bench.core("c").term() == 1);
  bench.Run(2);  // no ack in 100 ms: the promises run out
  CHECK(bench.Sent<LeaseRelease>("a").empty());
  REQUIRE(bench.RunUntil([&] { return bench.core("c").role() == Role::kLeader; }, 20));
  CHECK(bench.core("c").barrier() >= word);
  bench.nodes.at("a").loops_held = false;
  bench.Settle("a");  // too late
  CHECK(bench.Sent<LeaseRelease>("a").empty());
  REQUIRE(bench.RunUntilActive("c"));
  CHECK(bench.now >= word);
}

TEST_CASE("from the zeroing on its term sends no Renew and opens no gate, and late acks are dropped") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(1000);
  bench.nodes.at("a").loops_held = true;
  REQUIRE(Transfer(bench, "a", "").ok());
  bench.Forget();
  const Term term = bench.core("a").term();
  bench.Inject("a", "b", term, RenewAck{bench.now, Duration::Millis(1500), {1, 2}, true, Rank{.uid = "b"}});
  bench.Run(90);
  bench.Inject("a", "b", term, RenewAck{bench.now, Duration::Millis(1500), {1, 2}, true, Rank{.uid = "b"}});
  CHECK(bench.nodes.at("a").word == Instant());
  CHECK(bench.Sent<Renew>("a").empty());
}

TEST_CASE("a release clears a promise owed to its term or an older one, never to a newer") {
  Bench bench({"a", "b", "c"});
  bench.dead = {"a", "b"};
  bench.Run(1501);
  bench.Inject("c", "a", 3, Renew{bench.now, true, {}});
  bench.Inject("c", "b", 2, LeaseRelease{});
  CHECK(bench.core("c").promise().until > bench.now);
  bench.Inject("c", "a", 3, LeaseRelease{});
  CHECK(bench.core("c").promise().until == Instant());
  bench.Inject("c", "b", 4, Renew{bench.now, true, {}});
  bench.Inject("c", "b", 5, Renew{bench.now, true, {}});
  bench.Inject("c", "b", 4, LeaseRelease{});
  CHECK(bench.core("c").promise().until > bench.now);
}

TEST_CASE("a RequestVote that says the term before it is released counts as the release") {
  Bench bench({"a", "b", "c"});
  bench.dead = {"a", "b"};
  bench.Run(1501);
  bench.Inject("c", "a", 3, Renew{bench.now, true, {}});
  bench.Forget();
  bench.Inject("c", "b", 4, Vote{bench.core("c").config().id, 3});
  CHECK(bench.Sent<VoteReply>("c").at(0).second.second.promise_remaining == Duration());
}

TEST_CASE("only a leader whose barrier has passed may release") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(1000);
  bench.dead.insert("a");
  REQUIRE(bench.RunUntil([&] { return bench.core("b").role() == Role::kLeader; }));
  REQUIRE(bench.core("b").barrier() > bench.now);
  CHECK(Transfer(bench, "b", "c").code() == absl::StatusCode::kUnavailable);
  bench.Forget();
  bench.Call("b", [&](Election& e, Outbox& out) { e.SetDataPlane(bench.now, DataPlane::kGone, out); });
  CHECK(bench.Sent<LeaseRelease>("b").empty());
  CHECK(bench.core("b").role() == Role::kFollower);
}

TEST_CASE("a dead data plane hands over in milliseconds once its lock was seen free") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(1000);
  bench.Call("a", [&](Election& e, Outbox& out) { e.SetDataPlane(bench.now, DataPlane::kGone, out); });
  bench.Run(10);
  CHECK(bench.Active() == "b");
}

TEST_CASE("whoever handed over keeps still for ten seconds, then may campaign again") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(1000);
  bench.cut = {{"b", "c"}, {"c", "b"}, {"a", "c"}, {"c", "a"}};
  bench.nodes.at("b").disk_held = true;  // the target cannot
  REQUIRE(Transfer(bench, "a", "b").ok());
  bench.Run(9900);
  CHECK(bench.core("a").role() == Role::kFollower);
  bench.nodes.at("b").disk_held = false;
  bench.Settle("b");
  CHECK(bench.RunUntil([&] { return !bench.Active().empty(); }, 5000));
}

TEST_CASE("a switchover to who cannot serve is refused and changes nothing") {
  Bench bench({"a", "b", "c", "d"}, 3);
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(1000);
  bench.dead.insert("b");
  bench.Run(1000);
  CHECK(Transfer(bench, "a", "b").message() == "node b does not answer or is not able to serve");
  CHECK(Transfer(bench, "a", "d").message() == "node d has no vote");
  CHECK(Transfer(bench, "a", "a").message() == "node a leads already");
  CHECK(Transfer(bench, "c", "a").message() == "this node does not lead");
  CHECK(bench.Active() == "a");
}

}  // namespace
}  // namespace aurora::election::testing
