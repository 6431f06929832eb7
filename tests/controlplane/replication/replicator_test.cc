#include "controlplane/replication/replicator.h"

#include <algorithm>

#include "tests/controlplane/replication/rig.h"
#include "tests/support/test.h"

namespace aurora::replication::testing {
namespace {

Config Small() {
  Config config;
  config.batch_rows = 4;
  return config;
}

bool Named(const std::vector<Member>& members, int i) {
  return std::any_of(members.begin(), members.end(), [&](const Member& m) { return m.uid == Uid(i); });
}

bool Told(const Rig::Node& n, std::string_view type) {
  return std::any_of(n.events.begin(), n.events.end(), [&](const Event& e) { return e.type == type; });
}

TEST_CASE("linked nodes come to hold the same rows, and then send nothing but a rare Ack") {
  Rig rig(3);
  rig.Link(0, 1);
  rig.Link(1, 2);  // 0 and 2 reach each other through 1 only
  for (int i = 0; i < 50; ++i) {
    rig.Write(i % 3, "r" + std::to_string(i), std::to_string(i));
  }
  rig.Run(Duration::Seconds(1));
  REQUIRE(rig.node(0).rows.size() == 50);
  REQUIRE(rig.node(2).rows.size() == 50);
  REQUIRE(rig.core(2).caught_up());  // 1 has read everyone, and 2 has read 1
  const size_t rows = rig.Sent<Rows>(1);
  const size_t acks = rig.Sent<Ack>(1);
  rig.Run(Duration::Seconds(60));
  REQUIRE(rig.Sent<Rows>(1) == rows);
  REQUIRE(rig.Sent<Ack>(1) <= acks + 2 * 7);
}

TEST_CASE("a revocation goes out while the bulk window is full, and is enforced before the bulk is through") {
  Rig rig(2, Small());
  for (int i = 0; i < 400; ++i) {
    rig.Write(0, "r" + std::to_string(i), "1");
  }
  rig.node(1).hold_commits = true;
  rig.Link(0, 1);
  rig.Run(Duration::Millis(100));
  REQUIRE(rig.Sent<Rows>(0) == 4);  // the window
  rig.Write(0, "r399", "2!");
  rig.Run(Duration::Millis(10));
  REQUIRE(rig.Sent<Rows>(0) == 5);
  REQUIRE(std::get<Rows>(rig.node(0).sent.back().second).lane == Lane::kRevoke);
  Waiter waiter;
  REQUIRE(Named(rig.Report(0, "r399", waiter).pending, 1));
  // The store writes the revocation first.
  std::swap(rig.node(1).held.front(), rig.node(1).held.back());
  rig.node(1).held.resize(1);
  rig.Release(1);
  rig.Run(Duration::Millis(10));
  REQUIRE(Named(rig.Report(0, "r399", waiter).enforced, 1));
  REQUIRE(rig.node(1).rows.size() < 400);
}

TEST_CASE("a peer that does not acknowledge holds a window of each lane and no more") {
  Rig rig(2, Small());
  rig.node(1).hold_commits = true;
  rig.Link(0, 1);
  for (int i = 0; i < 300; ++i) {
    rig.Write(0, "r" + std::to_string(i), "1!");
  }
  rig.Run(Duration::Seconds(5));
  REQUIRE(rig.Sent<Rows>(0) == 8);
  REQUIRE(rig.node(1).held.size() == 8);
}

TEST_CASE("enforced follows the data plane on all its loops, also for a merge that changes nothing") {
  Rig rig(3);
  rig.Link(0, 1);
  rig.Link(1, 2);
  rig.node(2).auto_apply = false;
  rig.Write(0, "k", "1!");
  rig.Run(Duration::Millis(50));
  REQUIRE(rig.node(2).rows.contains("k"));  // through 1, not applied
  rig.Link(0, 2);                           // now 0 sends what 2 has already
  rig.Run(Duration::Millis(50));
  Waiter waiter;
  WaitReport report = rig.Report(0, "k", waiter);
  REQUIRE(Named(report.pending, 2));
  REQUIRE(Named(report.enforced, 1));
  rig.Apply(2);
  rig.Run(Duration::Millis(50));
  report = rig.Report(0, "k", waiter);
  REQUIRE(report.complete());
  REQUIRE(report.enforced.size() == 3);
}

TEST_CASE("a position that the data plane took from another history counts as nothing") {
  Rig rig(2);
  rig.Link(0, 1);
  rig.node(1).auto_apply = false;
  rig.Write(0, "k", "1!");
  rig.Do(1, [&](Outbox& out) { rig.core(1).OnApplied(rig.now(), {999, 1'000'000, true}, out); });
  rig.Run(Duration::Millis(50));
  Waiter waiter;
  REQUIRE(Named(rig.Report(0, "k", waiter).pending, 1));
}

TEST_CASE("a member whose data plane is down is not serving once it holds the row, not before") {
  Rig rig(2);
  rig.node(1).hold_commits = true;
  rig.Link(0, 1);
  rig.node(1).auto_apply = false;
  rig.Do(1, [&](Outbox& out) { rig.core(1).OnApplied(rig.now(), {}, out); });
  rig.Write(0, "k", "1!");
  rig.Run(Duration::Millis(50));
  Waiter waiter;
  REQUIRE(Named(rig.Report(0, "k", waiter).pending, 1));
  rig.Release(1);
  rig.Run(Duration::Millis(50));
  REQUIRE(Named(rig.Report(0, "k", waiter).not_serving, 1));
}

TEST_CASE("a member without a stream is unreachable, also one that only a peer knows") {
  Rig rig(3);
  for (int i = 0; i < 2; ++i) {  // 0 and 1 know of each other only
    const std::vector<Member> two = {{Uid(0), "n0"}, {Uid(1), "n1"}};
    rig.Do(i, [&](Outbox& out) { rig.core(i).SetMembers(rig.now(), two, {}, out); });
  }
  rig.Link(0, 1);
  rig.Write(0, "k", "1!");
  rig.Run(Duration::Millis(50));
  Waiter waiter;
  REQUIRE(rig.Report(0, "k", waiter).complete());
  rig.Link(1, 2);
  rig.Run(Duration::Millis(50));
  Waiter second;
  REQUIRE(Named(rig.Report(0, "k", second).unreachable, 2));
  REQUIRE(rig.node(0).learned == 1);
  // Who once held the write does so still.
  rig.Cut(0, 1);
  REQUIRE(Named(rig.Report(0, "k", second).enforced, 1));
  // And an operator can take the unreachable one out.
  rig.Do(0, [&](Outbox& out) {
    rig.core(0).SetMembers(rig.now(), {{Uid(0), "n0"}, {Uid(1), "n1"}}, {Uid(2)}, out);
  });
  REQUIRE(rig.Report(0, "k", second).complete());
}

TEST_CASE("a new stream goes on where the receiver's disk is, also when the sender was started again") {
  Rig rig(2, Small());
  rig.Link(0, 1);
  for (int i = 0; i < 40; ++i) {
    rig.Write(0, "r" + std::to_string(i), "1");
  }
  rig.Run(Duration::Millis(100));
  rig.Start(0);
  rig.Do(1, [&](Outbox& out) { rig.core(1).PeerDown(rig.now(), Uid(0), out); });
  const size_t before = rig.Sent<Rows>(0);
  rig.Link(0, 1);
  rig.Write(0, "new", "1");
  rig.Run(Duration::Millis(100));
  REQUIRE(rig.node(1).rows.contains("new"));
  REQUIRE(rig.Sent<Rows>(0) == before + 1);
  REQUIRE(rig.core(1).counters().full_syncs == 0);
}

TEST_CASE("a commit that fails is asked for again, and nothing is acknowledged of it") {
  Rig rig(2, Small());
  rig.node(1).fail_commits = absl::ResourceExhaustedError("disk full");
  rig.Link(0, 1);
  for (int i = 0; i < 10; ++i) {
    rig.Write(0, "r" + std::to_string(i), "1");
  }
  rig.Run(Duration::Seconds(3));
  REQUIRE(rig.core(0).Peers(rig.now())[0].acked[Lane::kBulk] == 0);
  REQUIRE(rig.Sent<Rows>(0) < 60);  // it backs off
  rig.node(1).fail_commits = absl::OkStatus();
  rig.Run(Duration::Seconds(6));
  REQUIRE(rig.node(1).rows.size() == 10);
  REQUIRE(rig.core(0).Peers(rig.now())[0].acked[Lane::kBulk] == 10);
}

TEST_CASE("frames lost without a sign are sent again") {
  Rig rig(2, Small());
  rig.Link(0, 1);
  rig.Run(Duration::Millis(10));
  rig.node(0).mute = true;
  rig.Write(0, "a", "1");
  rig.Deliver();
  rig.node(0).mute = false;
  rig.Run(Duration::Seconds(11));
  REQUIRE(rig.node(1).rows.contains("a"));
  REQUIRE(rig.core(0).counters().rewinds == 1);
}

TEST_CASE("a peer with no room gets nothing until it is writable, and then everything") {
  Rig rig(2, Small());
  rig.Link(0, 1);
  rig.Run(Duration::Millis(10));
  rig.Do(0, [&](Outbox& out) { rig.core(0).Undelivered(rig.now(), Uid(1), out); });
  const size_t before = rig.Sent<Rows>(0);
  for (int i = 0; i < 10; ++i) {
    rig.Write(0, "r" + std::to_string(i), "1");
  }
  rig.Run(Duration::Seconds(1));
  REQUIRE(rig.Sent<Rows>(0) == before);
  rig.Do(0, [&](Outbox& out) { rig.core(0).Writable(rig.now(), Uid(1), out); });
  rig.Run(Duration::Millis(50));
  REQUIRE(rig.node(1).rows.size() == 10);
}

TEST_CASE("frames out of bounds close their stream and no other") {
  Rig rig(3);
  rig.Link(0, 1);
  rig.Link(0, 2);
  const auto refused = [&](Frame frame) {
    const size_t before = rig.node(0).closed.size();
    rig.Do(0, [&](Outbox& out) { rig.core(0).Receive(rig.now(), Uid(1), std::move(frame), out); });
    const bool closed = rig.node(0).closed.size() == before + 1;
    rig.Link(0, 1);
    rig.Run(Duration::Millis(10));
    return closed;
  };
  rig.Run(Duration::Millis(10));
  const uint64_t ours = rig.node(0).epoch;
  Ack ack;
  ack.epoch = ours;
  ack.lanes[Lane::kBulk] = {1'000, -1};
  CHECK(refused(ack));  // beyond our head
  ack.lanes[Lane::kBulk] = {0, 5};
  CHECK(refused(ack));  // enforced without being durable
  CHECK(refused(Rows{12345, Lane::kBulk, 0, 4, {}}));
  CHECK(refused(Rows{rig.node(1).epoch, Lane::kBulk, 4, 4, {}}));
  CHECK(refused(Hello{}));
  Digest digest;
  digest.entries = {{"b", 1, {}}, {"a", 1, {}}};
  CHECK(refused(digest));
  CHECK(refused(RowRequest{std::vector<RowRef>(kRequestRowsMax + 1, RowRef{"Alias", "x"})}));
  CHECK(rig.core(0).Peers(rig.now()).size() == 2);
}

TEST_CASE("a silent stream is closed") {
  Rig rig(2);
  rig.Link(0, 1);
  rig.node(1).mute = true;
  rig.Run(Duration::Seconds(40));
  REQUIRE(rig.node(0).closed == std::vector<std::pair<std::string, CloseReason>>{{Uid(1), CloseReason::kIdle}});
}

TEST_CASE("a node admits once it has what a caught-up member has, or all members have") {
  Rig rig(3);
  rig.Link(0, 1);
  rig.Run(Duration::Millis(50));
  REQUIRE_FALSE(rig.core(0).caught_up());  // neither knows what 2 has
  rig.Link(0, 2);
  rig.Run(Duration::Millis(50));
  REQUIRE(rig.core(0).caught_up());
  REQUIRE(rig.core(1).caught_up());  // through 0
  REQUIRE(rig.core(1).may_admit());
  REQUIRE(rig.core(1).admission() == Admission::kCaughtUp);
}

TEST_CASE("a member vouches with what it held when it was caught up, not with what an earlier Hello named") {
  Rig rig(4);
  rig.Link(0, 1);
  rig.Run(Duration::Millis(50));
  const auto caught_up_with_more = [&] {
    rig.Write(1, "late", "1");
    rig.Run(Duration::Millis(50));
    rig.Do(1, [&](Outbox& out) { rig.core(1).Founded(rig.now(), out); });
  };
  rig.node(0).hold_commits = true;
  SECTION("it says so on a stream that was up before") {
    caught_up_with_more();
  }
  SECTION("it says so on another stream than the one that was read") {
    rig.Cut(0, 1);
    caught_up_with_more();
    rig.Link(0, 1);
  }
  rig.Run(Duration::Millis(50));
  REQUIRE_FALSE(rig.node(0).rows.contains("late"));
  REQUIRE_FALSE(rig.core(0).caught_up());
  rig.Release(0);
  rig.Run(Duration::Millis(50));
  REQUIRE(rig.node(0).rows.contains("late"));
  REQUIRE(rig.core(0).caught_up());
}

TEST_CASE("the only member, and a founder, are caught up; before the roster is known nobody is") {
  Rig alone(1);
  REQUIRE(alone.core(0).caught_up());
  REQUIRE(alone.core(0).last_synced(alone.now()) == alone.now());
  Rig rig(2);
  REQUIRE_FALSE(rig.core(0).caught_up());
  rig.Do(0, [&](Outbox& out) { rig.core(0).Founded(rig.now(), out); });
  REQUIRE(rig.core(0).caught_up());
  Rig unknown(1);
  unknown.Start(0, false, false);
  unknown.Run(Duration::Seconds(10));
  REQUIRE(unknown.core(0).admission() == Admission::kWaiting);
}

TEST_CASE("with no stream up a node admits by its disk after the timeout, if the policy allows it") {
  Rig rig(2);
  rig.Run(Duration::Millis(4'900));
  REQUIRE(rig.core(0).admission() == Admission::kWaiting);
  rig.Run(Duration::Millis(200));
  REQUIRE(rig.core(0).admission() == Admission::kStale);
  REQUIRE(rig.core(0).may_admit());
  REQUIRE_FALSE(rig.core(0).caught_up());
  Config strict;
  strict.admit_stale = false;
  Rig refusing(2, strict);
  refusing.Run(Duration::Seconds(60));
  REQUIRE(refusing.core(0).admission() == Admission::kWaiting);
  Rig streaming(3);
  streaming.Link(0, 1);
  streaming.Run(Duration::Seconds(20));
  REQUIRE(streaming.core(0).admission() == Admission::kWaiting);  // while a stream is up it waits
}

TEST_CASE("restored nodes do not vouch for each other, and settle once every member was read") {
  Rig rig(3);
  rig.Link(0, 1);
  rig.Link(1, 2);
  rig.Link(0, 2);
  rig.Write(0, "k", "1");
  rig.Run(Duration::Millis(50));
  rig.Write(2, "k", "2!");
  rig.Run(Duration::Millis(50));
  for (int i = 0; i < 2; ++i) {
    rig.node(i).rows["k"] = {rig.node(i).rows["k"].first, "1"};
  }
  rig.Start(0, true);
  rig.Start(1, true);
  for (int i = 0; i < 2; ++i) {
    rig.Do(2, [&](Outbox& out) { rig.core(2).PeerDown(rig.now(), Uid(i), out); });
  }
  rig.Link(0, 1);
  rig.Run(Duration::Millis(50));
  REQUIRE_FALSE(rig.core(0).caught_up());
  REQUIRE_FALSE(rig.core(1).caught_up());
  rig.Link(0, 2);
  rig.Run(Duration::Millis(50));
  REQUIRE(rig.core(0).caught_up());
  REQUIRE(rig.node(0).settled == rig.node(0).epoch);
}

TEST_CASE("a backup merged into a running node is made good once every member was read in this start") {
  Rig rig(3);
  rig.Link(0, 1);
  rig.Link(1, 2);
  rig.Link(0, 2);
  rig.Run(Duration::Millis(50));
  rig.Start(0);
  for (int i = 1; i < 3; ++i) {
    rig.Do(i, [&](Outbox& out) { rig.core(i).PeerDown(rig.now(), Uid(0), out); });
  }
  rig.Link(0, 1);
  rig.Run(Duration::Millis(50));
  REQUIRE(rig.core(0).may_admit());
  rig.Do(0, [&](Outbox& out) { rig.core(0).Restored(rig.now(), out); });
  rig.Run(Duration::Millis(50));
  REQUIRE(rig.core(0).may_admit());  // the rows took nothing away
  REQUIRE(rig.node(0).settled == 0);
  rig.Link(0, 2);
  rig.Run(Duration::Millis(50));
  REQUIRE(rig.node(0).settled == rig.node(0).epoch);
  rig.node(0).settled = 0;
  rig.Cut(0, 2);
  rig.Do(0, [&](Outbox& out) { rig.core(0).Restored(rig.now(), out); });  // all were read before: at once
  REQUIRE(rig.node(0).settled == rig.node(0).epoch);
}

TEST_CASE("a peer proves that a disk went back: the node waits for all, and is told no more once that is settled") {
  Rig rig(3);
  rig.Link(0, 1);
  rig.Link(0, 2);
  for (int i = 0; i < 5; ++i) {
    rig.Write(0, "r" + std::to_string(i), "1");
  }
  rig.Run(Duration::Millis(50));
  rig.node(0).rows.clear();  // an older copy of the disk
  rig.node(0).head = 0;
  rig.node(0).history = {{rig.node(0).epoch, 0}};
  rig.node(0).cursors.clear();
  rig.Start(0);
  rig.Do(1, [&](Outbox& out) { rig.core(1).PeerDown(rig.now(), Uid(0), out); });
  rig.Do(2, [&](Outbox& out) { rig.core(2).PeerDown(rig.now(), Uid(0), out); });
  rig.Link(0, 1);
  rig.Deliver();
  REQUIRE(Told(rig.node(0), "disk_rolled_back"));
  REQUIRE(Told(rig.node(1), "peer_rolled_back"));
  rig.Link(0, 2);
  rig.Run(Duration::Millis(50));
  REQUIRE(rig.node(0).rows.size() == 5);
  REQUIRE(rig.node(0).settled == rig.node(0).epoch);
  rig.node(0).events.clear();
  rig.Start(0);
  rig.Do(1, [&](Outbox& out) { rig.core(1).PeerDown(rig.now(), Uid(0), out); });
  rig.Link(0, 1);
  rig.Deliver();
  REQUIRE_FALSE(Told(rig.node(0), "disk_rolled_back"));
}

TEST_CASE("anti-entropy finds and repairs rows that no feed brings") {
  Rig rig(2);
  for (int i = 0; i < 200; ++i) {
    rig.Write(0, "r" + std::to_string(i), "5");
  }
  rig.Link(0, 1);
  rig.Run(Duration::Seconds(1));
  rig.node(1).rows.erase("r7");      // bit rot, on either side
  rig.node(0).rows.erase("r8");
  rig.node(1).rows["r9"].second = "4";
  rig.Run(Duration::Seconds(40));
  REQUIRE(rig.node(0).rows.size() == 200);
  REQUIRE(rig.node(1).rows.size() == 200);
  REQUIRE(rig.node(1).rows["r9"].second == "5");
  REQUIRE(rig.core(0).counters().digest_differences + rig.core(1).counters().digest_differences >= 3);
}

TEST_CASE("marks of a data plane that lags stay bounded and claim nothing that is not applied") {
  Rig rig(2);
  rig.Link(0, 1);
  rig.node(1).auto_apply = false;
  for (int i = 0; i < 1'000; ++i) {
    rig.Write(0, "r" + std::to_string(i), "1");
    rig.Run(Duration::Millis(6));
    if (i == 500) {
      rig.Do(1, [&](Outbox& out) { rig.core(1).OnApplied(rig.now(), {rig.node(1).epoch, 300, true}, out); });
    }
  }
  const int64_t enforced = rig.core(0).Peers(rig.now())[0].enforced[Lane::kBulk];
  REQUIRE(enforced <= 300);
  REQUIRE(enforced > 150);  // fewer marks, not none
}

}  // namespace
}  // namespace aurora::replication::testing
