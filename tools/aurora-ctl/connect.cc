#include "tools/aurora-ctl/connect.h"

#include <unistd.h>

#include "shared/base/status.h"
#include "shared/config/hostport.h"
#include "shared/config/toml_file.h"
#include "shared/config/value.h"
#include "tools/aurora-ctl/contexts.h"

namespace aurora::ctl {

std::string Variable(const Session& session, const std::string& name) {
  const auto at = session.environment.find(name);
  return at == session.environment.end() ? "" : at->second;
}

namespace {

constexpr const char* kLocalSocket = "/run/aurora/admin/control.sock";
constexpr const char* kDefaultAddress = "127.0.0.1:7948";
constexpr const char* kTimeout = "10s";
constexpr const char* kLongTimeout = "10m";

// Flag, else environment, else context. A context is whole: an address from elsewhere leaves its token
// out, so no token goes to a host that it was not meant for.
absl::Status FromContext(const Session& session, Globals& globals) {
  std::string name = globals.context.empty() ? Variable(session, "AURORA_CTL_CONTEXT") : globals.context;
  if (!globals.addr.empty() || (globals.context.empty() && !Variable(session, "AURORA_CTL_ADDR").empty())) {
    return globals.context.empty() ? absl::OkStatus()
                                   : InvalidArgument("--context and --addr: want one of them");
  }
  AURORA_ASSIGN_OR_RETURN(const Contexts contexts, LoadContexts(session.environment));
  name = name.empty() ? contexts.current : name;
  if (name.empty()) {
    return absl::OkStatus();
  }
  const auto found = contexts.all.find(name);
  if (found == contexts.all.end()) {
    return InvalidArgument("--context: no context " + config::Quoted(name) + " in " + contexts.path);
  }
  globals.addr = found->second.addr;
  if (globals.token.empty() && globals.token_file.empty() &&
      Variable(session, "AURORA_CTL_TOKEN").empty() &&
      Variable(session, "AURORA_CTL_TOKEN_FILE").empty()) {
    globals.token_file = found->second.token_file;
  }
  if (globals.ca_cert.empty()) {
    globals.ca_cert = found->second.ca_cert;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ClientOptions> Connect(const Session& session, Globals globals, bool slow) {
  ClientOptions out;
  AURORA_RETURN_IF_ERROR(FromContext(session, globals));
  out.address = globals.addr.empty() ? Variable(session, "AURORA_CTL_ADDR") : globals.addr;
  if (out.address.empty()) {
    out.address =
        ::access(kLocalSocket, F_OK) == 0 ? std::string("unix://") + kLocalSocket : kDefaultAddress;
  }
  const bool socket = out.address.starts_with("unix://");
  const auto at = config::ParseHostPort(out.address, "");
  if (!socket && (!at.ok() || at->host.empty())) {
    return InvalidArgument("--addr: " + config::Quoted(out.address) +
                           " is no address, want HOST:PORT or unix://PATH");
  }
  if (socket && !out.address.starts_with("unix:///")) {
    return InvalidArgument("--addr: " + config::Quoted(out.address) +
                           ": want an absolute path, unix:///PATH");
  }
  if (globals.timeout.empty()) {
    globals.timeout = slow ? kLongTimeout : kTimeout;
  }
  const auto timeout = config::ParseDuration(globals.timeout);
  if (!timeout.has_value() || timeout->millis() < 1) {
    return InvalidArgument("--timeout: " + config::Quoted(globals.timeout) +
                           " is no span, want such as 10s");
  }
  out.timeout_ms = timeout->millis();
  std::string token = globals.token.empty() ? Variable(session, "AURORA_CTL_TOKEN") : globals.token;
  const std::string file = globals.token_file.empty() && token.empty()
                               ? Variable(session, "AURORA_CTL_TOKEN_FILE")
                               : globals.token_file;
  if (!file.empty()) {
    auto text = config::ReadFile(file, config::kMaxSecretFileBytes);
    if (!text.ok()) {
      return WithContext("--token-file: " + file, text.status());
    }
    token = std::string(config::Trim(*text));
  }
  for (const char c : token) {
    if (c <= ' ' || c > '~') {
      return InvalidArgument(
          "the token has a character that no token has; want printable ASCII without spaces");
    }
  }
  out.token = crypto::Secret::Take(token);
  if (!globals.ca_cert.empty()) {
    auto pem = config::ReadFile(globals.ca_cert, config::kMaxConfigBytes);
    if (!pem.ok()) {
      return WithContext("--ca-cert: " + globals.ca_cert, pem.status());
    }
    if (pem->find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
      return InvalidArgument("--ca-cert: " + globals.ca_cert + " holds no PEM certificate");
    }
    out.ca_pem = *std::move(pem);
  }
  return out;
}

}  // namespace aurora::ctl
