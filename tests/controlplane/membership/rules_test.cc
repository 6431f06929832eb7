// The laws of one record: memberlist's state machine, then what ours adds.
#include "tests/controlplane/membership/rig.h"
#include "tests/support/test.h"

using namespace aurora;              // NOLINT
using namespace aurora::membership;  // NOLINT
using Kind = Event::Kind;

TEST_CASE("an unknown node that says it is alive joins, and the news is told on", "[membership]") {
  Rig rig;
  rig.Alive("b", 2);
  CHECK(rig.State("b") == NodeState::kAlive);
  CHECK(rig.Happened(Kind::kJoin, "b"));
  rig.Run(Duration::Millis(400));
  CHECK(!rig.Sent<gossipwire::Alive>(2).empty());
}

TEST_CASE("an alive message without a newer incarnation changes nothing", "[membership]") {
  Rig rig;
  rig.Alive("b", 2, 5);
  rig.out.Clear();
  for (uint32_t incarnation : {4u, 5u}) {
    rig.Hear(AliveMsg("b", 2, incarnation, "other"));
  }
  CHECK(rig.Incarnation("b") == 5);
  CHECK(rig.core.Find("b")->meta == "m");
  CHECK(rig.out.events.empty());
}

TEST_CASE("a suspected node that raises its incarnation is alive again; at the same one it is not", "[membership]") {
  Rig rig;
  rig.Alive("b", 2, 5);
  rig.Suspect("b", 5, "c");
  CHECK(rig.State("b") == NodeState::kSuspect);
  rig.Alive("b", 2, 5);
  CHECK(rig.State("b") == NodeState::kSuspect);
  rig.Alive("b", 2, 6);
  CHECK(rig.State("b") == NodeState::kAlive);
  CHECK(rig.Happened(Kind::kRefuted, "b"));
}

TEST_CASE("an accusation below the stored incarnation is dropped", "[membership]") {
  Rig rig;
  rig.Alive("b", 2, 5);
  rig.Suspect("b", 4, "c");
  rig.Dead("b", 4, "c");
  CHECK(rig.State("b") == NodeState::kAlive);
}

TEST_CASE("a node that says itself dead has left; accused by another it failed", "[membership]") {
  Rig rig;
  rig.Alive("b", 2, 5);
  rig.Alive("c", 3, 5);
  rig.Dead("b", 5, "b");
  rig.Dead("c", 5, "b");
  CHECK(rig.State("b") == NodeState::kLeft);
  CHECK(rig.State("c") == NodeState::kDead);
  CHECK(rig.Happened(Kind::kLeave, "b"));
  CHECK(rig.Happened(Kind::kFailed, "c"));
}

TEST_CASE("an accusation of ourselves is answered above it, stored, and told to the accuser first", "[membership]") {
  for (const Message& accusation :
       {Message(gossipwire::Suspect{20, "self", "b"}), Message(gossipwire::Dead{20, "self", "b"})}) {
    Rig rig;
    rig.Alive("b", 2);
    rig.out.Clear();
    rig.Hear(accusation, 2);
    CHECK(rig.core.incarnation() == 21);
    CHECK(rig.out.persist_incarnation == 21);
    CHECK(rig.core.Find("self")->state == NodeState::kAlive);
    CHECK(rig.core.health() == 1);
    const auto told = rig.Sent<gossipwire::Alive>(2);
    REQUIRE(!told.empty());
    CHECK(told[0].incarnation == 21);
  }
}

TEST_CASE("an accusation below our incarnation is not worth an answer", "[membership]") {
  Rig rig;
  rig.Suspect("self", 9, "b");
  CHECK(rig.core.incarnation() == 10);
  CHECK(rig.core.health() == 0);
}

TEST_CASE("an accusation more than 2^31 above us is ignored with an alarm", "[membership]") {
  Rig rig;
  rig.Dead("self", 0xF0000000u, "b");
  CHECK(rig.core.incarnation() == 10);
  CHECK(rig.Happened(Kind::kAlarm, "self"));
  rig.Dead("self", UINT32_MAX, "b");
  CHECK(rig.core.incarnation() == 10);
}

TEST_CASE("an alive message about us that we did not send is topped", "[membership]") {
  Rig rig;
  rig.Hear(AliveMsg("self", 1, 10));
  CHECK(rig.core.incarnation() == 10);
  rig.Hear(AliveMsg("self", 1, 10, "forged"));
  CHECK(rig.core.incarnation() == 11);
  rig.Hear(AliveMsg("self", 1, 30));
  CHECK(rig.core.incarnation() == 31);
}

