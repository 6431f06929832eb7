#include "shared/base/status.h"
#include "tests/controlplane/election/bench.h"
#include "tests/support/test.h"

namespace aurora::election::testing {
namespace {

std::string Voters(Bench& bench, const std::string& at) {
  std::string text;
  for (const Uid& uid : bench.core(at).config().Voters()) {
    text += uid;
  }
  return text;
}

TEST_CASE("three founders vote, of two only the lowest does") {
  CHECK(FoundingConfig({{"c", "3"}, {"a", "1"}, {"d", "4"}, {"b", "2"}}).Voters() == std::vector<Uid>{"1", "2", "3"});
  CHECK(FoundingConfig({{"b", "2"}, {"a", "1"}}).Voters() == std::vector<Uid>{"1"});
}

TEST_CASE("one voter grows to three as members stay, one at a time, ten seconds apart") {
  Bench bench({"a", "b", "c", "d"}, 1);
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(9'000);
  CHECK(Voters(bench, "a") == "a");
  bench.Run(2'000);
  CHECK(Voters(bench, "a") == "ab");
  bench.Run(9'000);
  CHECK(Voters(bench, "a") == "ab");
  bench.Run(2'000);
  CHECK(Voters(bench, "a") == "abc");
  bench.Run(40'000);
  CHECK(Voters(bench, "d") == "abc");  // later ones never touch the quorum
  CHECK(bench.Active() == "a");
  CHECK(bench.core("a").term() == 1);
}

TEST_CASE("the next leader finishes a pair the last one began") {
  Bench bench({"a", "b", "c", "d"}, 1);
  REQUIRE(bench.RunUntil([&] { return Voters(bench, "b") == "ab"; }));
  bench.Run(500);
  absl::Status status;
  bench.Call("a", [&](Election& e, Outbox& out) { status = e.Transfer(bench.now, "b", out); });
  REQUIRE(status.ok());
  bench.Run(20);
  CHECK(bench.Active() == "b");
  bench.Run(11'000);
  CHECK(Voters(bench, "b") == "abc");
}

TEST_CASE("two nodes have one voter, and the status says what that means") {
  Bench bench({"a", "b"}, 1);
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(30'000);
  CHECK(Voters(bench, "a") == "a");
  CHECK(bench.core("a").Warning(bench.now) == "no automatic takeover with two nodes: add a third or a witness");
  bench.dead.insert("b");
  bench.Run(30'000);
  CHECK(bench.Active() == "a");  // the standby's death costs nothing
}

TEST_CASE("a planned switchover of two nodes moves the vote, and the active serves throughout") {
  Bench bench({"a", "b"}, 1);
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(11'000);
  absl::Status status;
  bench.Call("a", [&](Election& e, Outbox& out) { status = e.Transfer(bench.now, "b", out); });
  REQUIRE(status.ok());
  int64_t gap = 0;
  while (bench.Active() != "b" && gap < 100) {
    bench.Run(1);
    gap += bench.Active().empty() ? 1 : 0;
  }
  CHECK(bench.Active() == "b");
  CHECK(gap < 15);
  bench.Run(11'000);
  CHECK(Voters(bench, "b") == "b");
  CHECK(Voters(bench, "a") == "b");
}

TEST_CASE("voters are added and removed in pairs, through an even number that never stays") {
  Bench bench({"a", "b", "c", "d", "e"}, 3);
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(11'000);
  absl::Status status;
  bench.Call("a", [&](Election& e, Outbox& out) { status = e.AddVoters(bench.now, "d", "e", out); });
  REQUIRE(status.ok());
  bench.Run(12'000);
  CHECK(Voters(bench, "e") == "abcde");
  bench.Run(11'000);
  bench.Call("a", [&](Election& e, Outbox& out) { status = e.RemoveVoters(bench.now, "a", "b", out); });
  REQUIRE(status.ok());
  bench.Run(40'000);
  CHECK(Voters(bench, "e") == "cde");
  CHECK(bench.Active() == "c");  // the leader that was removed handed over first
}

TEST_CASE("no change within ten seconds of the last, and none without two different nodes") {
  Bench bench({"a", "b", "c", "d", "e"}, 3);
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(1'000);
  absl::Status status;
  const auto add = [&](const std::string& x, const std::string& y) {
    bench.Call("a", [&](Election& e, Outbox& out) { status = e.AddVoters(bench.now, x, y, out); });
    return std::string(Std(status.message()));
  };
  CHECK(add("d", "e").find("the next change is possible after 10000 ms") != std::string::npos);
  bench.Run(11'000);
  CHECK(add("d", "d") == "two different nodes are needed: the number of voters stays odd");
  CHECK(add("d", "a") == "node a has a vote already");
  CHECK(add("d", "x") == "node x does not answer");
  bench.Call("b", [&](Election& e, Outbox& out) { status = e.AddVoters(bench.now, "d", "e", out); });
  CHECK(Std(status.message()) == "this node does not lead");
}

TEST_CASE("a node that lost its disk gets its slot back under its new uid, out first and then in") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(12'000);
  bench.nodes.erase("c");
  bench.Add("c2", Settings{.uid = "c2", .node_id = "c"}, Durable{});
  bench.Introduce();
  size_t lowest = 9;
  bench.RunUntil([&] {
    lowest = std::min(lowest, bench.core("a").config().VoterCount());
    return Voters(bench, "a") == "abc2";
  });
  CHECK(Voters(bench, "a") == "abc2");
  CHECK(lowest == 2);
  CHECK(bench.Active() == "a");
}

TEST_CASE("who takes a config is of its term from then on") {
  Bench bench({"a", "b", "c"});
  bench.dead = {"a", "b"};
  bench.Run(1501);
  Config newer = bench.core("c").config();
  newer.id = {7, 4};
  bench.Inject("c", "a", 2, ConfigPush{newer});  // the sender's own term does not matter
  CHECK(bench.core("c").config().id == newer.id);
  CHECK(bench.core("c").term() == 7);
}

TEST_CASE("a leader stamps the config with its term, and changes it only when a quorum holds exactly that") {
  Bench bench({"a", "b", "c", "d", "e"}, 3);
  REQUIRE(bench.RunUntilActive("a"));
  CHECK(bench.core("a").config().id.term == 1);
  bench.nodes.at("b").disk_held = true;
  bench.nodes.at("c").disk_held = true;
  bench.Run(1);
  bench.dead = {"a"};
  bench.Restart("a");
  bench.Run(30'000);
  CHECK(bench.core("a").config().id.version <= 2);
}

TEST_CASE("unsafe-recover makes the survivor the only voter, after everyone's lease is over") {
  Bench bench({"a", "b", "c"});
  REQUIRE(bench.RunUntilActive("a"));
  bench.Run(1000);
  absl::Status status;
  bench.Call("a", [&](Election& e, Outbox& out) { status = e.UnsafeRecover(bench.now, out); });
  CHECK(Std(status.message()) == "this node leads: nothing is to be recovered");
  bench.dead = {"a", "b"};
  bench.Run(30'000);
  CHECK(bench.Active().empty());
  CHECK(bench.core("c").Warning(bench.now).find("unsafe-recover") != std::string::npos);
  const Instant asked = bench.now;
  bench.Call("c", [&](Election& e, Outbox& out) { status = e.UnsafeRecover(bench.now, out); });
  REQUIRE(status.ok());
  REQUIRE(bench.RunUntilActive("c"));
  CHECK(bench.now - asked >= kLargestPromise);
  bench.dead.clear();
  bench.Restart("a");
  bench.Restart("b");
  bench.Run(5000);
  CHECK(bench.Active() == "c");
  CHECK(Voters(bench, "a") == "c");
}

}  // namespace
}  // namespace aurora::election::testing
