// The rules of the mesh of Control streams, without a stream.
#include "controlplane/peers/control_mesh.h"

#include <algorithm>
#include <optional>
#include <set>

#include "tests/support/test.h"

namespace aurora::peers {
namespace {

using Kind = MeshAction::Kind;

Instant At(int64_t millis) {
  return Instant::FromMicros(millis * 1000);
}
Instant At(Duration d) {
  return Instant::FromMicros(d.micros());
}
Duration Ms(int64_t millis) {
  return Duration::Millis(millis);
}

std::string Uid(const std::string& node_id) {
  return "uid-" + node_id;
}
MeshPeer Peer(const std::string& node_id, uint64_t epoch = 1) {
  return {Uid(node_id), node_id, epoch, Duration::Seconds(100)};
}
Target To(const std::string& node_id) {
  return {node_id, Uid(node_id), node_id + ":7947"};
}

MeshConfig ConfigOf(const std::string& node_id) {
  MeshConfig config;
  config.node_id = node_id;
  config.uid = Uid(node_id);
  return config;
}

// Only those of one kind.
MeshActions Of(const MeshActions& actions, Kind kind) {
  MeshActions some;
  std::copy_if(actions.begin(), actions.end(), std::back_inserter(some),
               [&](const MeshAction& action) { return action.kind == kind; });
  return some;
}

// A mesh whose calls return the actions.
class Driver {
 public:
  explicit Driver(const std::string& node_id, uint64_t seed = 1) : mesh(ConfigOf(node_id), seed) {}
  explicit Driver(MeshConfig config) : mesh(std::move(config), 1) {}

  MeshActions Targets(Instant now, const std::vector<Target>& targets) {
    return Call([&](MeshActions& out) { mesh.SetTargets(now, targets, out); });
  }
  MeshActions DialNow(Instant now, const std::string& node_id) {
    return Call([&](MeshActions& out) { mesh.DialNow(now, node_id, out); });
  }
  MeshActions Hello(Instant now, LinkId link, const MeshPeer& peer, Verdict verdict = {}) {
    return Call([&](MeshActions& out) { mesh.OnHello(now, link, peer, verdict, out); });
  }
  MeshActions Closed(Instant now, LinkId link, ByeReason reason = ByeReason::kNone) {
    return Call([&](MeshActions& out) { mesh.OnClosed(now, link, reason, "", out); });
  }
  MeshActions Tick(Instant now) {
    return Call([&](MeshActions& out) { mesh.Tick(now, out); });
  }
  LinkId Accept(Instant now) {
    MeshActions out;
    const LinkId id = mesh.Accept(now, out);
    accepted = out;
    return id;
  }
  // Dials the target, which must be due.
  LinkId Dial(Instant now, const std::string& node_id) {
    MeshActions dials = Of(Targets(now, {To(node_id)}), Kind::kDial);
    if (dials.empty()) {
      dials = Of(Tick(now), Kind::kDial);
    }
    REQUIRE(dials.size() == 1);
    return dials[0].link;
  }

  Mesh mesh;
  MeshActions accepted;

