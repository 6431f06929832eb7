// Streams, joining again, addresses that move, and what is told how often.
#include <algorithm>

#include "controlplane/gossipwire/codec.h"
#include "controlplane/membership/message_size.h"
#include "tests/controlplane/membership/rig.h"
#include "tests/support/test.h"

using namespace aurora;              // NOLINT
using namespace aurora::membership;  // NOLINT
using Kind = Event::Kind;

namespace {

gossipwire::PushPull View(std::vector<gossipwire::NodeRecord> nodes) { return {true, std::move(nodes), {}}; }

gossipwire::NodeRecord RecordOf(const std::string& name, int host, uint32_t incarnation, NodeState state) {
  return {name, At(host), "m", incarnation, state, {}};
}

}  // namespace

TEST_CASE("a push/pull is answered with the view from before it was merged", "[membership]") {
  Rig rig;
  const auto reply = rig.core.ReceiveStream(rig.now, At(2), View({RecordOf("b", 2, 1, NodeState::kAlive)}), rig.out);
  CHECK(reply.join);
  REQUIRE(reply.nodes.size() == 1);
  CHECK(reply.nodes[0].name == "self");
  CHECK(rig.State("b") == NodeState::kAlive);
}

TEST_CASE("a death in a peer's view is softened to a suspicion of ours; a leave is not", "[membership]") {
  Rig rig;
  rig.Alive("b", 2);
  rig.Alive("c", 3);
  rig.core.ReceiveStream(
      rig.now, At(4), View({RecordOf("b", 2, 1, NodeState::kDead), RecordOf("c", 3, 1, NodeState::kLeft)}), rig.out);
  CHECK(rig.State("b") == NodeState::kSuspect);
  CHECK(rig.State("c") == NodeState::kLeft);
}

TEST_CASE("a peer that thinks us dead is answered above it", "[membership]") {
  Rig rig;
  rig.core.ReceiveStream(rig.now, At(2), View({RecordOf("self", 1, 400, NodeState::kDead)}), rig.out);
  CHECK(rig.core.incarnation() == 401);
}

TEST_CASE("the dead are shown to a newcomer as dead", "[membership]") {
  Rig rig;
  rig.Alive("b", 2, 3);
  rig.Dead("b", 3, "c");
  const auto view = rig.core.LocalState(false);
  REQUIRE(view.nodes.size() == 2);
  for (const auto& r : view.nodes) {
    CHECK(r.state == (r.name == "b" ? NodeState::kDead : NodeState::kAlive));
  }
}

TEST_CASE("a view of another cluster, or of versions we cannot speak, is not merged", "[membership]") {
  Config config;
  config.cluster_id = "prod";
  Rig rig(config);
  auto foreign = RecordOf("b", 2, 1, NodeState::kAlive);
  foreign.meta = EncodeMeta({"u", "staging", 1, 1});
  const auto reply = rig.core.ReceiveStream(rig.now, At(2), View({foreign}), rig.out);
  REQUIRE(reply.nodes.size() == 1);  // ourselves alone: so that the peer, too, sees whom it met
  CHECK(reply.nodes[0].name == "self");
  CHECK(rig.Happened(Kind::kForeign, "b"));

  auto strange = RecordOf("c", 3, 1, NodeState::kAlive);
  strange.versions.delegate_min = 4;
  strange.versions.delegate_max = strange.versions.delegate_current = 5;
  rig.core.ReceiveStream(rig.now, At(3), View({strange}), rig.out);
  CHECK(rig.core.table().size() == 1);
  CHECK(rig.Happened(Kind::kAlarm, "self"));
}

TEST_CASE("joining begins a push/pull whose answer is merged once", "[membership]") {
  Rig rig;
  rig.core.Contact(rig.now, At(2), true, rig.out);
  REQUIRE(rig.out.streams.size() == 1);
  CHECK(rig.out.streams[0].join);
  const uint64_t id = rig.out.streams[0].id;
  rig.core.OnStreamState(rig.now, id, View({RecordOf("b", 2, 1, NodeState::kAlive)}), rig.out);
  CHECK(rig.State("b") == NodeState::kAlive);
  rig.core.OnStreamState(rig.now, id, View({RecordOf("c", 3, 1, NodeState::kAlive)}), rig.out);
  CHECK(rig.core.Find("c") == nullptr);
}

TEST_CASE("a live member and ourselves need not be found again", "[membership]") {
  Rig rig;
  rig.Alive("b", 2);
  rig.core.Contact(rig.now, At(2), false, rig.out);
  rig.core.Contact(rig.now, At(1), true, rig.out);
  CHECK(rig.out.streams.empty());
}

