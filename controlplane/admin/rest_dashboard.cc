#include "controlplane/admin/rest_dashboard.h"

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "shared/base/status.h"

namespace aurora::admin::rest {
namespace {

constexpr std::string_view kRoot = "/admin/dashboard/";
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

void AddProtection(httpd::Response& response) {
  response.headers.emplace_back("Content-Security-Policy", kPolicy);
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.headers.emplace_back("X-Frame-Options", "DENY");
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.headers.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
  response.headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
}

httpd::Response Plain(int status, std::string text) {
  httpd::Response response;
  response.status = status;
  response.body = std::move(text);
  AddProtection(response);
  return response;
}

// `quoted`: the ETag in its quotes. A weak one compares as the strong one of the same text.
bool AnyMatches(std::string_view if_none_match, std::string_view quoted) {
  for (absl::string_view piece : absl::StrSplit(Absl(if_none_match), ',')) {
    piece = absl::StripAsciiWhitespace(piece);
    absl::string_view tag = piece;
    if (absl::StartsWith(tag, "W/")) {
      tag.remove_prefix(2);
    }
    if (piece == "*" || tag == Absl(quoted)) {
      return true;
    }
  }
  return false;
}

// "gzip", "gzip;q=0.8", "br, gzip"; not "gzip;q=0".
bool TakesGzip(std::string_view accept_encoding) {
  for (const absl::string_view piece : absl::StrSplit(Absl(accept_encoding), ',')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(piece, ';');
    if (!absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(parts[0]), "gzip")) {
      continue;
    }
    const absl::string_view q = parts.size() > 1 ? absl::StripAsciiWhitespace(parts[1]) : "";
    return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000";
  }
  return false;
}

}  // namespace

bool IsDashboardPath(std::string_view path) {
  return path == "/admin" || path == "/admin/" || path == "/admin/dashboard" || path.starts_with(kRoot);
}

httpd::Response DashboardAnswer(const dashboard::Assets& assets, const httpd::Request& request) {
  if (request.method != http::Method::kGet && request.method != http::Method::kHead) {
    httpd::Response response = Plain(405, "the dashboard's files are read with GET\n");
    response.headers.emplace_back("Allow", "GET, HEAD");
    return response;
  }
  const std::string_view path = request.path;
  if (!path.starts_with(kRoot)) {
    httpd::Response response = Plain(308, "");
    response.headers.emplace_back("Location", kRoot);
    return response;
  }
  std::string_view name = path.substr(kRoot.size());
  const dashboard::Asset* asset = assets.Find(name);
  if (asset == nullptr) {
    if (name.starts_with("assets/") || name.substr(name.rfind('/') + 1).find('.') != std::string_view::npos) {
      return Plain(404, "no such file\n");
    }
    asset = assets.Find("index.html");
  }
  if (asset == nullptr) {
    return Plain(404, "this binary has no dashboard\n");
  }
  const bool gzip = !asset->gzip.empty() && TakesGzip(request.Header("accept-encoding"));
  const std::string etag = '"' + std::string(asset->etag) + (gzip ? "-gz\"" : "\"");
  httpd::Response response;
  AddProtection(response);
  response.headers.emplace_back("ETag", etag);
  response.headers.emplace_back("Vary", "Accept-Encoding");
  response.headers.emplace_back("Cache-Control",
                                asset->immutable ? "public, max-age=31536000, immutable" : "no-cache");
  if (AnyMatches(request.Header("if-none-match"), etag)) {
    response.status = 304;
    return response;
  }
  response.content_type = std::string(asset->type);
  if (gzip) {
    response.headers.emplace_back("Content-Encoding", "gzip");
  }
  response.body = std::string(gzip ? asset->gzip : asset->plain);
  return response;
}

}  // namespace aurora::admin::rest
