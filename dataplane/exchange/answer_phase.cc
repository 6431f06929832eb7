// Relay: from the response head to its end, or to where the provider broke off.
#include <algorithm>

#include "dataplane/exchange/state.h"
#include "shared/http/encoder.h"

namespace aurora::exchange {
namespace {

constexpr uint64_t kDiscardBytesMax = 64 * 1024;
constexpr size_t kFrameCopyMax = 4 * 1024;

AttemptFailure FailureOf(int status) {
  switch (status) {
    case 429:
      return AttemptFailure::kRateLimited;
    case 500:
    case 502:
    case 503:
    case 504:
    case 529:
      return AttemptFailure::kServerError;
    default:
      return AttemptFailure::kNone;
  }
}

model::Outcome OutcomeOf(int status) {
  return status == 429   ? model::Outcome::kRateLimited
         : status == 504 ? model::Outcome::kTimeout
         : status >= 500 ? model::Outcome::kServerError
         : status >= 400 ? model::Outcome::kClientError
                         : model::Outcome::kSuccess;
}

// The response headers a client may see: not the hop's, not the framing (ours), not what speaks for the provider's
// own origin (cookies, HSTS, alternative services), not its request id (ours is sent).
bool Relays(const http::Header& header) {
  switch (header.id) {
    case http::HeaderId::kContentLength:
    case http::HeaderId::kSetCookie:
    case http::HeaderId::kXRequestId:
    case http::HeaderId::kServer:
    case http::HeaderId::kVia:
      return false;
    case http::HeaderId::kOther:
      switch (header.name.empty() ? '\0' : static_cast<char>(header.name.front() | 0x20)) {
        case 'a':
          return !http::EqualsIgnoreCase(header.name, "alt-svc");
        case 'n':
          return !http::EqualsIgnoreCase(header.name, "nel");
        case 'r':
          return !http::EqualsIgnoreCase(header.name, "report-to");
        case 's':
          return !http::EqualsIgnoreCase(header.name, "strict-transport-security");
        case 'x':  // a node believes what another says in these
          return header.name.size() < 9 || !http::EqualsIgnoreCase(header.name.substr(0, 9), "x-aurora-");
        default:
          return true;
      }
    default:
      return !http::IsHopByHop(header.id);
  }
}

bool IsEventStream(std::string_view content_type) {
  constexpr std::string_view kType = "text/event-stream";
  return content_type.size() >= kType.size() && http::EqualsIgnoreCase(content_type.substr(0, kType.size()), kType);
}

}  // namespace

void Exchange::State::OnResponseHead(const http::Head& head, Outbox& out) {
  if (phase != Phase::kAwaitHead) {
    return;
  }
  if (head.status == 101 || head.status < 100) {
    out.close_upstream = true;
    AttemptFailed(AttemptFailure::kBadResponse, "it switched protocols unasked", out);
    return;
  }
  if (head.status < 200) {
    attempt.interim = true;
    return;
  }
  attempt.interim = false;
  const AttemptFailure failure = FailureOf(head.status);
  if (failure == AttemptFailure::kRateLimited && attempt.credential != nullptr) {
    const Duration wait = upstream::ParseRetryAfter(head.Value(http::HeaderId::kRetryAfter), ctx.unix_us / 1'000'000,
                                                    attempt.provider->resilience.cooldown);
    ctx.health->CoolCredential(attempt.credential->slot, ctx.now + wait);
  } else if (failure == AttemptFailure::kNone && attempt.resting) {
    ctx.health->WakeCredential(attempt.credential->slot);
  }
  ReportHealth(failure);
  attempt.last = failure;
  if (failure == AttemptFailure::kNone || !MayRetry(failure)) {
    Commit(head, out);
    return;
  }
  // Retried. A short rest of this answer is read, so that its connection can be kept.
  if (head.body == http::Head::Body::kUntilClose || head.content_length > kDiscardBytesMax) {
    attempt.active = false;
    out.close_upstream = true;
    ScheduleRetry(out);
    return;
  }
  answer.length_left = kDiscardBytesMax;
  phase = Phase::kDiscard;
  deadline = ctx.now + Duration::Millis(500);
}

// The response becomes the answer: its head goes to the client and there is no way back.
void Exchange::State::Commit(const http::Head& head, Outbox& out) {
  const std::string_view type = head.Value(http::HeaderId::kContentType);
  const std::string_view encoding = head.Value(http::HeaderId::kContentEncoding);
  const bool identity = encoding.empty() || http::EqualsIgnoreCase(encoding, "identity");
  answer.sse = identity && IsEventStream(type);
  answer.no_body = request.method == http::Method::kHead || head.status == 204 || head.status == 304;
  answer.metered = identity && head.status < 300;
  answer.has_length = head.body == http::Head::Body::kLength && !(answer.sse && attempt.injected);
  answer.length_left = head.content_length;
  answer.chunked = !answer.no_body && !answer.has_length && head.body != http::Head::Body::kNone && !request.old_client;
  if (!answer.no_body && !answer.has_length && !answer.chunked && head.body != http::Head::Body::kNone) {
    request.close = true;  // an HTTP/1.0 client learns the end from the close
  }
  size_t bound = 256 + record.request_id.view().size();
  for (const http::Header& header : head.all()) {
    bound += header.name.size() + header.value.size() + 4;
  }
  char* text = ctx.arena->Allocate(bound);
  http::Buffer buffer(std::span<char>(text, bound));
  if (head.status == 200) {
    buffer.Append("HTTP/1.1 200 OK\r\n");
  } else {
    buffer.Append("HTTP/1.1 ");
    buffer.AppendDecimal(static_cast<uint64_t>(head.status));
    buffer.Append(" ");
    buffer.Append(http::ReasonPhrase(head.status));
    buffer.Append("\r\n");
  }
  for (const http::Header& header : head.all()) {
    if (Relays(header)) {
      buffer.Header(header.name, header.value);
    }
  }
  buffer.Append("X-Request-ID: ");
  buffer.Append(record.request_id.view());
  if (answer.chunked) {
    buffer.Append("\r\nTransfer-Encoding: chunked");
  } else if (answer.has_length || (answer.no_body && head.content_length > 0)) {
    buffer.Append("\r\nContent-Length: ");
    buffer.AppendDecimal(head.content_length);
  } else if (head.body == http::Head::Body::kNone && !answer.no_body) {
    buffer.Append("\r\nContent-Length: 0");
  }
  buffer.Append(KeepsConnection() ? "\r\n\r\n" : "\r\nConnection: close\r\n\r\n");
  if (!KeepsConnection()) {
    request.close = true;  // said is said, whatever draining becomes
  }
  AURORA_CHECK(!buffer.overflow());
  ctx.arena->ShrinkTo(text + buffer.size());
  AddClient(buffer.view(), out);
  record.status = static_cast<uint16_t>(head.status);
  record.stream = record.stream || answer.sse;
  answer.head_sent = true;
  phase = Phase::kRelay;
  if (out.upstream.empty()) {
    request.ReleaseKeep();
  } else {
    request.release_next = true;
  }
  if (answer.sse) {
    answer.keepalive_at = ctx.now + ctx.options.keepalive_comment;
  }
  deadline = ctx.now + attempt.provider->timeouts.first_byte;
}

void Exchange::State::OnResponseBody(std::string_view bytes, Outbox& out) {
  if (phase == Phase::kDiscard) {
    answer.length_left -= std::min<uint64_t>(answer.length_left, bytes.size());
    if (answer.length_left == 0) {
      attempt.active = false;
      out.close_upstream = true;
      ScheduleRetry(out);
    }
    return;
  }
  if (phase != Phase::kRelay || bytes.empty()) {
    return;
  }
  if (!answer.any_body) {
    answer.any_body = true;
    answer.keepalive_at = Instant::Never();
    record.time_to_first_token_us = std::max<int64_t>((ctx.now - request.started).micros(), 1);
  }
  Touch();
  if (answer.sse) {
    RelaySse(bytes, out);
    return;
  }
  if (answer.metered) {
    CollectUsage(bytes);
  }
  Emit(bytes, out);
}

void Exchange::State::Emit(std::string_view bytes, Outbox& out) {
  if (bytes.empty() || answer.no_body) {
    return;
  }
  record.response_bytes += bytes.size();
  if (!answer.chunked) {
    AddClient(bytes, out);
    return;
  }
  char size_line[http::kChunkHeaderMax];
  const std::string_view frame = http::ChunkHeader(bytes.size(), std::span<char, http::kChunkHeaderMax>(size_line));
  if (bytes.size() > kFrameCopyMax) {
    AddClient(ctx.arena->Copy(frame), out);
    AddClient(bytes, out);
    AddClient(http::kCrlf, out);
    return;
  }
  const size_t total_size = frame.size() + bytes.size() + 2;
  char* text = ctx.arena->Allocate(total_size);
  std::memcpy(text, frame.data(), frame.size());
  std::memcpy(text + frame.size(), bytes.data(), bytes.size());
  std::memcpy(text + total_size - 2, "\r\n", 2);
  AddClient({text, total_size}, out);
}

void Exchange::State::OnResponseEnd(bool reusable, Outbox& out) {
  if (phase == Phase::kAwaitHead && attempt.interim) {
    attempt.interim = false;
    return;
  }
  if (phase == Phase::kDiscard) {
    attempt.active = false;
    out.release_upstream = reusable;
    out.close_upstream = !reusable;
    ScheduleRetry(out);
    return;
  }
  if (phase != Phase::kRelay) {
    return;
  }
  FlushCarry(out);
  if (answer.chunked) {
    AddClient(http::kLastChunk, out);
  }
  attempt.active = false;
  out.release_upstream = reusable;
  out.close_upstream = !reusable;
  out.close_client = out.close_client || request.close;
  if (answer.client_blocked) {
    out.resume_upstream = true;  // the connection goes back to the pool as it came
  }
  Finish(OutcomeOf(record.status), out);
}

void Exchange::State::OnUpstreamFailed(UpstreamFailure failure, std::string_view detail, Outbox& out) {
  if (out.dial != nullptr) {
    return;  // news of a connection that this very step has given up
  }
  switch (phase) {
    case Phase::kDial:
      AttemptFailed(failure == UpstreamFailure::kTimeout ? AttemptFailure::kConnectTimeout : AttemptFailure::kConnect,
                    detail, out);
      return;
    case Phase::kAwaitHead:
      if (attempt.reused && !attempt.stale_used && failure == UpstreamFailure::kReset && request.keep.holds_memory()) {
        // The provider closed an idle connection just as we took it: nothing was processed, nobody is to blame.
        attempt.stale_used = true;
        attempt.fresh = true;
        phase = Phase::kDial;
        deadline = ctx.now + attempt.provider->timeouts.connect;
        out.dial = attempt.provider;
        out.fresh_connection = true;
        attempt.fresh = false;
        return;
      }
      AttemptFailed(failure == UpstreamFailure::kTimeout       ? AttemptFailure::kFirstByteTimeout
                    : failure == UpstreamFailure::kBadResponse ? AttemptFailure::kBadResponse
                                                               : AttemptFailure::kReset,
                    detail, out);
      return;
    case Phase::kDiscard:
      attempt.active = false;
      ScheduleRetry(out);
      return;
    case Phase::kRelay:
      attempt.active = false;
      ctx.health->ProviderFailed(*attempt.provider, ctx.now);
      BreakAnswer({502, "provider_error", Join({"Provider '", attempt.provider->name, "' broke off the stream."}), ""},
                  out);
      Finish(failure == UpstreamFailure::kTimeout ? model::Outcome::kTimeout : model::Outcome::kServerError, out);
      return;
    default:
      return;
  }
}

// The answer cannot be completed: a stream says so in an event, anything else is cut so that no client takes it for
// whole.
void Exchange::State::BreakAnswer(const llm::ApiError& error, Outbox& out) {
  out.close_client = true;
  if (!answer.sse || answer.no_body || answer.has_length) {
    return;
  }
  if (answer.oversized) {
    Emit("\n\n", out);
  }
  const size_t bound = llm::ErrorBytesMax(error) + 64;
  char* text = ctx.arena->Allocate(bound);
  http::Buffer event(std::span<char>(text, bound));
  llm::RenderErrorEvent(request.dialect, error, event);
  Emit(event.view(), out);
  if (answer.chunked) {
    AddClient(http::kLastChunk, out);
  }
}

}  // namespace aurora::exchange
