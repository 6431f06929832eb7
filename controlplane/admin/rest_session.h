// RestSessions: who a REST request is from, by the admin token or by a dashboard session; signing in and out.
// Source: ours (docs/adr/0012). Internal to controlplane/admin. Thread: stateless after construction. Units: seconds
// since 1970. Errors: as TokenCheck; Unauthenticated without either, or with a session that has ended;
// PermissionDenied for a change that lacks the session's CSRF token. Invariant: a request that carries an
// Authorization header is judged by it alone, and a cookie by itself changes nothing.
#pragma once

#include <string>
#include <string_view>

#include "controlplane/admin/rest_call.h"
#include "controlplane/admin/session.h"
#include "controlplane/admin/token.h"

namespace aurora::admin::rest {

inline constexpr std::string_view kSessionPath = "/admin/api/v1/session";
inline constexpr std::string_view kCsrfHeader = "x-aurora-csrf";  // as requests carry it, in lower case

struct Admission {
  absl::Status status;
  std::string_view actor;  // for the audit table
  std::string set_cookie;  // of the answer, when not empty: the session goes on
};

class RestSessions {
 public:
  // `token` outlives it. `tls`: the face's own; a proxy before it says so in X-Forwarded-Proto.
  RestSessions(const TokenCheck* token, bool tls) : token_(token), sealer_(token->digest()), tls_(tls) {}

  Admission Admit(const httpd::Request& request, int64_t now) const;

  // The answer to a request for kSessionPath. An Unauthenticated status is the caller's to slow down.
  //   GET     {"signed_in", "token_accepted", "expires_at", "csrf_token"}; no session is no error
  //   POST    {"token"} -> the same, with the cookie
  //   DELETE  forgets the cookie
  absl::StatusOr<httpd::Response> Answer(const httpd::Request& request, int64_t now) const;

 private:
  bool Secure(const httpd::Request& request) const;
  absl::StatusOr<Session> SessionOf(const httpd::Request& request, int64_t now) const;
  absl::StatusOr<httpd::Response> SignIn(const httpd::Request& request, int64_t now) const;
  httpd::Response Show(const Session* session) const;

  const TokenCheck* token_;
  SessionSealer sealer_;
  bool tls_;
};

}  // namespace aurora::admin::rest
