// The routes of backups.
#include <array>
#include <utility>

#include <nlohmann/json.hpp>

#include "controlplane/admin/rest_routes.h"

namespace aurora::admin::rest {
namespace {

using http::Method;
using Json = nlohmann::ordered_json;

// A file that is damaged is neither the caller's nor the store's fault.
httpd::Response FailureOfFile(const Call& call, const absl::Status& status) {
  return absl::IsDataLoss(status)
             ? ErrorResponse({422, "invalid_request_error", "backup_damaged"}, Std(status.message()), "")
             : call.error(status);
}

template <class Request, class Response, class Show>
void RunOnFile(const Call& call, const Request& request, Show show) {
  call.handlers->Handle(call.caller, request, Reply<Response>([call, show](absl::StatusOr<Response> answer) {
                          call.finish(answer.ok() ? show(*answer) : FailureOfFile(call, answer.status()));
                        }));
}

void Create(Call call) {
  v1::CreateBackupRequest request;
  if (OptionalBody(call, &request)) {
    RunOnFile<v1::CreateBackupRequest, v1::CreateBackupResponse>(
        call, request, [](const auto& r) { return JsonResponse(201, protojson::ToJson(r.backup())); });
  }
}

void List(Call call) {
  RunOnFile<v1::ListBackupsRequest, v1::ListBackupsResponse>(
      call, {}, [](const auto& r) { return JsonResponse(200, protojson::ToJson(r)); });
}

void VerifyBackup(Call call) {
  v1::VerifyBackupRequest request;
  request.set_name(call.id);
  RunOnFile<v1::VerifyBackupRequest, v1::VerifyBackupResponse>(
      call, request, [](const auto& r) { return JsonResponse(200, protojson::ToJson(r.backup())); });
}

void Restore(Call call) {
  v1::RestoreBackupRequest request;
  if (!OptionalBody(call, &request)) {
    return;
  }
  if (!request.name().empty() && request.name() != call.id) {
    Fail(call, InvalidArgument("name: differs from the one in the path"));
    return;
  }
  request.set_name(call.id);
  RunOnFile<v1::RestoreBackupRequest, v1::RestoreBackupResponse>(
      call, request, [](const auto& r) { return JsonResponse(200, protojson::ToJson(r)); });
}

void Delete(Call call) {
  v1::DeleteBackupRequest request;
  request.set_name(call.id);
  RunOnFile<v1::DeleteBackupRequest, v1::DeleteBackupResponse>(
      call, request, [](const auto& r) { return JsonResponse(200, protojson::ToJson(r)); });
}

constexpr std::array kBackupRoutes = {
    Route{Method::kGet, "backups", "", List},
    Route{Method::kPost, "backups", "", Create},
    Route{Method::kDelete, "backups/:name", "", Delete},
    Route{Method::kPost, "backups/:name/verify", "", VerifyBackup},
    Route{Method::kPost, "backups/:name/restore", "", Restore},
};

}  // namespace

std::span<const Route> BackupRoutes() {
  return kBackupRoutes;
}

}  // namespace aurora::admin::rest
