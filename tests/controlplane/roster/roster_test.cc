#include "controlplane/roster/roster.h"

#include "tests/controlplane/roster/roster_rig.h"
#include "tests/support/test.h"

namespace aurora::roster {
namespace {

// Three members that know each other and whom gossip sees.
void Cluster(Rig& rig, const std::vector<std::string>& ids = {"a", "b", "c"}) {
  for (const std::string& id : ids) {
    rig.Add(id, 0, "c1");
  }
  rig.StartAll();
  rig.LinkAll();
  for (const std::string& at : ids) {
    for (const std::string& about : ids) {
      rig.Gossip(at, about, GossipState::kAlive);
    }
  }
}

bool Says(const ClusterView& view, std::string_view text) {
  return std::any_of(view.reasons.begin(), view.reasons.end(),
                     [&](const std::string& r) { return r.find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("three fresh nodes that expect three become one healthy cluster") {
  Rig rig;
  for (const char* id : {"a", "b", "c"}) {
    rig.Add(id, 3);
  }
  rig.StartAll();
  CHECK(rig.View("a").state == "degraded");
  CHECK(Says(rig.View("a"), "2 more fresh nodes"));
  rig.LinkAll();
  rig.Run(Duration::Seconds(5));
  const std::string cluster = rig.View("a").cluster_id;
  CHECK(cluster.size() == 32);
  for (const char* id : {"a", "b", "c"}) {
    const ClusterView view = rig.View(id);
    CHECK(view.cluster_id == cluster);
    CHECK(view.state == "healthy");
    CHECK(view.reasons.empty());
    CHECK(view.node_count == 3);
    CHECK(view.healthy_count == 3);
    CHECK(rig.nodes[id].roster.peers.size() == 2);
    CHECK(rig.Count(id, Event::Kind::kNodeJoined) == 2);
    CHECK(rig.Count(id, Event::Kind::kClusterFounded) + rig.Count(id, Event::Kind::kClusterJoined) == 1);
  }
}

TEST_CASE("without bootstrap_expect the first seed founds and the others join it in any start order") {
  for (const std::string first : {"a", "c"}) {
    Rig rig;
    for (const char* id : {"a", "b", "c"}) {
      rig.Add(id);
    }
    rig.Start(first);
    rig.StartAll();
    for (auto& [id, node] : rig.nodes) {
      node.core->OnSeed(rig.now, rig.wall_ms, {"b:7946", 1, id == "b"}, node.out);
    }
    rig.LinkAll();
    rig.Run(Duration::Seconds(12));
    CHECK(!rig.View("b").cluster_id.empty());
    CHECK(rig.View("a").cluster_id == rig.View("b").cluster_id);
    CHECK(rig.View("c").cluster_id == rig.View("b").cluster_id);
    CHECK(rig.Count("b", Event::Kind::kClusterFounded) == 1);
    CHECK(rig.Count("a", Event::Kind::kClusterJoined) == 1);
  }
}

TEST_CASE("a wiped first seed that its old peers still refuse as a duplicate does not found a second cluster") {
  Rig rig;
  Cluster(rig, {"a", "b"});
  rig.nodes["b"].core.reset();  // its stream still stands at a
  rig.nodes["b"].info.uid = "uid-b2";
  rig.nodes["b"].founding = {};
  rig.Start("b");
  RigNode& b = rig.nodes["b"];
  b.core->OnSeed(rig.now, rig.wall_ms, {"b:7946", 1, true}, b.out);
  for (int i = 0; i < 10; ++i) {
    rig.Run(Duration::Seconds(5));
    const PeerHello hello = rig.HelloOf(b);
    const Admission answer = rig.nodes["a"].core->OnHello(rig.now, rig.wall_ms, hello, rig.nodes["a"].out);
    REQUIRE(answer.reason == Refuse::kDuplicateNodeId);
    b.core->OnRefused(rig.now, {answer.reason, "a", "uid-a", "a:7947", answer.message}, b.out);
  }
  CHECK(b.core->cluster_id().empty());
  CHECK(Says(rig.View("b"), "an initialised node is there: cluster.node_id b is taken"));
}

TEST_CASE("a fresh node whom gossip shows an initialised one waits for the stream to it") {
  Rig rig;
  RigNode& a = rig.Add("a");
  rig.Start("a");
  a.core->OnSeed(rig.now, rig.wall_ms, {"a:7946", 1, true}, a.out);
  GossipNews news{"b", GossipState::kAlive, false, "uid-b", "c1", "b:7946", "b:7947"};
  a.core->OnGossip(rig.now, rig.wall_ms, news, a.out);
  rig.Run(Duration::Seconds(60));
  CHECK(a.core->cluster_id().empty());
  CHECK(Says(rig.View("a"), "gossip sees b of cluster c1"));
  news.state = GossipState::kFailed;
  a.core->OnGossip(rig.now, rig.wall_ms, news, a.out);
  rig.Run(Duration::Seconds(11));
  CHECK(!a.core->cluster_id().empty());
}

TEST_CASE("two clusters that meet stay two, with one event on each side") {
  Rig rig;
  rig.Add("a", 0, "c1");
  rig.Add("b", 0, "c2");
  rig.StartAll();
  for (int i = 0; i < 5; ++i) {
    const auto answers = rig.Link("a", "b");
    CHECK(answers.first.reason == Refuse::kForeignCluster);
    CHECK(answers.second.reason == Refuse::kForeignCluster);
  }
  CHECK(rig.Count("a", Event::Kind::kForeignCluster) == 1);
  CHECK(rig.Count("b", Event::Kind::kForeignCluster) == 1);
  CHECK(rig.View("a").node_count == 1);
  CHECK(rig.View("a").state == "healthy");
}

TEST_CASE("a fresh node between two clusters joins one and parts from the other") {
  Rig rig;
  rig.Add("a", 0, "c1");
  rig.Add("b", 0, "c2");
  RigNode& n = rig.Add("n");
  rig.StartAll();
  // Both streams come up before the record is stored.
  const PeerHello a = rig.HelloOf(rig.nodes["a"]);
  const PeerHello b = rig.HelloOf(rig.nodes["b"]);
  n.core->OnLinkUp(rig.now, rig.wall_ms, a, n.out);
  n.core->OnLinkUp(rig.now, rig.wall_ms, b, n.out);
  rig.Pump();
  CHECK(n.core->cluster_id() == "c1");
  CHECK(n.closes == 1);
  CHECK(rig.Count("n", Event::Kind::kForeignCluster) == 1);
  CHECK(!rig.Lists("n", "b"));
}

TEST_CASE("wrong protocol, label and node id are each refused with an event on both sides") {
  Rig rig;
  rig.Add("a", 0, "c1");
  rig.Add("old", 0, "c1").info.protocol_max = 0;
  rig.nodes["old"].info.protocol_min = 0;
  rig.Add("other", 0, "c1").info.label = "blue";
  rig.Add("twin", 0, "c1").info.node_id = "a";
  rig.StartAll();
  CHECK(rig.Link("a", "old").first.reason == Refuse::kProtocolVersion);
  CHECK(rig.Link("a", "other").second.reason == Refuse::kLabel);
  CHECK(rig.Link("a", "twin").first.reason == Refuse::kDuplicateNodeId);
  for (const auto& [at, kind] : {std::pair("old", Event::Kind::kProtocolVersion),
                                 std::pair("other", Event::Kind::kLabelMismatch),
                                 std::pair("twin", Event::Kind::kDuplicateNodeId)}) {
    CHECK(rig.Count("a", kind) == 1);
    CHECK(rig.Count(at, kind) == 1);
  }
  CHECK(rig.View("a").node_count == 1);
}

TEST_CASE("of two nodes with one node id the one that is up keeps it and the newcomer is refused") {
  Rig rig;
  Cluster(rig);
  rig.Add("twin", 0, "c1").info.node_id = "b";
  rig.Start("twin");
  const auto answers = rig.Link("a", "twin");
  CHECK(answers.first.reason == Refuse::kDuplicateNodeId);
  CHECK(answers.first.message.find("uid-b") != std::string::npos);
  CHECK(rig.StatusOf("a", "b") == Status::kAlive);
}

TEST_CASE("a new disk under the node id of a silent node takes its place, joins again, and is an event") {
  Rig rig;
  Cluster(rig);
  rig.Kill("c");
  rig.nodes["c"].info.uid = "uid-c2";
  rig.nodes["c"].founding = {};
  rig.nodes["c"].roster = {};
  rig.Start("c");
  rig.LinkAll();
  CHECK(rig.nodes["c"].core->cluster_id() == "c1");
  CHECK(rig.Count("a", Event::Kind::kNodeDiskLost) == 1);
  CHECK(rig.View("a").node_count == 3);
  CHECK(rig.StatusOf("a", "c") == Status::kAlive);
  CHECK(rig.nodes["a"].roster.peers.back().node.uid == "uid-c2");
  CHECK(rig.nodes["a"].roster.peers.back().former_uids == std::vector<std::string>{"uid-c"});
}

TEST_CASE("a stream that says nothing gives way once gossip meets the new uid") {
  Rig rig;
  Cluster(rig, {"a", "b"});
  RigNode& a = rig.nodes["a"];
  PeerHello hello = rig.HelloOf(rig.nodes["b"]);
  hello.node.uid = "uid-b2";
  CHECK(!a.core->OnHello(rig.now, rig.wall_ms, hello, a.out).ok());
  rig.nodes["b"].core.reset();  // the machine is gone, its stream stands
  rig.nodes["b"].info.uid = "uid-b2";
  rig.Gossip("a", "b", GossipState::kAlive);
  CHECK(!a.core->OnHello(rig.now, rig.wall_ms, hello, a.out).ok());
  rig.Run(Duration::Seconds(40));
  CHECK(a.core->OnHello(rig.now, rig.wall_ms, hello, a.out).ok());
  a.core->OnLinkUp(rig.now, rig.wall_ms, hello, a.out);
  CHECK(a.out.closes.size() == 1);
  CHECK(a.out.closes[0].uid == "uid-b");
}

TEST_CASE("a copied state directory is refused on every node") {
  Rig rig;
  Cluster(rig, {"a", "b"});
  rig.Add("copy", 0, "c1").info.uid = "uid-b";
  rig.Start("copy");
  CHECK(rig.Link("a", "copy").first.reason == Refuse::kDuplicateNodeId);
  CHECK(rig.Link("b", "copy").first.reason == Refuse::kDuplicateNodeId);
  CHECK(rig.Count("b", Event::Kind::kDuplicateNodeId) == 1);
}

TEST_CASE("a seventeenth node is refused as full and a known one is not") {
  Rig rig;
  std::vector<std::string> ids;
  for (int i = 0; i < 16; ++i) {
    ids.push_back(std::string(1, static_cast<char>('a' + i)));
    rig.Add(ids.back(), 0, "c1");
  }
  rig.StartAll();
  for (size_t i = 1; i < ids.size(); ++i) {
    REQUIRE(rig.Link("a", ids[i]).first.ok());
  }
  CHECK(rig.View("a").node_count == 16);
  rig.Add("z", 0, "c1");
  rig.Start("z");
  CHECK(rig.Link("a", "z").first.reason == Refuse::kFull);
  CHECK(rig.Count("a", Event::Kind::kClusterFull) == 1);
  CHECK(rig.Link("a", "z").first.reason == Refuse::kFull);
  CHECK(rig.Count("a", Event::Kind::kClusterFull) == 1);  // told, and not again at once
  rig.Unlink("a", "b");
  CHECK(rig.Link("a", "b").first.ok());
}

TEST_CASE("a node that gossip finds dead and whose stream is gone has failed, and is back when both return") {
  Rig rig;
  Cluster(rig);
  rig.Kill("c");
  CHECK(rig.StatusOf("a", "c") == Status::kAlive);  // a stream may break
  rig.Gossip("a", "c", GossipState::kSuspect);
  CHECK(rig.StatusOf("a", "c") == Status::kSuspect);
  rig.Gossip("a", "c", GossipState::kFailed);
  CHECK(rig.StatusOf("a", "c") == Status::kFailed);
  CHECK(rig.Count("a", Event::Kind::kNodeFailed) == 1);
  const ClusterView view = rig.View("a");
  CHECK(view.state == "degraded");
  CHECK(view.node_count == 3);
  CHECK(view.healthy_count == 2);
  CHECK(Says(view, "c has failed: gossip found it dead; start it again or run `aurora-ctl nodes remove c`"));
  rig.Start("c");
  rig.LinkAll();
  rig.Gossip("a", "c", GossipState::kAlive);
  CHECK(rig.StatusOf("a", "c") == Status::kAlive);
  CHECK(rig.Count("a", Event::Kind::kNodeRecovered) == 1);
  CHECK(rig.Count("a", Event::Kind::kNodeDiskLost) == 0);
}

TEST_CASE("a node that leaves is left, counted no more, and forgotten after an hour") {
  Rig rig;
  Cluster(rig);
  rig.nodes["c"].core.reset();
  rig.Unlink("a", "c", true);
  rig.Unlink("b", "c", true);
  CHECK(rig.StatusOf("a", "c") == Status::kLeft);
  CHECK(rig.View("a").node_count == 2);
  CHECK(rig.View("a").state == "healthy");
  CHECK(rig.nodes["a"].core->Targets().size() == 1);
  rig.Run(Duration::Seconds(3500));
  CHECK(rig.Lists("a", "c"));
  rig.Run(Duration::Seconds(300));
  CHECK(!rig.Lists("a", "c"));
  CHECK(rig.nodes["a"].roster.peers.size() == 1);
}

TEST_CASE("a failed node is remembered for a day, also across a restart, and then forgotten") {
  Rig rig;
  Cluster(rig);
  rig.Kill("c");
  rig.Gossip("a", "c", GossipState::kFailed);
  rig.Gossip("b", "c", GossipState::kFailed);
  rig.Run(Duration::Seconds(23 * 3600));
  CHECK(rig.StatusOf("a", "c") == Status::kFailed);
  rig.Kill("a");
  rig.Start("a");
  rig.LinkAll();
  CHECK(rig.Lists("a", "c"));
  rig.Run(Duration::Seconds(2 * 3600));
  CHECK(!rig.Lists("a", "c"));
}

TEST_CASE("nodes remove forgets a failed node on every member and refuses one that is here") {
  Rig rig;
  Cluster(rig);
  RigNode& a = rig.nodes["a"];
  CHECK(a.core->Remove(rig.now, rig.wall_ms, "c", a.out) == RemoveResult::kStillHere);
  CHECK(a.core->Remove(rig.now, rig.wall_ms, "a", a.out) == RemoveResult::kIsSelf);
  CHECK(a.core->Remove(rig.now, rig.wall_ms, "x", a.out) == RemoveResult::kUnknown);
  rig.Kill("c");
  rig.Gossip("a", "c", GossipState::kFailed);
  rig.Gossip("b", "c", GossipState::kFailed);
  CHECK(a.core->Remove(rig.now, rig.wall_ms, "c", a.out) == RemoveResult::kRemoved);
  rig.Pump();
  CHECK(!rig.Lists("a", "c"));
  CHECK(!rig.Lists("b", "c"));
  CHECK(rig.View("b").node_count == 2);
  // It comes back: welcome, and the removal is history.
  rig.Start("c");
  rig.LinkAll();
  CHECK(rig.View("b").node_count == 3);
  CHECK(a.core->Heartbeat().removed.empty());
}

TEST_CASE("keys differ when one seals what the other cannot open") {
  const auto differ = [](const char* a, const char* a_too, const char* b, const char* b_too) {
    NodeInfo one;
    NodeInfo two;
    one.key_fingerprint = a;
    one.previous_key_fingerprint = a_too;
    two.key_fingerprint = b;
    two.previous_key_fingerprint = b_too;
    CHECK(KeysDiffer(one, two) == KeysDiffer(two, one));
    return KeysDiffer(one, two);
  };
  CHECK_FALSE(differ("", "", "", ""));
  CHECK_FALSE(differ("old", "", "old", ""));
  CHECK_FALSE(differ("old", "", "old", "new"));  // step one, half of the nodes
  CHECK_FALSE(differ("old", "new", "new", "old"));  // step two
  CHECK_FALSE(differ("new", "old", "new", ""));  // the last step
  CHECK(differ("old", "", "new", ""));
  CHECK(differ("old", "", "new", "old"));  // step one left out: the new one's credentials do not open
  CHECK(differ("old", "new", "new", ""));  // the last step too early
  CHECK(differ("old", "", "", ""));
  CHECK(differ("", "old", "old", ""));
}

TEST_CASE("a clock, a key, a mode and a ring that differ are one event each and a reason while they last") {
  Rig rig;
  rig.Add("a", 0, "c1").info.key_fingerprint = "11111111";
  RigNode& b = rig.Add("b", 0, "c1");
  b.clock_off_ms = 100'000;
  b.info.failover_mode = "active_active";
  rig.StartAll();
  LocalState local;
  local.gossip_keys = {"aaaa0000"};
  b.core->SetLocal(rig.now, rig.Wall(b), local, b.out);
  const auto answers = rig.Link("a", "b");
  CHECK(answers.first.ok());
  CHECK(answers.first.warning.find("AURORA_ENCRYPTION_KEY differs") != std::string::npos);
  CHECK(answers.first.warning.find("100 s off") != std::string::npos);
  rig.Run(Duration::Seconds(120));
  for (const Event::Kind kind : {Event::Kind::kClockSkew, Event::Kind::kKeyDiffers, Event::Kind::kModeDiffers,
                                 Event::Kind::kRingDiffers}) {
    CHECK(rig.Count("a", kind) == 1);
    CHECK(rig.Count("b", kind) == 1);
  }
  ClusterView view = rig.View("a");
  CHECK(view.healthy_count == 2);
  CHECK(Says(view, "a lacks gossip key aaaa0000 of b"));
  CHECK(Says(view, "mixed failover_mode: active_active on b, single_node here"));
  CHECK(Says(view, "the clock of b is 100 s off"));
  CHECK(view.reasons.size() == 4);
  b.core->SetLocal(rig.now, rig.Wall(b), {}, b.out);
  rig.Pump();
  view = rig.View("a");
  CHECK(view.reasons.size() == 3);
}

TEST_CASE("guests are listed and never counted, dialled, stored or missed") {
  Rig rig;
  Cluster(rig, {"a", "b"});
  rig.Gossip("a", "guest", GossipState::kAlive, true);
  ClusterView view = rig.View("a");
  REQUIRE(view.nodes.size() == 3);
  CHECK(view.nodes[2].role == "guest");
  CHECK(view.nodes[2].status == Status::kAlive);
  CHECK(view.node_count == 2);
  rig.Gossip("a", "guest", GossipState::kFailed, true);
  CHECK(rig.View("a").state == "healthy");
  CHECK(rig.nodes["a"].core->Targets().size() == 1);
  CHECK(rig.nodes["a"].roster.peers.size() == 1);
}

TEST_CASE("a node whom gossip sees is a target at gossip's address, and suspect when no stream comes") {
  Rig rig;
  Cluster(rig, {"a"});
  rig.Gossip("a", "n", GossipState::kAlive);
  const auto targets = rig.nodes["a"].core->Targets();
  REQUIRE(targets.size() == 1);
  CHECK(targets[0] == DialTarget{"n", "uid-n", "n:7947"});
  CHECK(rig.StatusOf("a", "n") == Status::kAlive);
  rig.Run(Duration::Seconds(11));
  CHECK(rig.StatusOf("a", "n") == Status::kSuspect);
  CHECK(Says(rig.View("a"), "no Control stream (port 7947)"));
}

TEST_CASE("a restarted node dials whom it knew and does not call them failed at once") {
  Rig rig;
  Cluster(rig);
  rig.Kill("a");
  rig.nodes["b"].core.reset();
  rig.Start("a");
  CHECK(rig.nodes["a"].core->Targets().size() == 2);
  CHECK(rig.StatusOf("a", "b") == Status::kSuspect);
  CHECK(rig.Count("a", Event::Kind::kNodeFailed) == 0);
  rig.Run(Duration::Seconds(11));
  CHECK(rig.StatusOf("a", "b") == Status::kFailed);
}

TEST_CASE("one row of cluster nodes carries what the node says of itself") {
  Rig rig;
  Cluster(rig, {"a", "b"});
  LocalState local;
  local.data_plane = "up";
  local.drained = true;
  rig.nodes["b"].core->SetLocal(rig.now, rig.wall_ms, local, rig.nodes["b"].out);
  rig.Pump();
  const NodeView b = rig.View("a").nodes[1];
  CHECK(b.node_id == "b");
  CHECK(b.node_name == "name of b");
  CHECK(b.role == "single");
  CHECK(b.data_plane == "up");
  CHECK(b.drained);
  CHECK(!rig.View("a").nodes[0].drained);
  CHECK(b.gossip_addr == "b:7946");
  CHECK(b.sync_addr == "b:7947");
  CHECK(b.last_heartbeat_ms == rig.wall_ms);
  CHECK(b.version == "1.0");
  CHECK(!b.self);
  CHECK(rig.View("a").nodes[0].self);
  CHECK(rig.View("a").nodes[0].last_heartbeat_ms == rig.wall_ms);
  rig.Kill("b");
  rig.Gossip("a", "b", GossipState::kFailed);
  CHECK(rig.View("a").nodes[1].data_plane == "down");
  CHECK(!rig.View("a").nodes[1].drained);
}

TEST_CASE("a flood of strangers takes the place of strangers only") {
  Rig rig;
  Cluster(rig);
  for (int i = 0; i < 1000; ++i) {
    rig.Gossip("a", "s" + std::to_string(i), GossipState::kAlive, true);
  }
  CHECK(rig.nodes["a"].core->tracked() == kTrackedMax);
  CHECK(rig.View("a").node_count == 3);
  CHECK(rig.View("a").healthy_count == 3);
}

TEST_CASE("what a peer sends beyond the bounds is cut") {
  PeerHeartbeat beat;
  beat.data_plane = std::string(5000, 'x');
  beat.gossip_keys.assign(1000, std::string(5000, 'k'));
  beat.roster.assign(1000, {std::string(5000, 'u'), "n", "", ""});
  beat.removed.assign(1000, {"u", std::string(5000, 'n'), 1});
  beat.proposal = Proposal{"p", UINT64_MAX, {}};
  beat.lag_ms = -5;
  Cut(beat);
  CHECK(beat.data_plane.size() == kTextMax);
  CHECK(beat.gossip_keys.size() == kKeysMax);
  CHECK(beat.gossip_keys[0].size() == kTextMax);
  CHECK(beat.roster.size() == kTrackedMax);
  CHECK(beat.removed.size() == kRemovedMax);
  CHECK(!beat.proposal.has_value());
  CHECK(beat.lag_ms == 0);
}

TEST_CASE("the status rule") {
  const Instant t = Instant::FromMicros(1'000'000'000);
  Evidence e;
  e.linked = true;
  e.heard = true;
  e.link_changed = t - Duration::Seconds(500);
  e.last_frame = t;
  e.gossip = GossipState::kFailed;
  e.gossip_since = t;
  CHECK(Judge(t + Duration::Seconds(34), e) == Status::kSuspect);
  CHECK(Judge(t + Duration::Seconds(36), e) == Status::kFailed);
  e.last_frame = t + Duration::Seconds(30);  // frames still come
  CHECK(Judge(t + Duration::Seconds(36), e) == Status::kSuspect);
  e.gossip = GossipState::kUnknown;
  CHECK(Judge(t, e) == Status::kAlive);
  e.linked = false;
  e.link_changed = t;
  CHECK(Judge(t + Duration::Seconds(89), e) == Status::kSuspect);
  CHECK(Judge(t + Duration::Seconds(90), e) == Status::kFailed);
  e.gossip = GossipState::kAlive;
  CHECK(Judge(t + Duration::Seconds(9), e) == Status::kAlive);
  CHECK(Judge(t + Duration::Seconds(10), e) == Status::kSuspect);
  e.other_uid = true;
  CHECK(Judge(t + Duration::Seconds(1), e) == Status::kSuspect);
}

}  // namespace aurora::roster
