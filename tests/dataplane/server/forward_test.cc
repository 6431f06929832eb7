// A passive node and the active one, both real: what is forwarded, and what becomes of it when things break.
#include <string>

#include <sys/socket.h>

#include "tests/dataplane/server/failover_node.h"
#include "tests/support/test.h"

namespace aurora::server::testing {
namespace {

using failover::Ending;
using failover::HoldEnd;

std::string Chunked(std::string_view data) {
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", data.size());
  return size + std::string(data) + "\r\n";
}

constexpr std::string_view kSse =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

}  // namespace

TEST_CASE("what a passive node is asked the active one serves, under one request id, and only that one meters it") {
  std::string seen;
  std::mutex mutex;
  Provider provider([&](Socket& socket, int) {
    for (;;) {
      const Socket::Message request = socket.ReadRequest();
      if (request.status == 0) {
        return;
      }
      {
        std::lock_guard lock(mutex);
        seen = request.head;
      }
      socket.Send(Response(kAnswer));
    }
  });
  Node active("a", provider.port());
  Node passive("b", provider.port());
  active.Follow(active, 4);
  active.Open();
  passive.Follow(active, 4);
  Socket client = Socket::Connect(passive.port());
  for (int i = 0; i < 3; ++i) {
    const uint64_t before = rolepage::BoottimeNs();
    REQUIRE(client.Send(ChatRequest("X-Request-ID: mine-1\r\n")));
    const Socket::Message answer = client.ReadResponse();
    REQUIRE(answer.status == 200);
    CHECK(answer.body == kAnswer);
    CHECK(Has(answer, "X-Request-ID: mine-1\n"));
    CHECK(answer.keep_alive);
    std::lock_guard lock(mutex);
    CHECK(seen.find("x-aurora-node: a\n") != std::string::npos);
    CHECK(seen.find("x-aurora-term: 4\n") != std::string::npos);
    CHECK(seen.find("x-request-id: mine-1\n") != std::string::npos);
    const size_t at = seen.find("x-aurora-admitted-ns: ");
    REQUIRE(at != std::string::npos);
    const uint64_t admitted = std::stoull(seen.substr(at + 22));
    CHECK(admitted >= before);
    CHECK(admitted <= rolepage::BoottimeNs());
  }
  CHECK(Eventually([&] { return passive.gateway().metrics().InFlight() == 0; }));
  CHECK(passive.gateway().Records().empty());
  REQUIRE(Eventually([&] { return active.gateway().Records().size() == 3; }));
  CHECK(active.gateway().Records()[0].term == 4);
  CHECK(Eventually([&] { return passive.metrics().endings(Ending::kRelayed) == 3; }));
  CHECK(passive.metrics().refusals(GatePoint::kHeaders) == 3);
}

TEST_CASE("a passive node keeps a connection to the active one before anybody asks") {
  Provider provider(Provider::Always(std::string(kAnswer)));
  Node active("a", provider.port());
  Node passive("b", provider.port());
  active.Open();
  passive.Follow(active, 1);
  Gateway& asked = passive.gateway();
  CHECK(Eventually([&] { return asked.OnLoop([&] { return asked.worker().pool().idle_count(); }) == 1; }));
  CHECK(active.gateway().OnLoop([&] { return active.gateway().worker().connection_count(); }) == 1);
}

TEST_CASE("a stream passes two nodes event by event, and a client that leaves stops the provider") {
  std::atomic<bool> go{false};
  std::atomic<bool> gone{false};
  Provider provider([&](Socket& socket, int) {
    socket.ReadRequest();
    socket.Send(std::string(kSse) + Chunked("data: {\"n\":1}\n\n"));
    while (!go) {
      std::this_thread::yield();
    }
    socket.Send(Chunked("data: {\"n\":2}\n\n"));
    gone = socket.AtEnd();
  });
  Node active("a", provider.port());
  Node passive("b", provider.port());
  active.Open();
  passive.Follow(active, 1);
  Socket client = Socket::Connect(passive.port());
  REQUIRE(client.Send(ChatRequest()));
  std::string got;
  while (got.find("{\"n\":1}\n\n") == std::string::npos) {
    const std::string more = client.ReadSome();
    REQUIRE(!more.empty());
    got += more;
  }
  CHECK(got.find("{\"n\":2}") == std::string::npos);
  go = true;
  while (got.find("{\"n\":2}\n\n") == std::string::npos) {
    const std::string more = client.ReadSome();
    REQUIRE(!more.empty());
    got += more;
  }
  client.Close();
  CHECK(Eventually([&] { return gone.load(); }));
  CHECK(Eventually([&] { return passive.metrics().endings(Ending::kCancelled) == 1; }));
}

TEST_CASE("ten megabytes pass both ways, with a length and in chunks") {
  constexpr size_t kBytes = 10u << 20;
  const std::string big = R"({"id":"c","choices":[],"text":")" + std::string(kBytes, 'y') + "\"}";
  std::atomic<size_t> received{0};
  Provider provider([&](Socket& socket, int) {
    for (;;) {
      const Socket::Message request = socket.ReadRequest();
      if (request.status == 0) {
        return;
      }
      received = request.body.size();
      socket.Send(Response(big));
    }
  });
  Node active("a", provider.port());
  Node passive("b", provider.port());
  active.Open();
  passive.Follow(active, 1);
  Socket client = Socket::Connect(passive.port());
  REQUIRE(client.Send(ChatRequest({}, kBytes)));
  Socket::Message answer = client.ReadResponse();
  REQUIRE(answer.status == 200);
  CHECK(answer.body == big);
  CHECK(received > kBytes);
  const std::string request = ChatRequest({}, kBytes);
  const std::string body = request.substr(request.find("\r\n\r\n") + 4);
  received = 0;
  std::string text = "POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer " + std::string(kKey) +
                     "\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (size_t at = 0; at < body.size(); at += 1u << 20) {
    text += Chunked(std::string_view(body).substr(at, 1u << 20));
  }
  REQUIRE(client.Send(text + "0\r\n\r\n"));
  answer = client.ReadResponse();
  REQUIRE(answer.status == 200);
  CHECK(answer.body == big);
  CHECK(received == body.size());
}

