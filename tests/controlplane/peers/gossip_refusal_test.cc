// What the gossip driver refuses, and that it says so: strangers, wrong keys, floods, nonsense.
#include "controlplane/gossipwire/layers.h"
#include "shared/uv/tcp.h"
#include "tests/controlplane/peers/gossip_cluster.h"

namespace aurora::peers {
namespace {

using gossipwire::NodeState;

crypto::Secret Key(char fill, size_t size = 32) {
  return crypto::Secret(std::string(size, fill));
}

uint64_t Refusals(const TestNode& node, Reason reason) {
  return node.gossip->Stats().refused[static_cast<size_t>(reason)];
}

TEST_CASE("with keys a cluster forms, and neither another key nor clear text gets in", "[gossip]") {
  TestCluster cluster;
  GossipOptions options = cluster.Options("a");
  options.keys = {Key('k', 16)};
  TestNode& a = cluster.Add(options);
  options.node_name = "b";
  options.seeds = {a.Seed()};
  TestNode& b = cluster.Add(options);
  REQUIRE(cluster.Complete({&a, &b}));

  options.node_name = "wrong";
  options.keys = {Key('w', 16)};
  TestNode& wrong = cluster.Add(options);
  options.node_name = "clear";
  options.keys = {};
  TestNode& clear = cluster.Add(options);
  REQUIRE(cluster.Until([&] { return a.Refused(Reason::kKey); }));
  REQUIRE(cluster.Until([&] {
    return wrong.gossip->Stats().streams_failed > 1 && clear.gossip->Stats().streams_failed > 1;
  }));
  CHECK_FALSE(a.Find("wrong"));
  CHECK_FALSE(a.Find("clear"));
  CHECK(wrong.Alive() == 1);
  CHECK(clear.Alive() == 1);
  // Told once, though refused again and again.
  REQUIRE(cluster.Until([&] { return Refusals(a, Reason::kKey) > 3; }));
  CHECK(a.refused.size() == 1);
  CHECK(a.refused[0].stream);
  CHECK(a.refused[0].from.ip == a.gossip->address().ip);
  CHECK_FALSE(a.refused[0].detail.empty());
}

TEST_CASE("keys are replaced at run time without losing a member", "[gossip]") {
  TestCluster cluster;
  GossipOptions options = cluster.Options("a");
  options.keys = {Key('1')};
  TestNode& a = cluster.Add(options);
  options.node_name = "b";
  options.seeds = {a.Seed()};
  TestNode& b = cluster.Add(options);
  REQUIRE(cluster.Complete({&a, &b}));
  // Install everywhere, use everywhere, remove everywhere.
  for (const auto& keys :
       {std::vector{Key('1'), Key('2')}, std::vector{Key('2'), Key('1')}, std::vector{Key('2')}}) {
    REQUIRE(a.gossip->SetKeys(keys).ok());
    REQUIRE(b.gossip->SetKeys(keys).ok());
    const uint64_t heard = a.gossip->Stats().rtt.count;
    REQUIRE(cluster.Until([&] { return a.gossip->Stats().rtt.count > heard; }));
  }
  options.node_name = "c";
  options.keys = {Key('2')};
  TestNode& c = cluster.Add(options);
  REQUIRE(cluster.Complete({&a, &b, &c}));
  CHECK(a.refused.empty());
  CHECK(b.refused.empty());
  CHECK_FALSE(a.Saw(Kind::kFailed, "b"));
  CHECK(a.gossip->SetKeys({Key('x', 5)}).code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("a clear cluster becomes an encrypted one in steps", "[gossip]") {
  TestCluster cluster;
  TestNode& a = cluster.Add("a");
  TestNode& b = cluster.Add("b", &a);
  REQUIRE(cluster.Complete({&a, &b}));
  const std::vector<crypto::Secret> keys = {Key('k')};
  for (const gossipwire::Verify verify :
       {gossipwire::Verify{false, false}, {false, true}, {true, true}}) {
    REQUIRE(a.gossip->SetKeys(keys, verify).ok());
    REQUIRE(b.gossip->SetKeys(keys, verify).ok());
    const uint64_t heard = a.gossip->Stats().rtt.count;
    REQUIRE(cluster.Until([&] { return a.gossip->Stats().rtt.count > heard; }));
  }
  CHECK_FALSE(a.Saw(Kind::kFailed, "b"));
  CHECK_FALSE(b.Saw(Kind::kFailed, "a"));
  TestNode& clear = cluster.Add("clear", &a);
  REQUIRE(cluster.Until([&] { return a.Refused(Reason::kKey); }));
  CHECK(clear.Alive() == 1);
}

TEST_CASE("another label, or none, is refused and named", "[gossip]") {
  TestCluster cluster;
  TestNode& a = cluster.Add("a");
  GossipOptions options = cluster.Options("other");
  options.label = "another";
  options.seeds = {a.Seed()};
  TestNode& other = cluster.Add(options);
  REQUIRE(cluster.Until([&] { return a.Refused(Reason::kLabel); }));
  CHECK(a.refused.size() == 1);
  CHECK(other.Alive() == 1);
  CHECK(a.Alive() == 1);
}

TEST_CASE(
    "a node of another cluster_id is refused with an event, a node without our meta is a guest",
    "[gossip]") {
  TestCluster cluster;
  TestNode& a = cluster.Add("a");
  GossipOptions options = cluster.Options("stranger");
  options.meta = MetaOf("stranger", "other-cluster");
  options.core.cluster_id = "other-cluster";
  options.seeds = {a.Seed()};
  TestNode& stranger = cluster.Add(options);
  REQUIRE(cluster.Until([&] { return a.Refused(Reason::kForeign); }));
  CHECK(a.refused[0].node == "stranger");
  CHECK(a.Alive() == 1);
  CHECK(stranger.Alive() == 1);
  stranger.gossip.reset();

  options = cluster.Options("visitor");
  options.meta = "some other application";
  options.core.cluster_id.clear();
  options.seeds = {a.Seed()};
  cluster.Add(options);
  REQUIRE(cluster.Until([&] { return a.Has("visitor", NodeState::kAlive); }));
  CHECK(a.Find("visitor")->guest);
  REQUIRE(cluster.Until([&] { return a.gossip->Stats().datagrams_in > 5; }));
  CHECK(a.gossip->Stats().live == 1);
}

TEST_CASE("a second node under a name in use is a conflict, and the first one stays", "[gossip]") {
  TestCluster cluster;
  TestNode& a = cluster.Add("a");
  TestNode& b = cluster.Add("b", &a);
  REQUIRE(cluster.Complete({&a, &b}));
  REQUIRE(cluster.Until([&] { return !b.persisted.empty(); }));
  GossipOptions options = cluster.Options("b");
  options.seeds = {a.Seed()};
  options.stored_incarnation = b.persisted.back() + 1000;
  TestNode& twin = cluster.Add(options);
  REQUIRE(cluster.Until([&] { return a.Refused(Reason::kConflict); }));
  CHECK(a.Saw(Kind::kConflict, "b"));
  CHECK(a.Find("b")->address == b.gossip->address());
  CHECK(a.Find("b")->address != twin.gossip->address());
}

TEST_CASE("nonsense by datagram is dropped, counted by its reason, and hurts nobody", "[gossip]") {
  TestCluster cluster;
  TestNode& a = cluster.Add("a");
  TestNode& b = cluster.Add("b", &a);
  REQUIRE(cluster.Complete({&a, &b}));
  struct Nobody : uv::UdpObserver {
    void OnDatagram(std::string_view, const sockaddr_storage&) override {}
  } nobody;
  auto socket = uv::UdpSocket::Open(cluster.loop(), {}, &nobody);
  REQUIRE(socket.ok());
  const sockaddr_storage to = *uv::ParseIp("127.0.0.1", a.gossip->port());
  const std::string label = gossipwire::LabelHeader("test");
  std::string bad_crc = gossipwire::AddCrc("\x02 not a map");
  bad_crc[1] = static_cast<char>(bad_crc[1] ^ 1);
  REQUIRE((*socket)->Send("\x02 no label", to));
  REQUIRE((*socket)->Send(label + "\xff\xff", to));
  REQUIRE((*socket)->Send(label + bad_crc, to));
  REQUIRE((*socket)->Send("", to));
  REQUIRE(cluster.Until([&] {
    return Refusals(a, Reason::kLabel) == 1 && Refusals(a, Reason::kMalformed) == 2 &&
           Refusals(a, Reason::kCrc) == 1;
  }));
  CHECK(a.Has("b", NodeState::kAlive));
  CHECK(a.refused.size() == 3);
}

TEST_CASE("datagrams over the rate are dropped unopened", "[gossip]") {
  TestCluster cluster;
  GossipOptions options = cluster.Options("a");
  options.max_datagrams_per_second = 50;
  TestNode& a = cluster.Add(options);
  struct Nobody : uv::UdpObserver {
    void OnDatagram(std::string_view, const sockaddr_storage&) override {}
  } nobody;
  auto socket = uv::UdpSocket::Open(cluster.loop(), {}, &nobody);
  REQUIRE(socket.ok());
  const sockaddr_storage to = *uv::ParseIp("127.0.0.1", a.gossip->port());
  REQUIRE(cluster.Until([&] {
    for (int i = 0; i < 100; ++i) {
      (void)(*socket)->Send("\x02 no label", to);
    }
    return Refusals(a, Reason::kRate) > 100;
  }));
  CHECK(Refusals(a, Reason::kLabel) > 0);
}

// Raw TCP connections to one node.
struct Flood : uv::StreamObserver {
  std::vector<std::unique_ptr<uv::TcpStream>> streams;
  size_t connected = 0;
  void OnConnected(int error) override { connected += error == 0 ? size_t{1} : 0; }
  void OnData(std::span<char>) override {}
  void OnEof() override {}
  void OnStreamError(int) override {}

  uv::TcpStream& Dial(uv::Loop& loop, uint16_t port) {
    streams.push_back(std::make_unique<uv::TcpStream>(loop));
    streams.back()->SetObserver(this);
    REQUIRE(streams.back()->Connect(*uv::ParseIp("127.0.0.1", port)) == 0);
    return *streams.back();
  }
};

TEST_CASE("a flood of silent streams fills its bound and no more, datagrams go on, and it passes",
          "[gossip]") {
  TestCluster cluster;
  GossipOptions options = cluster.Options("a");
  options.streams.inbound = 16;
  options.streams.timeout = Duration::Seconds(4);
  TestNode& a = cluster.Add(options);
  TestNode& b = cluster.Add("b", &a);
  REQUIRE(cluster.Complete({&a, &b}));
  Flood flood;
  for (int i = 0; i < 64; ++i) {
    flood.Dial(cluster.loop(), a.gossip->port());
  }
  REQUIRE(cluster.Until([&] { return a.gossip->Stats().streams_in_refused >= 48; }));
  CHECK(a.gossip->Stats().streams_open <= 16 + 4);
  const uint64_t heard = b.gossip->Stats().rtt.count;
  REQUIRE(cluster.Until([&] { return b.gossip->Stats().rtt.count > heard + 2; }));
  REQUIRE(cluster.Until(
      [&] { return a.gossip->Stats().streams_open <= 4; }));  // the deadline took them
  const uint64_t failed = b.gossip->Stats().streams_failed;
  const uint64_t served = b.gossip->Stats().streams_out;
  REQUIRE(cluster.Until([&] { return b.gossip->Stats().streams_out > served + 2; }));
  CHECK(b.gossip->Stats().streams_failed <= failed + 1);
  CHECK_FALSE(b.Saw(Kind::kFailed, "a"));
}

TEST_CASE("a stream with more bytes than one may have is cut off", "[gossip]") {
  TestCluster cluster;
  GossipOptions options = cluster.Options("a");
  options.streams.bytes = 1 << 20;
  TestNode& a = cluster.Add(options);
  Flood flood;
  uv::TcpStream& stream = flood.Dial(cluster.loop(), a.gossip->port());
  REQUIRE(cluster.Until([&] { return flood.connected == 1; }));
  stream.Write(gossipwire::LabelHeader("test"));
  // A user message that claims 16 MiB.
  stream.Write(std::string("\x08\x81\xaaUserMsgLen\xce\x01\x00\x00\x00", 17));
  for (int i = 0; i < 3; ++i) {
    stream.Write(std::string(1 << 20, 'x'));
  }
  REQUIRE(cluster.Until([&] { return a.Refused(Reason::kTooMuch); }));
  REQUIRE(cluster.Until([&] {
    return a.gossip->Stats().streams_open == 0 && a.gossip->Stats().streams_failed == 1;
  }));
  CHECK(a.users.empty());
}

TEST_CASE("events wait while the home loop is stuck, and all come, in order, when it runs again",
          "[gossip]") {
  TestCluster cluster;
  uv::Loop stuck;
  uv::Mailbox small(stuck, 1);
  TestNode a;
  REQUIRE(small.Post([] {}));  // the mailbox is full
  auto started = Gossip::Start(small, cluster.Options("a"), TestCluster::Callbacks(&a));
  REQUIRE(started.ok());
  a.gossip = *std::move(started);
  TestNode& b = cluster.Add("b", &a);
  REQUIRE(cluster.Until([&] { return a.Alive() == 2; }));
  REQUIRE(b.gossip->UpdateMeta(MetaOf("b2")));
  REQUIRE(cluster.Until([&] { return a.Find("b")->meta == MetaOf("b2"); }));
  CHECK(a.events.empty());
  REQUIRE(uv::RunUntil(stuck, [&] { return a.Saw(Kind::kUpdate, "b"); }));
  REQUIRE(a.events.size() >= 2);
  CHECK(a.events[0].kind == Kind::kJoin);
  CHECK(a.persisted.size() == 1);
  a.gossip.reset();
}

}  // namespace
}  // namespace aurora::peers
