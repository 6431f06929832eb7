// Judge: whether this node can refuse a request by itself, before anybody else is asked to serve it: paths that do not
// exist, keys that do not work, policy that is not here. Source: failover.md section 6 (a bad key is refused at once).
// Thread: pure. Invariant: it refuses what exchange::Exchange refuses before it reads the body, and nothing else, so
// the exchange gives those answers.
#pragma once

#include <optional>
#include <string>

#include "dataplane/exchange/context.h"
#include "dataplane/exchange/endpoints.h"
#include "dataplane/model/types.h"
#include "dataplane/model/usage_record.h"
#include "shared/http/message.h"

namespace aurora::failover {

// Whose request it is, as far as a node needs to know that does not serve it.
struct Caller {
  model::SecretHash sha256{};  // of the credential
  bool authenticated = false;
  model::FixedString<40> key_id;
  model::Dialect dialect = model::Dialect::kOpenAi;
  model::Endpoint endpoint = model::Endpoint::kOther;
};

// Nothing: the exchange will refuse it. Not authenticated: this node has just started and knows no keys yet; whoever
// serves it judges.
std::optional<Caller> Judge(const http::Head& head, const exchange::Context& context);
// Dialect and endpoint only.
Caller CallerOf(const http::Head& head);

}  // namespace aurora::failover
