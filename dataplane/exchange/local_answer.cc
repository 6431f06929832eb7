// Answers of our own, and the end of an exchange.
#include "dataplane/exchange/state.h"
#include "shared/http/encoder.h"

namespace aurora::exchange {
namespace {

constexpr size_t kPiecesFull = 22;

void AddPiece(Pieces& pieces, Arena& arena, std::string_view bytes) {
  if (pieces.count() >= kPiecesFull) [[unlikely]] {
    char* joined = arena.Allocate(pieces.bytes());
    size_t size = 0;
    for (size_t i = 0; i < pieces.count(); ++i) {
      std::memcpy(joined + size, pieces[i].data(), pieces[i].size());
      size += pieces[i].size();
    }
    pieces.Clear();
    pieces.Add({joined, size});
  }
  pieces.Add(bytes);
}

}  // namespace

void Exchange::State::AddClient(std::string_view bytes, Outbox& out) { AddPiece(out.client, *ctx.arena, bytes); }

void Exchange::State::AddUpstream(std::string_view bytes, Outbox& out) {
  AddPiece(out.upstream, *ctx.arena, bytes);
}

std::string_view Exchange::State::Join(std::initializer_list<std::string_view> parts) {
  size_t size = 0;
  for (const std::string_view part : parts) {
    size += part.size();
  }
  char* text = ctx.arena->Allocate(size);
  char* at = text;
  for (const std::string_view part : parts) {
    if (!part.empty()) {
      std::memcpy(at, part.data(), part.size());
      at += part.size();
    }
  }
  return {text, size};
}

void Exchange::State::Fail(const llm::ApiError& error, model::Outcome outcome, Outbox& out,
                           std::string_view extra_lines) {
  const size_t bound = llm::ErrorBytesMax(error);
  char* text = ctx.arena->Allocate(bound);
  http::Buffer body(std::span<char>(text, bound));
  llm::RenderError(request.dialect, error, body);
  Answer(error.status, "application/json", body.view(), extra_lines, outcome, out);
}

void Exchange::State::Answer(int status, std::string_view content_type, std::string_view body,
                             std::string_view extra_lines, model::Outcome outcome, Outbox& out) {
  constexpr uint32_t kSwallowLimit = 1u << 20;
  if (!request.ended && (request.awaits_continue || request.swallowed >= kSwallowLimit)) {
    request.close = true;  // what follows may be a body or not, or is too long to wait for
  }
  const size_t bound = 512 + content_type.size() + extra_lines.size();
  char* text = ctx.arena->Allocate(bound);
  http::Buffer head(std::span<char>(text, bound));
  head.Append("HTTP/1.1 ");
  head.AppendDecimal(static_cast<uint64_t>(status));
  head.Append(" ");
  head.Append(http::ReasonPhrase(status));
  head.Append("\r\n");
  head.Header("Content-Type", content_type);
  head.Header("Content-Length", static_cast<uint64_t>(body.size()));
  if (record.request_id.view().size() > 0) {
    head.Header("X-Request-ID", record.request_id.view());
  }
  head.Append(extra_lines);
  head.Append(KeepsConnection() ? "\r\n" : "Connection: close\r\n\r\n");
  AURORA_CHECK(!head.overflow());
  ctx.arena->ShrinkTo(text + head.size());
  AddClient(head.view(), out);
  if (request.method != http::Method::kHead) {
    AddClient(body, out);
    record.response_bytes = body.size();
  }
  record.status = static_cast<uint16_t>(status);
  answer.head_sent = true;
  if (request.release_next) {
    request.release_next = false;
  }
  DropUpstream(out);
  if (request.ended || request.awaits_continue) {
    out.close_client = out.close_client || !KeepsConnection();
    Finish(outcome, out);
    return;
  }
  record.outcome = outcome;
  phase = Phase::kSwallow;
  deadline = ctx.now + Duration::Seconds(2);
  total = Instant::Never();
}

void Exchange::State::DropUpstream(Outbox& out) {
  if (!attempt.active) {
    return;
  }
  attempt.active = false;
  if (phase == Phase::kDial || phase == Phase::kAwaitHead) {
    ctx.health->ProviderUnknown(attempt.provider->slot);
  }
  if (out.dial != nullptr) {
    out.dial = nullptr;  // not acted on yet
  } else {
    out.close_upstream = true;
  }
}

void Exchange::State::Finish(model::Outcome outcome, Outbox& out) {
  AURORA_CHECK(phase != Phase::kFinished);
  phase = Phase::kFinished;
  deadline = total = Instant::Never();
  record.outcome = outcome;
  record.attempts = attempt.count;
  record.latency_us = (ctx.now - request.started).micros();
  if (attempt.count > 0) {
    record.upstream_us = (ctx.now - attempt.dialled).micros();
  }
  if (record.metered && request.snapshot != nullptr && request.snapshot->catalog != nullptr) {
    Price();
  }
  out.finished = true;
}

// A request that failed without a token costs nothing.
void Exchange::State::Price() {
  if (record.outcome != model::Outcome::kSuccess && record.tokens.input == 0 && record.tokens.output == 0) {
    return;
  }
  const model::Price* price = model::FindPrice(catalog().prices, record.provider.view(), record.model.view(),
                                               record.started_unix_us / 1'000'000);
  record.cost_nano_usd = price == nullptr ? 0 : model::CostOf(*price, record.tokens);
}

}  // namespace aurora::exchange