 private:
  template <class F>
  MeshActions Call(F&& call) {
    MeshActions out;
    call(out);
    return out;
  }
};

TEST_CASE("a target is dialled at once and a node never dials itself") {
  Driver a("a");
  const MeshActions out = a.Targets(At(0), {To("a"), To("b"), To("c"), To("b")});
  REQUIRE(out.size() == 2);
  CHECK(out[0].kind == Kind::kDial);
  CHECK(out[0].node_id == "b");
  CHECK(out[0].address == "b:7947");
  CHECK(out[1].node_id == "c");
  CHECK(a.Targets(At(1), {To("b"), To("c")}).empty());
}

TEST_CASE("a Hello that is welcome makes the link the peer's") {
  Driver a("a");
  const LinkId dial = a.Dial(At(0), "b");
  CHECK(a.mesh.Find(Uid("b")) == 0);
  const MeshActions out = a.Hello(At(10), dial, Peer("b"));
  REQUIRE(out.size() == 1);
  CHECK(out[0].kind == Kind::kUp);
  CHECK(out[0].uid == Uid("b"));
  CHECK(a.mesh.Find(Uid("b")) == dial);
  CHECK(a.mesh.up_count() == 1);
  CHECK(a.mesh.NextDial("b") == Instant::Never());
}

TEST_CASE("failed dials wait from 0.1 s up to 5 s, jittered, and never longer") {
  std::set<int64_t> first_waits;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Driver a("a", seed);
    Instant now = At(0);
    LinkId dial = a.Dial(now, "b");
    Duration limit = Ms(100);
    for (int i = 0; i < 12; ++i) {
      a.Closed(now, dial);
      const Duration wait = a.mesh.NextDial("b") - now;
      CHECK(wait >= limit / 2);
      CHECK(wait <= limit);
      CHECK(wait <= Duration::Seconds(5));
      if (i == 0) {
        first_waits.insert(wait.micros());
      }
      CHECK(Of(a.Tick(now + wait - Duration::Micros(1)), Kind::kDial).empty());
      now = now + wait;
      CHECK(a.mesh.NextDeadline() == now);
      const MeshActions out = a.Tick(now);
      REQUIRE(out.size() == 1);
      dial = out[0].link;
      limit = std::min(limit * 2, Duration::Seconds(5));
    }
    CHECK(limit == Duration::Seconds(5));
  }
  CHECK(first_waits.size() > 20);
}

TEST_CASE("a link that held starts the backoff anew and one that flaps does not") {
  const Duration held = GENERATE(Ms(100), Duration::Seconds(5));
  Driver a("a");
  Instant now = At(0);
  LinkId dial = a.Dial(now, "b");
  for (int i = 0; i < 6; ++i) {
    a.Closed(now, dial);
    now = a.mesh.NextDial("b");
    dial = a.Tick(now).at(0).link;
  }
  a.Hello(now, dial, Peer("b"));
  now = now + held;
  a.Closed(now, dial);
  const Duration wait = a.mesh.NextDial("b") - now;
  if (held < Duration::Seconds(5)) {
    CHECK(wait >= Duration::Seconds(2));
  } else {
    CHECK(wait <= Ms(100));
  }
}

TEST_CASE("an alive event dials at once, but not faster than the shortest wait") {
  Driver a("a");
  Instant now = At(0);
  LinkId dial = a.Dial(now, "b");
  for (int i = 0; i < 8; ++i) {
    a.Closed(now, dial);
    now = a.mesh.NextDial("b");
    dial = a.Tick(now).at(0).link;
  }
  a.Closed(now, dial);
  CHECK(a.DialNow(now + Ms(1), "b").empty());
  CHECK(a.mesh.NextDial("b") == now + Ms(100));
  CHECK(Of(a.DialNow(now + Ms(300), "b"), Kind::kDial).size() == 1);
  CHECK(a.DialNow(now + Ms(301), "b").empty());  // under way
  CHECK(a.DialNow(now, "unknown").empty());
}

TEST_CASE("after a refusal a dial waits 5 to 30 s and no alive event shortens it") {
  const ByeReason reason = GENERATE(ByeReason::kForeignCluster, ByeReason::kProtocolVersion, ByeReason::kLabel,
                                    ByeReason::kDuplicateNodeId, ByeReason::kFull, ByeReason::kWrongNode);
  const bool by_peer = GENERATE(true, false);
  std::set<int64_t> waits;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    Driver a("a", seed);
    const LinkId dial = a.Dial(At(0), "b");
    if (by_peer) {
      CHECK(a.Closed(At(0), dial, reason).empty());
    } else {
      const MeshActions out = a.Hello(At(0), dial, Peer("b"), {reason, "no"});
      REQUIRE(out.size() == 1);
      CHECK(out[0].kind == Kind::kClose);
      CHECK(out[0].reason == reason);
      CHECK(out[0].message == "no");
    }
    const Instant next = a.mesh.NextDial("b");
    CHECK(next >= At(Duration::Seconds(5)));
    CHECK(next <= At(Duration::Seconds(30)));
    waits.insert(next.micros());
    a.DialNow(At(2000), "b");
    CHECK(a.mesh.NextDial("b") == next);
    CHECK(Of(a.Tick(next), Kind::kDial).size() == 1);
  }
  CHECK(*waits.rbegin() - *waits.begin() > 10'000'000);
}

