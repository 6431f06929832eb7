// Status helpers: constructors that take std::string_view, and the two propagation macros.
// Source: ours. Debian's absl::string_view is not std::string_view (docs/adr/0004), so this header
// is the bridge. Thread: stateless.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace aurora {

inline absl::string_view Absl(std::string_view s) {
  return {s.data(), s.size()};
}
inline std::string_view Std(absl::string_view s) {
  return {s.data(), s.size()};
}

inline absl::Status InvalidArgument(std::string_view m) {
  return absl::InvalidArgumentError(Absl(m));
}
inline absl::Status NotFound(std::string_view m) {
  return absl::NotFoundError(Absl(m));
}
inline absl::Status AlreadyExists(std::string_view m) {
  return absl::AlreadyExistsError(Absl(m));
}
inline absl::Status FailedPrecondition(std::string_view m) {
  return absl::FailedPreconditionError(Absl(m));
}
inline absl::Status ResourceExhausted(std::string_view m) {
  return absl::ResourceExhaustedError(Absl(m));
}
inline absl::Status Unavailable(std::string_view m) {
  return absl::UnavailableError(Absl(m));
}
inline absl::Status DataLoss(std::string_view m) {
  return absl::DataLossError(Absl(m));
}
inline absl::Status Internal(std::string_view m) {
  return absl::InternalError(Absl(m));
}
inline absl::Status Unauthenticated(std::string_view m) {
  return absl::UnauthenticatedError(Absl(m));
}
inline absl::Status PermissionDenied(std::string_view m) {
  return absl::PermissionDeniedError(Absl(m));
}

// Adds context once per layer: WithContext("loading x", status) -> "loading x: <message>", same
// code.
inline absl::Status WithContext(std::string_view context, const absl::Status& status) {
  if (status.ok()) {
    return status;
  }
  std::string message(context);
  message += ": ";
  message += Std(status.message());
  return absl::Status(status.code(), message);
}

}  // namespace aurora

#define AURORA_CONCAT_INNER(a, b) a##b
#define AURORA_CONCAT(a, b) AURORA_CONCAT_INNER(a, b)

// __COUNTER__, not __LINE__: two on one line must not collide.
#define AURORA_RETURN_IF_ERROR(expr) \
  AURORA_RETURN_IF_ERROR_IMPL(AURORA_CONCAT(aurora_status_, __COUNTER__), expr)
#define AURORA_RETURN_IF_ERROR_IMPL(name, expr) \
  do {                                          \
    if (auto name = (expr); !name.ok()) {       \
      return name;                              \
    }                                           \
  } while (false)

#define AURORA_ASSIGN_OR_RETURN(lhs, expr) \
  AURORA_ASSIGN_OR_RETURN_IMPL(AURORA_CONCAT(aurora_statusor_, __COUNTER__), lhs, expr)
#define AURORA_ASSIGN_OR_RETURN_IMPL(name, lhs, expr) \
  auto name = (expr);                                 \
  if (!name.ok()) {                                   \
    return name.status();                             \
  }                                                   \
  lhs = *std::move(name)
