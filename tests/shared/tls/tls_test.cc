#include <array>
#include <memory>
#include <string>

#include "shared/tls/context.h"
#include "shared/tls/session.h"
#include "tests/support/certs.h"
#include "tests/support/test.h"

namespace aurora::tls {
namespace {

struct World {
  testing::Certs certs;
  testing::Certs::Leaf leaf = certs.Issue("server", "DNS:backend.test,IP:127.0.0.1");
  std::shared_ptr<ServerContext> server =
      *ServerContext::Load({.certificate_file = leaf.certificate_file, .key_file = leaf.key_file});
  std::shared_ptr<ClientContext> client = *ClientContext::Create({.ca_file = certs.ca_file()});
};

struct Connection {
  std::unique_ptr<Session> client;
  std::unique_ptr<Session> server;

  Connection(World& world, std::string_view name) : Connection(world.client, world.server, name) {}
  Connection(std::shared_ptr<ClientContext> c, std::shared_ptr<ServerContext> s,
             std::string_view name)
      : client(*Session::Client(std::move(c), name)), server(*Session::Server(std::move(s))) {}

  // Carries ciphertext both ways, `step` bytes at a time, until neither side has more to say.
  void Pump(size_t step = SIZE_MAX) {
    client->Advance();
    while (Carry(*client, *server, step) + Carry(*server, *client, step) > 0) {
    }
  }
  static size_t Carry(Session& from, Session& to, size_t step) {
    std::string wire;
    const size_t size = from.DrainCiphertext(wire);
    for (size_t i = 0; i < size; i += std::min(step, size - i)) {
      to.FeedCiphertext(std::string_view(wire).substr(i, step));
      to.Advance();
    }
    return size;
  }
  // Reading also processes the tickets that follow a TLS 1.3 handshake.
  static std::string Read(Session& session) {
    std::string out;
    session.ReadPlaintext(out, SIZE_MAX);
    return out;
  }
};

TEST_CASE("a handshake succeeds however the bytes are cut, and agrees on http/1.1", "[tls]") {
  World world;
  for (const size_t step : {SIZE_MAX, size_t{100}, size_t{1}}) {
    Connection connection(world, "backend.test");
    connection.Pump(step);
    REQUIRE(connection.client->state() == Session::State::kOpen);
    REQUIRE(connection.server->state() == Session::State::kOpen);
    CHECK(connection.client->alpn() == "http/1.1");
    CHECK(connection.server->alpn() == "http/1.1");
    CHECK(connection.client->protocol() == "TLSv1.3");
  }
}

TEST_CASE("plaintext comes out on the other side in order and whole", "[tls]") {
  World world;
  Connection connection(world, "backend.test");
  connection.Pump();
  std::string sent;
  for (int i = 0; i < 100; ++i) {
    const std::string part(static_cast<size_t>(i) * 331, static_cast<char>('a' + i % 26));
    sent += part;
    REQUIRE(connection.client->WritePlaintext(part));
  }
  connection.Pump(1000);
  CHECK(Connection::Read(*connection.server) == sent);
  REQUIRE(connection.server->WritePlaintext("answer"));
  connection.Pump();
  std::array<char, 4> small{};
  CHECK(connection.client->ReadPlaintext(small) == 4);
  CHECK(std::string_view(small.data(), 4) == "answ");
  CHECK(connection.client->ReadPlaintext(small) == 2);
  CHECK(connection.client->ReadPlaintext(small) == 0);
}

TEST_CASE("close_notify reaches the peer after the last byte", "[tls]") {
  World world;
  Connection connection(world, "backend.test");
  connection.Pump();
  REQUIRE(connection.server->WritePlaintext("bye"));
  connection.server->Close();
  connection.Pump();
  CHECK(Connection::Read(*connection.client) == "bye");
  CHECK(connection.client->state() == Session::State::kPeerClosed);
}

TEST_CASE("a second connection to the same host resumes, another host does not", "[tls]") {
  World world;
  {
    Connection first(world, "backend.test");
    first.Pump();
    REQUIRE(first.client->state() == Session::State::kOpen);
    CHECK(!first.client->resumed());
    CHECK(Connection::Read(*first.client).empty());  // takes the tickets
  }                                                  // no close_notify: still resumable
  REQUIRE(world.client->FindSession("backend.test") != nullptr);
  Connection second(world, "backend.test");
  second.Pump();
  CHECK(second.client->resumed());
  CHECK(second.server->resumed());
  Connection third(world, "127.0.0.1");
  third.Pump();
  CHECK(third.client->state() == Session::State::kOpen);
  CHECK(!third.client->resumed());
}

TEST_CASE("sessions are kept for so many hosts and the oldest leaves", "[tls]") {
  World world;
  const auto client = *ClientContext::Create({.ca_file = world.certs.ca_file(), .sessions_max = 1});
  for (const std::string name : {"backend.test", "127.0.0.1"}) {
    Connection connection(client, world.server, name);
    connection.Pump();
    Connection::Read(*connection.client);
    CHECK(client->FindSession(name) != nullptr);
  }
  CHECK(client->FindSession("backend.test") == nullptr);
}

TEST_CASE("a certificate for another host or IP fails the handshake and says why", "[tls]") {
  World world;
  for (const std::string_view name : {"other.test", "backend.test.evil", "127.0.0.2"}) {
    INFO(name);
    Connection connection(world, name);
    connection.Pump();
    CHECK(connection.client->state() == Session::State::kFailed);
    CHECK(Std(connection.client->status().message()).find("mismatch") != std::string::npos);
    CHECK(connection.server->state() == Session::State::kFailed);  // got the alert
  }
}

TEST_CASE("an unknown authority fails unless verification is off", "[tls]") {
  World world;
  const testing::Certs others;
  const auto strict = *ClientContext::Create({.ca_file = others.ca_file()});
  Connection refused(strict, world.server, "backend.test");
  refused.Pump();
  CHECK(refused.client->state() == Session::State::kFailed);
  CHECK(!refused.client->WritePlaintext("x"));
  const auto lax = *ClientContext::Create({.verify = false});
  Connection accepted(lax, world.server, "anything.test");
  accepted.Pump();
  CHECK(accepted.client->state() == Session::State::kOpen);
}

TEST_CASE("a new server context serves new sessions while old ones go on", "[tls]") {
  World world;
  Connection old(world, "backend.test");
  old.Pump();
  const auto leaf = world.certs.Issue("renewed", "DNS:renewed.test");
  world.server =
      *ServerContext::Load({.certificate_file = leaf.certificate_file, .key_file = leaf.key_file});
  Connection fresh(world, "renewed.test");
  fresh.Pump();
  CHECK(fresh.client->state() == Session::State::kOpen);
  REQUIRE(old.client->WritePlaintext("still here"));
  old.Pump();
  CHECK(Connection::Read(*old.server) == "still here");
}

TEST_CASE("garbage instead of TLS fails and leaves an alert for the peer", "[tls]") {
  World world;
  const auto server = *Session::Server(world.server);
  server->FeedCiphertext("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(server->Advance() == Session::State::kFailed);
  CHECK(!server->status().ok());
  CHECK(server->Advance() == Session::State::kFailed);
}

TEST_CASE("a record changed on the wire is never read as plaintext", "[tls]") {
  World world;
  Connection connection(world, "backend.test");
  connection.Pump();
  REQUIRE(connection.client->WritePlaintext("secret"));
  std::string wire;
  connection.client->DrainCiphertext(wire);
  wire.back() = static_cast<char>(wire.back() ^ 1);
  connection.server->FeedCiphertext(wire);
  CHECK(Connection::Read(*connection.server).empty());
  CHECK(connection.server->state() == Session::State::kFailed);
}

TEST_CASE("files that are missing or do not fit are told by name", "[tls]") {
  World world;
  const auto other = world.certs.Issue("other", "DNS:o.test");
  const auto missing = ServerContext::Load({.certificate_file = "/none.pem", .key_file = "/none"});
  CHECK(Std(missing.status().message()).find("/none.pem") != std::string::npos);
  CHECK(!ServerContext::Load(
             {.certificate_file = world.leaf.certificate_file, .key_file = other.key_file})
             .ok());
  CHECK(!ClientContext::Create({.ca_file = "/none.pem"}).ok());
}

}  // namespace
}  // namespace aurora::tls
