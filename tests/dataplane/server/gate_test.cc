// The gate of a real node: what it lets through, what it keeps waiting, and how soon a close is known to be obeyed.
#include <chrono>
#include <string>

#include "tests/dataplane/server/failover_node.h"
#include "tests/support/test.h"

namespace aurora::server::testing {
namespace {

using failover::HoldEnd;

double Seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

failover::Rules Short() {
  failover::Rules rules;
  rules.hold = Duration::Millis(200);
  return rules;
}

// BOOTTIME, a second further on at each look while `leaping`.
std::atomic<bool> leaping{false};
std::atomic<uint64_t> leap_ns{0};
std::atomic<rolepage::ControlPage*> to_close{nullptr};
uint64_t LeapingClock() {
  if (leaping) {
    // The first look (headers) and the second (before the write) see an open gate; then the thread is stopped for a
    // second, in which the control plane closes it.
    if (leap_ns.fetch_add(1) == 2) {
      to_close.load()->SetActiveUntil(0);
      leap_ns += 1'000'000'000;
    }
  }
  return rolepage::BoottimeNs() + leap_ns;
}

}  // namespace

TEST_CASE("a request that finds nobody active waits, and is served when this node becomes it") {
  std::atomic<int> requests{0};
  Provider provider([&](Socket& socket, int) {
    while (socket.ReadRequest().status != 0) {
      ++requests;
      socket.Send(Response(kAnswer));
    }
  });
  Node node("a", provider.port());
  Socket client = Socket::Connect(node.port());
  const std::string request = ChatRequest("X-Request-ID: waited\r\n", 100'000);
  REQUIRE(client.Send(request.substr(0, 50'000)));
  REQUIRE(Eventually([&] { return node.budget().requests() == 1; }));
  REQUIRE(client.Send(request.substr(50'000)));
  CHECK(requests == 0);
  node.Follow(node, 9);
  CHECK(requests == 0);
  node.Open();
  const Socket::Message answer = client.ReadResponse();
  CHECK(answer.status == 200);
  CHECK(Has(answer, "X-Request-ID: waited\n"));
  CHECK(requests == 1);
  CHECK(Eventually([&] { return node.metrics().hold_ends(HoldEnd::kServed) == 1; }));
  CHECK(Eventually([&] { return node.budget().requests() == 0; }));
  REQUIRE(Eventually([&] { return node.gateway().Records().size() == 1; }));
  CHECK(node.gateway().Records()[0].term == 9);
}

TEST_CASE("a wait has an end: 503 in the caller's dialect, which says that nothing was executed") {
  Provider provider(Provider::Always(std::string(kAnswer)));
  Node node("a", provider.port(), Short());
  Socket client = Socket::Connect(node.port());
  REQUIRE(client.Send(ChatRequest()));
  const Socket::Message answer = client.ReadResponse();
  CHECK(answer.status == 503);
  CHECK(Has(answer, "Retry-After: 1\n"));
  CHECK(Has(answer, "x-aurora-not-executed: 1\n"));
  CHECK(answer.body.find(R"("code":"no_active_node")") != std::string::npos);
  CHECK(answer.keep_alive);
  REQUIRE(client.Send("POST /v1/messages HTTP/1.1\r\nHost: g\r\nx-api-key: " + std::string(kKey) +
                      "\r\nContent-Length: 2\r\n\r\n{}"));
  const Socket::Message anthropic = client.ReadResponse();
  CHECK(anthropic.status == 503);
  CHECK(anthropic.body.starts_with(R"({"type":"error")"));
  CHECK(Eventually([&] { return node.metrics().hold_ends(HoldEnd::kRefused) == 2; }));
}

TEST_CASE("no more than a thousand requests wait in a process") {
  Provider provider(Provider::Always(std::string(kAnswer)));
  Node node("a", provider.port());
  for (size_t i = 0; i < failover::kHeldRequestsMax; ++i) {
    REQUIRE(node.budget().Enter());
  }
  CHECK(!node.budget().Enter());
  Socket client = Socket::Connect(node.port());
  REQUIRE(client.Send(ChatRequest()));
  CHECK(client.ReadResponse().status == 503);
  CHECK(node.budget().TakeBytes(failover::kHeldBytesMax));
  CHECK(!node.budget().TakeBytes(1));
  node.budget().Leave(failover::kHeldBytesMax);
  REQUIRE(client.Send(ChatRequest()));
  CHECK(Eventually([&] { return node.budget().requests() == failover::kHeldRequestsMax; }));
}

TEST_CASE("with passive_behavior = reject nobody waits, and the leader is named") {
  failover::Rules rules;
  rules.forwards = false;
  Provider provider(Provider::Always(std::string(kAnswer)));
  Node node("b", provider.port(), rules);
  node.Follow("node-a", 1, 3);
  Socket client = Socket::Connect(node.port());
  REQUIRE(client.Send(ChatRequest()));
  const Socket::Message answer = client.ReadResponse();
  CHECK(answer.status == 503);
  CHECK(Has(answer, "x-aurora-leader: node-a\n"));
  CHECK(Has(answer, "x-aurora-not-executed: 1\n"));
  CHECK(provider.connections() == 0);
}

TEST_CASE("a key that is revoked while its request waits is refused at once") {
  Provider provider(Provider::Always(std::string(kAnswer)));
  Node node("a", provider.port());
  Socket client = Socket::Connect(node.port());
  REQUIRE(client.Send(ChatRequest()));
  REQUIRE(Eventually([&] { return node.budget().requests() == 1; }));
  node.gateway().Publish(2, false);
  CHECK(client.ReadResponse().status == 401);
  CHECK(Eventually([&] { return node.metrics().hold_ends(HoldEnd::kKeyRefused) == 1; }));
  CHECK(Eventually([&] { return node.budget().requests() == 0; }));
}

TEST_CASE("a client that leaves while it waits leaves nothing behind") {
  Provider provider(Provider::Always(std::string(kAnswer)));
  Node node("a", provider.port());
  {
    Socket client = Socket::Connect(node.port());
    REQUIRE(client.Send(ChatRequest()));
    REQUIRE(Eventually([&] { return node.budget().requests() == 1; }));
  }
  CHECK(Eventually([&] { return node.budget().requests() == 0; }));
  CHECK(Eventually([&] { return node.gateway().metrics().InFlight() == 0; }));
}

TEST_CASE("a gate that closes between the head and the write sends the request to the new active node") {
  Provider provider(Provider::Always(std::string(kAnswer)));
  Provider other(Provider::Always(std::string(kAnswer)));
  Node old("a", provider.port());
  Node next("b", other.port());
  old.Follow(old, 1);
  old.Open();
  const std::string request = ChatRequest({}, 30'000);
  Socket client = Socket::Connect(old.port());
  REQUIRE(client.Send(request.substr(0, 10'000)));
  REQUIRE(Eventually([&] { return old.gateway().metrics().InFlight() == 1; }));
  const uint64_t seq = old.control().Close();
  REQUIRE(Eventually([&] { return old.control().CloseAcknowledged(seq); }));
  next.Open();
  old.Follow(next, 2);
  REQUIRE(client.Send(request.substr(10'000)));
  const Socket::Message answer = client.ReadResponse();
  CHECK(answer.status == 200);
  CHECK(answer.body == kAnswer);
  CHECK(provider.connections() <= 1);
  CHECK(other.connections() == 1);
  CHECK(old.metrics().refusals(GatePoint::kBeforeWrite) == 1);
  CHECK(old.gateway().Records().empty());
  CHECK(Eventually([&] { return next.gateway().Records().size() == 1; }));
}

TEST_CASE("a thread that was stopped between its look and its write looks again") {
  Provider provider(Provider::Always(std::string(kAnswer)));
  Node node("a", provider.port(), Short(), {}, LeapingClock);
  node.Follow(node, 1);
  node.Open();
  Socket client = Socket::Connect(node.port());
  REQUIRE(client.Send(ChatRequest()));
  REQUIRE(client.ReadResponse().status == 200);  // warm: the next request looks, writes, in one callback
  REQUIRE(Eventually([&] { return node.gateway().Records().size() == 1; }));
  to_close = &node.control();
  // The loop's tick looks too, so the leap may fall elsewhere: until it fell between the two.
  for (int i = 0; i < 100 && node.metrics().refusals(GatePoint::kStall) == 0; ++i) {
    node.gateway().OnLoop([&] {
      leap_ns = 0;
      node.Open();
      return leaping = true;
    });
    REQUIRE(client.Send(ChatRequest()));
    const Socket::Message answer = client.ReadResponse();
    leaping = false;
    leap_ns = 0;
    CHECK(answer.status == 503);
    CHECK(Has(answer, "x-aurora-not-executed: 1\n"));
  }
  CHECK(node.metrics().refusals(GatePoint::kStall) == 1);
  CHECK(Eventually([&] { return node.gateway().Records().size() == 1; }));
}

TEST_CASE("an idle loop and a busy one say within 100 ms that they have seen a close") {
  Provider provider(Provider::Always(std::string(kAnswer)));
  Node node("a", provider.port());
  for (const bool busy : {false, true}) {
    std::atomic<bool> stop{false};
    std::vector<std::thread> load;
    for (int i = 0; i < (busy ? 4 : 0); ++i) {
      load.emplace_back([&] {
        Socket client = Socket::Connect(node.port());
        while (!stop && client.Send(ChatRequest()) && client.ReadResponse().status != 0) {
        }
      });
    }
    double worst = 0;
    for (int i = 0; i < 20; ++i) {
      node.Open();
      const auto since = std::chrono::steady_clock::now();
      const uint64_t seq = node.control().Close();
      REQUIRE(Eventually([&] { return node.control().CloseAcknowledged(seq); }));
      worst = std::max(worst, Seconds(since));
    }
    node.Open();
    stop = true;
    for (std::thread& thread : load) {
      thread.join();
    }
    CHECK(worst < 0.1);
  }
}

TEST_CASE("nothing reaches a provider after the close was acknowledged") {
  std::atomic<uint64_t> last{0};
  Provider provider([&](Socket& socket, int) {
    for (;;) {
      const Socket::Message request = socket.ReadRequest();
      if (request.status == 0) {
        return;
      }
      const uint64_t admitted = std::stoull(request.head.substr(request.head.find("x-aurora-admitted-ns: ") + 22));
      uint64_t seen = last;
      while (admitted > seen && !last.compare_exchange_weak(seen, admitted)) {
      }
      socket.Send(Response(kAnswer));
    }
  });
  failover::Rules rules;
  rules.hold = Duration::Millis(1);
  Node node("a", provider.port(), rules);
  std::atomic<bool> stop{false};
  std::vector<std::thread> load;
  for (int i = 0; i < 3; ++i) {
    load.emplace_back([&] {
      Socket client = Socket::Connect(node.port());
      while (!stop && client.Send(ChatRequest()) && client.ReadResponse().status != 0) {
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    node.Open();
    const uint64_t served = last;
    REQUIRE(Eventually([&] { return last != served; }));
    const uint64_t seq = node.control().Close();
    const uint64_t closed = rolepage::BoottimeNs();
    REQUIRE(Eventually([&] { return node.control().CloseAcknowledged(seq); }));
    CHECK(last <= closed);
  }
  stop = true;
  for (std::thread& thread : load) {
    thread.join();
  }
}

TEST_CASE("a process that ends tells a running stream so, and a request that waits too") {
  Provider provider([&](Socket& socket, int) {
    socket.ReadRequest();
    socket.Send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                "d\r\ndata: {\"a\"}\n\n\r\n");
    socket.AtEnd();
  });
  Node node("a", provider.port());
  node.Open();
  Socket stream = Socket::Connect(node.port());
  REQUIRE(stream.Send(ChatRequest()));
  std::string got;
  while (got.find("{\"a\"}") == std::string::npos) {
    const std::string more = stream.ReadSome();
    REQUIRE(!more.empty());
    got += more;
  }
  node.control().SetActiveUntil(0);
  Socket waiting = Socket::Connect(node.port());
  REQUIRE(waiting.Send(ChatRequest()));
  REQUIRE(Eventually([&] { return node.budget().requests() == 1; }));
  node.gateway().Stop();
  for (std::string more = stream.ReadSome(); !more.empty(); more = stream.ReadSome()) {
    got += more;
  }
  CHECK(got.find("shutting_down") != std::string::npos);
  CHECK(got.ends_with("0\r\n\r\n"));
  CHECK(got.find("[DONE]") == std::string::npos);
  const Socket::Message answer = waiting.ReadResponse();
  CHECK(answer.status == 503);
  CHECK(Has(answer, "x-aurora-not-executed: 1\n"));
  CHECK(node.gateway().worker().cut_count() == 2);
}

}  // namespace aurora::server::testing
