// A handful of gossip drivers in one process, for tests: each with its own thread, all calling home
// to one loop.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/gossipwire/address.h"
#include "controlplane/membership/meta.h"
#include "controlplane/peers/gossip.h"
#include "shared/uv/loop.h"
#include "shared/uv/udp.h"
#include "tests/shared/uv/run.h"
#include "tests/support/test.h"

namespace aurora::peers {

using Kind = membership::Event::Kind;

// The LAN profile, quicker: a death is declared within about five seconds.
inline membership::Config Quick() {
  membership::Config config;
  config.probe_window = Duration::Millis(500);
  config.probe_period = Duration::Millis(300);
  config.probe_timeout = Duration::Millis(250);
  config.gossip_interval = Duration::Millis(40);
  config.push_pull_interval = Duration::Seconds(1);
  config.rejoin_interval = Duration::Millis(600);
  config.lonely_rejoin_interval = Duration::Millis(200);
  config.cluster_id = "test-cluster";
  return config;
}

inline std::string MetaOf(std::string_view uid, std::string_view cluster_id = "test-cluster") {
  return membership::EncodeMeta({std::string(uid), std::string(cluster_id), 7947, 1});
}

struct TestNode {
  std::unique_ptr<Gossip> gossip;
  std::vector<membership::Event> events;
  std::vector<PeerRefused> refused;
  std::vector<UserMessage> users;
  std::vector<uint32_t> persisted;

  size_t Count(Kind kind, std::string_view node) const {
    return static_cast<size_t>(std::count_if(
        events.begin(), events.end(),
        [&](const membership::Event& event) { return event.kind == kind && event.node == node; }));
  }
  bool Saw(Kind kind, std::string_view node) const { return Count(kind, node) > 0; }
  bool Refused(Reason reason) const {
    return std::any_of(refused.begin(), refused.end(),
                       [&](const PeerRefused& r) { return r.reason == reason; });
  }
  std::optional<Member> Find(std::string_view name) const {
    const auto members = gossip->Members();
    const auto it = std::find_if(members->begin(), members->end(),
                                 [&](const Member& m) { return m.name == name; });
    return it == members->end() ? std::nullopt : std::optional(*it);
  }
  bool Has(std::string_view name, gossipwire::NodeState state) const {
    const auto member = Find(name);
    return member && member->state == state;
  }
  size_t Alive() const {
    const auto members = gossip->Members();
    return static_cast<size_t>(std::count_if(members->begin(), members->end(), [](const Member& m) {
      return m.state == gossipwire::NodeState::kAlive;
    }));
  }
  std::string Seed() const { return gossipwire::FormatAddress(gossip->address()); }
};

class TestCluster {
 public:
  // 127.0.0.1, a port of the kernel's choice, quick times.
  GossipOptions Options(std::string_view name) const {
    GossipOptions options;
    options.node_name = std::string(name);
    options.bind_addr = "127.0.0.1";
    options.bind_port = 0;
    options.label = "test";
    options.meta = MetaOf(name);
    options.core = Quick();
    return options;
  }

  TestNode& Add(GossipOptions options) {
    nodes_.push_back(std::make_unique<TestNode>());
    TestNode* node = nodes_.back().get();
    auto started = Gossip::Start(home_, std::move(options), Callbacks(node));
    INFO(started.status().ToString());
    REQUIRE(started.ok());
    node->gossip = *std::move(started);
    return *node;
  }
  TestNode& Add(std::string_view name, const TestNode* seed = nullptr) {
    GossipOptions options = Options(name);
    if (seed != nullptr) {
      options.seeds = {seed->Seed()};
    }
    return Add(std::move(options));
  }

  static GossipCallbacks Callbacks(TestNode* node) {
    GossipCallbacks callbacks;
    callbacks.on_events = [node](std::span<const membership::Event> events) {
      node->events.insert(node->events.end(), events.begin(), events.end());
    };
    callbacks.on_refused = [node](const PeerRefused& refused) { node->refused.push_back(refused); };
    callbacks.on_user = [node](const UserMessage& user) { node->users.push_back(user); };
    callbacks.on_persist = [node](uint32_t incarnation) { node->persisted.push_back(incarnation); };
    return callbacks;
  }

  template <class Condition>
  bool Until(Condition condition, Duration limit = Duration::Seconds(60)) {
    return uv::RunUntil(loop_, std::move(condition), limit);
  }
  // Everybody of `nodes` sees as many alive as there are.
  bool Complete(std::vector<TestNode*> nodes) {
    return Until([&] {
      return std::all_of(nodes.begin(), nodes.end(),
                         [&](TestNode* node) { return node->Alive() == nodes.size(); });
    });
  }

  uv::Loop& loop() { return loop_; }
  uv::Mailbox& home() { return home_; }

 private:
  uv::Loop loop_;
  uv::Mailbox home_{loop_, 4096};
  std::vector<std::unique_ptr<TestNode>> nodes_;  // dies first: a Gossip posts home
};

}  // namespace aurora::peers
