// The answer's way back: relayed from the active node, or one of our own.
#include <algorithm>
#include <cstring>
#include <span>

#include "dataplane/exchange/arena.h"
#include "dataplane/failover/forward.h"
#include "shared/http/encoder.h"

namespace aurora::failover {

using exchange::Outbox;

namespace {

constexpr uint64_t kDiscardMax = 16 * 1024;

bool NotExecuted(const http::Head& head) {
  const http::Header* header = head.status == 503 ? head.Find(kNotExecutedHeader) : nullptr;
  return header != nullptr && header->value == "1";
}

bool IsEventStream(std::string_view type) {
  constexpr std::string_view kType = "text/event-stream";
  return type.size() >= kType.size() && http::EqualsIgnoreCase(type.substr(0, kType.size()), kType);
}

}  // namespace

void Forward::ResponseHead(const http::Head& head, Outbox& out) {
  first_write_ = false;
  if (state_ != State::kSending) {
    return;
  }
  if (head.status == 101 || head.status < 200) {
    DropUpstream(out);
    Fail({502, "active_node_lost", "The active node switched protocols unasked.", ""}, "", Ending::kLost, out);
    return;
  }
  if (!NotExecuted(head) || !MayTryAgain()) {
    Commit(head, out);
    return;
  }
  if (request_over_ && head.body != http::Head::Body::kUntilClose && head.content_length <= kDiscardMax) {
    state_ = State::kDiscarding;  // its connection is worth the few bytes
    deadline_ = deps_.context.now + Duration::Millis(500);
    return;
  }
  DropUpstream(out);
  Later(Duration::Millis(40), out);
}

void Forward::Commit(const http::Head& head, Outbox& out) {
  kept_.Release();
  replayable_ = false;
  state_ = State::kRelaying;
  deadline_ = deps_.context.now + deps_.rules.silence_max;
  record_.status = static_cast<uint16_t>(head.status);
  ending_ = NotExecuted(head) ? Ending::kNotExecuted : Ending::kRelayed;
  std::string text;
  http::AppendStatusLine(text, head.status);
  const std::string_view connection = head.Value(http::HeaderId::kConnection);
  for (const http::Header& header : head.all()) {
    if (!http::IsHopByHop(header.id) && header.id != http::HeaderId::kContentLength &&
        (connection.empty() || !http::HasToken(connection, header.name))) {
      http::AppendHeader(text, header.name, header.value);
    }
  }
  const bool no_body = head_.method() == http::Method::kHead || head.status == 204 || head.status == 304;
  if (head.body == http::Head::Body::kLength || (no_body && head.content_length > 0)) {
    http::AppendHeader(text, "Content-Length", head.content_length);
  } else if (head.body != http::Head::Body::kNone) {
    chunked_ = !head_.old_client();
    close_ = close_ || !chunked_;
    text += chunked_ ? "Transfer-Encoding: chunked\r\n" : "";
  } else if (!no_body) {
    http::AppendHeader(text, "Content-Length", uint64_t{0});
  }
  sse_ = !no_body && head.body != http::Head::Body::kLength && IsEventStream(head.Value(http::HeaderId::kContentType));
  record_.stream = sse_;
  close_ = close_ || !request_over_;
  text += close_ ? "Connection: close\r\n\r\n" : "\r\n";
  out.client.Add(deps_.context.arena->Copy(text));
}

void Forward::Emit(std::string_view bytes, Outbox& out) {
  if (bytes.empty()) {
    return;
  }
  record_.response_bytes += bytes.size();
  if (!chunked_) {
    out.client.Add(bytes);
    return;
  }
  char* space = deps_.context.arena->Allocate(http::kChunkHeaderMax);
  out.client.Add(
      http::ChunkHeader(bytes.size(), std::span<char, http::kChunkHeaderMax>(space, http::kChunkHeaderMax)));
  out.client.Add(bytes);
  out.client.Add(http::kCrlf);
}

void Forward::ResponseBody(std::string_view bytes, Outbox& out) {
  if (state_ != State::kRelaying || bytes.empty()) {
    return;
  }
  if (record_.time_to_first_token_us == 0) {
    record_.time_to_first_token_us = std::max<int64_t>((deps_.context.now - began_).micros(), 1);
  }
  if (!client_blocked_) {
    deadline_ = deps_.context.now + deps_.rules.silence_max;
  }
  if (sse_) {
    last_[0] = bytes.size() > 1 ? bytes[bytes.size() - 2] : last_[1];
    last_[1] = bytes.back();
  }
  Emit(bytes, out);
}

void Forward::ResponseEnd(bool reusable, Outbox& out) {
  if (state_ != State::kDiscarding && state_ != State::kRelaying) {
    return;
  }
  upstream_ = false;
  (reusable && request_over_ ? out.release_upstream : out.close_upstream) = true;
  if (state_ == State::kDiscarding) {
    Later(Duration::Millis(40), out);
    return;
  }
  if (chunked_) {
    out.client.Add(http::kLastChunk);
  }
  if (client_blocked_) {
    out.resume_upstream = true;  // the connection goes back to the pool as it came
  }
  out.close_client = out.close_client || close_;
  Finish(ending_, out);
}

void Forward::ClientBlocked(Outbox& out) {
  if (state_ == State::kRelaying && !client_blocked_) {
    client_blocked_ = true;
    out.pause_upstream = true;
    deadline_ = deps_.context.now + deps_.context.options.body_timeout;  // now the client must make progress
  }
}

void Forward::ClientDrained(Outbox& out) {
  if (state_ == State::kRelaying && client_blocked_) {
    client_blocked_ = false;
    out.resume_upstream = true;
    deadline_ = deps_.context.now + deps_.rules.silence_max;
  }
}

void Forward::RequestError(int status, std::string_view code, std::string_view message, Outbox& out) {
  if (state_ == State::kEnded) {
    return;
  }
  close_ = request_over_ = true;  // the bytes that follow cannot be trusted to be a request
  DropUpstream(out);
  if (state_ == State::kRelaying || state_ == State::kSwallowing) {
    out.close_client = true;
    Finish(state_ == State::kSwallowing ? ending_ : Ending::kCancelled, out);
    return;
  }
  Fail({status, code, message, ""}, "", Ending::kCancelled, out);
}

void Forward::ClientClosed(Outbox& out) {
  if (state_ == State::kEnded) {
    return;
  }
  DropUpstream(out);
  out.close_client = true;
  Finish(state_ == State::kSwallowing ? ending_ : Ending::kCancelled, out);
}

void Forward::ShutDown(Outbox& out) {
  const llm::ApiError error{503, "shutting_down", "This node is stopping and waits no longer.", ""};
  const bool unsent = state_ == State::kHeld || state_ == State::kDialling;
  request_over_ = close_ = true;
  switch (state_) {
    case State::kEnded:
    case State::kHandedOver:
      return;
    case State::kSwallowing:
      out.close_client = true;
      Finish(ending_, out);
      return;
    case State::kRelaying:
      DropUpstream(out);
      Break(error, out);
      Finish(Ending::kCancelled, out);
      return;
    default:
      DropUpstream(out);
      Fail(error, unsent ? "Retry-After: 1\r\nx-aurora-not-executed: 1\r\n" : "Retry-After: 1\r\n", Ending::kCancelled,
           out);
      return;
  }
}

// It was not executed, and the caller may try again elsewhere or later.
void Forward::Refuse(std::string_view message, HoldEnd how, Outbox& out) {
  LeaveHold(how);
  std::string lines = "Retry-After: 1\r\nx-aurora-not-executed: 1\r\n";
  if (!deps_.serving.leader_id.empty()) {
    http::AppendHeader(lines, "x-aurora-leader", deps_.serving.leader_id);
  }
  Fail({503, "no_active_node", message, ""}, lines, Ending::kRefused, out);
}

void Forward::Fail(const llm::ApiError& error, std::string_view extra_lines, Ending how, Outbox& out) {
  LeaveHold(HoldEnd::kRefused);
  const size_t bound = llm::ErrorBytesMax(error);
  char* space = deps_.context.arena->Allocate(bound);
  http::Buffer body(std::span<char>(space, bound));
  llm::RenderError(dialect_, error, body);
  deps_.context.arena->ShrinkTo(space + body.size());
  const bool endless = head_.body() == http::Head::Body::kLength && head_.content_length() > kSwallowMax;
  close_ = close_ || (!request_over_ && endless);
  std::string text;
  http::AppendStatusLine(text, error.status);
  http::AppendHeader(text, "Content-Type", "application/json");
  http::AppendHeader(text, "Content-Length", body.size());
  http::AppendHeader(text, "X-Request-ID", record_.request_id.view());
  text += extra_lines;
  text += close_ ? "Connection: close\r\n\r\n" : "\r\n";
  out.client.Add(deps_.context.arena->Copy(text));
  if (head_.method() != http::Method::kHead) {
    out.client.Add(body.view());
    record_.response_bytes += body.size();
  }
  record_.status = static_cast<uint16_t>(error.status);
  kept_.Release();
  if (request_over_ || close_ || head_.body() == http::Head::Body::kNone) {
    out.close_client = out.close_client || close_;
    Finish(how, out);
    return;
  }
  // The rest of the request is read and dropped, so that the connection can be kept.
  ending_ = how;
  state_ = State::kSwallowing;
  deadline_ = deps_.context.now + Duration::Seconds(2);
  out.resume_client = true;
}

// A stream says that it ends here; anything else is cut, so that nobody takes it for whole.
void Forward::Break(const llm::ApiError& error, Outbox& out) {
  out.close_client = true;
  if (!sse_) {
    return;
  }
  if (last_[0] != '\n' || last_[1] != '\n') {
    Emit("\n\n", out);
  }
  const size_t bound = llm::ErrorBytesMax(error) + 64;
  char* space = deps_.context.arena->Allocate(bound);
  http::Buffer event(std::span<char>(space, bound));
  llm::RenderErrorEvent(dialect_, error, event);
  Emit(event.view(), out);
  if (chunked_) {
    out.client.Add(http::kLastChunk);
  }
}

void Forward::DropUpstream(Outbox& out) {
  if (!upstream_) {
    return;
  }
  upstream_ = false;
  if (out.dial != nullptr) {
    out.dial = nullptr;  // not acted on yet
  } else {
    out.close_upstream = true;
  }
}

void Forward::Finish(Ending how, Outbox& out) {
  LeaveHold(HoldEnd::kCancelled);
  state_ = State::kEnded;
  deadline_ = Instant::Never();
  record_.latency_us = (deps_.context.now - began_).micros();
  record_.outcome = how == Ending::kRelayed      ? model::Outcome::kSuccess
                    : how == Ending::kCancelled  ? model::Outcome::kCancelled
                    : how == Ending::kKeyRefused ? model::Outcome::kRejected
                                                 : model::Outcome::kServerError;
  kept_.Release();
  deps_.observer.Ended(how);
  out.finished = true;
}

}  // namespace aurora::failover