TEST_CASE("a bad key and a path that does not exist are refused where they arrive") {
  Provider provider(Provider::Always(std::string(kAnswer)));
  Node passive("b", provider.port());
  Socket client = Socket::Connect(passive.port());
  REQUIRE(client.Send("POST /v1/messages HTTP/1.1\r\nHost: g\r\nx-api-key: nonsense\r\nContent-Length: 2\r\n\r\n{}"));
  Socket::Message answer = client.ReadResponse();
  CHECK(answer.status == 401);
  CHECK(answer.body.find(R"("type":"authentication_error")") != std::string::npos);
  REQUIRE(client.Send("GET /v1/nothing HTTP/1.1\r\nHost: g\r\n\r\n"));
  CHECK(client.ReadResponse().status == 404);
  CHECK(Eventually([&] { return passive.budget().requests() == 0; }));
}

TEST_CASE("a hop is never forwarded: a node that is not active says that nothing was executed") {
  Provider provider(Provider::Always(std::string(kAnswer)));
  Node passive("b", provider.port());
  Node active("a", provider.port());
  active.Open();
  passive.Follow(active, 1);
  Socket peer = Socket::Connect(passive.gateway().peer_port());
  for (int i = 0; i < 2; ++i) {  // the connection stays
    REQUIRE(peer.Send(ChatRequest()));
    const Socket::Message answer = peer.ReadResponse();
    CHECK(answer.status == 503);
    CHECK(Has(answer, "x-aurora-not-executed: 1\n"));
    CHECK(Has(answer, "Retry-After: 1\n"));
    CHECK(answer.body.find("no_active_node") != std::string::npos);
  }
  REQUIRE(peer.Send("GET /livez HTTP/1.1\r\nHost: g\r\n\r\n"));
  CHECK(peer.ReadResponse().status == 503);
  Socket to_active = Socket::Connect(active.gateway().peer_port());
  for (const std::string_view path : {"/livez", "/admin/api/v1/keys", "/metrics", "/active"}) {
    REQUIRE(to_active.Send("GET " + std::string(path) + " HTTP/1.1\r\nHost: g\r\n\r\n"));
    CHECK(to_active.ReadResponse().status == 404);
  }
}

