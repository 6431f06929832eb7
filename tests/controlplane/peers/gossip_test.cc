// The gossip driver on real sockets: nodes that find, watch, refuse and lose each other.
#include "tests/controlplane/peers/gossip_cluster.h"

namespace aurora::peers {
namespace {

using gossipwire::NodeState;

TEST_CASE("three nodes that share one seed see each other, with meta, address and incarnation",
          "[gossip]") {
  TestCluster cluster;
  TestNode& a = cluster.Add("a");
  TestNode& b = cluster.Add("b", &a);
  TestNode& c = cluster.Add("c", &a);
  REQUIRE(cluster.Complete({&a, &b, &c}));
  REQUIRE(cluster.Until([&] { return b.Saw(Kind::kJoin, "c") && c.Saw(Kind::kJoin, "b"); }));
  const Member seen = *c.Find("b");
  CHECK(seen.address == b.gossip->address());
  CHECK(seen.meta == MetaOf("b"));
  CHECK_FALSE(seen.guest);
  CHECK_FALSE(seen.self);
  CHECK(c.Find("c")->self);
  REQUIRE(cluster.Until([&] { return !b.persisted.empty(); }));
  CHECK(seen.incarnation == b.persisted.back());
  CHECK(a.refused.empty());
  // The published counters follow within a second.
  REQUIRE(cluster.Until([&] { return a.gossip->Stats().rtt.count > 3; }));
  const GossipStats stats = a.gossip->Stats();
  CHECK(stats.live == 3);
  CHECK(stats.datagrams_in > 0);
  CHECK(stats.streams_in > 0);
  CHECK(stats.core.probes > 0);
  CHECK(stats.rtt.sum.micros() > 0);
}

TEST_CASE("a node that vanishes is found failed, one that leaves is found left", "[gossip]") {
  TestCluster cluster;
  TestNode& a = cluster.Add("a");
  TestNode& b = cluster.Add("b", &a);
  TestNode& c = cluster.Add("c", &a);
  REQUIRE(cluster.Complete({&a, &b, &c}));
  bool left = false;
  REQUIRE(b.gossip->Leave(Duration::Seconds(30), [&] { left = true; }));
  REQUIRE(cluster.Until(
      [&] { return left && a.Has("b", NodeState::kLeft) && c.Has("b", NodeState::kLeft); }));
  CHECK(b.Saw(Kind::kLeft, "b"));
  CHECK(a.Saw(Kind::kLeave, "b"));
  CHECK_FALSE(a.Saw(Kind::kFailed, "b"));
  b.gossip.reset();
  c.gossip.reset();
  REQUIRE(cluster.Until([&] { return a.Has("c", NodeState::kDead); }));
  CHECK(a.Saw(Kind::kSuspect, "c"));
  CHECK(a.Saw(Kind::kFailed, "c"));
  CHECK_FALSE(a.Saw(Kind::kFailed, "b"));
  REQUIRE(cluster.Until([&] { return a.gossip->Stats().failures == 1; }));
}

TEST_CASE("leaving ends after its bound when nobody is there to be told", "[gossip]") {
  TestCluster cluster;
  GossipOptions options = cluster.Options("a");
  options.core.gossip_interval = Duration::Seconds(3600);
  TestNode& a = cluster.Add(options);
  TestNode& b = cluster.Add("b", &a);
  REQUIRE(cluster.Complete({&a, &b}));
  bool left = false;
  REQUIRE(a.gossip->Leave(Duration::Millis(50), [&] { left = true; }));
  REQUIRE(cluster.Until([&] { return left; }));
}

TEST_CASE("a node comes back under its name after a crash, above its stored incarnation",
          "[gossip]") {
  TestCluster cluster;
  TestNode& a = cluster.Add("a");
  TestNode& b = cluster.Add("b", &a);
  REQUIRE(cluster.Complete({&a, &b}));
  REQUIRE(cluster.Until([&] { return !b.persisted.empty(); }));
  const uint32_t stored = b.persisted.back() + 1000;
  b.gossip.reset();
  GossipOptions options = cluster.Options("b");
  options.seeds = {a.Seed()};
  options.stored_incarnation = stored;
  options.meta = MetaOf("b-again");
  TestNode& again = cluster.Add(options);
  REQUIRE(cluster.Until(
      [&] { return a.Has("b", NodeState::kAlive) && a.Find("b")->meta == MetaOf("b-again"); }));
  CHECK(a.Find("b")->incarnation > stored);
  CHECK(a.Find("b")->address == again.gossip->address());
  REQUIRE(cluster.Until([&] { return !again.persisted.empty(); }));
  CHECK(again.persisted.back() > stored);
}

TEST_CASE("a change of meta reaches everyone", "[gossip]") {
  TestCluster cluster;
  TestNode& a = cluster.Add("a");
  TestNode& b = cluster.Add("b", &a);
  TestNode& c = cluster.Add("c", &b);
  REQUIRE(cluster.Complete({&a, &b, &c}));
  REQUIRE(a.gossip->UpdateMeta(MetaOf("a-2")));
  REQUIRE(cluster.Until([&] { return b.Saw(Kind::kUpdate, "a") && c.Saw(Kind::kUpdate, "a"); }));
  CHECK(b.Find("a")->meta == MetaOf("a-2"));
  CHECK(cluster.Until([&] { return a.Find("a")->meta == MetaOf("a-2"); }));
}

TEST_CASE("a full view is exchanged again over streams while nothing happens", "[gossip]") {
  TestCluster cluster;
  TestNode& a = cluster.Add("a");
  TestNode& b = cluster.Add("b", &a);
  REQUIRE(cluster.Complete({&a, &b}));
  REQUIRE(cluster.Until([&] { return a.gossip->Stats().streams_in > 3; }));
  CHECK(a.gossip->Stats().streams_failed == 0);
  CHECK(a.gossip->Stats().streams_open <= 2);
}

TEST_CASE("a node that only TCP reaches is kept, and that is told", "[gossip]") {
  TestCluster cluster;
  TestNode& a = cluster.Add("a");
  GossipOptions options = cluster.Options("deaf");
  options.seeds = {a.Seed()};
  options.max_datagrams_per_second = 1;  // junk takes it: no ping is read, and no ack
  TestNode& deaf = cluster.Add(options);
  struct Nobody : uv::UdpObserver {
    void OnDatagram(std::string_view, const sockaddr_storage&) override {}
  } nobody;
  auto junk = uv::UdpSocket::Open(cluster.loop(), {}, &nobody);
  REQUIRE(junk.ok());
  const sockaddr_storage to = *uv::ParseIp("127.0.0.1", deaf.gossip->port());
  REQUIRE(cluster.Complete({&a, &deaf}));
  REQUIRE(cluster.Until([&] {
    (void)(*junk)->Send("junk", to);
    return a.gossip->Stats().one_way_udp >= 3;
  }));
  CHECK(a.Count(Kind::kOneWayUdp, "deaf") == 1);
  CHECK_FALSE(a.Saw(Kind::kFailed, "deaf"));
  CHECK_FALSE(deaf.Saw(Kind::kFailed, "a"));
}

TEST_CASE("a seed that is a name is resolved, and an address of one's own is no seed", "[gossip]") {
  TestCluster cluster;
  TestNode& a = cluster.Add("a");
  GossipOptions options = cluster.Options("b");
  options.seeds = {"localhost:" + std::to_string(a.gossip->port())};
  TestNode& b = cluster.Add(options);
  REQUIRE(cluster.Complete({&a, &b}));
  // a seeds itself: no stream to itself.
  const uint64_t before = a.gossip->Stats().streams_out;
  TestNode& alone = cluster.Add("alone");
  REQUIRE(alone.gossip->SetSeeds({alone.Seed()}).ok());
  REQUIRE(cluster.Until([&] { return alone.gossip->Stats().live == 1; }));
  CHECK(alone.gossip->Stats().streams_out == 0);
  CHECK(a.gossip->Stats().streams_out >= before);
}

TEST_CASE("a cluster that begins before its seed is up joins when it comes", "[gossip]") {
  TestCluster cluster;
  // Takes a port and gives it back: the seed will be there.
  uint16_t port = 0;
  {
    TestNode& first = cluster.Add("first");
    port = first.gossip->port();
    first.gossip.reset();
  }
  GossipOptions early = cluster.Options("early");
  early.seeds = {"127.0.0.1:" + std::to_string(port)};
  TestNode& a = cluster.Add(early);
  REQUIRE(cluster.Until([&] { return a.gossip->Stats().streams_failed > 0; }));
  GossipOptions late = cluster.Options("late");
  late.bind_port = port;
  TestNode& b = cluster.Add(late);
  REQUIRE(cluster.Complete({&a, &b}));
}

TEST_CASE("IPv6 nodes form a cluster", "[gossip]") {
  TestCluster cluster;
  GossipOptions options = cluster.Options("a");
  options.bind_addr = "::1";
  auto probe = uv::UdpSocket::Open(cluster.loop(), {"::1", 0, 65536}, nullptr);
  if (!probe.ok()) {
    WARN("no IPv6 on this machine: " << probe.status().ToString());
    return;
  }
  probe->reset();
  TestNode& a = cluster.Add(options);
  options.node_name = "b";
  options.seeds = {a.Seed()};
  REQUIRE(options.seeds[0].starts_with("[::1]:"));
  TestNode& b = cluster.Add(options);
  REQUIRE(cluster.Complete({&a, &b}));
  CHECK(b.Find("a")->address.ip.size() == 16);
}

TEST_CASE("user messages of other applications arrive over both ways and are counted", "[gossip]") {
  TestCluster cluster;
  TestNode& a = cluster.Add("a");
  TestNode& b = cluster.Add("b", &a);
  REQUIRE(cluster.Complete({&a, &b}));
  const std::string large(100'000, 'u');
  REQUIRE(b.gossip->SendUser("a", "small", false));
  REQUIRE(b.gossip->SendUser("a", large, true));
  REQUIRE(b.gossip->SendUser("nobody", "lost", true));
  REQUIRE(cluster.Until([&] { return a.users.size() == 2; }));
  std::sort(a.users.begin(), a.users.end(),
            [](const auto& x, const auto& y) { return x.stream < y.stream; });
  CHECK(a.users[0].payload == "small");
  CHECK(a.users[0].from == b.gossip->address());
  CHECK(a.users[1].payload == large);
  REQUIRE(cluster.Until([&] { return a.gossip->Stats().user_messages == 2; }));
}

TEST_CASE("what cannot work is refused at the start, with the setting's name", "[gossip]") {
  TestCluster cluster;
  TestNode& a = cluster.Add("a");
  const auto refused = [&](auto change) {
    GossipOptions options = cluster.Options("x");
    change(options);
    TestNode unused;
    return Gossip::Start(cluster.home(), std::move(options), TestCluster::Callbacks(&unused))
        .status();
  };
  CHECK(refused([&](GossipOptions& o) { o.bind_port = a.gossip->port(); }).code() ==
        absl::StatusCode::kAlreadyExists);
  CHECK(refused([](GossipOptions& o) { o.node_name.clear(); }).code() ==
        absl::StatusCode::kInvalidArgument);
  CHECK(refused([](GossipOptions& o) { o.label = std::string(256, 'l'); })
            .message()
            .find("cluster.label") != absl::string_view::npos);
  CHECK(refused([](GossipOptions& o) { o.keys = {crypto::Secret("short")}; })
            .message()
            .find("gossip_keys") != absl::string_view::npos);
  CHECK(
      refused([](GossipOptions& o) { o.seeds = {"bad:port:99999"}; }).message().find("bad:port") !=
      absl::string_view::npos);
  CHECK(refused([](GossipOptions& o) { o.advertise_addr = "0.0.0.0"; })
            .message()
            .find("advertise_addr") != absl::string_view::npos);
  CHECK(refused([](GossipOptions& o) { o.meta = std::string(513, 'm'); }).code() ==
        absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace aurora::peers