TEST_CASE("a dead node is contacted again for a day, and memberlist never does", "[membership]") {
  for (Rules rules : {Rules::kAurora, Rules::kStock}) {
    Config config;
    config.rules = rules;
    Rig rig(config);
    rig.answering = true;
    rig.Alive("b", 2);
    rig.Alive("c", 3);
    rig.Dead("b", 1, "c");
    rig.Run(Duration::Seconds(3600));
    rig.out.Clear();
    rig.Run(Duration::Seconds(120));
    const auto tries = std::count_if(rig.out.streams.begin(), rig.out.streams.end(),
                                     [](const StreamRequest& s) { return s.to == At(2); });
    CHECK((tries >= 3 && tries <= 6) == (rules == Rules::kAurora));
    CHECK(rig.out.wants_seed == (rules == Rules::kAurora));
    rig.Run(Duration::Seconds(25 * 3600));
    CHECK(rig.core.Find("b") == nullptr);
  }
}

TEST_CASE("one that left is remembered for an hour and never contacted", "[membership]") {
  Rig rig;
  rig.answering = true;
  rig.Alive("b", 2);
  rig.Alive("c", 3);
  rig.Dead("b", 1, "b");
  rig.Run(Duration::Seconds(3000));
  CHECK(rig.core.Find("b") != nullptr);
  CHECK(std::none_of(rig.out.streams.begin(), rig.out.streams.end(),
                     [](const StreamRequest& s) { return s.to == At(2); }));
  rig.Run(Duration::Seconds(1000));
  CHECK(rig.core.Find("b") == nullptr);
}

TEST_CASE("alone, seeds are asked for every few seconds", "[membership]") {
  Rig rig;
  int asked = 0;
  for (int i = 0; i < 100; ++i) {
    rig.Run(Duration::Millis(100));
    asked += rig.out.wants_seed ? 1 : 0;
    rig.out.Clear();
  }
  CHECK(asked >= 4);
}

TEST_CASE("a known name at a new address is taken over when the old address is silent", "[membership]") {
  Rig rig;
  rig.Alive("b", 2, 5);
  rig.out.Clear();
  rig.Hear(AliveMsg("b", 9, 6));
  CHECK(rig.core.Find("b")->address == At(2));
  rig.Run(Duration::Millis(800));
  CHECK(rig.Sent<gossipwire::Ping>(2).size() >= 3);
  CHECK(rig.core.Find("b")->address == At(9));
  CHECK(rig.Happened(Kind::kRejoin, "b"));
  CHECK(!rig.Happened(Kind::kConflict, "b"));
}

TEST_CASE("two nodes of one name are a conflict: the one we know keeps it", "[membership]") {
  Rig rig;
  rig.Alive("b", 2, 5);
  rig.answering = true;
  rig.out.Clear();
  rig.Hear(AliveMsg("b", 9, 6));
  const auto pings = rig.Sent<gossipwire::Ping>(2);
  REQUIRE(!pings.empty());
  rig.Hear(gossipwire::Ack{pings[0].sequence, {}}, 2);
  rig.Run(Duration::Seconds(2));
  CHECK(rig.core.Find("b")->address == At(2));
  CHECK(rig.Happened(Kind::kConflict, "b"));
  rig.out.Clear();
  rig.Hear(AliveMsg("b", 9, 7));
  CHECK(rig.out.datagrams.empty());  // the question rests
}

TEST_CASE("an echo of the address before is neither believed, nor told on, nor called a conflict", "[membership]") {
  Rig rig;
  rig.Alive("b", 9, 6);
  rig.Run(Duration::Seconds(10));
  rig.out.Clear();
  rig.Hear(AliveMsg("b", 2, 5));
  const auto pings = rig.Sent<gossipwire::Ping>(9);
  REQUIRE(!pings.empty());
  rig.Hear(gossipwire::Ack{pings[0].sequence, {}}, 9);
  CHECK(rig.core.Find("b")->address == At(9));
  CHECK(!rig.Happened(Kind::kConflict, "b"));
  CHECK(rig.Sent<gossipwire::Alive>().empty());
}

TEST_CASE("a name moves, but its incarnation never falls: the newcomer is told what to top", "[membership]") {
  Rig rig;
  rig.Alive("b", 2, 50);
  rig.Hear(AliveMsg("b", 9, 1));
  rig.Run(Duration::Millis(800));
  CHECK(rig.Incarnation("b") == 50);
  const auto told = rig.Sent<gossipwire::Dead>(9);
  REQUIRE(!told.empty());
  CHECK(told[0].incarnation == 50);
  rig.Hear(AliveMsg("b", 9, 51));
  CHECK(rig.core.Find("b")->address == At(9));
  CHECK(rig.Incarnation("b") == 51);
}

TEST_CASE("one that left, or died a while ago, may return from anywhere at once", "[membership]") {
  Rig rig;
  rig.Alive("b", 2, 5);
  rig.Alive("c", 3, 5);
  rig.answering = true;
  rig.Dead("b", 5, "b");
  rig.Dead("c", 5, "b");
  rig.Hear(AliveMsg("b", 8, 6));
  CHECK(rig.core.Find("b")->address == At(8));
  rig.Run(Duration::Seconds(6));
  rig.Hear(AliveMsg("c", 9, 6));
  CHECK(rig.core.Find("c")->address == At(9));
}