TEST_CASE("refusing a stream from a peer also keeps us from dialling it") {
  Driver a("a");
  const LinkId dial = a.Dial(At(0), "b");
  a.Closed(At(0), dial);
  const LinkId inbound = a.Accept(At(1));
  a.Hello(At(1), inbound, Peer("b"), {ByeReason::kForeignCluster, "other cluster"});
  CHECK(a.mesh.NextDial("b") >= At(5001));
}

TEST_CASE("who only claims a node id does not hold up the dial to the node that has it") {
  Driver a("a");
  const LinkId dial = a.Dial(At(0), "b");
  a.Closed(At(0), dial);
  const Instant next = a.mesh.NextDial("b");
  const LinkId inbound = a.Accept(At(1));
  MeshPeer impostor = Peer("b");
  impostor.uid = "another";
  a.Hello(At(1), inbound, impostor, {ByeReason::kDuplicateNodeId, "taken"});
  CHECK(a.mesh.NextDial("b") == next);
}

TEST_CASE("a new address is dialled at once, even after a refusal") {
  Driver a("a");
  const LinkId dial = a.Dial(At(0), "b");
  a.Closed(At(0), dial, ByeReason::kForeignCluster);
  Target moved = To("b");
  moved.address = "elsewhere:7947";
  const MeshActions out = a.Targets(At(10), {moved});
  REQUIRE(out.size() == 1);
  CHECK(out[0].address == "elsewhere:7947");
}

TEST_CASE("a target that goes keeps its link and loses its dial") {
  Driver a("a");
  MeshActions dials = a.Targets(At(0), {To("b"), To("c")});
  a.Hello(At(1), dials[0].link, Peer("b"));
  const MeshActions out = a.Targets(At(2), {});
  REQUIRE(out.size() == 1);
  CHECK(out[0].kind == Kind::kClose);
  CHECK(out[0].link == dials[1].link);
  CHECK(a.mesh.Find(Uid("b")) == dials[0].link);
  a.Closed(At(3), dials[0].link);
  CHECK(a.mesh.NextDeadline() == Instant::Never());
}

TEST_CASE("a stream without a Hello is closed after 5 s") {
  Driver a("a");
  const LinkId inbound = a.Accept(At(0));
  const LinkId dial = a.Dial(At(0), "b");
  CHECK(a.Tick(At(4999)).empty());
  CHECK(a.mesh.NextDeadline() == At(5000));
  const MeshActions out = Of(a.Tick(At(5000)), Kind::kClose);
  REQUIRE(out.size() == 2);
  CHECK(out[0].link == inbound);
  CHECK(out[0].reason == ByeReason::kBadFrame);
  CHECK(out[1].link == dial);
  CHECK(out[1].reason == ByeReason::kNone);
  CHECK(a.mesh.link_count() == 0);
  CHECK(a.mesh.NextDial("b") <= At(5100));  // nobody refused us
}

