// Endpoints: which paths the client API has, and what each needs.
// Source: product.md §3. Thread: constant tables. Errors: null for a path that is not ours.
#pragma once

#include <string_view>

#include "dataplane/model/usage_record.h"
#include "shared/http/message.h"

namespace aurora::exchange {

enum class Handling : uint8_t { kRelay, kModels, kPassthrough, kUnsupported };

struct EndpointInfo {
  std::string_view path;       // the whole path, or its prefix
  bool prefix = false;
  model::Endpoint endpoint = model::Endpoint::kOther;
  Handling handling = Handling::kRelay;
  std::string_view operation;  // what follows the provider's base path
  std::string_view allow;      // the methods, as the Allow header says them; "" = any
  model::Dialect dialect = model::Dialect::kOpenAi;  // of the caller, and so of its errors
};

const EndpointInfo* FindEndpoint(std::string_view path);
bool MethodAllowed(const EndpointInfo& info, http::Method method);
// Whether errors on this path have the Anthropic shape.
model::Dialect DialectOfPath(std::string_view path);

}  // namespace aurora::exchange