TEST_CASE("news is told twenty-four times even in a cluster of three", "[membership]") {
  for (Rules rules : {Rules::kAurora, Rules::kStock}) {
    Config config;
    config.rules = rules;
    config.probe_period = Duration::Seconds(3600);
    Rig rig(config);
    rig.Alive("b", 2);
    rig.Alive("c", 3);
    rig.Run(Duration::Seconds(20));
    rig.out.Clear();
    rig.Hear(AliveMsg("b", 2, 2));
    rig.Run(Duration::Seconds(20));
    CHECK(rig.Sent<gossipwire::Alive>().size() == (rules == Rules::kAurora ? 24u : 4u));
    CHECK(rig.core.NextDeadline() > rig.now);
  }
}

TEST_CASE("more news than packets can carry makes views be exchanged at once", "[membership]") {
  for (Rules rules : {Rules::kAurora, Rules::kStock}) {
    for (int members : {90, 150}) {
      Config config;
      config.rules = rules;
      Rig rig(config);
      rig.answering = true;
      rig.Run(Duration::Seconds(31));  // the first exchange, alone, is over
      for (int i = 2; i < members; ++i) {
        rig.Alive("node" + std::to_string(i), i);
      }
      rig.out.Clear();
      rig.Run(Duration::Seconds(15));
      const auto exchanges = std::count_if(rig.out.streams.begin(), rig.out.streams.end(), [](const StreamRequest& s) {
        return s.kind == StreamRequest::Kind::kPushPull;
      });
      const bool flooded = rules == Rules::kAurora && members > 100;
      CHECK((flooded ? exchanges >= 2 && exchanges <= 6 : exchanges <= 1));
    }
  }
}

TEST_CASE("a datagram stays within its bytes", "[membership]") {
  Config config;
  config.datagram_bytes = 600;
  Rig rig(config);
  for (int i = 2; i < 40; ++i) {
    rig.Alive("node-with-a-longish-name-" + std::to_string(i), i);
  }
  rig.Run(Duration::Seconds(2));
  bool full = false;
  for (const Datagram& d : rig.out.datagrams) {
    size_t size = 2;
    for (const Message& m : d.messages) {
      size += 2 + MessageSize(m);
    }
    CHECK(size <= 600);
    full |= size > 500;
  }
  CHECK(full);
}

TEST_CASE("the queue tells the least told first, fills gaps with what fits, and drops at its limit", "[membership]") {
  BroadcastQueue queue;
  queue.Push("a", gossipwire::Dead{1, "a", "x"});
  queue.Push("b", gossipwire::Alive{1, "b", At(2), std::string(100, 'm'), {}});
  queue.Push("a", gossipwire::Dead{2, "a", "x"});
  CHECK(queue.size() == 2);
  std::vector<Message> taken;
  queue.Take(60, 2, 3, taken);
  REQUIRE(taken.size() == 1);
  CHECK(std::get<gossipwire::Dead>(taken[0]).incarnation == 2);
  taken.clear();
  queue.Take(1000, 2, 3, taken);
  REQUIRE(taken.size() == 2);
  CHECK(std::holds_alternative<gossipwire::Alive>(taken[0]));
  queue.Take(1000, 2, 3, taken);
  CHECK(queue.size() == 1);  // "a" has been told three times
  queue.Take(1000, 2, 3, taken);
  CHECK(queue.empty());
}

TEST_CASE("meta survives its encoding, and anything else is no meta of ours", "[membership]") {
  const NodeMeta meta{"0123456789abcdef", "prod", 7947, 3};
  const std::string bytes = EncodeMeta(meta);
  CHECK(bytes.size() <= kMaxMeta);
  CHECK(ParseMeta(bytes) == meta);
  CHECK(ParseMeta(bytes + "later versions") == meta);
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    CHECK(!ParseMeta(bytes.substr(0, cut)));
  }
  CHECK(!ParseMeta("consul"));
}

TEST_CASE("a message's size by arithmetic is its size on the wire", "[membership]") {
  Rng rng(3);
  auto text = [&](size_t below) { return std::string(rng.Below(below), 'x'); };
  auto number = [&] { return static_cast<uint32_t>(rng.Next() >> (32 + rng.Below(32))); };
  for (int i = 0; i < 500; ++i) {
    const Address source = rng.OneIn(2) ? Address{} : At(3, static_cast<uint16_t>(number() | 1));
    const std::string node = source.ip.empty() ? "" : "s" + text(60);
    for (const Message& m : std::initializer_list<Message>{
             gossipwire::Ping{number(), text(300), source, node},
             gossipwire::IndirectPing{number(), At(4, 7946), text(99), rng.OneIn(2), source, node},
             gossipwire::Ack{number(), {}}, gossipwire::Nack{number()},
             gossipwire::Suspect{number(), text(40), text(40)},
             gossipwire::Dead{number(), text(40), text(40)}, gossipwire::User{text(100)},
             gossipwire::Alive{number(), text(40), At(5, 7946), text(300), {}}}) {
      CHECK(MessageSize(m) == gossipwire::EncodeMessage(m).size());
    }
  }
}