TEST_CASE("a leader that does not serve yet is asked again until it does") {
  Provider provider(Provider::Always(std::string(kAnswer)));
  Node leader("a", provider.port());
  Node passive("b", provider.port());
  leader.Follow(leader, 2);  // elected, and waiting out its barrier
  passive.Follow(leader, 2);
  Socket client = Socket::Connect(passive.port());
  REQUIRE(client.Send(ChatRequest()));
  REQUIRE(Eventually([&] { return leader.metrics().refusals(GatePoint::kHeaders) >= 3; }));
  leader.Open();
  CHECK(client.ReadResponse().status == 200);
  CHECK(passive.metrics().hold_ends(HoldEnd::kForwarded) >= 2);
  CHECK(Eventually([&] { return passive.budget().requests() == 0; }));
}

TEST_CASE("a leader that is not there costs nobody an answer as long as another takes over in time") {
  Provider provider(Provider::Always(std::string(kAnswer)));
  Node passive("b", provider.port());
  Node next("c", provider.port());
  uint16_t dead = 0;
  {
    Node was("a", provider.port());
    dead = was.gateway().peer_port();
  }
  passive.Follow("a", dead, 2);
  Socket client = Socket::Connect(passive.port());
  REQUIRE(client.Send(ChatRequest()));
  REQUIRE(Eventually([&] { return passive.budget().requests() == 1; }));
  next.Open();
  passive.Follow(next, 3);
  CHECK(client.ReadResponse().status == 200);
}

TEST_CASE("what may have reached a leader that dies is not sent again: 502, and a broken stream says so") {
  std::atomic<int> requests{0};
  Provider leader([&](Socket& socket, int) {  // a peer that reads the request and dies
    while (socket.ReadRequest().status != 0) {
      if (++requests == 2) {
        socket.Send(std::string(kSse) + Chunked("data: {\"n\":1}\n\n"));
      }
      return;
    }
  });
  Node passive("b", leader.port());
  passive.Follow("a", leader.port(), 2);
  Socket first = Socket::Connect(passive.port());
  REQUIRE(first.Send(ChatRequest()));
  const Socket::Message answer = first.ReadResponse();
  CHECK(answer.status == 502);
  CHECK(answer.body.find("active_node_lost") != std::string::npos);
  CHECK(!Has(answer, "x-aurora-not-executed"));
  Socket second = Socket::Connect(passive.port());
  REQUIRE(second.Send(ChatRequest()));
  const Socket::Message stream = second.ReadResponse();
  CHECK(stream.status == 200);
  CHECK(stream.body.find("{\"n\":1}") != std::string::npos);
  CHECK(stream.body.find("\"active_node_lost\"") != std::string::npos);
  CHECK(stream.body.find("[DONE]") == std::string::npos);
  CHECK(requests == 2);
  CHECK(Eventually([&] { return passive.metrics().endings(Ending::kLost) == 2; }));
}

TEST_CASE("no request is risked on a connection whose end has arrived and was not read yet") {
  std::atomic<int> answered{0};
  std::atomic<bool> close_now{false};
  std::atomic<int> closed{0};
  Provider leader([&](Socket& socket, int) {
    while (socket.ReadRequest().status != 0) {
      ++answered;
      socket.Send(Response(kAnswer));
      while (!close_now) {
        std::this_thread::yield();
      }
      shutdown(socket.fd(), SHUT_RDWR);
      ++closed;
      return;
    }
  });
  Node passive("b", leader.port());
  passive.Follow("a", leader.port(), 2);
  Socket client = Socket::Connect(passive.port());
  REQUIRE(client.Send(ChatRequest()));
  REQUIRE(client.ReadResponse().status == 200);
  // The loop stands still while the peer closes and the next request comes: both are there when it looks again.
  passive.gateway().OnLoop([&] {
    AURORA_CHECK(client.Send(ChatRequest()));
    close_now = true;
    AURORA_CHECK(Eventually([&] { return closed.load() == 1; }));
    return true;
  });
  CHECK(client.ReadResponse().status == 200);
  CHECK(answered == 2);
}

}  // namespace aurora::server::testing
