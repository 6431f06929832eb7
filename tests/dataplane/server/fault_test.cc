// What goes wrong: slow and vanishing clients, resetting and unreachable providers, revoked keys,
// shutdown.
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/dataplane/server/harness.h"
#include "tests/support/test.h"

namespace aurora::server::testing {
namespace {

constexpr std::string_view kStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string Chunk(std::string_view bytes) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return std::string(size) + std::string(bytes) + "\r\n";
}

std::string StreamRequest() {
  const std::string body =
      R"({"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]})";
  return "POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer " +
         std::string(kKey) +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

}  // namespace

TEST_CASE("a slow client makes the gateway hold no more than the watermark and pause the provider",
          "[server]") {
  std::atomic<size_t> sent{0};
  constexpr size_t kTotal = 64u << 20;
  Provider provider([&](Socket& socket, int) {
    socket.ReadRequest();
    socket.Send("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " +
                std::to_string(kTotal) + "\r\n\r\n");
    const std::string block(65536, 'z');
    while (sent < kTotal && socket.Send(block)) {
      sent += block.size();
    }
    socket.ReadSome();
  });
  Gateway gateway(provider.port());
  Socket client = Socket::Connect(gateway.port(), 16384);
  REQUIRE(client.Send("GET /p/up/v1/files/f/content HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer " +
                      std::string(kKey) + "\r\n\r\n"));
  const auto held = [&] {
    return gateway.OnLoop([&] { return gateway.worker().client_queued_bytes(); });
  };
  REQUIRE(Eventually([&] { return held() > 200 * 1024; }));
  size_t most = 0;
  for (int i = 0; i < 200; ++i) {
    most = std::max(most, held());
  }
  CHECK(most <= 256 * 1024 + 64 * 1024 + 128);
  CHECK(sent < kTotal);
  size_t received = 0;
  while (received < kTotal) {
    const std::string bytes = client.ReadSome();
    REQUIRE_FALSE(bytes.empty());
    received += bytes.size();
  }
  CHECK(sent == kTotal);
}

TEST_CASE("a provider that must be public is not connected to where its name leads to a private address", "[server]") {
  Provider provider(Provider::Always(std::string(kAnswer)));
  for (const char* host : {"127.0.0.1", "localhost"}) {
    GatewayOptions options;
    options.public_only = true;
    options.provider_host = host;
    Gateway gateway(provider.port(), std::move(options));
    Socket client = Socket::Connect(gateway.port());
    REQUIRE(client.Send(ChatRequest()));
    const Socket::Message answer = client.ReadResponse();
    CHECK(answer.status == 502);
    CHECK(answer.body.find("admin.allow_private_networks") != std::string::npos);
  }
  CHECK(provider.connections() == 0);
}

TEST_CASE("a reset of a reused provider connection is retried on a fresh one", "[server]") {
  Provider provider([](Socket& socket, int connection) {
    if (socket.ReadRequest().status == 0) {
      return;
    }
    socket.Send(Response(kAnswer));
    if (connection == 1) {
      socket.ReadRequest();
      socket.Reset();  // as a provider that gave the idle connection up
      return;
    }
    while (socket.ReadRequest().status != 0 && socket.Send(Response(kAnswer))) {
    }
  });
  Gateway gateway(provider.port());
  Socket client = Socket::Connect(gateway.port());
  REQUIRE(client.Send(ChatRequest()));
  REQUIRE(client.ReadResponse().status == 200);
  REQUIRE(client.Send(ChatRequest()));
  const Socket::Message answer = client.ReadResponse();
  CHECK(answer.status == 200);
  CHECK(answer.body == kAnswer);
  CHECK(provider.connections() == 2);
}

TEST_CASE("an idle provider connection that ends is never used again", "[server]") {
  Provider provider([](Socket& socket, int) {
    socket.ReadRequest();
    socket.Send(Response(kAnswer));
  });
  Gateway gateway(provider.port());
  Socket client = Socket::Connect(gateway.port());
  REQUIRE(client.Send(ChatRequest()));
  REQUIRE(client.ReadResponse().status == 200);
  CHECK(Eventually([&] {
    return gateway.OnLoop([&] { return gateway.worker().pool().connection_count(); }) == 0;
  }));
  REQUIRE(client.Send(ChatRequest()));
  CHECK(client.ReadResponse().status == 200);
  CHECK(provider.connections() == 2);
}

TEST_CASE("a client that leaves cancels the provider's work before the first token", "[server]") {
  std::atomic<bool> asked{false};
  std::atomic<bool> cancelled{false};
  Provider provider([&](Socket& socket, int) {
    socket.ReadRequest();
    asked = true;
    cancelled = socket.AtEnd();
  });
  Gateway gateway(provider.port());
  {
    Socket client = Socket::Connect(gateway.port());
    REQUIRE(client.Send(StreamRequest()));
    REQUIRE(Eventually([&] { return asked.load(); }));
  }
  CHECK(Eventually([&] { return cancelled.load(); }));
  CHECK(Eventually([&] { return gateway.Records().size() == 1; }));
  CHECK(gateway.Records()[0].outcome == model::Outcome::kCancelled);
  CHECK(Eventually(
      [&] { return gateway.OnLoop([&] { return gateway.worker().connection_count(); }) == 0; }));
}

