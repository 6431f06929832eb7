#include <memory>
#include <string>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/httpd/server.h"
#include "shared/tls/session.h"
#include "tests/shared/uv/run.h"
#include "tests/support/certs.h"
#include "tests/support/test.h"

namespace aurora::httpd {
namespace {

using uv::RunUntil;

// A plain non-blocking socket: what it receives is exactly what the server sent.
class Client {
 public:
  explicit Client(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    const sockaddr_storage to = *uv::ParseIp("127.0.0.1", port);
    REQUIRE(connect(fd_, reinterpret_cast<const sockaddr*>(&to), uv::AddressSize(to)) == 0);
    REQUIRE(fcntl(fd_, F_SETFL, O_NONBLOCK) == 0);
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Send(std::string_view bytes) {
    REQUIRE(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
  }
  void Fin() { shutdown(fd_, SHUT_WR); }
  const std::string& Received() {
    char buffer[65536];
    ssize_t n = 0;
    while ((n = recv(fd_, buffer, sizeof(buffer), 0)) > 0) {
      received_.append(buffer, static_cast<size_t>(n));
    }
    closed_ = closed_ || n == 0;
    reset_ = reset_ || (n < 0 && errno == ECONNRESET);
    return received_;
  }
  bool Has(std::string_view text) { return Received().find(text) != std::string::npos; }
  bool Closed() {
    Received();
    return closed_;
  }
  bool reset() const { return reset_; }
  void Clear() { received_.clear(); }

 private:
  const int fd_;
  std::string received_;
  bool closed_ = false;
  bool reset_ = false;
};

struct World {
  uv::Loop loop;
  std::vector<std::pair<Request, Responder>> waiting;  // of "/later"
  std::vector<Request> seen;
  std::unique_ptr<Server> server;

  explicit World(Server::Options options = {}) {
    server = *Server::Open(loop, options, [this](Request request, Responder responder) {
      seen.push_back(request);
      if (request.path.starts_with("/later")) {
        waiting.emplace_back(std::move(request), responder);
        return;
      }
      responder.Send(200, request.path + "|" + request.query + "|" + request.body);
    });
  }
  uint16_t port() const { return server->port(); }
};

constexpr std::string_view kGet = "GET /a?b=1 HTTP/1.1\r\nHost: h\r\nX-Key: V\r\n\r\n";

TEST_CASE("a request is handed over whole and its answer goes out framed", "[httpd]") {
  World world;
  Client client(world.port());
  client.Send("POST /p?q HTTP/1.1\r\nHost: h\r\nX-Key: V\r\nContent-Length: 5\r\n\r\nhello");
  REQUIRE(RunUntil(world.loop, [&] { return client.Has("hello"); }));
  CHECK(client.Received() ==
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 10\r\n\r\n"
        "/p|q|hello");
  CHECK(world.seen[0].Header("x-key") == "V");
  CHECK(world.seen[0].Header("none").empty());
  CHECK(world.seen[0].peer == "127.0.0.1");
  client.Clear();
  client.Send(
      "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  CHECK(RunUntil(world.loop, [&] { return client.Has("/c||abc"); }));
}

TEST_CASE("pipelined requests are answered in order whatever finishes first", "[httpd]") {
  World world;
  Client client(world.port());
  client.Send(
      "GET /later1 HTTP/1.1\r\nHost: h\r\n\r\nGET /now HTTP/1.1\r\nHost: h\r\n\r\n"
      "GET /later2 HTTP/1.1\r\nHost: h\r\n\r\n");
  REQUIRE(RunUntil(world.loop, [&] { return world.waiting.size() == 2; }));
  world.waiting[1].second.Send(200, "second");
  for (int i = 0; i < 5; ++i) {
    world.loop.RunOnce(false);
  }
  CHECK(client.Received().empty());
  world.waiting[0].second.Send(200, "first");
  REQUIRE(RunUntil(world.loop, [&] { return client.Has("second"); }));
  const std::string& got = client.Received();
  CHECK(got.find("first") < got.find("/now||"));
  CHECK(got.find("/now||") < got.find("second"));
  world.waiting[0].second.Send(500, "again");  // answers at most once
  CHECK(!world.server->Complete(world.waiting[0].second.id(), {}));
}

TEST_CASE("many pipelined requests pass through a short pipeline", "[httpd]") {
  Server::Options options;
  options.pipeline_max = 2;
  World world(options);
  Client client(world.port());
  std::string all;
  for (int i = 0; i < 20; ++i) {
    all += "GET /later" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
  }
  client.Send(all);
  for (size_t i = 0; i < 20; ++i) {
    REQUIRE(RunUntil(world.loop, [&] { return world.waiting.size() > i; }));
    CHECK(world.waiting.size() <= i + 2);
    world.waiting[i].second.Send(200, "answer" + std::to_string(i));
  }
  CHECK(RunUntil(world.loop, [&] { return client.Has("answer19"); }));
}

TEST_CASE("a client that is gone makes its responder a no-op", "[httpd]") {
  World world;
  {
    Client client(world.port());
    client.Send("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    REQUIRE(RunUntil(world.loop, [&] { return world.waiting.size() == 1; }));
  }
  // A FIN alone may be a half-close; the answer meets the reset and the connection goes.
  world.waiting[0].second.Send(200, std::string(1 << 20, 'x'));
  CHECK(RunUntil(world.loop, [&] { return world.server->connection_count() == 0; }));
  CHECK(!world.server->Complete(world.waiting[0].second.id(), {}));
  const Responder late = world.waiting[0].second;
  world.server.reset();
  late.Send(200, "nobody");
}

TEST_CASE("a client that says FIN after its request still gets the answer", "[httpd]") {
  World world;
  Client client(world.port());
  client.Send("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
  client.Fin();
  REQUIRE(RunUntil(world.loop, [&] { return world.waiting.size() == 1; }));
  for (int i = 0; i < 5; ++i) {
    world.loop.RunOnce(false);
  }
  world.waiting[0].second.Send(200, "late");
  REQUIRE(RunUntil(world.loop, [&] { return client.Closed(); }));
  CHECK(client.Has("connection: close"));
  CHECK(client.Received().ends_with("late"));
}

TEST_CASE("Connection: close and HTTP/1.0 end the connection after the answer", "[httpd]") {
  World world;
  for (const std::string_view request :
       {"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "GET /a HTTP/1.0\r\n\r\n"}) {
    Client client(world.port());
    client.Send(request);
    REQUIRE(RunUntil(world.loop, [&] { return client.Closed(); }));
    CHECK(client.Has("connection: close\r\n"));
    CHECK(client.Has("/a||"));
  }
  Client kept(world.port());
  kept.Send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  REQUIRE(RunUntil(world.loop, [&] { return kept.Has("/a||"); }));
  CHECK(kept.Has("connection: keep-alive\r\n"));
  CHECK(!kept.Closed());
}

TEST_CASE("malformed, oversized and unknown requests are answered and never handed over",
          "[httpd]") {
  Server::Options options;
  options.body_max = 10;
  World world(options);
  const std::pair<std::string, std::string> cases[] = {
      {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
      {"FOO / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 501 "},
      {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n", "HTTP/1.1 413 "},
      {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n",
       "HTTP/1.1 413 "},
      {"GET /" + std::string(20'000, 'x') + " HTTP/1.1\r\n", "HTTP/1.1 414 "},
  };
  for (const auto& [request, status] : cases) {
    Client client(world.port());
    client.Send(request);
    REQUIRE(RunUntil(world.loop, [&] { return client.Closed(); }));
    INFO(request);
    CHECK(client.Received().starts_with(status));
    CHECK(client.Has("connection: close"));
    CHECK(!client.reset());
  }
  CHECK(world.seen.empty());
}

TEST_CASE("a client that waits for 100 Continue gets it, and only before its body", "[httpd]") {
  World world;
  Client client(world.port());
  client.Send("POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  REQUIRE(RunUntil(world.loop, [&] { return client.Has("\r\n\r\n"); }));
  CHECK(client.Received() == "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("ok");
  CHECK(RunUntil(world.loop, [&] { return client.Has("/p||ok"); }));
}

TEST_CASE("a HEAD is answered with a length and no body", "[httpd]") {
  World world;
  Client client(world.port());
  client.Send("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
  REQUIRE(RunUntil(world.loop, [&] { return client.Has("/b||"); }));
  CHECK(client.Has("content-length: 4\r\n\r\nHTTP/1.1 200"));
}

TEST_CASE("a slow request is told 408 and an idle connection is closed in silence", "[httpd]") {
  Server::Options options;
  options.head_timeout = Duration::Millis(30);
  options.idle_timeout = Duration::Millis(60);
  World world(options);
  Client slow(world.port());
  Client idle(world.port());
  slow.Send("GET / HT");
  REQUIRE(RunUntil(world.loop, [&] { return slow.Closed() && idle.Closed(); }));
  CHECK(slow.Received().starts_with("HTTP/1.1 408 "));
  CHECK(idle.Received().empty());
}

TEST_CASE("connections beyond the limit are closed at once and do no harm", "[httpd]") {
  Server::Options options;
  options.connections_max = 1;
  World world(options);
  Client first(world.port());
  first.Send(kGet);
  REQUIRE(RunUntil(world.loop, [&] { return first.Has("/a|b=1|"); }));
  Client second(world.port());
  REQUIRE(RunUntil(world.loop, [&] { return second.Closed(); }));
  first.Clear();
  first.Send(kGet);
  CHECK(RunUntil(world.loop, [&] { return first.Has("/a|b=1|"); }));
}

TEST_CASE("a large answer arrives whole", "[httpd]") {
  World world;
  Client client(world.port());
  client.Send("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
  REQUIRE(RunUntil(world.loop, [&] { return world.waiting.size() == 1; }));
  Response response;
  response.content_type = "application/json";
  response.headers = {{"x-a", "b\r\nevil: 1"}, {"Content-Length", "1"}, {"bad name", "x"}};
  response.body.assign(8 << 20, 'y');
  world.waiting[0].second.Send(std::move(response));
  REQUIRE(RunUntil(world.loop, [&] { return client.Received().size() > (8u << 20) + 80; }));
  const std::string head = client.Received().substr(0, client.Received().find("\r\n\r\n"));
  CHECK(head ==
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 8388608\r\n"
        "x-a: b  evil: 1");
  CHECK(client.Received().size() == head.size() + 4 + (8u << 20));
}

TEST_CASE("draining answers what is in progress, closes the idle and then says so", "[httpd]") {
  World world;
  Client idle(world.port());
  Client busy(world.port());
  idle.Send(kGet);
  busy.Send("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
  REQUIRE(RunUntil(world.loop, [&] { return world.waiting.size() == 1 && idle.Has("/a|b=1|"); }));
  bool drained = false;
  world.server->Drain([&] { drained = true; });
  REQUIRE(RunUntil(world.loop, [&] { return idle.Closed(); }));
  CHECK(!drained);
  world.waiting[0].second.Send(200, "done");
  REQUIRE(RunUntil(world.loop, [&] { return busy.Closed(); }));
  CHECK(busy.Has("connection: close"));
  CHECK(busy.Received().ends_with("done"));
  busy.Fin();
  CHECK(RunUntil(world.loop, [&] { return drained; }));
}

TEST_CASE("over TLS requests are answered, in clear they are not, and a handshake has its time", "[httpd]") {
  testing::Certs certs;
  const auto leaf = certs.Issue("leaf", "DNS:h.test");
  const auto context = *tls::ServerContext::Load(
      {.certificate_file = leaf.certificate_file, .key_file = leaf.key_file});
  World world;
  world.server->SetCertificate(context);
  auto trust = tls::ClientContext::Create({.ca_file = certs.ca_file()});
  REQUIRE(trust.ok());
  auto session = *tls::Session::Client(*trust, "h.test");
  Client client(world.port());
  std::string plain;
  size_t taken = 0;
  bool asked = false;
  const auto step = [&] {
    const std::string& in = client.Received();
    session->FeedCiphertext(std::string_view(in).substr(taken));
    taken = in.size();
    session->Advance();
    if (!asked && session->state() == tls::Session::State::kOpen) {
      asked = session->WritePlaintext("POST /p?q HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    }
    std::string out;
    if (session->DrainCiphertext(out) > 0) {
      client.Send(out);
    }
    session->ReadPlaintext(plain, 65536);
    return plain.find("hello") != std::string::npos;
  };
  CHECK(RunUntil(world.loop, step));
  CHECK(plain.ends_with("/p|q|hello"));

  Client in_clear(world.port());
  in_clear.Send(kGet);
  CHECK(RunUntil(world.loop, [&] { return in_clear.Closed(); }));
  CHECK_FALSE(in_clear.Has("HTTP/1.1"));
  CHECK(world.seen.size() == 1);

  Server::Options options;
  options.head_timeout = Duration::Millis(50);
  World hurried(options);
  hurried.server->SetCertificate(context);
  Client silent(hurried.port());
  CHECK(RunUntil(hurried.loop, [&] { return silent.Closed(); }));
}

TEST_CASE("a server dies with exchanges in progress and leaves nothing on the loop", "[httpd]") {
  World world;
  Client client(world.port());
  client.Send("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
  REQUIRE(RunUntil(world.loop, [&] { return world.waiting.size() == 1; }));
  world.server.reset();
  REQUIRE(RunUntil(world.loop, [&] { return client.Closed(); }));
  world.waiting[0].second.Send(200, "nobody");
}

}  // namespace
}  // namespace aurora::httpd
