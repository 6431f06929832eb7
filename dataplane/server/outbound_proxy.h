// OutboundProxy: whether a provider is reached through HTTPS_PROXY/HTTP_PROXY, and how.
// Source: curl's conventions for the three variables (there is no RFC); CONNECT is RFC 9110 §9.3.6.
// Thread: immutable after construction. Errors: InvalidArgument for a value that is no http:// URL.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/model/types.h"
#include "shared/config/config.h"

namespace aurora::server {

struct ProxyServer {
  std::string host;
  uint16_t port = 0;
  std::string authorization_line;  // "Proxy-Authorization: Basic …\r\n" or ""
};

class OutboundProxy {
 public:
  static absl::StatusOr<OutboundProxy> Create(const config::OutboundProxy& settings);

  // Null = connect directly.
  const ProxyServer* For(const model::Provider& provider) const;

 private:
  bool Excluded(std::string_view host, uint16_t port) const;

  std::optional<ProxyServer> https_;
  std::optional<ProxyServer> http_;
  std::vector<std::string> exclusions_;  // lower case, without a leading dot; "*" = everything
};

}  // namespace aurora::server
