#include "shared/uv/tcp.h"

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "tests/shared/uv/run.h"
#include "tests/support/test.h"

namespace aurora::uv {
namespace {

struct Peer : StreamObserver {
  std::unique_ptr<TcpStream> stream;
  std::string received;
  int connected = 1;  // 1: not told yet
  int error = 0;
  int drained = 0;
  bool eof = false;
  bool echo = false;
  bool destroy_on_data = false;

  void Own(std::unique_ptr<TcpStream> s) {
    stream = std::move(s);
    stream->SetObserver(this);
  }
  void OnConnected(int e) override { connected = e; }
  void OnData(std::span<char> bytes) override {
    received.append(bytes.data(), bytes.size());
    bytes.data()[bytes.size() + kReadPadding - 1] = 'p';  // the padding is ours to touch
    if (echo) {
      stream->Write(std::string(bytes.data(), bytes.size()));
    }
    if (destroy_on_data) {
      stream.reset();
    }
  }
  void OnEof() override { eof = true; }
  void OnStreamError(int e) override { error = e; }
  void OnDrained() override { ++drained; }
};

struct Acceptor : ListenerObserver {
  std::vector<std::unique_ptr<Peer>> peers;
  void OnAccept(std::unique_ptr<TcpStream> stream) override {
    peers.push_back(std::make_unique<Peer>());
    peers.back()->Own(std::move(stream));
  }
};

struct Pair {
  Loop& loop;
  Acceptor acceptor;
  std::unique_ptr<TcpListener> listener;
  Peer client;