TEST_CASE("stream chunks are forwarded as they come", "[server]") {
  std::atomic<bool> go_on{false};
  Provider provider([&](Socket& socket, int) {
    socket.ReadRequest();
    socket.Send(std::string(kStreamHead) +
                Chunk("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"one\"}}]}\n\n"));
    Eventually([&] { return go_on.load(); });
    socket.Send(
        Chunk("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"two\"}}]}\n\ndata: "
              "[DONE]\n\n") +
        "0\r\n\r\n");
    socket.ReadSome();
  });
  Gateway gateway(provider.port());
  Socket client = Socket::Connect(gateway.port());
  REQUIRE(client.Send(StreamRequest()));
  std::string seen;
  while (seen.find("one") == std::string::npos) {
    const std::string bytes = client.ReadSome();
    REQUIRE_FALSE(bytes.empty());
    seen += bytes;
  }
  CHECK(seen.find("two") == std::string::npos);
  go_on = true;
  while (seen.find("0\r\n\r\n") == std::string::npos) {
    const std::string bytes = client.ReadSome();
    REQUIRE_FALSE(bytes.empty());
    seen += bytes;
  }
  CHECK(seen.find("[DONE]") != std::string::npos);
}

TEST_CASE("a running stream is cut when its key is revoked", "[server]") {
  Provider provider([&](Socket& socket, int) {
    socket.ReadRequest();
    socket.Send(std::string(kStreamHead) +
                Chunk("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"one\"}}]}\n\n"));
    socket.ReadSome();
  });
  Gateway gateway(provider.port());
  Socket client = Socket::Connect(gateway.port());
  REQUIRE(client.Send(StreamRequest()));
  std::string seen;
  while (seen.find("one") == std::string::npos) {
    const std::string bytes = client.ReadSome();
    REQUIRE_FALSE(bytes.empty());
    seen += bytes;
  }
  gateway.Publish(2, false);
  CHECK(Eventually([&] { return gateway.Records().size() == 1; }));
  while (true) {
    const std::string bytes = client.ReadSome();
    if (bytes.empty()) {
      break;
    }
    seen += bytes;
  }
  CHECK(seen.find("[DONE]") == std::string::npos);
}

TEST_CASE("an unreachable provider is answered with a gateway error", "[server]") {
  uint16_t port = 0;
  {
    Provider gone(Provider::Always("x"));
    port = gone.port();
  }
  Gateway gateway(port);
  Socket client = Socket::Connect(gateway.port());
  REQUIRE(client.Send(ChatRequest()));
  const int status = client.ReadResponse().status;
  CHECK((status == 502 || status == 503));
}

TEST_CASE("a head that does not arrive in time is answered 408", "[server]") {
  Provider provider(Provider::Always(std::string(kAnswer)));
  GatewayOptions options;
  options.server.head_timeout = Duration::Millis(50);
  Gateway gateway(provider.port(), options);
  Socket client = Socket::Connect(gateway.port());
  REQUIRE(client.Send("POST /v1/chat/comp"));
  CHECK(client.ReadResponse().status == 408);
  CHECK(client.AtEnd());
}

TEST_CASE("draining lets a request finish, says close, and takes no further connection",
          "[server]") {
  std::atomic<bool> asked{false};
  std::atomic<bool> go_on{false};
  Provider provider([&](Socket& socket, int) {
    socket.ReadRequest();
    asked = true;
    Eventually([&] { return go_on.load(); });
    socket.Send(Response(kAnswer));
    socket.ReadSome();
  });
  Gateway gateway(provider.port());
  Socket idle = Socket::Connect(gateway.port());
  Socket client = Socket::Connect(gateway.port());
  REQUIRE(client.Send(ChatRequest()));
  REQUIRE(Eventually([&] { return asked.load(); }));
  CHECK(gateway.worker().in_flight() == 1);
  gateway.worker().StopAccepting();
  CHECK(idle.AtEnd());
  go_on = true;
  const Socket::Message answer = client.ReadResponse();
  CHECK(answer.status == 200);
  CHECK_FALSE(answer.keep_alive);
  CHECK(client.AtEnd());
  CHECK(Eventually([&] { return gateway.worker().in_flight() == 0; }));
}

TEST_CASE("an address that is taken is refused with what to do about it", "[server]") {
  auto first = BindListeners({"127.0.0.1", 0}, 1, Duration::Seconds(0), "server.listen");
  REQUIRE(first.ok());
  REQUIRE(listen(first->fds[0].get(), 1) == 0);
  const auto second =
      BindListeners({"127.0.0.1", first->port}, 2, Duration::Millis(60), "server.listen");
  REQUIRE_FALSE(second.ok());
  CHECK(Std(second.status().message()).find("already in use") != std::string_view::npos);
  CHECK(Std(second.status().message()).find("server.listen") != std::string_view::npos);
}

TEST_CASE("the wildcard of IPv6 takes callers over IPv4 too", "[server]") {
  auto both = BindListeners({"::", 0}, 2, Duration::Seconds(0), "server.listen");
  REQUIRE(both.ok());
  REQUIRE(listen(both->fds[0].get(), 1) == 0);
  int v6_only = -1;
  socklen_t size = sizeof v6_only;
  REQUIRE(getsockopt(both->fds[0].get(), IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, &size) == 0);
  CHECK(v6_only == 0);
  CHECK(Socket::Connect(both->port).Send("x"));
}

}  // namespace aurora::server::testing
