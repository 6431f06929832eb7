#include "tools/aurora-ctl/exit_codes.h"

namespace aurora::ctl {

ExitCode ExitCodeOf(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::OK:
      return kOk;
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return kUnreachable;
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::PERMISSION_DENIED:
      return kForbidden;
    case grpc::StatusCode::NOT_FOUND:
      return kNotFound;
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::FAILED_PRECONDITION:
      return kConflict;
    default:
      return kError;
  }
}

std::string Explain(const grpc::Status& status, const std::string& address) {
  const std::string& message = status.error_message();
  switch (ExitCodeOf(status)) {
    case kUnreachable:
      return "cannot reach the control plane at " + address + ": " + message +
             "; check that aurora-controlplane runs there, or name another with --addr";
    case kForbidden:
      return message +
             "; give the admin token with --token-file or AURORA_CTL_TOKEN (AURORA_MASTER_KEY of "
             "the node), "
             "or use the local socket";
    case kNotFound:
      return message + "; the list command shows what there is";
    case kConflict:
      return message + "; look at the current state with get, then try again";
    default:
      return message + (status.error_code() == grpc::StatusCode::INVALID_ARGUMENT
                            ? "; correct the value and try again"
                            : "; the control plane's log says more");
  }
}

}  // namespace aurora::ctl
