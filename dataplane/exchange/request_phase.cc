// ReadHead, Authenticate, Admit: from a parsed head to a body that is whole.
#include <algorithm>

#include "dataplane/exchange/request_id.h"
#include "dataplane/exchange/state.h"
#include "shared/http/encoder.h"
#include "shared/http/inflate.h"
#include "shared/http/url.h"

namespace aurora::exchange {
namespace {

constexpr uint32_t kSwallowMax = 1u << 20;  // of a body nobody wants, to keep the connection
constexpr int64_t kBodyTimeoutsMax = 5;

bool StartsWithIgnoreCase(std::string_view s, std::string_view lower) {
  return s.size() >= lower.size() && http::EqualsIgnoreCase(s.substr(0, lower.size()), lower);
}

// The request headers a provider may see. Everything else stays here: credentials, cookies, hop-by-hop, x-aurora-*.
bool Forwards(const http::Header& header) {
  switch (header.id) {
    case http::HeaderId::kUserAgent:
    case http::HeaderId::kAccept:
    case http::HeaderId::kContentType:
    case http::HeaderId::kTraceparent:
    case http::HeaderId::kTracestate:
    case http::HeaderId::kAnthropicVersion:
    case http::HeaderId::kAnthropicBeta:
      return true;
    case http::HeaderId::kOther:
      switch (header.name.empty() ? '\0' : static_cast<char>(header.name.front() | 0x20)) {
        case 'a':
          return StartsWithIgnoreCase(header.name, "anthropic-");
        case 'o':
          return StartsWithIgnoreCase(header.name, "openai-");
        case 'i':
          return http::EqualsIgnoreCase(header.name, "idempotency-key");
        case 'h':
          return http::EqualsIgnoreCase(header.name, "http-referer");
        case 'x':
          return http::EqualsIgnoreCase(header.name, "x-title");
        default:
          return false;
      }
    default:
      return false;
  }
}

}  // namespace

void Exchange::State::OnHead(const http::Head& head, Outbox& out) {
  if (phase != Phase::kIdle) {
    return;
  }
  record = model::UsageRecord{};
  request.started = ctx.now;
  record.started_unix_us = ctx.unix_us;
  record.term = ctx.term;
  request.snapshot = ctx.snapshot;
  request.method = head.method;
  request.old_client = head.minor_version == 0;
  request.close = !head.keep_alive || request.old_client;
  request.awaits_continue = head.expect_continue && !request.old_client;
  request.has_length = head.body != http::Head::Body::kChunked;
  if (head.body == http::Head::Body::kLength && head.content_length > kSwallowMax) {
    request.swallowed = kSwallowMax;  // an early answer will not wait for all of that
  }
  ChooseRequestId(head, ctx.rng, record.request_id);
  phase = Phase::kReadBody;
  if (!Admit(head, out)) {
    return;
  }
  SaveHead(head);
  request.body_limit = ctx.now + ctx.options.body_timeout * kBodyTimeoutsMax;
  deadline = ctx.now + ctx.options.body_timeout;
  if (request.awaits_continue) {
    AddClient(http::kContinue, out);
    request.awaits_continue = false;
  }
}

// False when the request was answered.
bool Exchange::State::Admit(const http::Head& head, Outbox& out) {
  using model::Outcome;
  const std::string_view path = http::PathOf(head.target);
  request.dialect = DialectOfPath(path);
  request.endpoint = FindEndpoint(path);
  if (request.endpoint == nullptr) {
    Fail({404, "not_found", Join({"There is no ", path.substr(0, 128), " here."}), ""}, Outcome::kClientError, out);
    return false;
  }
  const EndpointInfo& endpoint = *request.endpoint;
  record.endpoint = endpoint.endpoint;
  if (!MethodAllowed(endpoint, head.method)) {
    Fail({405, "method_not_allowed", Join({"Use ", endpoint.allow.empty() ? "GET or POST" : endpoint.allow, "."}), ""},
         Outcome::kClientError, out,
         endpoint.allow.empty() ? std::string_view() : Join({"Allow: ", endpoint.allow, "\r\n"}));
    return false;
  }
  if (request.snapshot == nullptr || request.snapshot->catalog == nullptr) {
    Fail({503, "not_ready", "This node has not loaded its policy yet.", ""}, Outcome::kServerError, out,
         "Retry-After: 1\r\n");
    return false;
  }
  if (ctx.admission != Admission::kOpen) [[unlikely]] {
    const bool stale = ctx.admission == Admission::kStale;
    Fail({503, stale ? "stale_policy" : "not_synced",
          stale ? "This node has lost touch with its cluster and does not serve by old policy."
                : "This node has not caught up with its cluster yet.",
          ""},
         Outcome::kServerError, out, "Retry-After: 1\r\n");
    return false;
  }
  const policy::AuthResult auth =
      policy::Authenticate(head, *request.snapshot, ctx.tools->sha256, ctx.unix_us / 1000);
  if (auth.error != policy::AuthError::kNone) {
    Fail({401, policy::CodeOf(auth.error), policy::MessageOf(auth.error), ""}, Outcome::kRejected, out,
         "WWW-Authenticate: Bearer\r\n");
    return false;
  }
  request.secret = auth.secret;
  record.metered = true;
  record.auth_key_id = auth.secret->key->id;
  record.user_path = auth.secret->key->user_path;
  request.anthropic_shape = head.Find(http::HeaderId::kAnthropicVersion) != nullptr;
  if (endpoint.handling == Handling::kUnsupported) {
    Fail({501, "unsupported_operation", Join({path.substr(0, 128), " is not served by this version."}), ""},
         Outcome::kClientError, out);
    return false;
  }
  if (endpoint.handling == Handling::kModels) {
    AnswerModels(path, out);
    return false;
  }
  if (head.body == http::Head::Body::kLength && head.content_length > ctx.options.body_bytes_max) {
    Fail({413, "request_too_large", "The body is larger than this gateway accepts.", ""}, Outcome::kClientError, out);
    return false;
  }
  const std::string_view encoding = head.Value(http::HeaderId::kContentEncoding);
  if (!encoding.empty() && !http::EqualsIgnoreCase(encoding, "identity")) {
    if (!http::EqualsIgnoreCase(encoding, "gzip")) {
      Fail({415, "unsupported_encoding", "Content-Encoding must be gzip or identity.", ""}, Outcome::kClientError, out);
      return false;
    }
    request.gzip = true;
  }
  return true;
}

// Renders what must outlive the head into the front of the pooled buffer.
void Exchange::State::SaveHead(const http::Head& head) {
  size_t lines = 0;
  bool content_type = false;
  for (const http::Header& header : head.all()) {
    if (Forwards(header)) {
      lines += header.name.size() + header.value.size() + 4;
      content_type = content_type || header.id == http::HeaderId::kContentType;
    }
  }
  constexpr std::string_view kJson = "Content-Type: application/json\r\n";
  const bool relay = request.endpoint->handling == Handling::kRelay;
  const std::string_view target = relay ? http::QueryOf(head.target) : head.target;
  const size_t front = target.size() + lines + kJson.size();
  const size_t body = head.body == http::Head::Body::kLength ? static_cast<size_t>(head.content_length) : 0;
  request.keep.Reserve(*ctx.buffers, front + body + kModelNameMax);
  request.keep.Append(*ctx.buffers, target);
  request.target_size = static_cast<uint32_t>(target.size());
  char* scratch = ctx.arena->Allocate(lines);
  http::Buffer buffer(std::span<char>(scratch, lines));
  for (const http::Header& header : head.all()) {
    if (Forwards(header)) {
      buffer.Header(header.name, header.value);
    }
  }
  request.keep.Append(*ctx.buffers, buffer.view());
  ctx.arena->ShrinkTo(scratch);
  if (relay && !content_type) {
    request.keep.Append(*ctx.buffers, kJson);
  }
  request.lines_size = static_cast<uint32_t>(request.keep.size()) - request.target_size;
}

void Exchange::State::OnBody(std::string_view bytes, Outbox& out) {
  if (phase == Phase::kSwallow) {
    // Answered already; read on a little, so that the client sees the answer instead of a reset.
    request.swallowed += static_cast<uint32_t>(std::min<size_t>(bytes.size(), kSwallowMax));
    if (request.swallowed > 8 * kSwallowMax) {
      out.close_client = true;
      Finish(record.outcome, out);
    }
    return;
  }
  if (phase != Phase::kReadBody) {
    return;
  }
  record.request_bytes += bytes.size();
  if (bytes.size() > ctx.options.body_bytes_max - request.body_size) {
    request.close = true;
    Fail({413, "request_too_large", "The body is larger than this gateway accepts.", ""},
         model::Outcome::kClientError, out);
    return;
  }
  request.keep.Append(*ctx.buffers, bytes);
  request.body_size += static_cast<uint32_t>(bytes.size());
  deadline = std::min(request.body_limit, ctx.now + ctx.options.body_timeout);
}

bool Exchange::State::Inflate(Outbox& out) {
  auto inflated = http::Inflate(request.body(), static_cast<size_t>(ctx.options.body_bytes_max));
  if (!inflated.ok()) {
    const bool large = inflated.status().code() == absl::StatusCode::kResourceExhausted;
    Fail({large ? 413 : 400, large ? "request_too_large" : "invalid_encoding",
          large ? "The inflated body is larger than this gateway accepts." : "The body is not valid gzip.", ""},
         model::Outcome::kClientError, out);
    return false;
  }
  const std::string_view front = ctx.arena->Copy(request.keep.view().substr(0, request.body_begin()));
  request.keep.Clear();
  request.keep.Reserve(*ctx.buffers, front.size() + inflated->size() + kModelNameMax);
  request.keep.Append(*ctx.buffers, front);
  request.keep.Append(*ctx.buffers, *inflated);
  request.body_size = static_cast<uint32_t>(inflated->size());
  return true;
}

void Exchange::State::OnEnd(Outbox& out) {
  request.ended = true;
  if (phase == Phase::kSwallow) {
    out.close_client = out.close_client || !KeepsConnection();
    Finish(record.outcome, out);
    return;
  }
  if (phase != Phase::kReadBody) {
    return;
  }
  if (request.gzip && !Inflate(out)) {
    return;
  }
  ctx.health->RequestStarted(ctx.now);
  RouteRequest(out);
}

}  // namespace aurora::exchange