  explicit Pair(Loop& l) : loop(l) {
    auto opened = TcpListener::Open(loop, {}, &acceptor);
    REQUIRE(opened.ok());
    listener = *std::move(opened);
    client.Own(std::make_unique<TcpStream>(loop));
    REQUIRE(client.stream->Connect(*ParseIp("127.0.0.1", listener->port())) == 0);
    REQUIRE(client.connected == 1);
    REQUIRE(RunUntil(loop, [&] { return client.connected != 1 && !acceptor.peers.empty(); }));
    REQUIRE(client.connected == 0);
  }
  Peer& server() { return *acceptor.peers.front(); }
};

TEST_CASE("what is written comes back from an echo, in order and whole", "[uv]") {
  Loop loop;
  Pair pair(loop);
  pair.server().echo = true;
  pair.server().stream->StartRead();
  pair.client.stream->NoDelay(true);
  pair.client.stream->KeepAlive(Duration::Seconds(60));
  pair.client.stream->StartRead();
  std::string sent;
  for (int i = 0; i < 200; ++i) {
    std::string part(static_cast<size_t>(i) * 37, static_cast<char>('a' + i % 26));
    sent += part;
    pair.client.stream->Write(std::move(part));
  }
  REQUIRE(RunUntil(loop, [&] { return pair.client.received.size() == sent.size(); }));
  CHECK(pair.client.received == sent);
  CHECK(pair.client.drained > 0);
  CHECK(pair.client.stream->write_queue_bytes() == 0);
  CHECK(IpText(pair.client.stream->peer()) == "127.0.0.1");
  CHECK(PortOf(pair.client.stream->peer()) == pair.listener->port());
  CHECK(SameAddress(pair.server().stream->peer(), pair.client.stream->local()));
}

TEST_CASE("TryWrite gathers slices and never overtakes queued writes", "[uv]") {
  Loop loop;
  Pair pair(loop);
  const std::array<iovec, 2> slices{iovec{const_cast<char*>("ab"), 2},
                                    iovec{const_cast<char*>("cd"), 2}};
  CHECK(pair.client.stream->TryWrite(slices) == 4);
  // Nobody reads: the kernel's buffers fill, then nothing is taken, and a queued write closes the
  // door.
  const std::string block(1 << 20, 'x');
  size_t taken = 4;
  for (ssize_t n = 1; n > 0; taken += static_cast<size_t>(n)) {
    n = pair.client.stream->TryWrite(block);
    REQUIRE(n >= 0);
  }
  static int done;
  done = 1;
  pair.client.stream->Write("tail", [](void*, int error) { done = error; });
  CHECK(pair.client.stream->write_queue_bytes() == 4);
  CHECK(pair.client.stream->TryWrite("z") == 0);
  pair.server().stream->StartRead();
  REQUIRE(RunUntil(loop, [&] { return pair.server().received.size() == taken + 4; }));
  CHECK(pair.server().received.starts_with("abcd"));
  CHECK(pair.server().received.ends_with("tail"));
  CHECK(done == 0);
  CHECK(pair.client.drained == 1);
}

TEST_CASE("a stream in shutdown says end of file to its peer and still reads", "[uv]") {
  Loop loop;
  Pair pair(loop);
  pair.server().stream->StartRead();
  pair.client.stream->StartRead();
  pair.client.stream->Write("last");
  pair.client.stream->Shutdown();
  REQUIRE(RunUntil(loop, [&] { return pair.server().eof; }));
  CHECK(pair.server().received == "last");
  pair.server().stream->Write("answer");
  REQUIRE(RunUntil(loop, [&] { return pair.client.received == "answer"; }));
  CHECK(!pair.client.eof);
}

TEST_CASE("an aborted stream is a reset to its peer", "[uv]") {
  Loop loop;
  Pair pair(loop);
  pair.server().stream->StartRead();
  pair.client.stream->Abort();
  CHECK(pair.client.stream->TryWrite("x") == UV_ECANCELED);
  pair.client.stream.reset();
  REQUIRE(RunUntil(loop, [&] { return pair.server().error != 0 || pair.server().eof; }));
  CHECK(pair.server().error == UV_ECONNRESET);
}

TEST_CASE("a stream may be destroyed inside its own callback and with writes in flight", "[uv]") {
  Loop loop;
  Pair pair(loop);
  pair.server().destroy_on_data = true;
  pair.server().stream->StartRead();
  for (int i = 0; i < 64; ++i) {
    pair.client.stream->Write(std::string(1 << 18, 'x'), [](void*, int) { FAIL("owner is gone"); });
  }
  // Queued beyond what the kernel holds, so late callbacks exist when the owner goes.
  pair.client.stream.reset();
  CHECK(RunUntil(loop, [&] {
    return pair.server().stream == nullptr || pair.server().eof || pair.server().error != 0;
  }));
}

TEST_CASE("connecting to a closed port reports the refusal", "[uv]") {
  Loop loop;
  uint16_t port = 0;
  {
    Acceptor acceptor;
    port = (*TcpListener::Open(loop, {}, &acceptor))->port();
  }
  Peer client;
  client.Own(std::make_unique<TcpStream>(loop));
  REQUIRE(client.stream->Connect(*ParseIp("127.0.0.1", port)) == 0);
  REQUIRE(RunUntil(loop, [&] { return client.connected != 1; }));
  CHECK(client.connected == UV_ECONNREFUSED);
}

TEST_CASE("a paused listener leaves connections waiting and takes them on Resume", "[uv]") {
  Loop loop;
  Acceptor acceptor;
  auto listener = *TcpListener::Open(loop, {}, &acceptor);
  listener->Pause();
  std::array<Peer, 3> clients;
  for (Peer& client : clients) {
    client.Own(std::make_unique<TcpStream>(loop));
    REQUIRE(client.stream->Connect(*ParseIp("127.0.0.1", listener->port())) == 0);
  }
  REQUIRE(RunUntil(loop, [&] {
    return clients[0].connected == 0 && clients[1].connected == 0 && clients[2].connected == 0;
  }));
  for (int i = 0; i < 5; ++i) {
    loop.RunOnce(false);
  }
  CHECK(acceptor.peers.empty());
  listener->Resume();
  CHECK(RunUntil(loop, [&] { return acceptor.peers.size() == 3; }));
}

TEST_CASE("a port in use is found by Probe even when both sides would share it", "[uv]") {
  Loop loop;
  Acceptor acceptor;
  TcpListener::Options options;
  options.host = "127.9.8.7";
  options.reuse_port = true;
  auto first = TcpListener::Open(loop, options, &acceptor);
  REQUIRE(first.ok());
  options.port = (*first)->port();
  CHECK(TcpListener::Probe(options.host, options.port).code() == absl::StatusCode::kAlreadyExists);
  auto second = TcpListener::Open(loop, options, &acceptor);
  CHECK(second.ok());
  options.reuse_port = false;
  CHECK(TcpListener::Open(loop, options, &acceptor).status().code() ==
        absl::StatusCode::kAlreadyExists);
  first->reset();
  second->reset();
  loop.RunOnce(false);
  CHECK(TcpListener::Probe(options.host, options.port).ok());
}

TEST_CASE("a bad host is an invalid argument", "[uv]") {
  Loop loop;
  Acceptor acceptor;
  TcpListener::Options options;
  options.host = "not-an-ip";
  CHECK(TcpListener::Open(loop, options, &acceptor).status().code() ==
        absl::StatusCode::kInvalidArgument);
}

TEST_CASE("an adopted socket accepts like one of our own", "[uv]") {
  Loop loop;
  Acceptor acceptor;
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_storage any = *ParseIp("127.0.0.1", 0);
  REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&any), AddressSize(any)) == 0);
  auto listener = TcpListener::AdoptFd(loop, fd, 16, &acceptor);
  REQUIRE(listener.ok());
  Peer client;
  client.Own(std::make_unique<TcpStream>(loop));
  REQUIRE(client.stream->Connect(*ParseIp("127.0.0.1", (*listener)->port())) == 0);
  CHECK(RunUntil(loop, [&] { return acceptor.peers.size() == 1; }));
  CHECK(!TcpListener::AdoptFd(loop, 987654, 16, &acceptor).ok());
}

}  // namespace
}  // namespace aurora::uv
