// Node: one gateway of an active_passive cluster whose control plane is the test: its role page is forged by hand.
// Thread: the test's. Errors: what cannot be set up aborts.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "shared/base/check.h"
#include "shared/rolepage/boottime.h"
#include "shared/rolepage/control_page.h"
#include "shared/rolepage/data_page.h"
#include "tests/dataplane/server/harness.h"

namespace aurora::server::testing {

inline bool Has(const Socket::Message& message, std::string_view line) {
  return message.head.find(line) != std::string::npos;
}

class Node {
 public:
  Node(std::string name, uint16_t provider_port, failover::Rules rules = {}, GatewayOptions options = {},
       uint64_t (*clock)() = nullptr)
      : name_(std::move(name)) {
    static std::atomic<int> count{0};
    directory_ = std::filesystem::temp_directory_path() /
                 ("aurora-node-" + std::to_string(getpid()) + "-" + std::to_string(++count));
    std::filesystem::create_directories(directory_);
    const std::string path = directory_ / "role.page";
    auto control = rolepage::ControlPage::Open(path);
    AURORA_CHECK(control.ok());
    control_ = *std::move(control);
    auto data = rolepage::DataPage::Open(path, 1, 77);
    AURORA_CHECK(data.ok());
    data_ = *std::move(data);
    options.for_peers = true;
    options.stamp = true;
    options.adjust = [this, rules, clock, before = std::move(options.adjust)](Worker::Options& worker) {
      worker.server.exchange.node_id = name_;
      worker.on_tick = [this](size_t i) { data_->CopyCloseSeq(i); };
      FailoverOptions failover;
      failover.page = data_.get();
      failover.node_id = name_;
      failover.rules = rules;
      failover.budget = budget_;
      failover.metrics = metrics_;
      failover.clock = clock;
      worker.failover = std::move(failover);
      if (before) {
        before(worker);
      }
    };
    gateway_ = std::make_unique<Gateway>(provider_port, std::move(options));
  }
  ~Node() {
    gateway_.reset();
    std::filesystem::remove_all(directory_);
  }

  Gateway& gateway() { return *gateway_; }
  rolepage::ControlPage& control() { return *control_; }
  rolepage::DataPage& page() { return *data_; }
  SharedHoldBudget& budget() { return *budget_; }
  FailoverMetrics& metrics() { return *metrics_; }
  uint16_t port() const { return gateway_->port(); }

  void Open() { control_->SetActiveUntil(rolepage::BoottimeNs() + 9'000'000'000); }
  // Everybody's page says who leads; waits until the loop knows.
  void Follow(const Node& leader, uint64_t term) { Follow(leader.name_, leader.gateway_->peer_port(), term); }
  void Follow(const std::string& id, uint16_t port, uint64_t term) {
    control_->SetLeader({term, id, "127.0.0.1:" + std::to_string(port)});
    AURORA_CHECK(Eventually([&] { return LeaderOnLoop() == id; }));
  }
  std::string LeaderOnLoop() {
    return gateway_->OnLoop([&] { return gateway_->worker().state().failover->serving().leader_id; });
  }

 private:
  std::string name_;
  std::filesystem::path directory_;
  std::unique_ptr<rolepage::ControlPage> control_;
  std::unique_ptr<rolepage::DataPage> data_;
  std::shared_ptr<SharedHoldBudget> budget_ = std::make_shared<SharedHoldBudget>();
  std::shared_ptr<FailoverMetrics> metrics_ = std::make_shared<FailoverMetrics>();
  std::unique_ptr<Gateway> gateway_;
};

}  // namespace aurora::server::testing