TEST_CASE("a node just started tops the life of its own name known at another address", "[membership]") {
  Rig rig;
  rig.Hear(AliveMsg("self", 5, 50));
  CHECK(rig.core.incarnation() == 51);
  CHECK(rig.core.Find("self")->address == At(1));
  CHECK(!rig.Happened(Kind::kConflict, "self"));
}

TEST_CASE("our name at another address is a conflict and moves nothing", "[membership]") {
  Rig rig;
  rig.Run(Duration::Seconds(11));
  rig.Hear(AliveMsg("self", 5, 50));
  CHECK(rig.core.incarnation() == 10);
  CHECK(rig.core.Find("self")->address == At(1));
  CHECK(rig.Happened(Kind::kConflict, "self"));
}

TEST_CASE("a suspected node with no answer dies when its time is over, not before", "[membership]") {
  Rig rig;
  for (int i = 2; i < 6; ++i) {
    rig.Alive("n" + std::to_string(i), i);
  }
  rig.answering = true;
  rig.Suspect("n2", 1, "n3");
  rig.Suspect("n2", 1, "n4");
  rig.Suspect("n2", 1, "n5");
  rig.Run(Duration::Millis(3900));
  CHECK(rig.State("n2") == NodeState::kSuspect);
  rig.Run(Duration::Millis(200));
  CHECK(rig.State("n2") == NodeState::kDead);
}

TEST_CASE("the same accuser twice confirms nothing", "[membership]") {
  Rig rig;
  for (int i = 2; i < 6; ++i) {
    rig.Alive("n" + std::to_string(i), i);
  }
  rig.answering = true;
  for (int i = 0; i < 5; ++i) {
    rig.Suspect("n2", 1, "n3");
  }
  rig.Run(Duration::Seconds(20));
  CHECK(rig.State("n2") == NodeState::kSuspect);
}

TEST_CASE("a death known at a higher incarnation keeps an older alive message from raising the dead", "[membership]") {
  Rig rig;
  rig.Alive("b", 2, 5);
  rig.Dead("b", 5, "c");
  rig.Dead("b", 8, "c");
  rig.Alive("b", 2, 7);
  CHECK(rig.State("b") == NodeState::kDead);
  CHECK(rig.Incarnation("b") == 8);
  rig.Alive("b", 2, 9);
  CHECK(rig.State("b") == NodeState::kAlive);

  Config config;
  config.rules = Rules::kStock;
  Rig stock(config);
  stock.Alive("b", 2, 5);
  stock.Dead("b", 5, "c");
  stock.Dead("b", 8, "c");
  stock.Alive("b", 2, 7);
  CHECK(stock.State("b") == NodeState::kAlive);  // the defect
}

TEST_CASE("a node back below the incarnation of its death is told what to top, once in a while", "[membership]") {
  Rig rig;
  rig.Alive("b", 2, 500);
  rig.Dead("b", 500, "c");
  rig.out.Clear();
  rig.Alive("b", 2, 1);
  rig.Alive("b", 2, 1);
  const auto told = rig.Sent<gossipwire::Dead>(2);
  REQUIRE(!told.empty());
  CHECK(told[0].incarnation == 500);
  CHECK(rig.out.datagrams.size() == 1);
}

TEST_CASE("whoever repeats a death that was answered long ago hears the answer", "[membership]") {
  Rig rig;
  rig.Alive("b", 2, 6);
  rig.Alive("c", 3);
  rig.out.Clear();
  rig.Hear(gossipwire::Dead{5, "b", "c"}, 4);
  CHECK(rig.State("b") == NodeState::kAlive);
  for (int host : {3, 4}) {
    const auto told = rig.Sent<gossipwire::Alive>(host);
    REQUIRE(!told.empty());
    CHECK(told[0].incarnation == 6);
  }
}

TEST_CASE("an accusation of a stranger is passed on once", "[membership]") {
  Rig rig;
  rig.Alive("b", 2);
  rig.Run(Duration::Seconds(10));
  rig.answering = true;
  const size_t before = rig.core.queued();
  rig.Dead("ghost", 5, "c");
  CHECK(rig.core.queued() == before + 1);
  CHECK(rig.core.Find("ghost") == nullptr);
  rig.Run(Duration::Seconds(20));
  CHECK(rig.core.queued() == 0);
  rig.Dead("ghost", 5, "c");
  CHECK(rig.core.queued() == 0);
}

