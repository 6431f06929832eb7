// Nodes of one process for the tests of the Control stream: all on one loop, each with its own server on 127.0.0.1.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "aurora/v1/sync.pb.h"
#include "controlplane/peers/control_links.h"
#include "controlplane/peers/control_server.h"
#include "shared/uv/loop.h"
#include "shared/uv/timer.h"
#include "tests/support/test.h"

namespace aurora::peers::testing {

// Turns the loop until `done`; false: not within the limit.
inline bool RunUntil(uv::Loop& loop, const std::function<bool()>& done, Duration limit = Duration::Seconds(20)) {
  const Instant end = uv::Loop::Now() + limit;
  uv::Timer wake(loop, [] {});
  wake.StartRepeating(Duration::Millis(5));
  while (!done()) {
    if (uv::Loop::Now() > end) {
      return false;
    }
    loop.RunOnce(true);
  }
  return true;
}

// For laws about what does not happen: turns the loop for so long.
inline void RunFor(uv::Loop& loop, Duration time) {
  RunUntil(loop, [] { return false; }, time);
}

inline std::string Uid(const std::string& node_id) {
  std::string uid(32, '0');
  for (size_t i = 0; i < node_id.size() && i < 16; ++i) {
    static constexpr char kDigits[] = "0123456789abcdef";
    uid[2 * i] = kDigits[static_cast<unsigned char>(node_id[i]) >> 4];
    uid[2 * i + 1] = kDigits[static_cast<unsigned char>(node_id[i]) & 15];
  }
  return uid;
}

inline std::shared_ptr<const ControlTls> Tls(const config::TlsFiles& files = {}) {
  auto tls = ControlTls::Load(files);
  INFO(tls.status().message());
  REQUIRE(tls.ok());
  return *tls;
}

inline v1::Hello HelloOf(const std::string& node_id, uint64_t epoch = 1) {
  v1::Hello hello;
  hello.set_protocol_min(kControlProtocol);
  hello.set_protocol_max(kControlProtocol);
  hello.set_node_id(node_id);
  hello.set_node_uid(Uid(node_id));
  hello.set_cluster_id("c1");
  hello.set_epoch(epoch);
  return hello;
}

struct Down {
  std::string node_id;
  ByeReason reason;
  std::string message;
};

class Node {
 public:
  struct Options {
    std::shared_ptr<const ControlTls> tls = Tls();
    Duration heartbeat_interval = Duration::Seconds(30);
    Duration idle_slack = Duration::Seconds(10);
    size_t peers_max = 15;
    Duration hello_timeout = Duration::Seconds(5);
    uint64_t epoch = 1;
    uint16_t port = 0;
  };

  Node(uv::Loop& loop, const std::string& node_id) : Node(loop, node_id, Options()) {}
  Node(uv::Loop& loop, const std::string& node_id, const Options& options)
      : id(node_id), loop_(loop), options_(options) {
    LinksOptions links_options;
    links_options.mesh.node_id = node_id;
    links_options.mesh.uid = Uid(node_id);
    links_options.mesh.peers_max = options.peers_max;
    links_options.mesh.hello_timeout = options.hello_timeout;
    links_options.seed = std::hash<std::string>()(node_id);
    links_options.heartbeat_interval = options.heartbeat_interval;
    links_options.idle_slack = options.idle_slack;
    links_options.tls = options.tls;
    links = std::make_unique<Links>(loop, links_options, Callbacks());
    Serve(options.port);
  }
  ~Node() {
    if (polite && links != nullptr) {
      links->Shutdown(ByeReason::kShutdown, "shutting down");
    }
    server.reset();
    links.reset();
  }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  void Serve(uint16_t port) {
    ControlServer::Options options;
    options.listen = {"127.0.0.1", port};
    options.tls = options_.tls;
    auto opened = ControlServer::Open(options, *links);
    INFO(opened.status().message());
    REQUIRE(opened.ok());
    server = *std::move(opened);
  }

  std::string address() const { return "127.0.0.1:" + std::to_string(server->port()); }
  Target AsTarget() const { return {id, Uid(id), address()}; }
  bool Linked(const Node& other) const {
    const PeerState* peer = links->Find(Uid(other.id));
    return peer != nullptr && peer->up;
  }
  const PeerState& PeerOf(const Node& other) const {
    const PeerState* peer = links->Find(Uid(other.id));
    REQUIRE(peer != nullptr);
    return *peer;
  }
  bool WasRefused(ByeReason reason, bool by_peer) const {
    for (const Refusal& refusal : refusals) {
      if (refusal.reason == reason && refusal.by_peer == by_peer) {
        return true;
      }
    }
    return false;
  }

  const std::string id;
  bool polite = true;  // says Bye before it is destroyed
  std::unique_ptr<Links> links;
  std::unique_ptr<ControlServer> server;
  std::function<Admission(const v1::Hello&, bool)> admit = [](const v1::Hello&, bool) { return Admission(); };
  std::vector<std::string> ups;
  std::vector<Down> downs;
  std::vector<Refusal> refusals;
  std::vector<v1::ControlFrame> frames;

 private:
  LinksCallbacks Callbacks() {
    LinksCallbacks callbacks;
    callbacks.hello = [this](v1::Hello& hello) { hello = HelloOf(id, options_.epoch); };
    callbacks.admit = [this](const v1::Hello& hello, bool outbound) { return admit(hello, outbound); };
    callbacks.up = [this](const PeerState& peer) { ups.push_back(peer.node_id); };
    callbacks.frame = [this](const PeerState&, const v1::ControlFrame& frame) { frames.push_back(frame); };
    callbacks.down = [this](const PeerState& peer, ByeReason reason, std::string_view message) {
      downs.push_back({peer.node_id, reason, std::string(message)});
    };
    callbacks.refused = [this](const Refusal& refusal) { refusals.push_back(refusal); };
    return callbacks;
  }

  uv::Loop& loop_;
  const Options options_;
};

inline bool LinkedBothWays(const Node& a, const Node& b) {
  return a.Linked(b) && b.Linked(a);
}

}  // namespace aurora::peers::testing
