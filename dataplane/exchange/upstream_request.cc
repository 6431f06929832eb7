// The request as the provider gets it: a head rendered in the arena, the body spliced from the pooled buffer.
#include <array>

#include "dataplane/exchange/gate.h"
#include "dataplane/exchange/state.h"
#include "shared/http/encoder.h"
#include "shared/http/url.h"

namespace aurora::exchange {
namespace {

// Head and body up to this size are written as one piece.
constexpr size_t kJoinBytesMax = 8 * 1024;

bool EndsWith(std::string_view s, std::string_view suffix) {
  return s.size() >= suffix.size() && s.substr(s.size() - suffix.size()) == suffix;
}

void AppendPathSegment(http::Buffer& buffer, std::string_view s) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : s) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '~';
    if (plain) {
      buffer.Append({&c, 1});
    } else {
      const auto byte = static_cast<unsigned char>(c);
      const char escaped[3] = {'%', kHex[byte >> 4], kHex[byte & 15]};
      buffer.Append({escaped, sizeof escaped});
    }
  }
}

// Providers that know stream_options.include_usage; the others report usage unasked or refuse unknown fields.
bool KnowsIncludeUsage(model::ProviderType type) {
  return type != model::ProviderType::kMistral && type != model::ProviderType::kAnthropic &&
         type != model::ProviderType::kGemini;
}

void AppendAzureTarget(http::Buffer& buffer, const model::Provider& provider, const EndpointInfo& endpoint,
                       std::string_view model) {
  buffer.Append(provider.base_path);
  if (!EndsWith(provider.base_path, "/openai")) {
    buffer.Append("/openai");
  }
  if (endpoint.endpoint != model::Endpoint::kResponses) {  // the one operation that is not below a deployment
    buffer.Append("/deployments/");
    AppendPathSegment(buffer, model);
  }
  buffer.Append(endpoint.operation);
  buffer.Append("?api-version=");
  buffer.Append(provider.api_version.empty() ? std::string_view("2024-10-21") : provider.api_version);
}

}  // namespace

void Exchange::State::AppendTarget(http::Buffer& buffer) const {
  const model::Provider& provider = *attempt.provider;
  const EndpointInfo& endpoint = *request.endpoint;
  if (endpoint.handling == Handling::kPassthrough) {
    std::string_view rest = request.target().substr(3 + provider.name.size());
    if (EndsWith(provider.base_path, "/v1") && (rest.substr(0, 4) == "/v1/")) {
      rest.remove_prefix(3);  // both /p/openai/v1/models and /p/openai/models mean the same
    }
    buffer.Append(provider.base_path);
    if (rest.empty() || rest.front() != '/') {
      buffer.Append("/");
    }
    buffer.Append(rest);
    return;
  }
  if (provider.type == model::ProviderType::kAzure) {
    AppendAzureTarget(buffer, provider, endpoint,
                      routing::UpstreamName(catalog(), attempt.route.candidates[attempt.current], request.asked()));
    return;
  }
  buffer.Append(provider.base_path);
  const bool anthropic = provider.dialect == model::Dialect::kAnthropic;
  if (anthropic ? !EndsWith(provider.base_path, "/v1") : provider.base_path.empty()) {
    buffer.Append("/v1");
  }
  buffer.Append(endpoint.operation);
  if (!request.target().empty()) {
    buffer.Append("?");
    buffer.Append(request.target());
  }
}

void Exchange::State::AppendHeaders(http::Buffer& buffer) const {
  const model::Provider& provider = *attempt.provider;
  constexpr std::string_view kVersion = "anthropic-version:";
  std::string_view constant = provider.constant_lines;
  const size_t version = provider.dialect == model::Dialect::kAnthropic && request.anthropic_shape
                             ? constant.find(kVersion)
                             : std::string_view::npos;
  if (version != std::string_view::npos) {  // the client's own version wins over the provider's default
    const size_t end = std::min(constant.find("\r\n", version), constant.size() - 2) + 2;
    buffer.Append(constant.substr(0, version));
    constant.remove_prefix(end);
  }
  buffer.Append(constant);
  if (attempt.credential != nullptr) {
    buffer.Append(attempt.credential->header_lines);
  }
  if (provider.dialect == model::Dialect::kAnthropic && !request.anthropic_shape &&
      provider.constant_lines.find(kVersion) == std::string::npos) {
    buffer.Append("anthropic-version: 2023-06-01\r\n");
  }
  buffer.Append(request.lines());
  buffer.Append("Accept-Encoding: identity\r\n");
  if (provider.stamp) {
    buffer.Header("x-aurora-node", ctx.options.node_id);
    buffer.Header("x-aurora-term", record.term);
    buffer.Header("x-aurora-admitted-ns",
                  ctx.gate != nullptr ? ctx.admitted_ns : static_cast<uint64_t>(ctx.boottime_ns));
    buffer.Header("x-request-id", record.request_id.view());
  }
}

