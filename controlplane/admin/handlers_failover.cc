// Failover, drain and voters: the cluster does it, or there is none.
#include "controlplane/admin/cluster_api.h"
#include "controlplane/admin/handlers.h"
#include "shared/base/status.h"

namespace aurora::admin {
namespace {

template <class Response, class F>
void WithCluster(ClusterApi* cluster, Reply<Response> reply, F&& call) {
  if (cluster == nullptr) {
    reply(FailedPrecondition("clustering is off on this node: set cluster.enabled = true and restart"));
    return;
  }
  std::forward<F>(call)(*cluster, std::move(reply));
}

}  // namespace

void Handlers::Handle(const Caller&, const v1::GetFailoverStatusRequest&, Reply<v1::GetFailoverStatusResponse> reply) {
  if (deps_.cluster == nullptr) {
    reply(v1::GetFailoverStatusResponse());
    return;
  }
  deps_.cluster->FailoverStatus(std::move(reply));
}

void Handlers::Handle(const Caller& c, const v1::TransferLeadershipRequest& r,
                      Reply<v1::TransferLeadershipResponse> reply) {
  constexpr int64_t kTimeoutMaxMs = 60'000;
  if (r.timeout_ms() < 0 || r.timeout_ms() > kTimeoutMaxMs) {
    reply(InvalidArgument("timeout_ms: " + std::to_string(r.timeout_ms()) + " is not allowed, want 0 to 60000"));
    return;
  }
  WithCluster(deps_.cluster, std::move(reply),
              [&](ClusterApi& cluster, auto to) { cluster.Transfer(c.actor, r, std::move(to)); });
}

void Handlers::Handle(const Caller& c, const v1::DrainNodeRequest& r, Reply<v1::DrainNodeResponse> reply) {
  WithCluster(deps_.cluster, std::move(reply),
              [&](ClusterApi& cluster, auto to) { cluster.Drain(c.actor, r.node_id(), std::move(to)); });
}

void Handlers::Handle(const Caller& c, const v1::UndrainNodeRequest& r, Reply<v1::UndrainNodeResponse> reply) {
  WithCluster(deps_.cluster, std::move(reply),
              [&](ClusterApi& cluster, auto to) { cluster.Undrain(c.actor, r.node_id(), std::move(to)); });
}

void Handlers::Handle(const Caller& c, const v1::AddVotersRequest& r, Reply<v1::AddVotersResponse> reply) {
  WithCluster(deps_.cluster, std::move(reply),
              [&](ClusterApi& cluster, auto to) { cluster.AddVoters(c.actor, r, std::move(to)); });
}

void Handlers::Handle(const Caller& c, const v1::RemoveVotersRequest& r, Reply<v1::RemoveVotersResponse> reply) {
  WithCluster(deps_.cluster, std::move(reply),
              [&](ClusterApi& cluster, auto to) { cluster.RemoveVoters(c.actor, r, std::move(to)); });
}

void Handlers::Handle(const Caller& c, const v1::UnsafeRecoverRequest& r, Reply<v1::UnsafeRecoverResponse> reply) {
  WithCluster(deps_.cluster, std::move(reply),
              [&](ClusterApi& cluster, auto to) { cluster.UnsafeRecover(c.actor, r, std::move(to)); });
}

}  // namespace aurora::admin
