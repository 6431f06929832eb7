// What the files of REST routes share: reading parameters and bodies, and an answer in JSON. Internal to
// controlplane/admin.
// Source: product contract, admin REST. Thread: as rest_call.h. Errors: InvalidArgument naming the
// parameter.
#pragma once

#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "controlplane/admin/rest_call.h"
#include "shared/protojson/protojson.h"

namespace aurora::admin::rest {

inline constexpr std::string_view kPageParameters = "page_size page_token";
inline constexpr std::string_view kWriteParameters = "wait timeout_ms";

inline httpd::Response JsonResponse(int status, const nlohmann::ordered_json& body) {
  httpd::Response response;
  response.status = status;
  response.content_type = "application/json";
  response.body = body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  return response;
}

// Leaves `out` alone when there is no such parameter.
absl::Status Number(const Call& call, const std::string& name, int64_t most, int64_t* out);
absl::Status Options(const Call& call, v1::WriteOptions* options);

template <class Request>
absl::Status Page(const Call& call, Request* request) {
  int64_t size = 0;
  AURORA_RETURN_IF_ERROR(Number(call, "page_size", 1000, &size));
  request->set_page_size(static_cast<int32_t>(size));
  if (const auto token = call.query.find("page_token"); token != call.query.end()) {
    request->set_page_token(token->second);
  }
  return absl::OkStatus();
}

// An empty body is one without fields. False: answered.
template <class Request>
bool OptionalBody(const Call& call, Request* request) {
  const absl::Status status =
      call.body.empty() ? absl::OkStatus() : protojson::FromJsonText(call.body, request).status();
  if (!status.ok()) {
    Fail(call, status);
  }
  return status.ok();
}

// `show` turns the handler's answer into the response.
template <class Request, class Response, class Shown>
void Run(const Call& call, const Request& request, Shown show) {
  call.handlers->Handle(call.caller, request, Reply<Response>([call, show](absl::StatusOr<Response> answer) {
                          call.finish(answer.ok() ? show(*answer) : call.error(answer.status()));
                        }));
}

// The whole message.
template <class Request, class Response>
void Show(const Call& call, const Request& request) {
  Run<Request, Response>(call, request, [](const Response& answer) {
    return JsonResponse(200, protojson::ToJson(answer));
  });
}

// Of a cluster: with clustering off the body is `enabled` alone.
template <class Request, class Response>
void ShowOrOff(Call call) {
  Run<Request, Response>(call, Request(), [](const Response& answer) {
    return JsonResponse(200, answer.enabled() ? protojson::ToJson(answer) : nlohmann::ordered_json{{"enabled", false}});
  });
}

// One table per face; `kinds` outlives it. The routes stay where they are.
class EntityRoutes {
 public:
  explicit EntityRoutes(std::span<const kinds::Kind> kinds);
  std::span<const Route> routes() const { return routes_; }

 private:
  void Add(const kinds::Kind& kind);

  std::deque<std::string> patterns_;
  std::vector<Route> routes_;
};

}  // namespace aurora::admin::rest
