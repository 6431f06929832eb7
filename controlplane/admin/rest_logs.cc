// The routes of what was recorded: usage, events, the audit log.
#include <array>
#include <limits>
#include <utility>

#include "controlplane/admin/rest_routes.h"

namespace aurora::admin::rest {
namespace {

using http::Method;

absl::Status Time(const Call& call, const std::string& name,
                  google::protobuf::Timestamp* (*at)(v1::GetUsageSummaryRequest*),
                  v1::GetUsageSummaryRequest* request) {
  const auto found = call.query.find(name);
  if (found == call.query.end()) {
    return absl::OkStatus();
  }
  const absl::StatusOr<protojson::Time> time = protojson::ParseTime(found->second);
  if (!time.ok()) {
    return InvalidArgument(name + ": must be an RFC 3339 time, such as 2026-07-28T10:00:00Z");
  }
  at(request)->set_seconds(time->seconds);
  at(request)->set_nanos(time->nanos);
  return absl::OkStatus();
}

void Summary(const Call& call, const std::string& group_by) {
  using Request = v1::GetUsageSummaryRequest;
  Request request;
  absl::Status status = Time(
      call, "since", [](Request* r) { return r->mutable_since(); }, &request);
  if (status.ok()) {
    status = Time(
        call, "until", [](Request* r) { return r->mutable_until(); }, &request);
  }
  if (!status.ok()) {
    Fail(call, status);
    return;
  }
  request.set_group_by(group_by);
  Show<Request, v1::GetUsageSummaryResponse>(call, request);
}

void UsageSummary(Call call) {
  const auto group = call.query.find("group_by");
  Summary(call, group == call.query.end() ? std::string() : group->second);
}

// The summary under the names of its usual groups.
void UsageDaily(Call call) { Summary(call, "day"); }
void UsageModels(Call call) { Summary(call, "model"); }
void UsageUserPaths(Call call) { Summary(call, "user_path"); }

// A page of a log by sequence number: `bound` is the name of the number it starts at.
template <class Request, class Response, class SetBound>
void LogPage(Call call, const std::string& bound, SetBound set_bound) {
  Request request;
  int64_t at = 0;
  int64_t size = 0;
  absl::Status status = Number(call, bound, std::numeric_limits<int64_t>::max(), &at);
  if (status.ok()) {
    status = Number(call, "page_size", 1000, &size);
  }
  if (!status.ok()) {
    Fail(call, status);
    return;
  }
  set_bound(request, at);
  request.set_page_size(static_cast<int32_t>(size));
  Show<Request, Response>(call, request);
}

void Events(Call call) {
  int64_t last = 0;
  absl::Status status = Number(call, "last", 1000, &last);
  if (status.ok() && last > 0 && call.query.contains("after_seq")) {
    status = InvalidArgument("last: not together with after_seq");
  }
  if (!status.ok()) {
    Fail(call, status);
    return;
  }
  if (last > 0) {
    v1::ListEventsRequest newest;
    newest.set_after_seq(-last);
    newest.set_page_size(static_cast<int32_t>(last));
    Show<v1::ListEventsRequest, v1::ListEventsResponse>(call, newest);
    return;
  }
  LogPage<v1::ListEventsRequest, v1::ListEventsResponse>(
      std::move(call), "after_seq", [](v1::ListEventsRequest& r, int64_t at) { r.set_after_seq(at); });
}

void AuditLog(Call call) {
  LogPage<v1::ListAuditRequest, v1::ListAuditResponse>(
      std::move(call), "before_seq", [](v1::ListAuditRequest& r, int64_t at) { r.set_before_seq(at); });
}

void UsageLog(Call call) {
  v1::ListUsageRequest request;
  if (const absl::Status status = Page(call, &request); !status.ok()) {
    Fail(call, status);
    return;
  }
  Show<v1::ListUsageRequest, v1::ListUsageResponse>(call, request);
}

constexpr std::array kLogRoutes = {
    Route{Method::kGet, "usage/summary", "since until group_by", UsageSummary},
    Route{Method::kGet, "usage/daily", "since until", UsageDaily},
    Route{Method::kGet, "usage/models", "since until", UsageModels},
    Route{Method::kGet, "usage/user-paths", "since until", UsageUserPaths},
    Route{Method::kGet, "usage/log", kPageParameters, UsageLog},
    Route{Method::kGet, "events", "after_seq page_size last", Events},
    Route{Method::kGet, "audit/log", "before_seq page_size", AuditLog},
};

}  // namespace

std::span<const Route> LogRoutes() {
  return kLogRoutes;
}

}  // namespace aurora::admin::rest
