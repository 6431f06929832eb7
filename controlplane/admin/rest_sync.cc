// The routes of replication: how far everybody is, rows written in two places at once, and `sync verify`.
#include <array>
#include <utility>

#include <nlohmann/json.hpp>

#include "controlplane/admin/rest_routes.h"

namespace aurora::admin::rest {
namespace {

using http::Method;

template <class Request, class Response>
void Run(const Call& call, const Request& request) {
  call.handlers->Handle(call.caller, request, Reply<Response>([call](absl::StatusOr<Response> answer) {
                          call.finish(answer.ok() ? JsonResponse(200, protojson::ToJson(*answer))
                                                  : call.error(answer.status()));
                        }));
}

// With clustering off the body is `enabled` alone.
void Status(Call call) {
  using Response = v1::GetSyncStatusResponse;
  call.handlers->Handle(call.caller, v1::GetSyncStatusRequest(),
                        Reply<Response>([call](absl::StatusOr<Response> answer) {
                          call.finish(!answer.ok()        ? call.error(answer.status())
                                      : answer->enabled() ? JsonResponse(200, protojson::ToJson(*answer))
                                                          : JsonResponse(200, {{"enabled", false}}));
                        }));
}

void Conflicts(Call call) {
  v1::ListSyncConflictsRequest request;
  if (const absl::Status status = Page(call, &request); !status.ok()) {
    call.finish(call.error(status));
    return;
  }
  Run<v1::ListSyncConflictsRequest, v1::ListSyncConflictsResponse>(call, request);
}

// An empty body is one without fields.
void Verify(Call call) {
  v1::VerifySyncRequest request;
  const absl::Status status =
      call.body.empty() ? absl::OkStatus() : protojson::FromJsonText(call.body, &request).status();
  if (!status.ok()) {
    call.finish(call.error(status));
    return;
  }
  Run<v1::VerifySyncRequest, v1::VerifySyncResponse>(call, request);
}

constexpr std::array kSyncRoutes = {
    Route{Method::kGet, "sync/status", "", Status},
    Route{Method::kGet, "sync/conflicts", kPageParameters, Conflicts},
    Route{Method::kPost, "sync/verify", "", Verify},
};

}  // namespace

std::span<const Route> SyncRoutes() {
  return kSyncRoutes;
}

}  // namespace aurora::admin::rest
