// What the REST routes and the face share: one request on its way, its route, and how statuses
// become bodies. Source: product contract, admin REST. Internal to controlplane/admin. Thread:
// parsing on the control loop; `finish` from any thread, exactly once.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "controlplane/admin/handlers.h"
#include "shared/base/status.h"
#include "shared/http/message.h"
#include "shared/httpd/server.h"

namespace aurora::admin::rest {

struct Call {
  Handlers* handlers = nullptr;
  const kinds::Kind* kind = nullptr;  // the route's
  Caller caller;
  std::string id;  // what the route's last part captured, percent-decoded
  std::map<std::string, std::string> query;
  std::string body;
  std::function<void(httpd::Response)> finish;
  std::function<httpd::Response(const absl::Status&)> error;
};

inline void Fail(const Call& call, const absl::Status& status) {
  call.finish(call.error(status));
}

struct Route {
  http::Method method;
  // Below /admin/api/v1/. ":x" takes one part, "*x" everything up to what follows it ('/'
  // included).
  std::string_view pattern;
  std::string_view query;  // the parameters it knows, separated by spaces
  void (*run)(Call call);
  const kinds::Kind* kind = nullptr;  // of a route that kinds share
};

std::span<const Route> Routes();
std::span<const Route> BackupRoutes();
std::span<const Route> LogRoutes();
std::span<const Route> SyncRoutes();

// Whether `path` (still encoded, below the prefix) fits `pattern`; `captured` stays encoded.
bool Matches(std::string_view pattern, std::string_view path, std::string_view* captured);
// InvalidArgument for a '%' without two hex digits, or a NUL.
absl::StatusOr<std::string> PercentDecode(std::string_view text, bool plus_is_space);

// `known`: parameter names separated by spaces. InvalidArgument naming one that is unknown or twice.
absl::StatusOr<std::map<std::string, std::string>> ParseQuery(std::string_view query,
                                                              std::string_view known);

struct Failure {
  int status;
  std::string_view type;
  std::string_view code;
};
// `store_open`: a refusal of a store that is not open is 503, one that read-only data causes is
// 409.
Failure FailureOf(absl::StatusCode code, bool store_open);
httpd::Response ErrorResponse(const Failure& failure, std::string_view message,
                              std::string_view param);
// The two together; the field an InvalidArgument begins with becomes `param`.
httpd::Response ErrorResponse(const absl::Status& status, bool store_open);

}  // namespace aurora::admin::rest