TEST_CASE("a peer of another cluster is refused with an event; one without our meta is a guest", "[membership]") {
  Config config;
  config.cluster_id = "prod";
  Rig rig(config);
  rig.Hear(AliveMsg("ours", 2, 1, EncodeMeta({"u1", "prod", 7947, 1})));
  rig.Hear(AliveMsg("theirs", 3, 1, EncodeMeta({"u2", "staging", 7947, 1})));
  rig.Hear(AliveMsg("guest", 4, 1, "consul"));
  CHECK(rig.core.Find("theirs") == nullptr);
  CHECK(rig.Happened(Kind::kForeign, "theirs"));
  CHECK(rig.core.Find("guest")->guest);
  CHECK(!rig.core.Find("ours")->guest);
  CHECK(rig.core.LiveCount() == 2);
}

TEST_CASE("a fresh node is welcome to any cluster, and refuses foreigners once it is in one", "[membership]") {
  Config config;
  config.node_meta = true;
  Rig rig(config);
  rig.Hear(AliveMsg("a", 2, 1, EncodeMeta({"u1", "prod", 7947, 1})));
  rig.Hear(AliveMsg("fresh", 3, 1, EncodeMeta({"u2", "", 7947, 1})));
  rig.Hear(AliveMsg("guest", 4, 1, "consul"));
  CHECK(rig.core.LiveCount() == 3);
  CHECK(rig.core.Find("guest")->guest);
  rig.core.UpdateMeta(rig.now, EncodeMeta({"u0", "prod", 7947, 1}), rig.out);
  rig.Hear(AliveMsg("theirs", 5, 1, EncodeMeta({"u3", "staging", 7947, 1})));
  CHECK(rig.core.Find("theirs") == nullptr);
  CHECK(rig.Happened(Kind::kForeign, "theirs"));
  rig.Hear(AliveMsg("late", 6, 1, EncodeMeta({"u4", "", 7947, 1})));
  CHECK(rig.core.Find("late") != nullptr);
}

TEST_CASE("an incarnation that nobody could top is not believed of others either", "[membership]") {
  Rig rig;
  rig.Alive("b", 2, 5);
  rig.Dead("b", UINT32_MAX, "c");
  rig.Suspect("b", UINT32_MAX - 1, "c");
  rig.Alive("b", 2, 0xF0000000u);
  CHECK(rig.State("b") == NodeState::kAlive);
  CHECK(rig.Incarnation("b") == 5);
  CHECK(rig.core.stats().dropped_invalid == 3);
}

TEST_CASE("a peer cannot make us report the same thing without end", "[membership]") {
  Config config;
  config.cluster_id = "prod";
  Rig rig(config);
  rig.Run(Duration::Seconds(11));
  for (uint32_t i = 1; i < 100; ++i) {
    rig.Hear(AliveMsg("theirs" + std::to_string(i), 3, 1, EncodeMeta({"u2", "staging", 7947, 1})));
    rig.Hear(AliveMsg("self", 5, 50 + i));
    rig.Dead("self", UINT32_MAX - i, "b");
  }
  CHECK(rig.out.events.size() == 3);
}

TEST_CASE("no mixture of messages breaks a law or a bound", "[membership]") {
  Config config;
  config.max_relays = 5;
  config.max_checks = 5;
  config.max_strangers = 5;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const bool roomy = seed % 2 == 0;  // no grave is ever evicted, so no incarnation may fall
    config.max_members = roomy ? 64 : 12;
    Rig rig(config);
    Rng rng(seed);
    std::vector<uint32_t> highest(20);
    const auto name = [&] {
      const uint64_t i = rng.Below(21);
      return i == 20 ? std::string("self") : i == 19 ? std::string() : "n" + std::to_string(i);
    };
    const auto incarnation = [&] {
      return static_cast<uint32_t>(rng.OneIn(20) ? UINT32_MAX - rng.Below(3) : rng.Below(30));
    };
    for (int step = 0; step < 5000; ++step) {
      const std::string who = name();
      switch (rng.Below(8)) {
        case 0:
        case 1:
          rig.Hear(AliveMsg(who, static_cast<int>(rng.Below(25)), incarnation()));
          break;
        case 2:
          rig.Suspect(who, incarnation(), name());
          break;
        case 3:
          rig.Dead(who, incarnation(), rng.OneIn(3) ? who : name());
          break;
        case 4:
          rig.Hear(gossipwire::IndirectPing{incarnation(), At(3), who, true, {}, ""});
          break;
        case 5:
          rig.Hear(gossipwire::Ack{incarnation(), {}});
          break;
        case 6: {
          gossipwire::PushPull state;
          for (int i = 0; i < 5; ++i) {
            state.nodes.push_back({name(), At(static_cast<int>(rng.Below(25))), "m", incarnation(),
                                   static_cast<NodeState>(rng.Below(4)), {}});
          }
          rig.core.ReceiveStream(rig.now, At(7), state, rig.out);
          break;
        }
        default:
          rig.Run(Duration::Millis(static_cast<int64_t>(rng.Below(3000))));
          break;
      }
      rig.out.Clear();
      REQUIRE(rig.core.Find("self")->state == NodeState::kAlive);
      REQUIRE(rig.core.Find("self")->address == At(1));
      REQUIRE(rig.core.table().size() <= config.max_members);
      REQUIRE(rig.core.queued() <= config.max_members + 5);
      REQUIRE(rig.core.pending() <= 5 + 5 + 5 + 64 + 8 + config.max_members);
      rig.core.table().ForEach([&](const Record& r) {
        if (r.name != "self" && roomy) {
          uint32_t& before = highest[std::stoul(r.name.substr(1))];
          REQUIRE(r.incarnation >= before);
          before = r.incarnation;
        }
      });
    }
  }
}

