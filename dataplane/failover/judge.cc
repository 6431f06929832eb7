#include "dataplane/failover/judge.h"

#include "dataplane/exchange/tools.h"
#include "dataplane/policy/authenticate.h"
#include "shared/http/url.h"

namespace aurora::failover {

Caller CallerOf(const http::Head& head) {
  const std::string_view path = http::PathOf(head.target);
  Caller caller;
  caller.dialect = exchange::DialectOfPath(path);
  if (const exchange::EndpointInfo* info = exchange::FindEndpoint(path); info != nullptr) {
    caller.endpoint = info->endpoint;
  }
  return caller;
}

std::optional<Caller> Judge(const http::Head& head, const exchange::Context& context) {
  const exchange::EndpointInfo* info = exchange::FindEndpoint(http::PathOf(head.target));
  if (info == nullptr || !exchange::MethodAllowed(*info, head.method) ||
      context.admission == exchange::Admission::kStale) {
    return std::nullopt;
  }
  if (context.admission == exchange::Admission::kUnsynced) {
    return CallerOf(head);
  }
  if (context.snapshot == nullptr || context.snapshot->catalog == nullptr) {
    return std::nullopt;
  }
  const policy::AuthResult auth =
      policy::Authenticate(head, *context.snapshot, context.tools->sha256, context.unix_us / 1000);
  if (auth.error != policy::AuthError::kNone) {
    return std::nullopt;
  }
  Caller caller = CallerOf(head);
  caller.sha256 = auth.secret->sha256;
  caller.authenticated = true;
  caller.key_id = auth.secret->key->id;
  return caller;
}

}  // namespace aurora::failover
