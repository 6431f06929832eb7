#include "controlplane/admin/rest_face.h"

#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "controlplane/admin/rest_call.h"
#include "controlplane/admin/rest_dashboard.h"
#include "controlplane/admin/rest_routes.h"
#include "controlplane/admin/rest_session.h"
#include "shared/config/tls_files.h"
#include "shared/log/log.h"
#include "shared/tls/context.h"
#include "shared/uv/timer.h"

namespace aurora::admin {
namespace {

constexpr Duration kCertificateLook = Duration::Seconds(1);
constexpr std::string_view kPrefix = "/admin/api/v1/";

bool IsJson(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  return absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(Absl(type)), "application/json");
}

// Answers may hold a secret that is shown once: no cache keeps them.
httpd::Response WithApiHeaders(httpd::Response response, const std::string& node_id) {
  response.headers.emplace_back("Cache-Control", "no-store");
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  if (!node_id.empty()) {
    response.headers.emplace_back("X-Aurora-Node", node_id);
  }
  return response;
}

httpd::Response NotJson() {
  return rest::ErrorResponse({415, "invalid_request_error", "unsupported_media_type"},
                             "send the body as Content-Type: application/json", "");
}

}  // namespace

struct RestFace::State {
  State(uv::Loop& l, uv::Mailbox& m, Options o)
      : loop(l),
        mailbox(m),
        options(std::move(o)),
        entity_routes(options.handlers->entity_kinds()),
        sessions(options.token, options.tls.enabled()),
        timer(l, [this] { AnswerDelayed(); }),
        certificate_timer(l, [this] { RenewCertificate(); }) {}

  absl::Status LoadCertificate();
  void RenewCertificate();

  void Handle(const httpd::Request& request, const httpd::Responder& responder);
  void HandleSession(const httpd::Request& request, const httpd::Responder& responder);
  void Refuse(const absl::Status& status, const httpd::Responder& responder);
  void AnswerDelayed();
  // The route of `method`; null, with the methods that there are, when another is wanted.
  const rest::Route* FindRoute(http::Method method, std::string_view path, std::string_view* captured,
                               std::string* allowed) const;
  void Dispatch(const rest::Route& route, std::string_view captured, const httpd::Request& request,
                rest::Admission admitted, const httpd::Responder& responder);
  void Send(const httpd::Responder& responder, httpd::Response response) const {
    responder.Send(WithApiHeaders(std::move(response), options.node_id));
  }
  int64_t UnixSeconds() const;
  httpd::Response Error(const absl::Status& status) const {
    return rest::ErrorResponse(status, options.store_open());
  }

  struct Delayed {
    Instant due;
    httpd::Responder responder;
    httpd::Response response;
  };
  uv::Loop& loop;
  uv::Mailbox& mailbox;
  Options options;
  rest::EntityRoutes entity_routes;
  rest::RestSessions sessions;
  dashboard::Assets assets;
  std::vector<Delayed> delayed;  // by due
  uv::Timer timer;
  httpd::Server* server = nullptr;
  std::string certificate_stamp;
  uv::Timer certificate_timer;
};

absl::Status RestFace::State::LoadCertificate() {
  certificate_stamp = config::TlsStamp(options.tls);
  auto context = tls::ServerContext::Load(
      {.certificate_file = options.tls.cert, .key_file = options.tls.key});
  AURORA_RETURN_IF_ERROR(WithContext("admin.tls", context.status()));
  server->SetCertificate(*std::move(context));
  return absl::OkStatus();
}

void RestFace::State::RenewCertificate() {
  if (config::TlsStamp(options.tls) == certificate_stamp) {
    return;
  }
  if (const absl::Status status = LoadCertificate(); status.ok()) {
    log::Info("certificate reloaded", {{"file", options.tls.cert}});
  } else {
    log::Error("certificate not reloaded; the old one stays", {{"error", status}});
  }
}

// A wrong token waits for its answer; right ones never wait behind it.
void RestFace::State::Refuse(const absl::Status& status, const httpd::Responder& responder) {
  httpd::Response response = Error(status);
  if (!absl::IsUnauthenticated(status)) {
    Send(responder, std::move(response));
    return;
  }
  response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"aurora admin\"");
  if (delayed.size() >= kLoginsDelayed) {
    Send(responder, rest::ErrorResponse({429, "rate_limit_error", "too_many_failed_logins"}, kTooManyLogins, ""));
    return;
  }
  delayed.push_back({uv::Loop::Now() + kLoginDelay, responder, std::move(response)});
  if (delayed.size() == 1) {
    timer.StartAt(delayed.front().due);
  }
}

void RestFace::State::AnswerDelayed() {
  const Instant now = uv::Loop::Now();
  size_t n = 0;
  while (n < delayed.size() && delayed[n].due <= now) {
    Send(delayed[n].responder, std::move(delayed[n].response));
    ++n;
  }
  delayed.erase(delayed.begin(), delayed.begin() + static_cast<std::ptrdiff_t>(n));
  if (!delayed.empty()) {
    timer.StartAt(delayed.front().due);
  }
}

