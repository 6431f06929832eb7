#include "controlplane/admin/call_counts.h"

namespace aurora::admin {
namespace {

// As gRPC spells them in metrics, not as absl does.
std::string_view CodeName(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return "OK";
    case absl::StatusCode::kCancelled:
      return "Canceled";
    case absl::StatusCode::kInvalidArgument:
      return "InvalidArgument";
    case absl::StatusCode::kDeadlineExceeded:
      return "DeadlineExceeded";
    case absl::StatusCode::kNotFound:
      return "NotFound";
    case absl::StatusCode::kAlreadyExists:
      return "AlreadyExists";
    case absl::StatusCode::kPermissionDenied:
      return "PermissionDenied";
    case absl::StatusCode::kResourceExhausted:
      return "ResourceExhausted";
    case absl::StatusCode::kFailedPrecondition:
      return "FailedPrecondition";
    case absl::StatusCode::kAborted:
      return "Aborted";
    case absl::StatusCode::kOutOfRange:
      return "OutOfRange";
    case absl::StatusCode::kUnimplemented:
      return "Unimplemented";
    case absl::StatusCode::kInternal:
      return "Internal";
    case absl::StatusCode::kUnavailable:
      return "Unavailable";
    case absl::StatusCode::kDataLoss:
      return "DataLoss";
    case absl::StatusCode::kUnauthenticated:
      return "Unauthenticated";
    default:
      return "Unknown";
  }
}

}  // namespace

void CallCounts::Count(std::string_view method, absl::StatusCode code) {
  const std::lock_guard lock(mutex_);
  ++counts_[{std::string(method), std::string(CodeName(code))}];
}

void CallCounts::CollectInto(metrics::Families& families) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, count] : counts_) {
    families.Counter("grpc_server_handled_total", "RPCs answered by the admin service, by code.",
                     {{"grpc_service", "aurora.v1.AdminService"},
                      {"grpc_method", key.first},
                      {"grpc_code", key.second}},
                     static_cast<double>(count));
  }
}

}  // namespace aurora::admin
