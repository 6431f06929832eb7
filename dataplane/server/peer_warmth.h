// PeerWarmth: keeps a connection of this loop to the active node standing, so that the first request to be forwarded
// finds one. Source: failover.md section 6 (warm pool). Thread: the loop's. Errors: a failed try is repeated at the
// next Tend. Lifetime: destroyed before the pool.
#pragma once

#include <string_view>

#include "dataplane/server/upstream_connection.h"

namespace aurora::server {

class PeerWarmth final : private UpstreamUser {
 public:
  PeerWarmth(LoopState& loop, UpstreamPool& pool) : loop_(loop), pool_(pool) {}

  // Between callbacks: dials when no connection to the active node is idle.
  void Tend();

 private:
  void OnUpstreamReady() override;
  void OnUpstreamFailed(exchange::UpstreamFailure failure, std::string_view detail) override;
  void OnUpstreamHead(const http::Head&) override {}
  void OnUpstreamBody(std::string_view) override {}
  void OnUpstreamEnd(bool) override {}
  void OnUpstreamBatch() override {}
  void OnUpstreamDrained() override {}

  LoopState& loop_;
  UpstreamPool& pool_;
  UpstreamConnection* dialling_ = nullptr;
  uint64_t version_ = 0;  // of the leader it is dialled for
};

}  // namespace aurora::server
