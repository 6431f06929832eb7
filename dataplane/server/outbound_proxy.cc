#include "dataplane/server/outbound_proxy.h"

#include <algorithm>
#include <cctype>

#include "shared/base/status.h"
#include "shared/crypto/encoding.h"
#include "shared/http/message.h"
#include "shared/http/url.h"

namespace aurora::server {
namespace {

// Loopback providers never go through a proxy unless named: a proxy elsewhere could not reach them.
bool IsLoopback(std::string_view host) {
  return config::IsLoopbackHost(host);
}

absl::StatusOr<std::optional<ProxyServer>> ParseProxy(std::string_view text,
                                                      std::string_view variable) {
  if (text.empty()) {
    return std::optional<ProxyServer>();
  }
  std::string_view rest = text;
  if (const size_t scheme = rest.find("://"); scheme != std::string_view::npos) {
    if (!http::EqualsIgnoreCase(rest.substr(0, scheme), "http")) {
      return InvalidArgument(std::string(variable) + ": only http:// proxies are supported");
    }
    rest.remove_prefix(scheme + 3);
  }
  ProxyServer proxy;
  if (const size_t at = rest.rfind('@'); at != std::string_view::npos) {
    proxy.authorization_line =
        "Proxy-Authorization: Basic " + crypto::Base64Encode(rest.substr(0, at)) + "\r\n";
    rest.remove_prefix(at + 1);
  }
  auto url = http::ParseBaseUrl("http://" + std::string(rest));
  if (!url.ok()) {
    return InvalidArgument(std::string(variable) + " must be http://[user:password@]host:port");
  }
  proxy.host = url->host;
  proxy.port = url->port;
  return std::optional<ProxyServer>(std::move(proxy));
}

}  // namespace

absl::StatusOr<OutboundProxy> OutboundProxy::Create(const config::OutboundProxy& settings) {
  OutboundProxy result;
  AURORA_ASSIGN_OR_RETURN(result.https_, ParseProxy(settings.https_proxy, "HTTPS_PROXY"));
  AURORA_ASSIGN_OR_RETURN(result.http_, ParseProxy(settings.http_proxy, "HTTP_PROXY"));
  std::string item;
  for (const char c : settings.no_proxy + ",") {
    if (c != ',' && c != ' ') {
      item += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!item.empty()) {
      result.exclusions_.push_back(item.front() == '.' ? item.substr(1) : item);
      item.clear();
    }
  }
  return result;
}

bool OutboundProxy::Excluded(std::string_view host, uint16_t port) const {
  const std::string with_port = std::string(host) + ":" + std::to_string(port);
  return std::any_of(exclusions_.begin(), exclusions_.end(), [&](const std::string& entry) {
    if (entry == "*" || http::EqualsIgnoreCase(entry, host) ||
        http::EqualsIgnoreCase(entry, with_port)) {
      return true;
    }
    return host.size() > entry.size() && host[host.size() - entry.size() - 1] == '.' &&
           http::EqualsIgnoreCase(host.substr(host.size() - entry.size()), entry);
  });
}

const ProxyServer* OutboundProxy::For(const model::Provider& provider) const {
  const std::optional<ProxyServer>& proxy = provider.tls ? https_ : http_;
  if (!proxy.has_value() || IsLoopback(provider.host) || Excluded(provider.host, provider.port)) {
    return nullptr;
  }
  return &*proxy;
}

}  // namespace aurora::server
