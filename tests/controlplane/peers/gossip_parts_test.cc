// The small parts of the gossip driver that need no socket.
#include <cstdio>
#include <fstream>
#include <string>

#include <unistd.h>

#include "controlplane/gossipwire/address.h"
#include "controlplane/membership/meta.h"
#include "controlplane/peers/gossip_address.h"
#include "controlplane/peers/gossip_config.h"
#include "controlplane/peers/gossip_limits.h"
#include "controlplane/peers/gossip_stats.h"
#include "controlplane/peers/gossip_throttle.h"
#include "shared/uv/address.h"
#include "tests/support/test.h"

namespace aurora::peers {
namespace {

std::string Ip(std::string_view text) {
  return *gossipwire::ParseIp(text);
}
std::string Advertised(std::string_view bind, std::string_view advertise,
                       const std::vector<std::string>& local) {
  auto ip = AdvertisedIp(bind, advertise, local);
  return ip.ok() ? gossipwire::FormatIp(*ip) : "error";
}

TEST_CASE(
    "peers are told the advertised address, else the bound one, else the first that others can "
    "reach",
    "[gossip]") {
  const std::vector<std::string> local = {Ip("127.0.0.1"), Ip("169.254.3.4"), Ip("fe80::1"),
                                          Ip("10.1.2.3"), Ip("2001:db8::5")};
  CHECK(Advertised("0.0.0.0", "192.0.2.9", local) == "192.0.2.9");
  CHECK(Advertised("192.0.2.1", "", local) == "192.0.2.1");
  CHECK(Advertised("0.0.0.0", "", local) == "10.1.2.3");
  CHECK(Advertised("::", "", local) == "10.1.2.3");
  CHECK(Advertised("::", "", {Ip("::1"), Ip("2001:db8::5")}) == "2001:db8::5");
  CHECK(Advertised("0.0.0.0", "", {Ip("127.0.0.1"), Ip("2001:db8::5")}) == "127.0.0.1");
  CHECK(Advertised("::", "", {}) == "::1");
  CHECK(Advertised("", "", {}) == "127.0.0.1");
  CHECK(Advertised("0.0.0.0", "::", local) == "error");
  CHECK(Advertised("0.0.0.0", "a.name", local) == "error");
  CHECK(Advertised("a.name", "", local) == "error");
}

TEST_CASE("socket addresses and gossip addresses convert both ways", "[gossip]") {
  for (const std::string_view text : {"10.0.0.1:7946", "[2001:db8::1]:7946"}) {
    const gossipwire::Address address = *gossipwire::ParseAddress(text);
    CHECK(FromSockaddr(*ToSockaddr(address)) == address);
  }
  CHECK(FromSockaddr(*uv::ParseIp("::ffff:10.0.0.1", 5)) ==
        *gossipwire::ParseAddress("10.0.0.1:5"));
  CHECK_FALSE(ToSockaddr({}));
  CHECK_FALSE(ToSockaddr({"abc", 1}));
  CHECK(FromSockaddr({}).empty());
}

TEST_CASE("a thing is told once a period, and only so many things are remembered", "[gossip]") {
  Seldom seldom(Duration::Seconds(60));
  const Instant start = Instant::FromMicros(1);
  CHECK(seldom.Allow(start, "a"));
  CHECK_FALSE(seldom.Allow(start + Duration::Seconds(59), "a"));
  CHECK(seldom.Allow(start + Duration::Seconds(60), "a"));
  CHECK_FALSE(seldom.Allow(start + Duration::Seconds(61), "a"));
  for (size_t i = 0; i < 2 * Seldom::kMaxKeys; ++i) {
    seldom.Allow(start + Duration::Seconds(61), std::to_string(i));
  }
  CHECK(seldom.size() == Seldom::kMaxKeys);
  CHECK_FALSE(seldom.Allow(start + Duration::Seconds(62), "new"));
  CHECK(seldom.Allow(start + Duration::Seconds(200), "new"));
  CHECK(seldom.size() == 1);
}

TEST_CASE("a token bucket passes its rate and no more, at any spacing of the calls", "[gossip]") {
  for (const int64_t step : {7, 333, 50'000}) {
    TokenBucket bucket(1000, Instant());
    int64_t passed = 0;
    int64_t calls = 0;
    for (int64_t t = 0; t < 10'000'000; t += step) {
      ++calls;
      passed += bucket.Take(Instant::FromMicros(t)) ? 1 : 0;
    }
    const int64_t most = std::min<int64_t>(calls, 11'000);
    CHECK(passed <= most);
    CHECK(passed >= most - 100);
  }
}

TEST_CASE("a round trip lands in the bucket whose bound it does not pass", "[gossip]") {
  RttHistogram histogram;
  histogram.Add(Duration::Micros(100));
  histogram.Add(Duration::Micros(101));
  histogram.Add(Duration::Seconds(9));
  CHECK(histogram.buckets.front() == 1);
  CHECK(histogram.buckets[1] == 1);
  CHECK(histogram.buckets.back() == 1);
  CHECK(histogram.count == 3);
  CHECK(histogram.sum.micros() == 9'000'201);
}

TEST_CASE("the lateness percentile covers the last window only", "[gossip]") {
  LatenessWindow window;
  CHECK(window.Percentile(99).micros() == 0);
  window.Add(Duration::Micros(-5));
  CHECK(window.Percentile(99).micros() == 0);
  for (int i = 1; i <= 100; ++i) {
    window.Add(Duration::Millis(i));
  }
  CHECK(window.Percentile(50).millis() == 50);
  CHECK(window.Percentile(99).millis() == 99);
  for (size_t i = 0; i < LatenessWindow::kWindow; ++i) {
    window.Add(Duration::Millis(1));
  }
  CHECK(window.Percentile(99).millis() == 1);
}

TEST_CASE("throttled time is read of both cgroup versions, as a difference", "[gossip]") {
  CHECK(ParseThrottled("usage_usec 5\nnr_throttled 2\nthrottled_usec 1500\n")->micros() == 1500);
  CHECK(ParseThrottled("nr_periods 1\nthrottled_time 2000000\n")->micros() == 2000);
  CHECK_FALSE(ParseThrottled("not_throttled_usec 5\n"));
  CHECK_FALSE(ParseThrottled(""));
  const std::string path = "/tmp/aurora-gossip-throttle-" + std::to_string(getpid());
  const auto write = [&](int micros) {
    std::ofstream(path) << "throttled_usec " << micros << "\n";
  };
  write(1000);
  Throttle throttle(path);
  CHECK(throttle.Since().micros() == 0);
  write(4000);
  CHECK(throttle.Since().micros() == 3000);
  CHECK(throttle.Since().micros() == 0);
  write(10);  // the cgroup changed
  CHECK(throttle.Since().micros() == 0);
  std::remove(path.c_str());
  CHECK(throttle.Since().micros() == 0);
  CHECK(Throttle(std::string()).Since().micros() == 0);
}

TEST_CASE("the driver takes its options from the cluster settings", "[gossip]") {
  config::Cluster cluster;
  cluster.node_id = "node-7";
  cluster.bind_addr = "10.0.0.7";
  cluster.label = "prod";
  cluster.seed_nodes = {{"seed.example", 7946}, {"fd00::1", 7000}};
  cluster.gossip_keys = {crypto::Secret("0123456789abcdef")};
  const GossipOptions options = GossipOptionsFrom(cluster, {"uid", "cluster", 7947, 1}, 5);
  CHECK(options.node_name == "node-7");
  CHECK(options.bind_addr == "10.0.0.7");
  CHECK(options.bind_port == 7946);
  CHECK(options.label == "prod");
  CHECK(options.seeds == std::vector<std::string>{"seed.example:7946", "[fd00::1]:7000"});
  CHECK(options.keys.size() == 1);
  CHECK(options.core.cluster_id == "cluster");
  CHECK(options.stored_incarnation == 5);
  CHECK(membership::ParseMeta(options.meta)->uid == "uid");
}

}  // namespace
}  // namespace aurora::peers
