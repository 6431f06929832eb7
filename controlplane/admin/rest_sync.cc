// The routes of replication: how far everybody is, rows written in two places at once, and `sync verify`.
#include <array>
#include <utility>

#include <nlohmann/json.hpp>

#include "controlplane/admin/rest_routes.h"

namespace aurora::admin::rest {
namespace {

using http::Method;

void Conflicts(Call call) {
  v1::ListSyncConflictsRequest request;
  if (const absl::Status status = Page(call, &request); !status.ok()) {
    Fail(call, status);
    return;
  }
  Show<v1::ListSyncConflictsRequest, v1::ListSyncConflictsResponse>(call, request);
}

void VerifySync(Call call) {
  if (v1::VerifySyncRequest request; OptionalBody(call, &request)) {
    Show<v1::VerifySyncRequest, v1::VerifySyncResponse>(call, request);
  }
}

constexpr std::array kSyncRoutes = {
    Route{Method::kGet, "sync/status", "", ShowOrOff<v1::GetSyncStatusRequest, v1::GetSyncStatusResponse>},
    Route{Method::kGet, "sync/conflicts", kPageParameters, Conflicts},
    Route{Method::kPost, "sync/verify", "", VerifySync},
};

}  // namespace

std::span<const Route> SyncRoutes() {
  return kSyncRoutes;
}

}  // namespace aurora::admin::rest