// The body with the model and the usage option spliced in. Returns its size.
size_t Exchange::State::BodyPieces(std::span<std::string_view, 5> pieces) {
  struct Edit {
    llm::ByteRange at;
    std::string_view text;
  };
  std::array<Edit, 2> edits;
  size_t n = 0;
  const std::string_view body = request.body();
  if (request.endpoint->handling == Handling::kRelay) {
    const std::string_view name =
        routing::UpstreamName(catalog(), attempt.route.candidates[attempt.current], request.asked());
    if (name != request.asked()) {
      const size_t bound = 6 * name.size() + 2;
      char* text = ctx.arena->Allocate(bound);
      http::Buffer buffer(std::span<char>(text, bound));
      llm::AppendJsonString(buffer, name);
      ctx.arena->ShrinkTo(text + buffer.size());
      edits[n++] = {request.model_at, buffer.view()};
    }
    const bool streams_chunks = record.endpoint == model::Endpoint::kChatCompletions ||
                                record.endpoint == model::Endpoint::kCompletions;
    attempt.injected = request.stream && streams_chunks && request.usage_edit != llm::UsageEdit::kNone &&
                       KnowsIncludeUsage(attempt.provider->type);
    if (attempt.injected) {
      edits[n++] = {request.usage_at, llm::UsageEditText(request.usage_edit, request.empty_object)};
      if (n == 2 && edits[1].at.begin < edits[0].at.begin) {
        std::swap(edits[0], edits[1]);
      }
    }
  }
  size_t from = 0;
  size_t count = 0;
  size_t size = 0;
  const auto add = [&](std::string_view piece) {
    pieces[count++] = piece;
    size += piece.size();
  };
  for (size_t i = 0; i < n; ++i) {
    add(body.substr(from, edits[i].at.begin - from));
    add(edits[i].text);
    from = edits[i].at.end;
  }
  add(body.substr(from));
  return size;
}

// Right before the write, with the clock of now. False: nothing may go out.
bool Exchange::State::PassGate(Outbox& out) {
  const GateLook look = ctx.gate->Look();
  if (!look.open) {
    GateClosed(out);
    return false;
  }
  record.term = look.term;
  ctx.admitted_ns = look.now_ns;
  return true;
}

// The connection is unused, so it is as good as before. A request of which no attempt was written was not executed
// anywhere; after a written one nobody can know.
void Exchange::State::GateClosed(Outbox& out) {
  ctx.health->ProviderUnknown(attempt.provider->slot);
  attempt.active = false;
  out.release_upstream = true;
  out.gate_closed = true;
  if (attempt.writes > 0) {
    phase = Phase::kBackoff;
    Fail({503, "no_active_node", "This node stopped being the active one before the request could be tried again.", ""},
         model::Outcome::kServerError, out, "Retry-After: 1\r\n");
    return;
  }
  phase = Phase::kHandedOver;
  deadline = total = Instant::Never();
  out.hand_over = true;
}

void Exchange::State::WriteUpstream(Outbox& out) {
  if (ctx.gate != nullptr && !PassGate(out)) [[unlikely]] {
    return;
  }
  const model::Provider& provider = *attempt.provider;
  std::array<std::string_view, 5> pieces;
  const size_t body_size = BodyPieces(pieces);
  const bool join = body_size <= kJoinBytesMax;
  const size_t bound = 512 + 3 * record.model.view().size() + 3 * request.asked().size() + request.target().size() +
                       provider.base_path.size() + provider.api_version.size() + provider.constant_lines.size() +
                       (attempt.credential == nullptr ? 0 : attempt.credential->header_lines.size()) +
                       request.lines().size() + ctx.options.node_id.size() + 3 * 512 + (join ? body_size : 0);
  char* text = ctx.arena->Allocate(bound);
  http::Buffer head(std::span<char>(text, bound));
  head.Append(http::MethodName(request.method));
  head.Append(" ");
  AppendTarget(head);
  head.Append(" HTTP/1.1\r\n");
  AppendHeaders(head);
  if (body_size > 0 || request.method == http::Method::kPost || request.method == http::Method::kPut ||
      request.method == http::Method::kPatch) {
    head.Append("Content-Length: ");
    head.AppendDecimal(body_size);
    head.Append("\r\n\r\n");
  } else {
    head.Append("\r\n");
  }
  if (join) {
    for (const std::string_view piece : pieces) {
      head.Append(piece);
    }
  }
  AURORA_CHECK(!head.overflow());
  ctx.arena->ShrinkTo(text + head.size());
  AddUpstream(head.view(), out);
  if (!join) {
    for (const std::string_view piece : pieces) {
      AddUpstream(piece, out);
    }
  }
  ++attempt.writes;
  out.expect_no_body = request.method == http::Method::kHead;
  // A body too large to keep for a retry is forgotten once the driver has taken it.
  request.release_next = request.body_size > ctx.options.retry_body_bytes_max;
  phase = Phase::kAwaitHead;
  deadline = ctx.now + provider.timeouts.first_byte;
}

}  // namespace aurora::exchange
