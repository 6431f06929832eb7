// Exit codes scripts rely on (docs product contract, aurora-ctl) and how a gRPC answer becomes one.
// Source: ours. Thread: stateless. Invariant: a number never changes its meaning.
#pragma once

#include <string>

#include <grpcpp/support/status.h>

namespace aurora::ctl {

enum ExitCode : int {
  kOk = 0,
  kError = 1,
  kUsage = 2,
  kUnreachable = 3,
  kForbidden = 4,
  kNotFound = 5,
  kConflict = 6,
  kUnhealthy = 7,
  kPartial = 8,
  kDiff = 9,
};

ExitCode ExitCodeOf(const grpc::Status& status);

// The message and what to do next, without a line break at the end.
std::string Explain(const grpc::Status& status, const std::string& address);

}  // namespace aurora::ctl
