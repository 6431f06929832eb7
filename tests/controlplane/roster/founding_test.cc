#include "controlplane/roster/founding.h"

#include "tests/support/test.h"

namespace aurora::roster {
namespace {

Instant At(int64_t ms) { return Instant::FromMicros(ms * 1000); }

FoundingConfig Config(const std::string& id, uint32_t expect) {
  FoundingConfig config;
  config.uid = "uid-" + id;
  config.node_id = id;
  config.expect = expect;
  return config;
}

FoundingPeer Fresh(const std::string& id, uint32_t expect, std::vector<std::string> sees) {
  return {"uid-" + id, id, "", expect, std::nullopt, std::move(sees)};
}

FoundingPeer Member(const std::string& id, const std::string& cluster) {
  return {"uid-" + id, id, cluster, 3, std::nullopt, {}};
}

Proposal Of(const std::string& cluster, uint64_t round, std::vector<std::string> ids) {
  Proposal p{cluster, round, {}};
  for (const std::string& id : ids) {
    p.founders.push_back({"uid-" + id, id});
  }
  return p;
}

FoundingPeer Holds(const std::string& id, Proposal proposal) {
  return {"uid-" + id, id, "", static_cast<uint32_t>(proposal.founders.size()), std::move(proposal), {}};
}

const std::vector<std::string> kAll = {"uid-a", "uid-b", "uid-c"};

}  // namespace

TEST_CASE("the lowest node proposes once all it needs see each other and nothing has changed for the settle time") {
  Founding a(At(0), Config("a", 3), {}, 1);
  a.OnPeer(At(10), Fresh("b", 3, kAll));
  a.OnPeer(At(20), Fresh("c", 3, {"uid-a"}));
  CHECK(!a.Step(At(5000)).has_value());
  CHECK(a.NextDeadline() == Instant::Never());
  a.OnPeer(At(5000), Fresh("c", 3, kAll));
  CHECK(a.NextDeadline() == At(1020));
  const auto record = a.Step(At(5000));
  REQUIRE(record.has_value());
  REQUIRE(record->proposal.has_value());
  CHECK(record->cluster_id.empty());
  CHECK(record->proposal->founders.front().uid == "uid-a");
  CHECK(record->proposal->cluster_id.size() == 32);
  CHECK(!a.durable().proposal.has_value());  // not before it is stored
  CHECK(a.OnPersisted(At(5001), true) == Founding::Outcome::kProposed);
  CHECK(a.durable() == *record);
}

TEST_CASE("a founder keeps who founded the cluster, whoever saw it complete first; who joins another keeps nobody") {
  const Proposal mine = Of("p", 1, {"a", "b", "c"});
  Founding b(At(0), Config("b", 3), {"", mine, {}}, 1);
  FoundingPeer founded{"uid-a", "a", "p", 3, std::nullopt, {}};
  b.OnPeer(At(0), founded);
  auto record = b.Step(At(0));
  REQUIRE(record.has_value());
  CHECK(record->cluster_id == "p");
  CHECK(record->founders == mine.founders);
  Founding other(At(0), Config("b", 3), {"", mine, {}}, 1);
  founded.cluster_id = "q";
  other.OnPeer(At(0), founded);
  record = other.Step(At(0));
  REQUIRE(record.has_value());
  CHECK(record->cluster_id == "q");
  CHECK(record->founders.empty());
}

TEST_CASE("a node with a higher id proposes nothing and says whom it waits for") {
  Founding b(At(0), Config("b", 2), {}, 1);
  b.OnPeer(At(0), Fresh("a", 2, kAll));
  CHECK(!b.Step(At(60'000)).has_value());
  CHECK(b.Waiting(At(0)).find("waits for a to propose") != std::string::npos);
}

TEST_CASE("too few fresh nodes wait and say how many are missing") {
  Founding a(At(0), Config("a", 3), {}, 1);
  a.OnPeer(At(0), Fresh("b", 3, kAll));
  CHECK(!a.Step(At(60'000)).has_value());
  CHECK(a.Waiting(At(0)).find("1 more fresh nodes (sees a, b)") != std::string::npos);
}

TEST_CASE("nodes that expect different numbers do not found together and say so") {
  Founding a(At(0), Config("a", 2), {}, 1);
  a.OnPeer(At(0), Fresh("b", 3, kAll));
  CHECK(!a.Step(At(60'000)).has_value());
  CHECK(a.Waiting(At(0)).find("b (3): make them equal") != std::string::npos);
}

TEST_CASE("a fresh node that meets an initialised one joins it, a durable proposal notwithstanding") {
  Founding b(At(0), Config("b", 3), {"", Of("p", 1, {"a", "b", "c"}), {}}, 1);
  b.OnPeer(At(0), Member("x", "other"));
  const auto record = b.Step(At(1));
  REQUIRE(record.has_value());
  CHECK(record->cluster_id == "other");
  CHECK(!record->proposal.has_value());
  CHECK(b.OnPersisted(At(2), true) == Founding::Outcome::kJoined);
  CHECK(b.joined_through() == "x");
  CHECK(!b.fresh());
  CHECK(b.Waiting(At(2)).empty());
}

TEST_CASE("an initialised node ignores every proposal and every other cluster") {
  Founding b(At(0), Config("b", 3), {"mine", std::nullopt, {}}, 1);
  b.OnPeer(At(0), Member("x", "other"));
  b.OnPeer(At(0), Holds("a", Of("p", 9, {"a", "b", "c"})));
  CHECK(!b.Step(At(60'000)).has_value());
  CHECK(b.NextDeadline() == Instant::Never());
}

TEST_CASE("a founder takes a proposal only from its coordinator's own mouth") {
  Founding b(At(0), Config("b", 3), {}, 1);
  b.OnPeer(At(0), Holds("c", Of("p", 1, {"a", "b", "c"})));
  CHECK(!b.Step(At(1)).has_value());
  b.OnPeer(At(2), Holds("a", Of("p", 1, {"a", "b", "c"})));
  const auto record = b.Step(At(3));
  REQUIRE(record.has_value());
  CHECK(record->proposal->cluster_id == "p");
}

TEST_CASE("a proposal is committed once every founder has been seen with it, wherever they are by then") {
  Founding b(At(0), Config("b", 3), {"", Of("p", 1, {"a", "b", "c"}), {}}, 1);
  CHECK(!b.Step(At(1)).has_value());
  b.OnPeer(At(2), Holds("c", Of("p", 1, {"a", "b", "c"})));
  b.OnPeerGone(At(2), "uid-c");
  const auto record = b.Step(At(3));
  REQUIRE(record.has_value());
  CHECK(record->cluster_id == "p");
  CHECK(b.OnPersisted(At(4), true) == Founding::Outcome::kFounded);
}

TEST_CASE("a proposal is never left for a lower one nor for one of other nodes while it may still succeed") {
  Founding b(At(0), Config("b", 3), {"", Of("p", 5, {"a", "b", "c"}), {}}, 1);
  b.OnPeer(At(0), Holds("a", Of("low", 4, {"a", "b", "c"})));
  b.OnPeer(At(0), Holds("0", Of("else", 9, {"0", "b", "z"})));
  CHECK(!b.Step(At(60'000)).has_value());
}

TEST_CASE("a coordinator proposes anew to the same nodes when one of them came back with an empty disk") {
  Founding a(At(0), Config("a", 3), {"", Of("p", 1, {"a", "b", "c"}), {}}, 1);
  a.OnPeer(At(0), Holds("b", Of("p", 1, {"a", "b", "c"})));
  FoundingPeer wiped = Fresh("c", 3, kAll);
  wiped.uid = "uid-c2";
  a.OnPeer(At(0), wiped);
  const auto record = a.Step(At(1));
  REQUIRE(record.has_value());
  REQUIRE(record->proposal.has_value());
  CHECK(record->proposal->round == 2);
  CHECK(record->proposal->cluster_id != "p");
  CHECK(record->proposal->founders.back().uid == "uid-c2");
}

TEST_CASE("a coordinator that lost its disk takes its former proposal over with a higher round") {
  FoundingConfig config = Config("a", 3);
  config.uid = "uid-a2";
  Founding a(At(0), config, {}, 1);
  a.OnPeer(At(0), Holds("b", Of("p", 3, {"a", "b", "c"})));
  CHECK(!a.Step(At(10'000)).has_value());
  a.OnPeer(At(10'000), Fresh("c", 3, kAll));
  const auto record = a.Step(At(10'000));
  REQUIRE(record.has_value());
  CHECK(record->proposal->round == 4);
  CHECK(record->proposal->founders.front().uid == "uid-a2");
}

TEST_CASE("without bootstrap_expect the node behind the only address of the first seed founds alone after 10 s") {
  Founding a(At(0), Config("a", 0), {}, 1);
  a.OnSeed({"a.example:7946", 1, true});
  CHECK(a.NextDeadline() == At(10'000));
  CHECK(!a.Step(At(9'999)).has_value());
  CHECK(a.Waiting(At(9'500)).find("founds a cluster in 1 s") != std::string::npos);
  a.OnPeer(At(9'000), Fresh("b", 0, kAll));
  const auto record = a.Step(At(10'000));
  REQUIRE(record.has_value());
  CHECK(record->cluster_id.size() == 32);
}

TEST_CASE("nobody founds alone behind a seed with several addresses, another's, or beside nodes that expect others") {
  Founding a(At(0), Config("a", 0), {}, 1);
  a.OnSeed({"all.example:7946", 3, true});
  CHECK(!a.Step(At(60'000)).has_value());
  CHECK(a.Waiting(At(0)).find("set cluster.bootstrap_expect") != std::string::npos);
  a.OnSeed({"b.example:7946", 1, false});
  CHECK(!a.Step(At(60'000)).has_value());
  a.OnSeed({"a.example:7946", 1, true});
  a.OnPeer(At(60'000), Fresh("b", 3, kAll));
  CHECK(!a.Step(At(60'000)).has_value());
  CHECK(a.NextDeadline() == Instant::Never());
  a.OnSeed({"", 0, false});
  a.OnPeerGone(At(60'000), "uid-b");
  CHECK(!a.Step(At(60'000)).has_value());
  CHECK(a.Waiting(At(0)).find("bootstrap_expect (1 for this node alone)") != std::string::npos);
}

TEST_CASE("a node that expects only itself founds at once without seeds and looks around first with them") {
  Founding a(At(0), Config("a", 1), {}, 1);
  CHECK(!a.Step(At(999)).has_value());
  REQUIRE(a.Step(At(1000)).has_value());
  CHECK(a.OnPersisted(At(1000), true) == Founding::Outcome::kProposed);
  REQUIRE(a.Step(At(1000)).has_value());
  CHECK(a.OnPersisted(At(1000), true) == Founding::Outcome::kFounded);
  Founding b(At(0), Config("b", 1), {}, 1);
  b.OnSeed({"b.example:7946", 1, true});
  CHECK(!b.Step(At(9'999)).has_value());
  CHECK(b.NextDeadline() == At(10'000));
  CHECK(b.Step(At(10'000)).has_value());
}

TEST_CASE("a sign of an initialised node puts founding off for ten seconds") {
  Founding alone(At(0), Config("a", 0), {}, 1);
  alone.OnSeed({"a.example:7946", 1, true});
  alone.OnInitialisedSeen(At(9'000), "b refuses it");
  CHECK(alone.NextDeadline() == At(19'000));
  CHECK(!alone.Step(At(18'999)).has_value());
  CHECK(alone.Waiting(At(18'000)).find("b refuses it") != std::string::npos);
  CHECK(alone.Step(At(19'000)).has_value());

  Founding a(At(0), Config("a", 2), {}, 1);
  a.OnPeer(At(0), Fresh("b", 2, kAll));
  a.OnInitialisedSeen(At(500), "c is there");
  CHECK(a.NextDeadline() == At(10'500));
  CHECK(!a.Step(At(10'499)).has_value());
  CHECK(a.Step(At(10'500)).has_value());
}

TEST_CASE("what could not be stored is neither held nor announced and is tried again a second later") {
  Founding b(At(0), Config("b", 3), {}, 1);
  b.OnPeer(At(0), Member("x", "other"));
  REQUIRE(b.Step(At(0)).has_value());
  CHECK(!b.Step(At(0)).has_value());  // one write at a time
  CHECK(b.OnPersisted(At(0), false) == Founding::Outcome::kNone);
  CHECK(b.fresh());
  CHECK(b.Waiting(At(0)).find("election.db") != std::string::npos);
  CHECK(b.NextDeadline() == At(1000));
  CHECK(!b.Step(At(999)).has_value());
  CHECK(b.Step(At(1000)).has_value());
}

TEST_CASE("proposals beyond the bounds count as none") {
  Proposal many{"p", 1, {}};
  for (int i = 0; i < 17; ++i) {
    many.founders.push_back({"u" + std::to_string(i), "n" + std::to_string(i)});
  }
  CHECK(!WellFormed(many));
  CHECK(!WellFormed(Proposal{"p", UINT64_MAX, {{"u", "n"}}}));
  CHECK(!WellFormed(Proposal{"p", 0, {{"u", "n"}}}));
  CHECK(!WellFormed(Proposal{"p", 1, {{"u", "n"}, {"u", "m"}}}));
  CHECK(!WellFormed(Proposal{"p", 1, {{"u", "n"}, {"v", "n"}}}));
  CHECK(!WellFormed(Proposal{std::string(65, 'x'), 1, {{"u", "n"}}}));
  CHECK(WellFormed(Of("p", 1, {"a", "b"})));
}

}  // namespace aurora::roster
