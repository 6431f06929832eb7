#include "controlplane/admin/cluster_api.h"
#include "controlplane/admin/handlers.h"
#include "shared/base/status.h"

namespace aurora::admin {
namespace {

absl::Status Off() {
  return FailedPrecondition("clustering is off on this node: set cluster.enabled = true and restart");
}

}  // namespace

void Handlers::Handle(const Caller&, const v1::GetClusterStatusRequest&, Reply<v1::GetClusterStatusResponse> reply) {
  if (deps_.cluster == nullptr) {
    reply(v1::GetClusterStatusResponse());
    return;
  }
  deps_.cluster->Status(std::move(reply));
}

void Handlers::Handle(const Caller&, const v1::ListNodesRequest&, Reply<v1::ListNodesResponse> reply) {
  if (deps_.cluster == nullptr) {
    reply(v1::ListNodesResponse());
    return;
  }
  deps_.cluster->Nodes(std::move(reply));
}

void Handlers::Handle(const Caller& c, const v1::RemoveNodeRequest& r, Reply<v1::RemoveNodeResponse> reply) {
  if (deps_.cluster == nullptr) {
    reply(Off());
    return;
  }
  if (r.node_id().empty()) {
    reply(InvalidArgument("node_id: is empty; `nodes list` shows them"));
    return;
  }
  deps_.cluster->Remove(c.actor, r.node_id(), std::move(reply));
}

void Handlers::Handle(const Caller&, const v1::ListGossipKeysRequest&, Reply<v1::ListGossipKeysResponse> reply) {
  if (deps_.cluster == nullptr) {
    reply(Off());
    return;
  }
  deps_.cluster->Keys(std::move(reply));
}

void Handlers::Handle(const Caller& c, const v1::InstallGossipKeyRequest& r,
                      Reply<v1::InstallGossipKeyResponse> reply) {
  if (deps_.cluster == nullptr) {
    reply(Off());
    return;
  }
  deps_.cluster->InstallKey(c.actor, r.key(), std::move(reply));
}

void Handlers::Handle(const Caller& c, const v1::UseGossipKeyRequest& r, Reply<v1::UseGossipKeyResponse> reply) {
  if (deps_.cluster == nullptr) {
    reply(Off());
    return;
  }
  deps_.cluster->UseKey(c.actor, r.fingerprint(), std::move(reply));
}

void Handlers::Handle(const Caller& c, const v1::RemoveGossipKeyRequest& r,
                      Reply<v1::RemoveGossipKeyResponse> reply) {
  if (deps_.cluster == nullptr) {
    reply(Off());
    return;
  }
  deps_.cluster->RemoveKey(c.actor, r.fingerprint(), std::move(reply));
}

}  // namespace aurora::admin