const rest::Route* RestFace::State::FindRoute(http::Method method, std::string_view path,
                                              std::string_view* captured, std::string* allowed) const {
  for (const std::span<const rest::Route> table : {rest::Routes(), rest::LogRoutes(), rest::BackupRoutes(),
                                                  rest::SyncRoutes(), entity_routes.routes()}) {
    for (const rest::Route& route : table) {
      if (!rest::Matches(route.pattern, path, captured)) {
        continue;
      }
      if (route.method == method) {
        return &route;
      }
      constexpr std::string_view kNames[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"};
      const std::string_view name = kNames[static_cast<size_t>(route.method)];
      if (!absl::StrContains(*allowed, Absl(name))) {
        *allowed += (allowed->empty() ? "" : ", ") + std::string(name);
      }
    }
  }
  return nullptr;
}

int64_t RestFace::State::UnixSeconds() const {
  if (options.unix_ms != nullptr) {
    return options.unix_ms() / 1000;
  }
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void RestFace::State::HandleSession(const httpd::Request& request, const httpd::Responder& responder) {
  // A form of another site cannot send JSON, so it cannot sign anybody in.
  if (request.method == http::Method::kPost && !IsJson(request.Header("content-type"))) {
    Send(responder, NotJson());
    return;
  }
  absl::StatusOr<httpd::Response> answer = sessions.Answer(request, UnixSeconds());
  answer.ok() ? Send(responder, *std::move(answer)) : Refuse(answer.status(), responder);
}

void RestFace::State::Handle(const httpd::Request& request, const httpd::Responder& responder) {
  const std::string_view path = request.path;
  if (rest::IsDashboardPath(path)) {
    responder.Send(rest::DashboardAnswer(assets, request));
    return;
  }
  if (path == rest::kSessionPath) {
    HandleSession(request, responder);
    return;
  }
  rest::Admission admitted = sessions.Admit(request, UnixSeconds());
  if (!admitted.status.ok()) {
    Refuse(admitted.status, responder);
    return;
  }
  std::string allowed;
  if (path.starts_with(kPrefix)) {
    const http::Method method =
        request.method == http::Method::kHead ? http::Method::kGet : request.method;
    std::string_view captured;
    const rest::Route* route = FindRoute(method, path.substr(kPrefix.size()), &captured, &allowed);
    if (route != nullptr) {
      Dispatch(*route, captured, request, std::move(admitted), responder);
      return;
    }
  }
  if (allowed.empty()) {
    Send(responder, rest::ErrorResponse({404, "not_found_error", "unknown_path"},
                                        "no such admin path; they begin with /admin/api/v1/", ""));
    return;
  }
  httpd::Response response = rest::ErrorResponse(
      {405, "invalid_request_error", "method_not_allowed"}, "allowed here: " + allowed, "");
  response.headers.emplace_back("Allow", allowed);
  Send(responder, std::move(response));
}

void RestFace::State::Dispatch(const rest::Route& route, std::string_view captured,
                               const httpd::Request& request, rest::Admission admitted,
                               const httpd::Responder& responder) {
  if (!request.body.empty() && !IsJson(request.Header("content-type"))) {
    Send(responder, NotJson());
    return;
  }
  auto query = rest::ParseQuery(request.query, route.query);
  auto id = rest::PercentDecode(captured, false);
  if (!query.ok() || !id.ok()) {
    Send(responder, Error(!query.ok() ? query.status() : id.status()));
    return;
  }
  rest::Call call;
  call.handlers = options.handlers;
  call.kind = route.kind;
  call.caller.actor = std::string(admitted.actor);
  call.id = *std::move(id);
  call.query = *std::move(query);
  call.body = request.body;
  // A reply may come from any thread; the socket is the loop's. A closed mailbox means that the
  // client is gone too.
  call.finish = [&box = mailbox, responder, node_id = options.node_id,
                 cookie = std::move(admitted.set_cookie)](httpd::Response response) {
    response = WithApiHeaders(std::move(response), node_id);
    if (!cookie.empty()) {
      response.headers.emplace_back("Set-Cookie", cookie);
    }
    (void)box.Post([responder, response = std::move(response)]() mutable {
      responder.Send(std::move(response));
    });
  };
  call.error = [open = options.store_open](const absl::Status& status) {
    return rest::ErrorResponse(status, open());
  };
  route.run(std::move(call));
}

RestFace::RestFace(std::unique_ptr<State> state) : state_(std::move(state)) {}

absl::StatusOr<std::unique_ptr<RestFace>> RestFace::Open(uv::Loop& loop, uv::Mailbox& mailbox,
                                                         Options options) {
  const httpd::Server::Options http = options.http;
  std::unique_ptr<RestFace> face(
      new RestFace(std::make_unique<State>(loop, mailbox, std::move(options))));
  AURORA_ASSIGN_OR_RETURN(face->state_->assets, dashboard::Assets::Parse(dashboard::EmbeddedBlob()));
  auto server =
      httpd::Server::Open(loop, http,
                          [state = face->state_.get()](const httpd::Request& request,
                                                       const httpd::Responder& responder) {
                            state->Handle(request, responder);
                          });
  if (!server.ok()) {
    return WithContext("admin.rest_listen", server.status());
  }
  face->server_ = *std::move(server);
  State& state = *face->state_;
  state.server = face->server_.get();
  if (state.options.tls.enabled()) {
    AURORA_RETURN_IF_ERROR(state.LoadCertificate());
    state.certificate_timer.StartRepeating(kCertificateLook);
  }
  return face;
}

RestFace::~RestFace() = default;

uint16_t RestFace::port() const {
  return server_->port();
}

void RestFace::Drain(std::function<void()> drained) {
  server_->Drain(std::move(drained));
}

}  // namespace aurora::admin