TEST_CASE("impossible messages are dropped and counted", "[membership]") {
  Rig rig;
  rig.Hear(gossipwire::User{"x"});
  rig.Hear(AliveMsg("", 2, 1));
  rig.Hear(AliveMsg("b", 2, 0));
  gossipwire::Alive versionless = AliveMsg("b", 2, 1);
  versionless.versions.protocol_max = 0;
  rig.Hear(versionless);
  CHECK(rig.core.table().size() == 1);
  CHECK(rig.core.stats().dropped_invalid == 4);
}

TEST_CASE("the member table does not grow past its bound, and an old grave makes room", "[membership]") {
  Config config;
  config.max_members = 3;
  Rig rig(config);
  rig.Alive("b", 2);
  rig.Alive("c", 3);
  rig.Alive("d", 4);
  CHECK(rig.core.Find("d") == nullptr);
  rig.Dead("b", 1, "c");
  rig.answering = true;
  rig.Run(Duration::Seconds(40));
  rig.Alive("d", 4);
  CHECK(rig.core.Find("d") != nullptr);
  CHECK(rig.core.Find("b") == nullptr);
}

TEST_CASE("a changed meta is told under a new incarnation", "[membership]") {
  Rig rig;
  rig.Alive("b", 2);
  rig.core.UpdateMeta(rig.now, "new", rig.out);
  CHECK(rig.out.persist_incarnation == 11);
  rig.out.datagrams.clear();
  rig.Run(Duration::Millis(400));
  const auto told = rig.Sent<gossipwire::Alive>(2);
  REQUIRE(!told.empty());
  CHECK(std::any_of(told.begin(), told.end(), [](const auto& a) { return a.meta == "new" && a.incarnation == 11; }));
}

TEST_CASE("leaving tells it, probes nobody, refutes nothing, and says when it has been told", "[membership]") {
  Rig rig;
  rig.Alive("b", 2);
  rig.out.Clear();
  rig.core.Leave(rig.now, rig.out);
  rig.Dead("self", 10, "b");
  rig.Suspect("self", 12, "b");
  rig.Run(Duration::Seconds(30));
  CHECK(rig.core.incarnation() == 10);
  CHECK(rig.Sent<gossipwire::Ping>().empty());
  const auto told = rig.Sent<gossipwire::Dead>(2);
  CHECK(told.size() >= 16);
  CHECK(told[0].from == "self");
  CHECK(rig.Happened(Kind::kLeft, "self"));
}

TEST_CASE("who leaves under a name that another node has says nothing, and is done at once", "[membership]") {
  Rig rig;
  rig.Alive("b", 2);
  rig.Hear(AliveMsg("self", 5, 3));  // the rightful one, up for longer
  rig.out.Clear();
  rig.core.Leave(rig.now, rig.out);
  CHECK(rig.Happened(Kind::kLeft, "self"));
  rig.Run(Duration::Seconds(5));
  CHECK(rig.Sent<gossipwire::Dead>(2).empty());
}

TEST_CASE("a start incarnation beats the stored one, and time where the disk was lost", "[membership]") {
  const int64_t now = 1704067200 + 1000;
  CHECK(StartIncarnation(std::nullopt, now) == 1000);
  CHECK(StartIncarnation(5000, now) == 5001);
  CHECK(StartIncarnation(5, now) == 1000);
  CHECK(StartIncarnation(std::nullopt, 0) == 1);
  CHECK(StartIncarnation(UINT32_MAX, now) == UINT32_MAX - 1);
}
