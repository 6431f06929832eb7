// The failure detector, the stall guard and the suspicion times.
#include <cmath>

#include "tests/controlplane/membership/rig.h"
#include "tests/support/test.h"

using namespace aurora;              // NOLINT
using namespace aurora::membership;  // NOLINT
using Kind = Event::Kind;

namespace {

void Populate(Rig& rig, int last) {
  for (int i = 2; i <= last; ++i) {
    rig.Alive("n" + std::to_string(i), i);
  }
}

// One probe a second, so that a probe's whole course lies between two others.
Config Slow() {
  Config config;
  config.probe_period = config.probe_window;
  return config;
}

}  // namespace

TEST_CASE("a node that acks is never suspected", "[membership]") {
  Rig rig;
  Populate(rig, 5);
  rig.answering = true;
  rig.Run(Duration::Seconds(60));
  for (int i = 2; i <= 5; ++i) {
    CHECK(rig.State("n" + std::to_string(i)) == NodeState::kAlive);
  }
  CHECK(rig.core.health() == 0);
}

TEST_CASE("every member is probed once before any is probed twice", "[membership]") {
  Rig rig;
  Populate(rig, 9);
  rig.answering = true;
  rig.Run(Duration::Seconds(4));
  for (int i = 2; i <= 9; ++i) {
    CHECK(rig.Sent<gossipwire::Ping>(i).size() == 1);
  }
}

TEST_CASE("without an ack others are asked and TCP is tried; with no answer the target is suspected", "[membership]") {
  Rig rig(Slow());
  Populate(rig, 6);
  rig.Run(Duration::Millis(1600));
  const auto asked = rig.Sent<gossipwire::IndirectPing>();
  REQUIRE(asked.size() == 3);
  CHECK(asked[0].wants_nack);
  REQUIRE(rig.out.streams.size() >= 1);
  CHECK(rig.out.streams[0].kind == StreamRequest::Kind::kPing);
  rig.Run(Duration::Millis(500));
  CHECK(rig.State(asked[0].node) == NodeState::kSuspect);
  CHECK(rig.core.health() == 3);  // three nacks were expected and none came
}

TEST_CASE("an ack by way of another is an ack", "[membership]") {
  Rig rig(Slow());
  Populate(rig, 6);
  rig.Run(Duration::Millis(1600));
  const auto asked = rig.Sent<gossipwire::IndirectPing>();
  REQUIRE(!asked.empty());
  rig.Hear(gossipwire::Ack{asked[0].sequence, {}});
  rig.answering = true;
  rig.Run(Duration::Seconds(3));
  CHECK(rig.State(asked[0].node) == NodeState::kAlive);
}

TEST_CASE("nacks keep a failed probe from counting against ourselves", "[membership]") {
  Rig rig(Slow());
  Populate(rig, 6);
  rig.Run(Duration::Millis(1600));
  const auto asked = rig.Sent<gossipwire::IndirectPing>();
  REQUIRE(asked.size() == 3);
  for (int i = 0; i < 3; ++i) {
    rig.Hear(gossipwire::Nack{asked[0].sequence});
  }
  rig.Run(Duration::Millis(500));
  CHECK(rig.State(asked[0].node) == NodeState::kSuspect);
  CHECK(rig.core.health() == 0);
}

// The next `rounds` probes of n2 are answered by TCP alone; from and to just after the TCP ping of a probe.
void AnswerOverTcp(Rig& rig, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    REQUIRE(rig.out.streams.back().kind == StreamRequest::Kind::kPing);
    rig.core.OnStreamPong(rig.now, rig.out.streams.back().id, rig.out);
    rig.Run(Duration::Seconds(1));
  }
}

TEST_CASE("a node that only TCP reaches, three times in a row, stays alive, with a warning", "[membership]") {
  Rig rig(Slow());
  Populate(rig, 2);
  rig.Run(Duration::Millis(1600));
  AnswerOverTcp(rig, 2);
  CHECK_FALSE(rig.Happened(Kind::kOneWayUdp, "n2"));
  AnswerOverTcp(rig, 1);
  CHECK(rig.Happened(Kind::kOneWayUdp, "n2"));
  CHECK(rig.State("n2") == NodeState::kAlive);
}

TEST_CASE("loss that lets an ack through now and then does not call UDP blocked", "[membership]") {
  Rig rig(Slow());
  Populate(rig, 2);
  rig.Run(Duration::Millis(1600));
  for (int round = 0; round < 3; ++round) {
    AnswerOverTcp(rig, 2);
    rig.answering = true;
    rig.Run(Duration::Seconds(1));
    rig.answering = false;
    rig.Run(Duration::Seconds(1));
  }
  CHECK_FALSE(rig.Happened(Kind::kOneWayUdp, "n2"));
}

