// One request after another through a real worker: bytes, reuse, order, size.
#include "tests/dataplane/server/harness.h"
#include "tests/support/test.h"

namespace aurora::server::testing {
namespace {

constexpr std::string_view kCompletion =
    R"({"id":"c1","object":"chat.completion","model":"m","choices":[{"index":0,)"
    R"("message":{"role":"assistant","content":"hi"},)"
    R"("finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}})";

std::string Upload(std::string_view path, size_t bytes) {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer " +
         std::string(kKey) +
         "\r\nContent-Type: application/octet-stream\r\nContent-Length: " + std::to_string(bytes) +
         "\r\n\r\n";
}

}  // namespace

TEST_CASE("a chat request reaches the provider and its answer the client", "[server]") {
  std::string seen_head;
  Provider provider([&](Socket& socket, int) {
    const Socket::Message request = socket.ReadRequest();
    seen_head = request.first_line + "\n" + request.head;
    socket.Send(Response(kCompletion));
    socket.ReadSome();
  });
  Gateway gateway(provider.port());
  Socket client = Socket::Connect(gateway.port());
  REQUIRE(client.Send(ChatRequest()));
  const Socket::Message answer = client.ReadResponse();
  CHECK(answer.status == 200);
  CHECK(answer.body == kCompletion);
  CHECK(seen_head.find("/v1/chat/completions") == 0);
  CHECK(seen_head.find("Bearer up-secret") != std::string::npos);
  CHECK(seen_head.find(kKey) == std::string::npos);
  REQUIRE(Eventually([&] { return gateway.Records().size() == 1; }));
  const model::UsageRecord record = gateway.Records()[0];
  CHECK(record.status == 200);
  CHECK(record.tokens.input == 7);
  CHECK(record.tokens.output == 3);
}

TEST_CASE("a hundred requests of one client use one provider connection", "[server]") {
  Provider provider(Provider::Always(std::string(kCompletion)));
  Gateway gateway(provider.port());
  Socket client = Socket::Connect(gateway.port());
  for (int i = 0; i < 100; ++i) {
    REQUIRE(client.Send(ChatRequest()));
    REQUIRE(client.ReadResponse().body == kCompletion);
  }
  CHECK(provider.connections() == 1);
  CHECK(gateway.OnLoop([&] { return gateway.worker().pool().idle_count(); }) == 1);
}

TEST_CASE("pipelined requests are answered in their order", "[server]") {
  Provider provider([](Socket& socket, int) {
    for (;;) {
      const Socket::Message request = socket.ReadRequest();
      if (request.status == 0 || !socket.Send(Response(std::to_string(request.body.size())))) {
        return;
      }
    }
  });
  Gateway gateway(provider.port());
  Socket client = Socket::Connect(gateway.port());
  REQUIRE(client.Send(ChatRequest({}, 100) + ChatRequest({}, 200) +
                      "GET /livez HTTP/1.1\r\nHost: g\r\n\r\n" + ChatRequest({}, 300)));
  const std::string first = client.ReadResponse().body;
  const std::string second = client.ReadResponse().body;
  const std::string third = client.ReadResponse().body;
  const std::string fourth = client.ReadResponse().body;
  CHECK(std::stoi(second) - std::stoi(first) == 100);
  CHECK(third == R"({"status":"ok"})");
  CHECK(std::stoi(fourth) - std::stoi(first) == 200);
}

TEST_CASE("a large body passes both ways unchanged", "[server]") {
  std::string big(12u << 20, '\0');
  for (size_t i = 0; i < big.size(); ++i) {
    big[i] = static_cast<char>('a' + (i * 7 + i / 1000) % 26);
  }
  Provider provider([&](Socket& socket, int) {
    const Socket::Message request = socket.ReadRequest();
    socket.Send(Response(request.body));
    socket.ReadSome();
  });
  GatewayOptions options;
  options.server.exchange.body_bytes_max = 64u << 20;
  Gateway gateway(provider.port(), options);
  Socket client = Socket::Connect(gateway.port());
  std::thread sender([&] {
    client.Send(Upload("/p/up/v1/files", big.size()));
    client.Send(big);
  });
  const Socket::Message answer = client.ReadResponse();
  sender.join();
  CHECK(answer.status == 200);
  CHECK(answer.body.size() == big.size());
  CHECK(answer.body == big);
}

TEST_CASE(
    "a request without a key is answered 401 and the connection stays usable or closes cleanly",
    "[server]") {
  Provider provider(Provider::Always(std::string(kCompletion)));
  Gateway gateway(provider.port());
  Socket client = Socket::Connect(gateway.port());
  REQUIRE(
      client.Send("POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\n\r\n{}"));
  const Socket::Message refused = client.ReadResponse();
  CHECK(refused.status == 401);
  if (refused.keep_alive) {
    REQUIRE(client.Send(ChatRequest()));
    CHECK(client.ReadResponse().status == 200);
  } else {
    CHECK(client.AtEnd());
  }
  CHECK(gateway.metrics().auth[static_cast<size_t>(AuthResult::kMissingOrUnknown)].value() == 1);
}

TEST_CASE("an answer sent before a large upload ended is not lost to a reset", "[server]") {
  Provider provider(Provider::Always(std::string(kCompletion)));
  Gateway gateway(provider.port());
  Socket client = Socket::Connect(gateway.port());
  REQUIRE(client.Send(
      "POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nContent-Length: 900000000\r\n\r\n"));
  std::thread sender([&] {
    const std::string chunk(65536, 'x');
    for (int i = 0; i < 16 && client.Send(chunk); ++i) {
    }
  });
  const Socket::Message refused = client.ReadResponse();
  sender.join();
  CHECK(refused.status >= 400);
  CHECK(refused.body.find("error") != std::string::npos);
}

TEST_CASE("bad framing is answered and nothing behind it is read as a request", "[server]") {
  Provider provider(Provider::Always(std::string(kCompletion)));
  Gateway gateway(provider.port());
  Socket client = Socket::Connect(gateway.port());
  REQUIRE(
      client.Send("POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
                  ChatRequest()));
  CHECK(client.ReadResponse().status == 400);
  CHECK(client.AtEnd());
  CHECK(provider.connections() == 0);
}

TEST_CASE("health is answered on the client port and says why the node is not ready", "[server]") {
  Provider provider(Provider::Always(std::string(kCompletion)));
  Gateway gateway(provider.port());
  Socket client = Socket::Connect(gateway.port());
  REQUIRE(client.Send("GET /readyz HTTP/1.1\r\nHost: g\r\n\r\n"));
  CHECK(client.ReadResponse().status == 200);
  gateway.ops().SetPolicyProblem("aurora.db is missing");
  REQUIRE(client.Send("GET /readyz HTTP/1.1\r\nHost: g\r\n\r\n"));
  const Socket::Message unready = client.ReadResponse();
  CHECK(unready.status == 503);
  CHECK(unready.body == R"({"status":"unavailable","reasons":["aurora.db is missing"]})");
  REQUIRE(client.Send("HEAD /livez HTTP/1.1\r\nHost: g\r\n\r\n"));
  CHECK(client.ReadResponse(true).status == 200);
  REQUIRE(client.Send("GET /passive HTTP/1.1\r\nHost: g\r\n\r\n"));
  CHECK(client.ReadResponse().status == 503);
}

}  // namespace aurora::server::testing
