#include "controlplane/admin/rest_session.h"

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "controlplane/admin/rest_routes.h"
#include "shared/log/log.h"

namespace aurora::admin::rest {
namespace {

constexpr std::string_view kToken = "token";

bool Reads(http::Method method) {
  return method == http::Method::kGet || method == http::Method::kHead;
}

absl::Status CheckCsrf(const httpd::Request& request, const Session& session) {
  if (Reads(request.method) || crypto::ConstantTimeEqual(request.Header(kCsrfHeader), session.csrf)) {
    return absl::OkStatus();
  }
  return PermissionDenied(
      "a change made with the session cookie needs the header X-Aurora-Csrf with the session's csrf_token");
}

}  // namespace

bool RestSessions::Secure(const httpd::Request& request) const {
  return tls_ || absl::EqualsIgnoreCase(Absl(request.Header("x-forwarded-proto")), "https");
}

absl::StatusOr<Session> RestSessions::SessionOf(const httpd::Request& request, int64_t now) const {
  if (!token_->enabled()) {
    return token_->Check("");
  }
  return sealer_.Open(CookieValue(request.Header("cookie"), SessionCookieName(Secure(request))), now);
}

Admission RestSessions::Admit(const httpd::Request& request, int64_t now) const {
  const std::string_view authorization = request.Header("authorization");
  const bool has_cookie = !CookieValue(request.Header("cookie"), SessionCookieName(Secure(request))).empty();
  if (!authorization.empty() || !has_cookie) {
    return {token_->Check(authorization), "token", ""};
  }
  absl::StatusOr<Session> session = SessionOf(request, now);
  if (!session.ok()) {
    return {session.status(), "", ""};
  }
  if (absl::Status status = CheckCsrf(request, *session); !status.ok()) {
    return {std::move(status), "", ""};
  }
  Admission admitted{absl::OkStatus(), "dashboard", ""};
  if (now - session->seen > kSessionRenewAfter) {
    session->seen = now;
    admitted.set_cookie = SessionCookie(Secure(request), sealer_.Seal(*session), session->expires() - now);
  }
  return admitted;
}

httpd::Response RestSessions::Show(const Session* session) const {
  nlohmann::ordered_json body;
  body["signed_in"] = session != nullptr;
  body["token_accepted"] = token_->enabled();
  if (session != nullptr) {
    body["expires_at"] = protojson::FormatTime(session->expires(), 0);
    body["csrf_token"] = session->csrf;
  }
  return JsonResponse(200, body);
}

absl::StatusOr<httpd::Response> RestSessions::SignIn(const httpd::Request& request, int64_t now) const {
  const nlohmann::json body = nlohmann::json::parse(request.body, nullptr, false);
  if (!body.is_object() || body.size() != 1 || !body.contains(kToken) || !body[kToken].is_string()) {
    return InvalidArgument("token: send {\"token\": \"...\"} with the node's AURORA_MASTER_KEY");
  }
  std::string authorization = "Bearer " + body[kToken].get_ref<const std::string&>();
  const absl::Status status = token_->Check(authorization);
  crypto::Wipe(authorization);
  if (!status.ok()) {
    log::Warn("dashboard sign-in refused", {{"peer", request.peer}});
    return status;
  }
  log::Info("dashboard sign-in", {{"peer", request.peer}});
  const Session session = SessionSealer::Begin(now);
  httpd::Response response = Show(&session);
  response.headers.emplace_back("Set-Cookie", SessionCookie(Secure(request), sealer_.Seal(session), kSessionMax));
  return response;
}

absl::StatusOr<httpd::Response> RestSessions::Answer(const httpd::Request& request, int64_t now) const {
  if (request.method == http::Method::kPost) {
    return SignIn(request, now);
  }
  const absl::StatusOr<Session> session = SessionOf(request, now);
  if (Reads(request.method)) {
    return Show(session.ok() ? &*session : nullptr);
  }
  if (request.method != http::Method::kDelete) {
    httpd::Response response =
        ErrorResponse({405, "invalid_request_error", "method_not_allowed"}, "allowed here: GET, POST, DELETE", "");
    response.headers.emplace_back("Allow", "GET, POST, DELETE");
    return response;
  }
  if (session.ok()) {
    AURORA_RETURN_IF_ERROR(CheckCsrf(request, *session));
  }
  httpd::Response response = Show(nullptr);
  response.headers.emplace_back("Set-Cookie", SessionCookie(Secure(request), "", 0));
  return response;
}

}  // namespace aurora::admin::rest