TEST_CASE("a ping is acked to its source; one meant for another name is not", "[membership]") {
  Rig rig;
  rig.Hear(gossipwire::Ping{7, "self", At(50), "x"}, 2);
  rig.Hear(gossipwire::Ping{8, "", {}, ""}, 3);
  rig.Hear(gossipwire::Ping{9, "other", {}, ""}, 4);
  CHECK(rig.Sent<gossipwire::Ack>(50).at(0).sequence == 7);
  CHECK(rig.Sent<gossipwire::Ack>(3).at(0).sequence == 8);
  CHECK(rig.Sent<gossipwire::Ack>().size() == 2);
  CHECK(rig.core.AnswersStreamPing({1, "self", {}, ""}));
  CHECK(!rig.core.AnswersStreamPing({1, "other", {}, ""}));
}

TEST_CASE("an indirect ping is carried out and its ack sent on; a nack comes in time to count", "[membership]") {
  Rig rig;
  rig.Hear(gossipwire::IndirectPing{70, At(3), "t", true, At(2), "asker"}, 2);
  const auto pings = rig.Sent<gossipwire::Ping>(3);
  REQUIRE(pings.size() == 1);
  CHECK(pings[0].node == "t");
  rig.Hear(gossipwire::Ack{pings[0].sequence, {}}, 3);
  CHECK(rig.Sent<gossipwire::Ack>(2).at(0).sequence == 70);

  rig.Hear(gossipwire::IndirectPing{71, At(3), "t", true, At(2), "asker"}, 2);
  rig.Run(Duration::Millis(450));
  CHECK(rig.Sent<gossipwire::Nack>(2).at(0).sequence == 71);
}

TEST_CASE("pings for others are bounded", "[membership]") {
  Config config;
  config.max_relays = 4;
  Rig rig(config);
  for (uint32_t i = 0; i < 10; ++i) {
    rig.Hear(gossipwire::IndirectPing{i, At(3), "t", true, At(2), "asker"}, 2);
  }
  CHECK(rig.Sent<gossipwire::Ping>(3).size() == 4);
  CHECK(rig.core.stats().dropped_full == 6);
}

TEST_CASE("a suspected target hears the accusation with the ping", "[membership]") {
  Rig rig;
  Populate(rig, 2);
  rig.Suspect("n2", 1, "n3");
  rig.out.Clear();
  rig.Run(Duration::Millis(1100));
  bool together = false;
  for (const Datagram& d : rig.out.datagrams) {
    together |= d.messages.size() == 2 && std::holds_alternative<gossipwire::Ping>(d.messages[0]) &&
                std::holds_alternative<gossipwire::Suspect>(d.messages[1]);
  }
  CHECK(together);
}

TEST_CASE("after a stall an ack that lay unread still counts, and our own health is doubted", "[membership]") {
  for (bool guard : {true, false}) {
    Config config;
    config.stall_guard = guard;
    config.second_opinions = 0;
    Rig rig(config);
    Populate(rig, 2);
    while (rig.Sent<gossipwire::Ping>(2).empty()) {
      rig.now = rig.core.NextDeadline();
      rig.core.Tick(rig.now, rig.out);
    }
    const uint32_t sequence = rig.Sent<gossipwire::Ping>(2)[0].sequence;
    rig.now = rig.now + Duration::Seconds(5);  // timers first, as libuv before 1.45 does
    rig.core.Tick(rig.now, rig.out);
    rig.core.Tick(rig.now, rig.out);
    rig.Hear(gossipwire::Ack{sequence, {}}, 2);
    CHECK(rig.State("n2") == (guard ? NodeState::kAlive : NodeState::kSuspect));
    CHECK(rig.core.stats().stalls == (guard ? 1u : 0u));
  }
}

TEST_CASE("time spent standing still does not count against a suspected node", "[membership]") {
  Rig rig;
  Populate(rig, 6);
  rig.answering = true;
  for (const char* accuser : {"n3", "n4", "n5"}) {
    rig.Suspect("n2", 1, accuser);
  }
  rig.now = rig.now + Duration::Seconds(30);
  rig.core.Tick(rig.now, rig.out);
  CHECK(rig.State("n2") == NodeState::kSuspect);
  rig.Hear(AliveMsg("n2", 2, 2));
  CHECK(rig.State("n2") == NodeState::kAlive);
}

