// The Control stream between nodes over loopback: gRPC, its threads and its certificates.
#include <algorithm>
#include <atomic>
#include <future>

#include "shared/uv/tcp.h"
#include "tests/controlplane/peers/control_nodes.h"
#include "tests/controlplane/peers/raw_peer.h"

namespace aurora::peers {
namespace {

using testing::HelloOf;
using testing::LinkedBothWays;
using testing::Node;
using testing::RawPeer;
using testing::RunFor;
using testing::RunUntil;
using testing::Uid;

v1::ControlRequest Request(const v1::Hello& hello) {
  v1::ControlRequest request;
  *request.mutable_frame()->mutable_hello() = hello;
  return request;
}

TEST_CASE("two nodes say Hello and each knows the other") {
  uv::Loop loop;
  Node a(loop, "a");
  Node b(loop, "b");
  std::string dialled;
  b.admit = [&](const v1::Hello& hello, bool outbound) {
    CHECK(!outbound);
    dialled = hello.dialled_node_id();
    return Admission();
  };
  a.links->SetTargets({b.AsTarget()});
  REQUIRE(RunUntil(loop, [&] { return LinkedBothWays(a, b); }));
  CHECK(dialled == "b");
  CHECK(a.PeerOf(b).outbound);
  CHECK(!b.PeerOf(a).outbound);
  CHECK(a.PeerOf(b).address == b.address());
  CHECK(a.PeerOf(b).hello->cluster_id() == "c1");
  CHECK(a.PeerOf(b).hello->heartbeat_interval_ms() == 30'000);
  CHECK(b.PeerOf(a).hello->wall_unix_ms() > 1'600'000'000'000);
  CHECK(a.ups == std::vector<std::string>{"b"});
  CHECK(b.ups == std::vector<std::string>{"a"});
  CHECK(a.refusals.empty());
}

TEST_CASE("a heartbeat comes with the link, at once on a change and else with the interval") {
  uv::Loop loop;
  Node::Options options;
  options.heartbeat_interval = Duration::Millis(1500);
  Node a(loop, "a", options);
  Node b(loop, "b", options);
  v1::Heartbeat heartbeat;
  heartbeat.set_role("standby");
  a.links->Broadcast(heartbeat);
  a.links->SetTargets({b.AsTarget()});
  const auto last = [&]() -> std::shared_ptr<const v1::Heartbeat> {
    const PeerState* peer = b.links->Find(Uid("a"));
    return peer == nullptr ? nullptr : peer->heartbeat;
  };
  REQUIRE(RunUntil(loop, [&] { return last() != nullptr; }));
  CHECK(last()->role() == "standby");
  CHECK(last()->wall_unix_ms() > 1'600'000'000'000);
  CHECK(uv::Loop::Now() - b.PeerOf(a).heartbeat_at < Duration::Seconds(5));

  heartbeat.set_role("active");
  Instant asked = uv::Loop::Now();
  a.links->Broadcast(heartbeat);
  REQUIRE(RunUntil(loop, [&] { return last()->role() == "active"; }));
  CHECK(uv::Loop::Now() - asked < Duration::Millis(1000));

  // Gauges do not hurry.
  const uint64_t sequence = last()->sequence();
  asked = uv::Loop::Now();
  heartbeat.set_load(17);
  a.links->Broadcast(heartbeat);
  REQUIRE(RunUntil(loop, [&] { return last()->load() == 17; }));
  CHECK(last()->sequence() == sequence + 1);
  CHECK(uv::Loop::Now() - asked >= Duration::Millis(700));
  // And the interval goes on by itself.
  REQUIRE(RunUntil(loop, [&] { return last()->sequence() >= sequence + 3; }));
  CHECK(b.frames.size() >= 5);
}

TEST_CASE("nodes that dial each other at once end with the lower id's stream alone") {
  uv::Loop loop;
  Node a(loop, "a");
  Node b(loop, "b");
  Node c(loop, "c");
  for (Node* node : {&c, &b, &a}) {
    node->links->SetTargets({a.AsTarget(), b.AsTarget(), c.AsTarget()});
  }
  REQUIRE(RunUntil(loop, [&] {
    for (const Node* node : {&a, &b, &c}) {
      if (node->links->up_count() != 2 || node->links->stream_count() != 2) {
        return false;
      }
    }
    return true;
  }));
  RunFor(loop, Duration::Millis(300));
  for (const Node* node : {&a, &b, &c}) {
    CHECK(node->links->up_count() == 2);
    CHECK(node->links->stream_count() == 2);
    CHECK(node->refusals.empty());
  }
  CHECK(a.PeerOf(b).outbound);
  CHECK(a.PeerOf(c).outbound);
  CHECK(b.PeerOf(c).outbound);
  CHECK(!c.PeerOf(a).outbound);
}

TEST_CASE("a refusal's reason reaches both sides, whichever side refuses, and is not hammered") {
  const bool dialler_refuses = GENERATE(false, true);
  const ByeReason reason = GENERATE(ByeReason::kForeignCluster, ByeReason::kProtocolVersion,
                                    ByeReason::kDuplicateNodeId, ByeReason::kLabel);
  uv::Loop loop;
  Node a(loop, "a");
  Node b(loop, "b");
  Node& refuser = dialler_refuses ? a : b;
  Node& refused = dialler_refuses ? b : a;
  refuser.admit = [&](const v1::Hello&, bool) { return Admission{reason, "because of a test", ""}; };
  a.links->SetTargets({b.AsTarget()});
  REQUIRE(RunUntil(loop, [&] { return !refuser.refusals.empty() && !refused.refusals.empty(); }));
  CHECK(refuser.WasRefused(reason, false));
  CHECK(refuser.refusals[0].node_id == refused.id);
  CHECK(refused.WasRefused(reason, true));
  CHECK(refused.refusals[0].message == "because of a test");
  REQUIRE(a.links->Failures().size() == 1);
  CHECK(a.links->Failures()[0].reason == reason);
  CHECK(a.links->Failures()[0].message == "because of a test");
  a.links->DialNow("b");
  RunFor(loop, Duration::Millis(500));
  CHECK(refuser.refusals.size() == 1);
  CHECK(!LinkedBothWays(a, b));
  CHECK(refuser.links->up_count() + refused.links->up_count() == 0);
}

TEST_CASE("a warning of the admission is no refusal") {
  uv::Loop loop;
  Node a(loop, "a");
  Node b(loop, "b");
  b.admit = [&](const v1::Hello&, bool) { return Admission{ByeReason::kNone, "", "its clock is 9 s ahead"}; };
  a.links->SetTargets({b.AsTarget()});
  CHECK(RunUntil(loop, [&] { return LinkedBothWays(a, b); }));
}

TEST_CASE("whoever dials another node than it means is told so before anything is replaced") {
  uv::Loop loop;
  Node a(loop, "a");
  Node b(loop, "b");
  a.links->SetTargets({b.AsTarget()});
  REQUIRE(RunUntil(loop, [&] { return LinkedBothWays(a, b); }));
  a.links->SetTargets({b.AsTarget(), {"x", "", b.address()}});
  REQUIRE(RunUntil(loop, [&] { return !a.refusals.empty() && !b.refusals.empty(); }));
  CHECK(a.WasRefused(ByeReason::kWrongNode, true));
  CHECK(b.WasRefused(ByeReason::kWrongNode, false));
  CHECK(LinkedBothWays(a, b));
  CHECK(a.downs.empty());
  CHECK(b.downs.empty());
}

TEST_CASE("a node that dials its own address under another name finds out") {
  uv::Loop loop;
  Node a(loop, "a");
  a.links->SetTargets({{"x", "", a.address()}});
  REQUIRE(RunUntil(loop, [&] { return a.refusals.size() >= 2; }));
  CHECK(a.WasRefused(ByeReason::kWrongNode, true));
  CHECK(a.WasRefused(ByeReason::kWrongNode, false));
}

TEST_CASE("after a restart the peer is linked again without being told") {
  uv::Loop loop;
  Node a(loop, "a");
  auto b = std::make_unique<Node>(loop, "b");
  const uint16_t port = b->server->port();
  a.links->SetTargets({b->AsTarget()});
  REQUIRE(RunUntil(loop, [&] { return LinkedBothWays(a, *b); }));
  b.reset();
  REQUIRE(RunUntil(loop, [&] { return a.downs.size() == 1; }));
  RunFor(loop, Duration::Millis(400));
  CHECK(a.links->up_count() == 0);
  Node::Options options;
  options.port = port;
  options.epoch = 2;
  Node again(loop, "b", options);
  const Instant back = uv::Loop::Now();
  REQUIRE(RunUntil(loop, [&] { return LinkedBothWays(a, again); }));
  CHECK(uv::Loop::Now() - back < Duration::Seconds(6));
  CHECK(a.PeerOf(again).hello->epoch() == 2);
  CHECK(a.downs.size() == 1);
}

TEST_CASE("an alive event ends the wait") {
  uv::Loop loop;
  Node a(loop, "a");
  auto b = std::make_unique<Node>(loop, "b");
  const Target target = b->AsTarget();
  const uint16_t port = b->server->port();
  b.reset();
  a.links->SetTargets({target});
  RunFor(loop, Duration::Seconds(3));  // the next wait is above one second
  REQUIRE(a.links->Failures().size() == 1);
  CHECK(a.links->Failures()[0].node_id == "b");
  CHECK(a.links->Failures()[0].count >= 3);
  CHECK_THAT(a.links->Failures()[0].message, Catch::Contains("refused"));
  Node::Options options;
  options.port = port;
  Node again(loop, "b", options);
  const Instant back = uv::Loop::Now();
  a.links->DialNow("b");
  REQUIRE(RunUntil(loop, [&] { return LinkedBothWays(a, again); }));
  CHECK(uv::Loop::Now() - back < Duration::Millis(900));
  CHECK(a.links->Failures().empty());
}

TEST_CASE("gossip calling a peer failed does not close its stream") {
  uv::Loop loop;
  Node a(loop, "a");
  Node b(loop, "b");
  a.links->SetTargets({b.AsTarget()});
  REQUIRE(RunUntil(loop, [&] { return LinkedBothWays(a, b); }));
  a.links->SetTargets({});
  RunFor(loop, Duration::Millis(300));
  CHECK(LinkedBothWays(a, b));
}

TEST_CASE("a shutdown says Bye, and the peer knows it from a crash") {
  uv::Loop loop;
  Node a(loop, "a");
  Node b(loop, "b");
  const bool dialler_goes = GENERATE(true, false);
  a.links->SetTargets({b.AsTarget()});
  REQUIRE(RunUntil(loop, [&] { return LinkedBothWays(a, b); }));
  Node& goes = dialler_goes ? a : b;
  Node& stays = dialler_goes ? b : a;
  goes.links->Shutdown(ByeReason::kLeaving, "leaving the cluster");
  goes.server.reset();
  goes.links.reset();
  REQUIRE(RunUntil(loop, [&] { return !stays.downs.empty(); }));
  CHECK(stays.downs[0].reason == ByeReason::kLeaving);
  CHECK(stays.downs[0].message == "leaving the cluster");
}

TEST_CASE("a node beyond the limit is refused plainly") {
  uv::Loop loop;
  Node::Options options;
  options.peers_max = 1;
  Node a(loop, "a", options);
  Node b(loop, "b");
  Node c(loop, "c");
  b.links->SetTargets({a.AsTarget()});
  REQUIRE(RunUntil(loop, [&] { return LinkedBothWays(a, b); }));
  c.links->SetTargets({a.AsTarget()});
  REQUIRE(RunUntil(loop, [&] { return !c.refusals.empty() && !a.refusals.empty(); }));
  CHECK(c.WasRefused(ByeReason::kFull, true));
  CHECK(c.refusals[0].message == "a cluster has at most 2 nodes");
  CHECK(a.WasRefused(ByeReason::kFull, false));
  CHECK(LinkedBothWays(a, b));
}

TEST_CASE("sixteen nodes form a full mesh and a seventeenth is refused by each") {
  uv::Loop loop;
  std::vector<std::unique_ptr<Node>> nodes;
  std::vector<Target> targets;
  for (int i = 0; i < 16; ++i) {
    Node::Options options;
    options.hello_timeout = Duration::Seconds(30);  // 120 streams at once on a busy machine
    nodes.push_back(std::make_unique<Node>(loop, "n" + std::to_string(i), options));
    targets.push_back(nodes.back()->AsTarget());
  }
  for (const auto& node : nodes) {
    node->links->SetTargets(targets);
  }
  REQUIRE(RunUntil(
      loop,
      [&] {
        return std::all_of(nodes.begin(), nodes.end(), [](const auto& node) {
          return node->links->up_count() == 15 && node->links->stream_count() == 15;
        });
      },
      Duration::Seconds(60)));
  Node last(loop, "late");
  last.links->SetTargets(targets);
  REQUIRE(RunUntil(loop, [&] { return last.refusals.size() >= 15; }, Duration::Seconds(60)));
  for (const Refusal& refusal : last.refusals) {
    CHECK(refusal.by_peer);
    CHECK(refusal.reason == ByeReason::kFull);
    CHECK(refusal.message == "a cluster has at most 16 nodes");
  }
  CHECK(last.links->up_count() == 0);
  for (const auto& node : nodes) {
    CHECK(node->links->up_count() == 15);
    node->links->Shutdown(ByeReason::kShutdown, "");
  }
}

TEST_CASE("a key change passes to every peer and back") {
  uv::Loop loop;
  Node a(loop, "a");
  Node b(loop, "b");
  Node c(loop, "c");
  a.links->SetTargets({b.AsTarget(), c.AsTarget()});
  REQUIRE(RunUntil(loop, [&] { return LinkedBothWays(a, b) && LinkedBothWays(a, c); }));
  v1::ControlFrame frame;
  frame.mutable_gossip_key_change()->set_action(v1::GossipKeyChange::ACTION_INSTALL);
  frame.mutable_gossip_key_change()->set_sealed_key(std::string("\x01\0\xff", 3));
  frame.mutable_gossip_key_change()->set_node_uid(Uid("a"));
  a.links->SendAll(frame);
  CHECK(b.links->Send(Uid("a"), frame));
  CHECK(!b.links->Send(Uid("c"), frame));
  REQUIRE(RunUntil(loop, [&] { return b.frames.size() == 1 && c.frames.size() == 1 && a.frames.size() == 1; }));
  CHECK(b.frames[0].gossip_key_change().sealed_key() == std::string("\x01\0\xff", 3));
}

TEST_CASE("a stream that says no Hello is closed in time, and one that answers none is given up") {
  uv::Loop loop;
  Node::Options options;
  options.hello_timeout = Duration::Millis(300);
  Node a(loop, "a", options);
  RawPeer mute(a.address(), [](auto&) {});
  REQUIRE(RunUntil(loop, [&] { return mute.over(); }));
  CHECK(mute.bye().reason() == v1::Bye::REASON_BAD_FRAME);
  CHECK(mute.bye().message() == "no Hello in time");

  // A port that accepts and never speaks.
  class : public uv::ListenerObserver {
   public:
    void OnAccept(std::unique_ptr<uv::TcpStream> stream) override { streams.push_back(std::move(stream)); }
    std::vector<std::unique_ptr<uv::TcpStream>> streams;
  } silent;
  auto listener = uv::TcpListener::Open(loop, {}, &silent);
  REQUIRE(listener.ok());
  a.links->SetTargets({{"b", "", "127.0.0.1:" + std::to_string((*listener)->port())}});
  REQUIRE(RunUntil(loop, [&] { return silent.streams.size() >= 3; }));
  a.links->SetTargets({});
  CHECK(RunUntil(loop, [&] { return a.links->stream_count() == 0; }));
}

TEST_CASE("a peer that has fallen silent is parted from") {
  uv::Loop loop;
  Node::Options options;
  options.heartbeat_interval = Duration::Millis(100);
  options.idle_slack = Duration::Millis(100);
  Node a(loop, "a", options);
  RawPeer silent(a.address(), [](auto& stream) {
    v1::Hello hello = HelloOf("b");
    hello.set_heartbeat_interval_ms(100);
    stream.Write(Request(hello));
  });
  REQUIRE(RunUntil(loop, [&] { return silent.over() && !a.downs.empty(); }));
  CHECK(silent.bye().reason() == v1::Bye::REASON_IDLE);
  REQUIRE(a.downs.size() == 1);
  CHECK(a.downs[0].reason == ByeReason::kIdle);
  // Those who beat stay.
  Node b(loop, "b", options);
  b.links->Broadcast(v1::Heartbeat());
  a.links->Broadcast(v1::Heartbeat());
  b.links->SetTargets({a.AsTarget()});
  REQUIRE(RunUntil(loop, [&] { return LinkedBothWays(a, b); }));
  RunFor(loop, Duration::Seconds(1));
  CHECK(b.downs.empty());
}

TEST_CASE("an idle stream carries pulses, which nobody is told of") {
  uv::Loop loop;
  Node a(loop, "a");
  Node b(loop, "b");
  RawPeer peer(a.address(), [](auto& stream) { stream.Write(Request(HelloOf("z"))); });
  REQUIRE(RunUntil(loop, [&] { return peer.pulses() >= 2; }));
  b.links->SetTargets({a.AsTarget()});
  REQUIRE(RunUntil(loop, [&] { return LinkedBothWays(a, b); }));
  const int before = peer.pulses();
  REQUIRE(RunUntil(loop, [&] { return peer.pulses() >= before + 2; }));
  CHECK(a.frames.empty());  // b pulses too
  CHECK(a.downs.empty());
}

TEST_CASE("a flooding peer is parted from and costs one frame of memory") {
  uv::Loop loop;
  Node a(loop, "a");
  std::atomic<int> written{0};
  RawPeer flood(a.address(), [&](auto& stream) {
    stream.Write(Request(HelloOf("b")));
    v1::ControlRequest request;
    request.mutable_frame()->mutable_heartbeat()->set_role(std::string(1000, 'x'));
    while (stream.Write(request)) {
      ++written;
    }
  });
  REQUIRE(RunUntil(loop, [&] { return flood.over() && !a.downs.empty(); }));  // the loop hears of it a turn later
  REQUIRE(a.downs.size() == 1);
  CHECK(a.downs[0].reason == ByeReason::kBadFrame);
  CHECK(a.frames.size() <= static_cast<size_t>(2 * kFramesPerSecond));
  CHECK(RunUntil(loop, [&] { return a.links->stream_count() == 0; }));
}

TEST_CASE("a message above the limit ends the stream") {
  uv::Loop loop;
  Node a(loop, "a");
  RawPeer large(a.address(), [&](auto& stream) {
    v1::Hello hello = HelloOf("b");
    hello.set_label(std::string(2 << 20, 'x'));
    stream.Write(Request(hello));
  });
  REQUIRE(RunUntil(loop, [&] { return large.over(); }));
  CHECK(large.status().error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  CHECK(RunUntil(loop, [&] { return a.links->stream_count() == 0; }));
  CHECK(a.ups.empty());
}

TEST_CASE("a peer that does not read is parted from when the queue is full") {
  uv::Loop loop;
  Node a(loop, "a");
  std::promise<void> enough;
  RawPeer deaf(a.address(), [&](auto& stream) {
    stream.Write(Request(HelloOf("b")));
    enough.get_future().wait();
  });
  REQUIRE(RunUntil(loop, [&] { return a.links->up_count() == 1; }));
  v1::ControlFrame frame;
  frame.mutable_gossip_key_change()->set_sealed_key(std::string(500'000, 'k'));
  int sent = 0;
  while (a.links->Send(Uid("b"), frame) && sent < 1000) {
    ++sent;
  }
  CHECK(sent < 50);
  REQUIRE(a.downs.size() == 1);
  CHECK(a.downs[0].reason == ByeReason::kSlow);
  // Not even the Bye gets out: the call is cancelled.
  CHECK(RunUntil(loop, [&] { return a.links->stream_count() == 0; }));
  enough.set_value();
}

// A wire between two nodes that can be cut without a word: bytes then vanish.
class Relay final : public uv::ListenerObserver {
 public:
  Relay(uv::Loop& loop, uint16_t target) : loop_(loop), target_(target) {
    auto opened = uv::TcpListener::Open(loop, {}, this);
    REQUIRE(opened.ok());
    listener_ = *std::move(opened);
  }
  uint16_t port() const { return listener_->port(); }
  void Cut() { cut_ = true; }

  void OnAccept(std::unique_ptr<uv::TcpStream> stream) override {
    auto far = std::make_unique<uv::TcpStream>(loop_);
    const auto address = uv::ParseIp("127.0.0.1", target_);
    REQUIRE(address.ok());
    REQUIRE(far->Connect(*address) == 0);
    sides_.push_back(std::make_unique<Side>(*this, *far));
    stream->SetObserver(sides_.back().get());
    sides_.push_back(std::make_unique<Side>(*this, *stream));
    far->SetObserver(sides_.back().get());
    stream->StartRead();
    streams_.push_back(std::move(far));
    streams_.push_back(std::move(stream));
  }

 private:
  struct Side final : uv::StreamObserver {
    Side(Relay& owner, uv::TcpStream& other) : relay(owner), to(other) {}
    void OnConnected(int error) override {
      REQUIRE(error == 0);
      relay.streams_.at(0)->StartRead();
    }
    void OnData(std::span<char> bytes) override {
      if (!relay.cut_) {
        to.Write(std::string(bytes.data(), bytes.size()));
      }
    }
    void OnEof() override {}
    void OnStreamError(int /*error*/) override {}
    Relay& relay;
    uv::TcpStream& to;
  };

  uv::Loop& loop_;
  const uint16_t target_;
  std::unique_ptr<uv::TcpListener> listener_;
  bool cut_ = false;
  std::vector<std::unique_ptr<Side>> sides_;
  std::vector<std::unique_ptr<uv::TcpStream>> streams_;
};

TEST_CASE("a peer that is gone without a word is noticed by both ends within 16 s") {
  uv::Loop loop;
  Node a(loop, "a");
  Node b(loop, "b");
  Relay relay(loop, b.server->port());
  a.links->SetTargets({{"b", "", "127.0.0.1:" + std::to_string(relay.port())}});
  REQUIRE(RunUntil(loop, [&] { return LinkedBothWays(a, b); }));
  a.links->SetTargets({});
  relay.Cut();
  CHECK(RunUntil(loop, [&] { return !a.downs.empty() && !b.downs.empty(); }, Duration::Seconds(16)));
  CHECK(a.links->up_count() + b.links->up_count() == 0);
}

TEST_CASE("a taken port is told as such, and free again it serves") {
  uv::Loop loop;
  Node a(loop, "a");
  ControlServer::Options options;
  options.listen = {"127.0.0.1", a.server->port()};
  options.tls = testing::Tls();
  const auto second = ControlServer::Open(options, *a.links);
  REQUIRE(!second.ok());
  CHECK(second.status().code() == absl::StatusCode::kAlreadyExists);
  a.server.reset();
  CHECK(ControlServer::Open(options, *a.links).ok());
}

TEST_CASE("nodes may be destroyed at any moment") {
  for (int turns = 0; turns < 40; turns += 3) {
    uv::Loop loop;
    auto a = std::make_unique<Node>(loop, "a");
    auto b = std::make_unique<Node>(loop, "b");
    auto c = std::make_unique<Node>(loop, "c");
    const std::vector<Target> all = {a->AsTarget(), b->AsTarget(), c->AsTarget(), {"gone", "", "127.0.0.1:1"}};
    a->links->Broadcast(v1::Heartbeat());
    for (Node* node : {a.get(), b.get(), c.get()}) {
      node->links->SetTargets(all);
    }
    uv::Timer wake(loop, [] {});
    wake.StartRepeating(Duration::Millis(1));
    for (int i = 0; i < turns; ++i) {
      loop.RunOnce(true);
    }
    for (Node* node : {a.get(), b.get()}) {
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