TEST_CASE("a silent link is closed and a talking one is not") {
  Driver a("a");
  const LinkId dial = a.Dial(At(0), "b");
  a.Hello(At(0), dial, Peer("b"));
  a.mesh.Touch(At(50'000), dial);
  CHECK(a.Tick(At(149'999)).empty());
  const MeshActions out = a.Tick(At(150'000));
  REQUIRE(out.size() >= 2);
  CHECK(out[0].kind == Kind::kClose);
  CHECK(out[0].reason == ByeReason::kIdle);
  CHECK(out[1].kind == Kind::kDown);
}

TEST_CASE("more than 64 streams from outside are refused") {
  Driver a("a");
  for (int i = 0; i < 64; ++i) {
    a.Accept(At(0));
    CHECK(a.accepted.empty());
  }
  const LinkId last = a.Accept(At(0));
  REQUIRE(a.accepted.size() == 1);
  CHECK(a.accepted[0].link == last);
  CHECK(a.accepted[0].reason == ByeReason::kFull);
  CHECK(a.mesh.link_count() == 64);
}

TEST_CASE("a node that reaches itself or another than it dialled parts") {
  Driver a("a");
  const LinkId inbound = a.Accept(At(0));
  CHECK(a.Hello(At(0), inbound, Peer("a")).at(0).reason == ByeReason::kWrongNode);
  const LinkId dial = a.Dial(At(0), "b");
  CHECK(a.Hello(At(0), dial, Peer("c")).at(0).reason == ByeReason::kWrongNode);
  CHECK(a.mesh.NextDial("b") >= At(5000));
}

TEST_CASE("a node with our uid under another id is a copied disk: the verdict is told, and it is never let in") {
  Driver a("a");
  MeshPeer copy = Peer("b");
  copy.uid = Uid("a");
  const Verdict duplicate{ByeReason::kDuplicateNodeId, "a copied state directory"};
  CHECK(a.Hello(At(0), a.Accept(At(0)), copy, duplicate).at(0).reason == ByeReason::kDuplicateNodeId);
  CHECK(a.Hello(At(0), a.Accept(At(0)), copy).at(0).reason == ByeReason::kWrongNode);
}

TEST_CASE("a sixteenth peer is refused, and a member that is away keeps its place") {
  Driver a("a");
  std::vector<Target> members;
  for (int i = 0; i < 15; ++i) {
    members.push_back(To("m" + std::to_string(i)));
  }
  const MeshActions dials = a.Targets(At(0), members);
  REQUIRE(dials.size() == 15);
  for (size_t i = 1; i < dials.size(); ++i) {
    a.Hello(At(1), dials[i].link, Peer(dials[i].node_id));
  }
  a.Closed(At(1), dials[0].link);
  CHECK(a.mesh.up_count() == 14);
  LinkId inbound = a.Accept(At(2));
  MeshActions out = a.Hello(At(2), inbound, Peer("stranger"));
  REQUIRE(out.size() == 1);
  CHECK(out[0].kind == Kind::kClose);
  CHECK(out[0].reason == ByeReason::kFull);
  inbound = a.Accept(At(3));
  out = a.Hello(At(3), inbound, Peer("m0"));
  REQUIRE(out.size() == 1);
  CHECK(out[0].kind == Kind::kUp);
  CHECK(a.mesh.up_count() == 15);
  // One that is up may come again, by a newer stream.
  inbound = a.Accept(At(4));
  CHECK(Of(a.Hello(At(4), inbound, Peer("m0")), Kind::kUp).size() == 1);
  CHECK(a.mesh.up_count() == 15);
}

TEST_CASE("targets beyond the fifteenth are strangers: neither dialled nor given a place") {
  Driver a("a");
  std::vector<Target> targets;
  for (int i = 0; i < 17; ++i) {
    targets.push_back(To("m" + std::to_string(i)));
  }
  const MeshActions dials = a.Targets(At(0), targets);
  CHECK(dials.size() == 15);
  CHECK(std::none_of(dials.begin(), dials.end(),
                     [](const MeshAction& dial) { return dial.node_id == "m15" || dial.node_id == "m16"; }));
  const LinkId inbound = a.Accept(At(1));
  CHECK(a.Hello(At(1), inbound, Peer("m16")).at(0).reason == ByeReason::kFull);
  // Nor does a newcomer with a lower id take an old one's place.
  targets.insert(targets.begin(), To("b"));
  CHECK(a.Targets(At(2), targets).empty());
}

TEST_CASE("a stream from the peer's next life replaces the old one, whoever dialled") {
  for (const std::string self : {"a", "z"}) {
    Driver node(self);
    const LinkId dial = node.Dial(At(0), "m");
    node.Hello(At(0), dial, Peer("m", 1));
    const LinkId inbound = node.Accept(At(100));
    const MeshActions out = node.Hello(At(100), inbound, Peer("m", 2));
    REQUIRE(out.size() == 2);
    CHECK(out[0].kind == Kind::kUp);
    CHECK(out[0].link == inbound);
    CHECK(out[1].kind == Kind::kClose);
    CHECK(out[1].link == dial);
    CHECK(out[1].reason == ByeReason::kSupersededStream);
    CHECK(node.mesh.Find(Uid("m")) == inbound);
  }
}

TEST_CASE("a stream that cannot have raced replaces one that is dead at the other end") {
  Driver a("a");
  const LinkId dial = a.Dial(At(0), "m");
  a.Hello(At(0), dial, Peer("m"));
  const LinkId early = a.Accept(At(9'000));
  MeshActions out = a.Hello(At(9'000), early, Peer("m"));
  REQUIRE(out.size() == 1);
  CHECK(out[0].link == early);
  CHECK(out[0].reason == ByeReason::kSupersededStream);
  a.mesh.Touch(At(10'001), dial);
  const LinkId late = a.Accept(At(10'001));
  out = a.Hello(At(10'001), late, Peer("m"));
  CHECK(Of(out, Kind::kUp).size() == 1);
  CHECK(a.mesh.Find(Uid("m")) == late);
}

TEST_CASE("another uid admitted under the same node id replaces the old one, which goes down") {
  Driver a("a");
  const LinkId dial = a.Dial(At(0), "m");
  a.Hello(At(0), dial, Peer("m"));
  const LinkId inbound = a.Accept(At(1));
  MeshPeer reborn = Peer("m");
  reborn.uid = "new";
  const MeshActions out = a.Hello(At(1), inbound, reborn);
  REQUIRE(out.size() == 3);
  CHECK(out[0].kind == Kind::kUp);
  CHECK(out[1].kind == Kind::kClose);
  CHECK(out[2].kind == Kind::kDown);
  CHECK(out[2].uid == Uid("m"));
  CHECK(a.mesh.up_count() == 1);
}

TEST_CASE("a shutdown parts from everyone and nothing is dialled or accepted afterwards") {
  Driver a("a");
  const LinkId dial = a.Dial(At(0), "b");
  a.Hello(At(0), dial, Peer("b"));
  const LinkId waiting = a.Accept(At(0));
  MeshActions out;
  a.mesh.Shutdown(At(1), ByeReason::kShutdown, "bye", out);
  CHECK(Of(out, Kind::kClose).size() == 2);
  CHECK(Of(out, Kind::kDown).size() == 1);
  CHECK(a.Hello(At(2), waiting, Peer("c")).empty());
  CHECK(a.mesh.NextDeadline() == Instant::Never());
  CHECK(a.Tick(At(60'000)).empty());
  a.Accept(At(3));
  REQUIRE(a.accepted.size() == 1);
  CHECK(a.accepted[0].reason == ByeReason::kShutdown);
}

TEST_CASE("a stream that gives way to our own dial is down only if the dial comes to nothing") {
  Driver a("a");
  const LinkId dial = a.Dial(At(0), "b");
  const LinkId inbound = a.Accept(At(0));
  a.Hello(At(1), inbound, Peer("b"));
  CHECK(a.Closed(At(2), inbound, ByeReason::kSupersededStream).empty());
  MeshActions out;
  SECTION("it comes up") {
    out = a.Hello(At(3), dial, Peer("b"));
    REQUIRE(out.size() == 1);
    CHECK(out[0].kind == Kind::kUp);
    return;
  }
  SECTION("it fails") { out = a.Closed(At(3), dial); }
  SECTION("it is refused") { out = a.Hello(At(3), dial, Peer("b"), {ByeReason::kLabel, ""}); }
  SECTION("it gets no answer") { out = a.Tick(At(5000)); }
  SECTION("it is no longer wanted") { out = a.Targets(At(3), {}); }
  SECTION("another life answers") {
    MeshPeer reborn = Peer("b");
    reborn.uid = "new";
    out = a.Hello(At(3), dial, reborn);
  }
  out = Of(out, Kind::kDown);
  REQUIRE(out.size() == 1);
  CHECK(out[0].uid == Uid("b"));
  CHECK(out[0].node_id == "b");
}

// ---- two meshes, their streams and every order of events

struct World {
  struct Wire {
    LinkId id[2] = {0, 0};  // at either node; 0: not there yet
    int dialler = 0;
    bool hello_sent[2] = {false, false};
    bool hello_heard[2] = {false, false};
    bool closed[2] = {false, false};  // the node parted or knows that the other did
  };
  Driver nodes[2] = {Driver("a"), Driver("b")};
  std::string names[2] = {"a", "b"};
  std::vector<Wire> wires;
  Instant now = At(0);
  int downs = 0;

  Wire* Find(int node, LinkId id) {
    for (Wire& wire : wires) {
      if (wire.id[node] == id) {
        return &wire;
      }
    }
    return nullptr;
  }
  void Carry(int node, const MeshActions& actions) {
    for (const MeshAction& action : actions) {
      Wire* wire = Find(node, action.link);
      if (action.kind == Kind::kDial) {
        wires.emplace_back();
        wires.back().id[node] = action.link;
        wires.back().dialler = node;
        wires.back().hello_sent[node] = true;
      } else if (action.kind == Kind::kClose && wire != nullptr) {
        wire->closed[node] = true;
      } else if (action.kind == Kind::kUp && wire != nullptr) {
        wire->hello_sent[node] = true;
      }
      downs += action.kind == Kind::kDown ? 1 : 0;
    }
  }
  // One thing that can happen next on `wire` at `node`; false: nothing can.
  bool Step(size_t index, int node) {
    Wire& wire = wires[index];
    const int other = 1 - node;
    if (wire.closed[node]) {
      return false;
    }
    if (wire.id[node] == 0) {
      const LinkId id = nodes[node].Accept(now);
      wires[index].id[node] = id;
      Carry(node, nodes[node].accepted);
      return true;
    }
    if (!wire.hello_heard[node] && wire.hello_sent[other]) {
      wire.hello_heard[node] = true;
      Carry(node, nodes[node].Hello(now, wire.id[node], Peer(names[other])));
      return true;
    }
    if (wire.closed[other]) {
      wire.closed[node] = true;
      Carry(node, nodes[node].Closed(now, wires[index].id[node], ByeReason::kSupersededStream));
      return true;
    }
    return false;
  }
};

TEST_CASE("dialled both ways at once, in whatever order, exactly the lower node's stream stays") {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    World world;
    Rng rng(seed);
    world.Carry(0, world.nodes[0].Targets(world.now, {To("b")}));
    world.Carry(1, world.nodes[1].Targets(world.now, {To("a")}));
    REQUIRE(world.wires.size() == 2);
    for (int quiet = 0; quiet < 40;) {
      const size_t index = rng.Below(world.wires.size());
      quiet = world.Step(index, static_cast<int>(rng.Below(2))) ? 0 : quiet + 1;
    }
    REQUIRE(world.nodes[0].mesh.up_count() == 1);
    REQUIRE(world.nodes[1].mesh.up_count() == 1);
    const World::Wire* wire = world.Find(0, world.nodes[0].mesh.Find(Uid("b")));
    REQUIRE(wire != nullptr);
    CHECK(wire->dialler == 0);
    CHECK(world.downs == 0);
    CHECK(wire->id[1] == world.nodes[1].mesh.Find(Uid("a")));
    CHECK(world.nodes[0].mesh.link_count() == 1);
    CHECK(world.nodes[1].mesh.link_count() == 1);
  }
}

}  // namespace
}  // namespace aurora::peers