TEST_CASE("lateness that only the driver sees moves the deadlines too", "[membership]") {
  Rig rig;
  Populate(rig, 6);
  for (const char* accuser : {"n3", "n4", "n5"}) {
    rig.Suspect("n2", 1, accuser);
  }
  rig.answering = true;
  rig.core.NoteLateness(rig.now, Duration::Seconds(3));
  rig.Run(Duration::Seconds(5));
  CHECK(rig.State("n2") == NodeState::kSuspect);
  rig.Run(Duration::Seconds(3));
  CHECK(rig.State("n2") == NodeState::kDead);
}

TEST_CASE("suspicion times are memberlist's for four nodes and more", "[membership]") {
  Config config;
  struct Row {
    size_t n;
    double min;
    int k;
  };
  for (const Row& row : {Row{4, 4, 2}, Row{10, 4, 2}, Row{30, 5.908, 2}, Row{100, 8, 2}, Row{1000, 12, 2}}) {
    const SuspicionTerms terms = TermsFor(config, row.n);
    CHECK(terms.min.seconds() == Approx(row.min).margin(0.002));
    CHECK(terms.max.seconds() == Approx(row.min * 6).margin(0.02));
    CHECK(terms.confirmations == row.k);
  }
}

TEST_CASE("small clusters are never both fast and unconfirmed", "[membership]") {
  Config config;
  CHECK(TermsFor(config, 3).confirmations == 1);
  CHECK(TermsFor(config, 3).min == Duration::Seconds(4));
  CHECK(TermsFor(config, 2).confirmations == 0);
  CHECK(TermsFor(config, 2).min == Duration::Seconds(8));
  config.rules = Rules::kStock;
  CHECK(TermsFor(config, 3).confirmations == 0);
  CHECK(TermsFor(config, 2).min == Duration::Seconds(4));
}

TEST_CASE("who hears nobody at all waits with its own verdicts, but not for ever", "[membership]") {
  for (Rules rules : {Rules::kAurora, Rules::kStock}) {
    for (int members : {3, 6}) {
      Config config;
      config.rules = rules;
      config.probe_period = Duration::Seconds(3600);  // no suspicion of its own: the case is about those it was told of
      Rig rig(config);
      for (int i = 2; i <= members; ++i) {
        rig.Alive("n" + std::to_string(i), i);
      }
      rig.Run(Duration::Seconds(10));
      rig.Suspect("n2", 1, "n3");
      if (members > 3) {
        rig.Suspect("n2", 1, "n4");
        rig.Suspect("n2", 1, "n5");
      }
      const bool waits = rules == Rules::kAurora && members > 3;
      // Nothing more is heard. Confirmed, the suspicion would run out after 4 s.
      rig.Run(Duration::Seconds(members > 3 ? 25 : 24));
      CHECK(rig.State("n2") == (waits ? NodeState::kSuspect : NodeState::kDead));
      rig.Run(Duration::Seconds(10));
      CHECK(rig.State("n2") == NodeState::kDead);
    }
  }
}

TEST_CASE("a suspicion that waited for silence to end runs out soon after it", "[membership]") {
  Config config;
  config.probe_period = Duration::Seconds(3600);
  Rig rig(config);
  for (int i = 2; i <= 6; ++i) {
    rig.Alive("n" + std::to_string(i), i);
  }
  rig.Suspect("n2", 1, "n3");
  rig.Suspect("n2", 1, "n4");
  rig.Suspect("n2", 1, "n5");
  rig.Run(Duration::Seconds(20));
  CHECK(rig.State("n2") == NodeState::kSuspect);
  rig.Alive("n3", 3);
  rig.Run(Duration::Millis(1500));
  CHECK(rig.State("n2") == NodeState::kDead);
}

TEST_CASE("a suspicion shrinks with each new accuser, on a logarithm, down to its least", "[membership]") {
  const Instant start = Instant::FromMicros(0);
  Suspicion s(start, {Duration::Seconds(2), Duration::Seconds(30), 3}, "me");
  CHECK(s.deadline() - start == Duration::Seconds(30));
  CHECK(!s.Confirm("me"));
  CHECK(s.Confirm("a"));
  CHECK(!s.Confirm("a"));
  CHECK((s.deadline() - start).millis() == 16000);  // 30 - 28 * ln 2 / ln 4
  CHECK(s.Confirm("b"));
  CHECK((s.deadline() - start).millis() == 7810);
  CHECK(s.Confirm("c"));
  CHECK(s.deadline() - start == Duration::Seconds(2));
  CHECK(!s.Confirm("d"));
}
