// UpstreamPool: the connections of one loop to every provider, idle ones kept last-in-first-out.
// Source: ours, as nginx and Envoy. Thread: the loop's.
// Bounds: `upstream_idle_max` idle ones per provider, closed after `upstream_idle_timeout`.
// Invariant: an idle connection is read from, so an end or a stray byte removes it before the next
// request; a pooled connection is never used for another address or trust than it was dialled for.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dataplane/server/dns_cache.h"
#include "dataplane/server/loop_state.h"
#include "dataplane/server/upstream_connection.h"
#include "shared/base/string_map.h"

namespace aurora::server {

class UpstreamPool {
 public:
  explicit UpstreamPool(LoopState& loop) : loop_(loop), dns_(loop.loop) {}
  ~UpstreamPool();

  // A connection for `user`. `*reused`: it can be written at once; else OnUpstreamReady/Failed
  // follows. Null: TLS cannot be set up; `*problem` says why.
  UpstreamConnection* Take(const model::Provider& provider, bool fresh, UpstreamUser& user,
                           bool* reused, std::string* problem);
  void Release(UpstreamConnection& connection);
  void Close(UpstreamConnection& connection);

  // Reads trust stores before the first request needs them.
  void Prepare(const model::Catalog& catalog);
  // What peers are trusted by and shown; null: plain connections.
  void SetPeerTrust(std::shared_ptr<tls::ClientContext> trust) { peer_trust_ = std::move(trust); }
  // Closes what idled too long; called every second.
  void Sweep();
  void CountFailure(uint32_t pool_index, exchange::UpstreamFailure failure);
  void CountRetry(const model::Provider& provider, size_t reason);

  DnsCache& dns() { return dns_; }
  size_t connection_count() const { return all_.size(); }
  size_t idle_count() const;
  size_t idle_to(const model::Provider& provider) { return targets_[TargetOf(provider)]->idle.size(); }

 private:
  struct Target {
    std::string host;
    uint16_t port = 0;
    bool tls = false;
    std::string ca_file;
    uint32_t generation = 0;
    ProviderMetrics* metrics = nullptr;
    std::vector<UpstreamConnection*> idle;  // the warmest last
  };
  uint32_t TargetOf(const model::Provider& provider);
  absl::StatusOr<std::shared_ptr<tls::ClientContext>> Trust(const std::string& ca_file);

  LoopState& loop_;
  DnsCache dns_;
  std::vector<std::unique_ptr<Target>> targets_;  // the admin's, the peer's, then by slot
  std::shared_ptr<tls::ClientContext> peer_trust_;
  std::vector<std::unique_ptr<UpstreamConnection>> all_;
  StringMap<std::shared_ptr<tls::ClientContext>> trust_;
};

}  // namespace aurora::server
