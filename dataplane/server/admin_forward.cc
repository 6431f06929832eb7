#include "dataplane/server/admin_forward.h"

#include <utility>

#include "dataplane/exchange/arena.h"
#include "shared/http/encoder.h"

namespace aurora::server {
namespace {

constexpr size_t kHeldMax = 64 * 1024;
constexpr Duration kAnswerTimeout = Duration::Seconds(60);

bool Forwarded(const http::Header& header) {
  return !http::IsHopByHop(header.id) && header.id != http::HeaderId::kContentLength &&
         header.id != http::HeaderId::kExpect && header.id != http::HeaderId::kXForwardedFor &&
         header.id != http::HeaderId::kXForwardedProto;
}

}  // namespace

AdminForward::AdminForward(exchange::Context& context, const model::Provider& target,
                           std::string client_ip, bool client_tls)
    : context_(context),
      target_(target),
      client_ip_(std::move(client_ip)),
      client_tls_(client_tls) {}

bool AdminForward::IsAdminPath(std::string_view target) {
  return target.substr(0, 6) == "/admin" &&
         (target.size() == 6 || target[6] == '/' || target[6] == '?');
}

void AdminForward::RequestHead(const http::Head& head, exchange::Outbox& out) {
  head_request_ = head.method == http::Method::kHead;
  client_chunks_ = head.minor_version >= 1;
  close_ = close_ || !head.keep_alive;
  request_chunked_ = head.body == http::Head::Body::kChunked;
  retryable_ = head.body == http::Head::Body::kNone;
  held_.append(head.method_text).append(" ").append(head.target).append(" HTTP/1.1\r\n");
  for (const http::Header& header : head.all()) {
    if (Forwarded(header)) {
      http::AppendHeader(held_, header.name, header.value);
    }
  }
  http::AppendHeader(held_, "X-Forwarded-For", client_ip_);
  http::AppendHeader(held_, "X-Forwarded-Proto", client_tls_ ? "https" : "http");
  if (request_chunked_) {
    held_ += "Transfer-Encoding: chunked\r\n";
  } else if (head.body == http::Head::Body::kLength) {
    http::AppendHeader(held_, "Content-Length", head.content_length);
  }
  held_ += "\r\n";
  if (head.expect_continue) {
    out.client.Add(http::kContinue);
  }
  dialled_ = true;
  out.dial = &target_;
  deadline_ = context_.now + kAnswerTimeout;
}

void AdminForward::Frame(std::string_view bytes, exchange::Outbox& out) {
  if (request_chunked_) {
    char* space = context_.arena->Allocate(http::kChunkHeaderMax);
    out.upstream.Add(http::ChunkHeader(
        bytes.size(), std::span<char, http::kChunkHeaderMax>(space, http::kChunkHeaderMax)));
    out.upstream.Add(bytes);
    out.upstream.Add(http::kCrlf);
  } else {
    out.upstream.Add(bytes);
  }
}

void AdminForward::RequestBody(std::string_view bytes, exchange::Outbox& out) {
  deadline_ = context_.now + kAnswerTimeout;
  if (ready_) {
    Frame(bytes, out);
    return;
  }
  if (request_chunked_) {
    char space[http::kChunkHeaderMax];
    held_.append(http::ChunkHeader(bytes.size(), space)).append(bytes).append(http::kCrlf);
  } else {
    held_.append(bytes);
  }
  if (held_.size() > kHeldMax) {
    out.pause_client = true;
  }
}

void AdminForward::RequestEnd(exchange::Outbox& out) {
  request_over_ = true;
  if (!request_chunked_) {
    return;
  }
  if (ready_) {
    out.upstream.Add(http::kLastChunk);
  } else {
    held_.append(http::kLastChunk);
  }
}

void AdminForward::UpstreamReady(bool reused, exchange::Outbox& out) {
  ready_ = true;
  retryable_ = retryable_ && reused;
  if (head_request_) {
    out.expect_no_body = true;
  }
  out.upstream.Add(held_);  // kept until the end: a stale connection may ask for it again
  out.resume_client = true;
}

void AdminForward::UpstreamFailed(exchange::UpstreamFailure failure, std::string_view detail,
                                  exchange::Outbox& out) {
  (void)failure;
  if (ready_ && retryable_ && !response_begun_) {
    ready_ = false;
    retryable_ = false;
    out.dial = &target_;
    out.fresh_connection = true;
    return;
  }
  if (response_begun_) {
    out.close_client = true;  // a cut answer must look cut
    Finish(out);
    return;
  }
  Fail(502, "control_plane_unreachable",
       "the control plane of this node does not answer; is aurora-controlplane running? (" +
           std::string(detail) + ")",
       out);
}

void AdminForward::ResponseHead(const http::Head& head, exchange::Outbox& out) {
  response_begun_ = true;
  status_ = head.status;
  deadline_ = context_.now + kAnswerTimeout;
  std::string text;
  http::AppendStatusLine(text, head.status);
  for (const http::Header& header : head.all()) {
    if (!http::IsHopByHop(header.id) && header.id != http::HeaderId::kContentLength) {
      http::AppendHeader(text, header.name, header.value);
    }
  }
  if (head.body == http::Head::Body::kLength || (head_request_ && head.content_length > 0)) {
    http::AppendHeader(text, "Content-Length", head.content_length);
  } else if (head.body != http::Head::Body::kNone) {
    response_chunked_ = client_chunks_;
    close_ = close_ || !client_chunks_;
    text += response_chunked_ ? "Transfer-Encoding: chunked\r\n" : "";
  } else if (head.status != 204 && head.status != 304 && !head_request_) {
    http::AppendHeader(text, "Content-Length", uint64_t{0});
  }
  close_ = close_ || !request_over_;
  text += close_ ? "Connection: close\r\n\r\n" : "\r\n";
  out.client.Add(context_.arena->Copy(text));
}

void AdminForward::ResponseBody(std::string_view bytes, exchange::Outbox& out) {
  deadline_ = context_.now + kAnswerTimeout;
  if (response_chunked_) {
    char* space = context_.arena->Allocate(http::kChunkHeaderMax);
    out.client.Add(http::ChunkHeader(
        bytes.size(), std::span<char, http::kChunkHeaderMax>(space, http::kChunkHeaderMax)));
    out.client.Add(bytes);
    out.client.Add(http::kCrlf);
  } else {
    out.client.Add(bytes);
  }
}

void AdminForward::ResponseEnd(bool reusable, exchange::Outbox& out) {
  if (response_chunked_) {
    out.client.Add(http::kLastChunk);
  }
  dialled_ = false;
  (reusable && request_over_ ? out.release_upstream : out.close_upstream) = true;
  out.close_client = close_;
  Finish(out);
}

void AdminForward::RequestError(int status, std::string_view code, std::string_view message,
                                exchange::Outbox& out) {
  Fail(status, code, message, out);
}

void AdminForward::ClientClosed(exchange::Outbox& out) {
  out.close_client = true;
  Finish(out);
}

void AdminForward::Tick(exchange::Outbox& out) {
  if (finished_ || context_.now < deadline_) {
    return;
  }
  if (response_begun_) {
    out.close_client = true;
    Finish(out);
  } else {
    Fail(504, "control_plane_timeout", "the control plane of this node did not answer in time",
         out);
  }
}

void AdminForward::Fail(int status, std::string_view code, std::string_view message,
                        exchange::Outbox& out) {
  if (!response_begun_) {
    status_ = status;
    std::string body = R"({"error":{"type":"api_error","message":")";
    for (const char c : message) {
      body += c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    body.append(R"(","param":null,"code":")").append(code).append("\"}}");
    std::string text;
    http::AppendStatusLine(text, status);
    http::AppendHeader(text, "Content-Type", "application/json");
    http::AppendHeader(text, "Content-Length", body.size());
    text += "Connection: close\r\n\r\n";
    out.client.Add(context_.arena->Copy(head_request_ ? text : text + body));
  }
  out.close_client = true;
  Finish(out);
}

void AdminForward::Finish(exchange::Outbox& out) {
  if (dialled_) {
    out.close_upstream = true;
    dialled_ = false;
  }
  finished_ = true;
  out.finished = true;
  deadline_ = Instant::Never();
}

}  // namespace aurora::server
