// What the faces' tests share: handlers over a real store, a loop on a thread of its own, and a
// blocking HTTP client.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "controlplane/admin/handlers.h"
#include "controlplane/kinds/resolve.h"
#include "shared/uv/mailbox.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

namespace aurora::admin::testing {

inline constexpr int64_t kNowMs = 1'700'000'000'000;
inline constexpr std::string_view kMasterKey = "correct-horse-battery-staple";

inline store::StoreOptions StoreIn(const std::string& path, std::span<const kinds::Kind> kinds = kinds::All()) {
  store::StoreOptions options;
  options.path = path;
  options.fresh_node_uid = "00112233445566778899aabbccddeeff";
  options.epoch = 7;
  options.watch_every = Duration::Millis(20);
  for (const kinds::Kind& kind : kinds) {
    options.resolve[std::string(kind.name)] =
        [resolve = kind.resolve](auto, auto, const auto& row) { return resolve(row); };
  }
  return options;
}

// Handlers over a store, nobody enforcing.
class Backend {
 public:
  explicit Backend(std::span<const kinds::Kind> kinds = kinds::All())
      : store_(std::make_unique<store::Store>(StoreIn(dir_.Path("aurora.db"), kinds))) {
    REQUIRE(store_->WaitOpened().state == store::State::kOpen);
    config::ProviderConfig environment;
    environment.name = "openai";
    environment.base_url = "https://api.example.com";
    environment.api_key = crypto::Secret("sk-from-the-environment-1234");
    config_.providers.push_back(environment);
    Deps deps;
    deps.store = store_.get();
    deps.config = &config_;
    deps.enforcement.report = [](const Enforcement::Written&, Duration, const auto& done) { done(Nobody()); };
    deps.facts = [] { return NodeFacts{"0.1.0", "up", 0, 1}; };
    deps.unix_ms = [this] { return now_ms.load(); };
    deps.entity_kinds = kinds;
    deps.traffic_path = dir_.Path("traffic.db");
    backups_ = std::make_unique<store::BackupThread>(store_.get(), dir_.Path("aurora.db"), deps.unix_ms);
    deps.backups = backups_.get();
    deps.backup_dir = dir_.Path("backups");
    handlers_ = std::make_unique<Handlers>(std::move(deps));
  }

  static v1::Propagation Nobody() {
    v1::Propagation p;
    p.set_members(1);
    p.add_not_serving("local");
    return p;
  }

  Handlers& handlers() { return *handlers_; }
  store::Store& store() { return *store_; }
  // Ends the store first: its replies use the handlers.
  void End() {
    handlers_->Stop();
    backups_.reset();
    store_.reset();
  }
  const aurora::testing::TempDir& dir() const { return dir_; }

  std::atomic<int64_t> now_ms{kNowMs};

 private:
  aurora::testing::TempDir dir_;
  config::Config config_;
  std::unique_ptr<Handlers> handlers_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<store::BackupThread> backups_;  // ends before the store
};

struct HttpAnswer {
  int status = 0;
  std::string head;
  std::string body;
};

// One request on a connection of its own; status 0 when nothing came within ten seconds.
inline HttpAnswer Http(uint16_t port, const std::string& method, const std::string& target,
                       const std::string& headers, const std::string& body = "") {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval limit{10, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  std::string text =
      method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers;
  if (!body.empty()) {
    text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  }
  text += "\r\n" + body;
  std::string in;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
      ::send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size())) {
    char buffer[4096];
    for (ssize_t n = 0; (n = ::recv(fd, buffer, sizeof(buffer), 0)) > 0;) {
      in.append(buffer, static_cast<size_t>(n));
    }
  }
  ::close(fd);
  HttpAnswer answer;
  const size_t end = in.find("\r\n\r\n");
  if (end == std::string::npos || in.size() < 12) {
    return answer;
  }
  answer.status = std::stoi(in.substr(9, 3));
  answer.head = in.substr(0, end);
  answer.body = in.substr(end + 4);
  return answer;
}

// A loop on its own thread; `On` runs something there and waits for it.
class LoopThread {
 public:
  LoopThread() {
    std::promise<void> ready;
    thread_ = std::thread([&] {
      uv::Loop loop;
      auto mailbox = std::make_unique<uv::Mailbox>(loop, 1024);
      loop_ = &loop;
      mailbox_ = mailbox.get();
      ready.set_value();
      loop.Run();
      mailbox.reset();
    });
    ready.get_future().get();
  }
  ~LoopThread() {
    On([this] { loop_->Stop(); });
    thread_.join();
  }
  void On(const std::function<void()>& run) {
    std::promise<void> done;
    REQUIRE(mailbox_->Post([&] {
      run();
      done.set_value();
    }));
    done.get_future().get();
  }
  uv::Loop& loop() { return *loop_; }
  uv::Mailbox& mailbox() { return *mailbox_; }

 private:
  uv::Loop* loop_ = nullptr;
  uv::Mailbox* mailbox_ = nullptr;
  std::thread thread_;
};

}  // namespace aurora::admin::testing
