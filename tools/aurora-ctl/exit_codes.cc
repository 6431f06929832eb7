#include "tools/aurora-ctl/exit_codes.h"

namespace aurora::ctl {
namespace {

// A node that was reached and cannot do it now says so with details; the client library's own words have none.
bool FromTheNode(const grpc::Status& status) { return !status.error_details().empty(); }

bool Has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

std::string WhyUnreachable(const std::string& message) {
  if (Has(message, "http1.x server")) {
    return "that port speaks HTTP, want the admin gRPC port (admin.grpc_listen, 7948)";
  }
  if (Has(message, "handshake failed")) {
    return "--ca-cert turns TLS on: leave it out if admin.tls is not set there, else give the CA of its certificate";
  }
  if (Has(message, "Socket closed")) {
    return "if admin.tls is set there, give the CA of its certificate with --ca-cert";
  }
  if (Has(message, "Permission denied")) {
    return "the socket is for the node's own user and root: become one of them, or name HOST:PORT with --addr";
  }
  return "check that aurora-controlplane runs there, or name another with --addr";
}

}  // namespace

ExitCode ExitCodeOf(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::OK:
      return kOk;
    case grpc::StatusCode::UNAVAILABLE:
      return FromTheNode(status) ? kUnhealthy : kUnreachable;
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
      return "cannot reach the control plane at " + address + ": " + message + "; " + WhyUnreachable(message);
    case kUnhealthy:
      return message + (Has(message, "; ") ? "" : "; try again in a moment");
    case kForbidden:
      return message +
             "; give the admin token with --token-file or AURORA_CTL_TOKEN (AURORA_MASTER_KEY of "
             "the node), "
             "or use the local socket";
    case kNotFound:
      return message + "; the list command shows what there is";
    case kConflict:
      if (status.error_code() == grpc::StatusCode::FAILED_PRECONDITION) {
        // These mostly say what to do.
        const bool told = Has(message, "; ") || Has(message, ": ");
        return message + (told ? "" : "; `aurora-ctl status` shows how the node stands");
      }
      return message + "; look at the current state with get, then try again";
    default:
      return message + (status.error_code() == grpc::StatusCode::INVALID_ARGUMENT
                            ? "; correct the value and try again"
                            : "; the control plane's log says more");
  }
}

}  // namespace aurora::ctl
