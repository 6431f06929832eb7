// One blocking HTTPS GET, for model discovery only; runs on the discovery thread, never on a loop.
// Source: RFC 9112 through shared/http, TLS through shared/tls. Thread: any, blocks.
// Bounds: 5 s to connect, 10 s in all, 4 MiB of body; redirects are not followed (a provider's base
// URL is exact). Errors: Unavailable (cannot reach, timed out), PermissionDenied (401, 403),
// NotFound (404), Internal (other status), DataLoss (bad framing). Messages name host and status,
// never a header we sent.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "dataplane/model/types.h"

namespace aurora::snapshot {

// The HTTP proxy a provider is reached through: CONNECT for an https one, absolute-form for an http one.
struct Via {
  std::string host;
  uint16_t port = 0;
  std::string authorization_line;  // "Proxy-Authorization: …\r\n" or ""
};

// GET {provider.base_path}{path} with the provider's constant and first credential lines; the body
// of a 200. `via` null = directly.
absl::StatusOr<std::string> Get(const model::Provider& provider, std::string_view path,
                                const Via* via = nullptr);

}  // namespace aurora::snapshot
