#include "dataplane/server/upstream_pool.h"

#include <algorithm>
#include <utility>

#include "dataplane/server/loop_failover.h"
#include "shared/log/log.h"

namespace aurora::server {

UpstreamPool::~UpstreamPool() {
  for (const auto& connection : all_) {
    connection->Shut();
  }
}

uint32_t UpstreamPool::TargetOf(const model::Provider& provider) {
  const uint32_t index = provider.slot == model::kNoSlot ? 0 : provider.slot == kPeerSlot ? 1 : provider.slot + 2;
  if (index >= targets_.size()) {
    targets_.resize(index + 1);
  }
  if (targets_[index] == nullptr) {
    targets_[index] = std::make_unique<Target>();
    if (index > 1) {
      targets_[index]->metrics = &loop_.metrics.Provider(provider);
    }
  }
  Target& target = *targets_[index];
  if (target.host != provider.host || target.port != provider.port || target.tls != provider.tls ||
      target.ca_file != provider.ca_file) [[unlikely]] {
    target.host = provider.host;
    target.port = provider.port;
    target.tls = provider.tls;
    target.ca_file = provider.ca_file;
    ++target.generation;
    while (!target.idle.empty()) {
      Close(*target.idle.back());
    }
  }
  return index;
}

absl::StatusOr<std::shared_ptr<tls::ClientContext>> UpstreamPool::Trust(
    const std::string& ca_file) {
  if (const auto known = trust_.find(ca_file); known != trust_.end()) {
    return known->second;
  }
  auto made = tls::ClientContext::Create({.ca_file = ca_file});
  if (!made.ok()) {
    return made.status();
  }
  trust_[ca_file] = *made;
  return *std::move(made);
}

void UpstreamPool::Prepare(const model::Catalog& catalog) {
  for (const model::Provider& provider : catalog.providers) {
    if (provider.tls) {
      if (const auto context = Trust(provider.ca_file); !context.ok()) {
        log::Error("cannot set up TLS for a provider",
                   {{"provider", provider.name}, {"error", context.status()}});
      }
    }
  }
}

UpstreamConnection* UpstreamPool::Take(const model::Provider& provider, bool fresh,
                                       UpstreamUser& user, bool* reused, std::string* problem) {
  *reused = false;
  const uint32_t index = TargetOf(provider);
  Target& target = *targets_[index];
  // What is sent to a node that died may not be sent again, so no request is risked on a connection whose end is here.
  while (provider.slot == kPeerSlot && !target.idle.empty() && target.idle.back()->ended()) {
    Close(*target.idle.back());
  }
  if (!fresh && !target.idle.empty()) {
    UpstreamConnection* connection = target.idle.back();
    target.idle.pop_back();
    connection->Lease(user);
    *reused = true;
    if (target.metrics != nullptr) {
      target.metrics->connections_reused.Add();
    }
    return connection;
  }
  std::shared_ptr<tls::ClientContext> trust;
  if (provider.slot == kPeerSlot) {
    trust = peer_trust_;
    if (provider.tls && trust == nullptr) {
      *problem = "cluster.tls is not loaded";
      return nullptr;
    }
  } else if (provider.tls) {
    auto context = Trust(provider.ca_file);
    if (!context.ok()) {
      *problem = Std(context.status().message());
      return nullptr;
    }
    trust = *std::move(context);
  }
  if (target.metrics != nullptr) {
    target.metrics->connections_opened.Add();
  }
  all_.push_back(std::make_unique<UpstreamConnection>(loop_, *this, index));
  UpstreamConnection& connection = *all_.back();
  connection.owner_index_ = static_cast<uint32_t>(all_.size() - 1);
  connection.generation_ = target.generation;
  connection.Start(provider, user, std::move(trust));
  return &connection;
}

void UpstreamPool::Release(UpstreamConnection& connection) {
  Target& target = *targets_[connection.pool_index()];
  if (connection.generation_ != target.generation ||
      target.idle.size() >= loop_.options.upstream_idle_max || loop_.draining) {
    Close(connection);
    return;
  }
  connection.Idle();
  target.idle.push_back(&connection);
}

void UpstreamPool::Close(UpstreamConnection& connection) {
  if (connection.state_ == UpstreamConnection::State::kClosed) {
    return;
  }
  if (connection.state_ == UpstreamConnection::State::kIdle) {
    auto& idle = targets_[connection.pool_index()]->idle;
    idle.erase(std::find(idle.begin(), idle.end(), &connection));
  }
  connection.Shut();
  const uint32_t hole = connection.owner_index_;
  std::unique_ptr<UpstreamConnection> gone = std::move(all_[hole]);
  if (hole + 1 != all_.size()) {
    all_[hole] = std::move(all_.back());
    all_[hole]->owner_index_ = hole;
  }
  all_.pop_back();
  loop_.loop.Retire(std::move(gone));
}

void UpstreamPool::Sweep() {
  const Instant oldest = loop_.context.now - loop_.options.upstream_idle_timeout;
  for (const auto& target : targets_) {
    while (target != nullptr && !target->idle.empty() &&
           target->idle.front()->idle_since() < oldest) {
      Close(*target->idle.front());
    }
  }
}

void UpstreamPool::CountFailure(uint32_t pool_index, exchange::UpstreamFailure failure) {
  if (ProviderMetrics* metrics = targets_[pool_index]->metrics; metrics != nullptr) {
    metrics->connect_failures[static_cast<size_t>(failure)].Add();
  }
}

void UpstreamPool::CountRetry(const model::Provider& provider, size_t reason) {
  loop_.metrics.Provider(provider).retries[reason].Add();
}

size_t UpstreamPool::idle_count() const {
  size_t count = 0;
  for (const auto& target : targets_) {
    count += target == nullptr ? 0 : target->idle.size();
  }
  return count;
}

}  // namespace aurora::server
