// The Replicate streams over loopback: who has one, who is refused, how they end.
#include <future>

#include "tests/controlplane/peers/raw_peer.h"
#include "tests/controlplane/peers/replicate_nodes.h"
#include "tests/support/certs.h"

namespace aurora::peers {
namespace {

using testing::Bulk;
using testing::Join;
using testing::JoinedBothWays;
using testing::RawReplicator;
using testing::RNode;
using testing::RunFor;
using testing::RunUntil;
using testing::Small;
using testing::Uid;
using testing::Wiretap;

v1::ReplicateRequest HelloFrom(const std::string& node_id, const RNode& to) {
  v1::ReplicateRequest request;
  v1::ReplicateHello& hello = *request.mutable_frame()->mutable_hello();
  hello.set_node_id(node_id);
  hello.set_node_uid(Uid(node_id));
  hello.set_dialled_node_uid(to.uid);
  hello.set_cluster_id("c1");
  hello.add_history()->set_epoch(1);
  return request;
}

TEST_CASE("a Control stream brings one Replicate stream, on a connection of its own, dialled by the same side") {
  uv::Loop loop;
  RNode a(loop, "a");
  RNode b(loop, "b");
  Wiretap tap(loop, b.server->port());
  a.via = tap.address();
  Join(loop, a, b);
  CHECK(tap.accepted == 1);
  CHECK(a.StateOf(b).outbound);
  CHECK(!b.StateOf(a).outbound);
  CHECK(a.replicate->stream_count() == 1);
  CHECK(b.replicate->stream_count() == 1);
  REQUIRE(b.hellos.size() == 1);
  CHECK(b.hellos[0].node_id() == "a");
  CHECK(b.hellos[0].node_uid() == a.uid);
  CHECK(b.hellos[0].dialled_node_uid() == b.uid);
  CHECK(b.hellos[0].cluster_id() == "c1");
  CHECK(b.hellos[0].caught_up());
  CHECK(a.hellos[0].dialled_node_uid() == a.uid);
  // Both ways, and counted alike.
  CHECK(a.replicate->Send(b.uid, Small(7)) == Sent::kQueued);
  CHECK(b.replicate->Send(a.uid, Small(8)) == Sent::kQueued);
  CHECK(a.replicate->Send(Uid("z"), Small(8)) == Sent::kGone);
  REQUIRE(RunUntil(loop, [&] { return a.frames == 1 && b.frames == 1; }));
  REQUIRE(RunUntil(loop, [&] { return a.replicate->TrafficOf(b.uid).frames_out == 2; }));
  CHECK(a.replicate->TrafficOf(b.uid).bytes_out == b.replicate->TrafficOf(a.uid).bytes_in);
  CHECK(b.replicate->TrafficOf(a.uid).frames_in == 2);
}

TEST_CASE("nodes that link each other at once have one Replicate stream a pair") {
  uv::Loop loop;
  RNode a(loop, "a");
  RNode b(loop, "b");
  RNode c(loop, "c");
  for (RNode* node : {&c, &b, &a}) {
    node->LinkTo({&a, &b, &c});
  }
  const auto settled = [&] {
    return a.replicate->up_count() == 2 && b.replicate->up_count() == 2 && c.replicate->up_count() == 2 &&
           a.replicate->stream_count() == 2 && b.replicate->stream_count() == 2 && c.replicate->stream_count() == 2;
  };
  REQUIRE(RunUntil(loop, settled));
  RunFor(loop, Duration::Millis(400));
  CHECK(settled());
  for (const RNode* node : {&a, &b, &c}) {
    CHECK(node->ups == static_cast<int>(node->downs.size()) + 2);
  }
}

TEST_CASE("of two dials that cross the lower node id's stays") {
  uv::Loop loop;
  RNode::Options options;
  options.wired = false;
  RNode a(loop, "a", options);
  RNode b(loop, "b", options);
  a.Know(b, true);
  b.Know(a, true);
  REQUIRE(RunUntil(loop, [&] {
    return JoinedBothWays(a, b) && a.replicate->stream_count() == 1 && b.replicate->stream_count() == 1;
  }));
  RunFor(loop, Duration::Millis(400));
  CHECK(JoinedBothWays(a, b));
  CHECK(a.StateOf(b).outbound);
  CHECK(!b.StateOf(a).outbound);
}

TEST_CASE("whoever has no Control stream is refused, tries again and is let in when it has") {
  uv::Loop loop;
  RNode::Options options;
  options.wired = false;
  RNode a(loop, "a", options);
  RNode b(loop, "b", options);
  const bool other_life = GENERATE(false, true);
  a.Know(b, true);
  if (other_life) {
    b.Know(a, false, 9);
  }
  RunFor(loop, Duration::Seconds(1));
  CHECK(a.ups + b.ups == 0);
  CHECK_THAT(a.StateOf(b).trouble, Catch::Contains("not_linked"));
  b.Know(a, false);
  const Instant known = uv::Loop::Now();
  REQUIRE(RunUntil(loop, [&] { return JoinedBothWays(a, b); }));
  CHECK(uv::Loop::Now() - known < Duration::Seconds(6));
  CHECK(a.StateOf(b).trouble.empty());
  RawReplicator stranger(b.address(), [&](auto& stream) { stream.Write(HelloFrom("z", b)); });
  REQUIRE(RunUntil(loop, [&] { return stranger.over(); }));
  CHECK(stranger.bye().reason() == v1::Bye::REASON_NOT_LINKED);
  CHECK(b.ups == 1);
}

TEST_CASE("another cluster's node is refused plainly and not hammered") {
  uv::Loop loop;
  RNode::Options options;
  options.cluster = "c2";
  RNode a(loop, "a");
  RNode b(loop, "b", options);
  Wiretap tap(loop, b.server->port());
  a.via = tap.address();
  a.LinkTo({&b});
  REQUIRE(RunUntil(loop, [&] { return !a.StateOf(b).trouble.empty(); }));
  CHECK(a.StateOf(b).trouble == "foreign_cluster: this is cluster c2");
  const int accepted = tap.accepted;
  RunFor(loop, Duration::Millis(800));
  CHECK(tap.accepted == accepted);
  CHECK(a.ups + b.ups == 0);
}

TEST_CASE("a node that has no cluster yet replicates with nobody, and at once when it has one") {
  uv::Loop loop;
  RNode::Options options;
  options.cluster = "";
  RNode a(loop, "a", options);
  RNode b(loop, "b", options);
  a.LinkTo({&b});
  REQUIRE(RunUntil(loop, [&] { return !a.StateOf(b).trouble.empty(); }));
  RunFor(loop, Duration::Seconds(3));  // the next wait is above a second
  CHECK(a.ups + b.ups == 0);
  a.cluster = b.cluster = "c7";
  const Instant founded = uv::Loop::Now();
  a.replicate->DialNow();
  REQUIRE(RunUntil(loop, [&] { return JoinedBothWays(a, b); }));
  CHECK(uv::Loop::Now() - founded < Duration::Millis(900));
}

TEST_CASE("who is dialled by another's uid says so") {
  uv::Loop loop;
  RNode::Options options;
  options.wired = false;
  RNode a(loop, "a", options);
  RNode b(loop, "b", options);
  RNode c(loop, "c", options);
  c.Know(a, false);
  a.via = c.address();
  a.Know(b, true);
  REQUIRE(RunUntil(loop, [&] { return !a.StateOf(b).trouble.empty(); }));
  CHECK_THAT(a.StateOf(b).trouble, Catch::Contains("wrong_node"));
  CHECK(c.ups == 0);
}

TEST_CASE("with its Control stream a peer's Replicate stream goes, once on each side") {
  uv::Loop loop;
  RNode a(loop, "a");
  RNode b(loop, "b");
  Join(loop, a, b);
  a.links->SetTargets({});
  a.links->Close(b.uid, ByeReason::kLeaving, "test");
  REQUIRE(RunUntil(loop, [&] { return !a.downs.empty() && !b.downs.empty(); }));
  RunFor(loop, Duration::Millis(300));
  CHECK(a.downs.size() == 1);
  CHECK(b.downs.size() == 1);
  CHECK(a.replicate->stream_count() + b.replicate->stream_count() == 0);
  CHECK(a.replicate->Peers().empty());
  CHECK(a.replicate->Room(b.uid) == 0);
  CHECK(a.replicate->Send(b.uid, Small(1)) == Sent::kGone);
}

TEST_CASE("the stream with a peer's other life does not serve the new one") {
  uv::Loop loop;
  RNode a(loop, "a");
  auto b = std::make_unique<RNode>(loop, "b");
  const uint16_t port = b->server->port();
  Join(loop, a, *b);
  const bool polite = GENERATE(true, false);
  b->polite = polite;
  b.reset();
  RNode::Options options;
  options.port = port;
  options.epoch = 2;
  RNode again(loop, "b", options);
  REQUIRE(RunUntil(loop, [&] { return a.ups == 2 && JoinedBothWays(a, again); }));
  CHECK(a.downs.size() == 1);
  CHECK(a.hellos[1].history(0).epoch() == 2);
}

TEST_CASE("a connection that is cut at any moment is down once and dialled again") {
  uv::Loop loop;
  RNode a(loop, "a");
  RNode b(loop, "b");
  Wiretap tap(loop, b.server->port());
  a.via = tap.address();
  Join(loop, a, b);
  const auto pump = [&](RNode& from, RNode& to) {
    while (from.replicate->Send(to.uid, Bulk(20'000)) == Sent::kQueued) {
    }
  };
  a.on_writable = [&](std::string_view) { pump(a, b); };
  b.on_writable = [&](std::string_view) { pump(b, a); };
  for (int cut = 0; cut < 8; ++cut) {
    if (cut % 3 != 0) {
      pump(a, b);
      pump(b, a);
    }
    RunFor(loop, Duration::Millis(cut * 7));
    const auto a_downs = a.downs.size();
    const auto b_downs = b.downs.size();
    tap.Kill();
    REQUIRE(RunUntil(loop, [&] { return a.downs.size() > a_downs && b.downs.size() > b_downs; }));
    REQUIRE(RunUntil(loop, [&] { return JoinedBothWays(a, b); }));
    CHECK(a.downs.size() == a_downs + 1);
    CHECK(b.downs.size() == b_downs + 1);
  }
  CHECK(a.ups == 9);
  REQUIRE(RunUntil(loop, [&] { return a.replicate->stream_count() == 1 && b.replicate->stream_count() == 1; }));
}

TEST_CASE("a frame of one MiB passes, and none above it is sent or taken") {
  uv::Loop loop;
  RNode a(loop, "a");
  RNode b(loop, "b");
  Join(loop, a, b);
  size_t got = 0;
  b.on_frame = [&](std::string_view, v1::ReplicateFrame& frame) { got = frame.ByteSizeLong(); };
  v1::ReplicateFrame largest = Bulk(kFrameBytesMax - 20);
  while (largest.ByteSizeLong() < kFrameBytesMax) {
    *largest.mutable_rows()->mutable_rows(0)->mutable_id() += 'r';
  }
  REQUIRE(largest.ByteSizeLong() == kFrameBytesMax);
  v1::ReplicateFrame above = largest;
  *above.mutable_rows()->mutable_rows(0)->mutable_id() += 'r';
  CHECK(a.replicate->Send(b.uid, std::move(above)) == Sent::kTooLarge);
  CHECK(above.ByteSizeLong() == kFrameBytesMax + 1);  // left as it was
  CHECK(a.replicate->Send(b.uid, std::move(largest)) == Sent::kQueued);
  REQUIRE(RunUntil(loop, [&] { return got == kFrameBytesMax; }));
  CHECK(a.downs.empty());

  RNode::Options options;
  options.wired = false;
  RNode c(loop, "c", options);
  c.replicate->PeerUp({Uid("z"), "z", "", 1, false});
  RawReplicator large(c.address(), [&](auto& stream) {
    stream.Write(HelloFrom("z", c));
    v1::ReplicateRequest request;
    *request.mutable_frame() = Bulk(2 << 20);
    stream.Write(request);
  });
  REQUIRE(RunUntil(loop, [&] { return large.over(); }));
  CHECK(large.status().error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  REQUIRE(RunUntil(loop, [&] { return c.downs.size() == 1 && c.replicate->stream_count() == 0; }));
  CHECK(c.frames == 0);
}

TEST_CASE("a stream that begins with anything but a Hello, or says it twice, is a bad frame") {
  uv::Loop loop;
  RNode::Options options;
  options.wired = false;
  options.hello_timeout = Duration::Millis(300);
  RNode c(loop, "c", options);
  c.replicate->PeerUp({Uid("z"), "z", "", 1, false});
  const int how = GENERATE(0, 1, 2, 3);
  RawReplicator bad(c.address(), [&](auto& stream) {
    v1::ReplicateRequest hello = HelloFrom("z", c);
    v1::ReplicateRequest ack;
    *ack.mutable_frame() = Small(1);
    if (how == 0) {
      stream.Write(ack);
    } else if (how == 1) {
      stream.Write(hello);
      stream.Write(hello);
    } else if (how == 2) {
      hello.mutable_frame()->mutable_hello()->clear_history();
      stream.Write(hello);
    }
  });
  REQUIRE(RunUntil(loop, [&] { return bad.over(); }));
  CHECK(bad.bye().reason() == v1::Bye::REASON_BAD_FRAME);
  CHECK(c.frames == 0);
  CHECK(c.ups == (how == 1 ? 1 : 0));
}

TEST_CASE("a peer that does not read costs its queue and is parted from as slow") {
  uv::Loop loop;
  RNode::Options options;
  options.wired = false;
  options.slow_limit = Duration::Millis(1500);
  RNode c(loop, "c", options);
  c.replicate->PeerUp({Uid("z"), "z", "", 1, false});
  std::promise<void> enough;
  RawReplicator deaf(c.address(), [&](auto& stream) {
    stream.Write(HelloFrom("z", c));
    enough.get_future().wait();
  });
  REQUIRE(RunUntil(loop, [&] { return c.ups == 1; }));
  const auto pump = [&] {
    while (c.replicate->Send(Uid("z"), Bulk(100'000)) == Sent::kQueued) {
    }
  };
  c.on_writable = [&](std::string_view) { pump(); };
  pump();
  const Instant full = uv::Loop::Now();
  REQUIRE(RunUntil(loop, [&] { return c.downs.size() == 1; }));
  CHECK(c.downs[0].reason == ByeReason::kSlow);
  CHECK(uv::Loop::Now() - full >= Duration::Millis(1500));
  CHECK(uv::Loop::Now() - full < Duration::Seconds(6));
  CHECK(RunUntil(loop, [&] { return c.replicate->stream_count() == 0; }));
  enough.set_value();
}

TEST_CASE("a shutdown says Bye on every stream, and nothing is dialled after it") {
  uv::Loop loop;
  RNode a(loop, "a");
  RNode b(loop, "b");
  Join(loop, a, b);
  const bool dialler = GENERATE(true, false);
  RNode& goes = dialler ? a : b;
  RNode& stays = dialler ? b : a;
  goes.replicate->Shutdown(ByeReason::kLeaving, "going");
  REQUIRE(RunUntil(loop, [&] { return !stays.downs.empty(); }));
  CHECK(stays.downs[0].reason == ByeReason::kLeaving);
  CHECK(stays.downs[0].message == "going");
  RunFor(loop, Duration::Millis(600));
  CHECK(a.ups + b.ups == 2);
  CHECK(goes.downs.size() == 1);
}

TEST_CASE("with TLS both ends of a Replicate stream show a certificate of the one CA") {
  aurora::testing::Certs ours;
  aurora::testing::Certs theirs;
  uv::Loop loop;
  const auto node = [&](const std::string& id, aurora::testing::Certs& issuer) {
    const auto leaf = issuer.Issue(id, "");
    RNode::Options options;
    options.wired = false;
    options.tls = testing::Tls({leaf.certificate_file, leaf.key_file, ours.ca_file()});
    return std::make_unique<RNode>(loop, id, options);
  };
  const auto a = node("a", ours);
  const auto b = node("b", ours);
  const auto c = node("c", theirs);
  a->Know(*b, true);
  b->Know(*a, false);
  a->Know(*c, true);
  c->Know(*a, false);
  b->Know(*c, false);
  c->Know(*b, true);
  REQUIRE(RunUntil(loop, [&] { return JoinedBothWays(*a, *b); }));
  RunFor(loop, Duration::Millis(1500));
  CHECK(c->ups == 0);
  CHECK(a->ups + b->ups == 2);
  CHECK(!a->StateOf(*c).trouble.empty());
}

TEST_CASE("a callback may close, part and dial again") {
  uv::Loop loop;
  RNode::Options options;
  options.wired = false;
  RNode a(loop, "a", options);
  RNode b(loop, "b", options);
  b.Know(a, false);
  int frames = 0;
  a.on_frame = [&](std::string_view uid, v1::ReplicateFrame&) {
    ++frames;
    if (frames == 1) {
      a.replicate->Close(uid, ByeReason::kBadFrame, "a test says so");
      CHECK(a.replicate->Send(uid, Small(1)) == Sent::kGone);
    } else {
      a.replicate->PeerDown(uid);
      a.Know(b, true);
    }
  };
  a.Know(b, true);
  for (int round = 1; round <= 3; ++round) {
    REQUIRE(RunUntil(loop, [&] { return a.ups == round && JoinedBothWays(a, b); }));
    CHECK(b.replicate->Send(a.uid, Small(round)) == Sent::kQueued);
    REQUIRE(RunUntil(loop, [&] { return static_cast<int>(a.downs.size()) == round; }));
  }
  CHECK(b.downs[0].reason == ByeReason::kBadFrame);
  CHECK(b.downs[0].message == "a test says so");
}

TEST_CASE("nodes with Replicate streams may be destroyed at any moment") {
  for (int turns = 0; turns < 60; turns += 3) {
    uv::Loop loop;
    auto a = std::make_unique<RNode>(loop, "a");
    auto b = std::make_unique<RNode>(loop, "b");
    auto c = std::make_unique<RNode>(loop, "c");
    for (RNode* node : {a.get(), b.get(), c.get()}) {
      node->LinkTo({a.get(), b.get(), c.get()});
    }
    uv::Timer wake(loop, [] {});
    wake.StartRepeating(Duration::Millis(1));
    for (int i = 0; i < turns; ++i) {
      loop.RunOnce(true);
      for (RNode* node : {a.get(), b.get()}) {
        (void)node->replicate->Send(c->uid, Bulk(300'000));
        (void)c->replicate->Send(node->uid, Bulk(300'000));
      }
      if (i == 30) {
        c->replicate->Pause(a->uid);
      }
    }
    for (RNode* node : {a.get(), b.get()}) {
      node->polite = turns % 2 == 0;
    }
    a.reset();
    b.reset();
    c.reset();
    loop.RunOnce(false);
    CHECK(true);  // what counts is said by the sanitizers and by Loop's destructor
  }
}

}  // namespace
}  // namespace aurora::peers
