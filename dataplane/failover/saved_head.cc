#include "dataplane/failover/saved_head.h"

#include "shared/http/encoder.h"

namespace aurora::failover {
namespace {

bool Kept(const http::Header& header, std::string_view connection) {
  return !http::IsHopByHop(header.id) && header.id != http::HeaderId::kContentLength &&
         header.id != http::HeaderId::kExpect && header.id != http::HeaderId::kXRequestId &&
         (connection.empty() || !http::HasToken(connection, header.name));
}

}  // namespace

void SavedHead::Save(const http::Head& head) {
  text_.clear();
  text_.append(head.method_text).append(" ").append(head.target).append(" HTTP/1.1");
  line_end_ = text_.size();
  text_ += "\r\n";
  encoding_size_ = 0;
  const std::string_view connection = head.Value(http::HeaderId::kConnection);
  bool host = false;
  for (const http::Header& header : head.all()) {
    if (!Kept(header, connection)) {
      continue;
    }
    host = host || header.id == http::HeaderId::kHost;
    const size_t at = text_.size();
    http::AppendHeader(text_, header.name, header.value);
    if (header.id == http::HeaderId::kContentEncoding) {
      encoding_at_ = at;
      encoding_size_ = text_.size() - at;
    }
  }
  if (!host) {
    text_ += "Host: aurora\r\n";  // HTTP/1.0 needs none, HTTP/1.1 does
  }
  method_ = head.method;
  body_ = head.body;
  content_length_ = head.content_length;
  old_client_ = head.minor_version == 0;
  keep_alive_ = head.keep_alive;
  expect_continue_ = head.expect_continue;
}

void SavedHead::SetBody(uint64_t size, bool inflated) {
  if (body_ != http::Head::Body::kNone) {
    body_ = http::Head::Body::kLength;
    content_length_ = size;
  }
  if (inflated && encoding_size_ > 0) {
    text_.erase(encoding_at_, encoding_size_);
    encoding_size_ = 0;
  }
}

void SavedHead::AppendTail(std::string& out, std::string_view request_id) const {
  http::AppendHeader(out, "X-Request-ID", request_id);
  if (body_ == http::Head::Body::kChunked) {
    out += "Transfer-Encoding: chunked\r\n";
  } else if (body_ == http::Head::Body::kLength) {
    http::AppendHeader(out, "Content-Length", content_length_);
  }
  out += "\r\n";
}

void SavedHead::AppendForPeer(std::string& out, std::string_view request_id) const {
  out += text_;
  AppendTail(out, request_id);
}

void SavedHead::AppendAsReceived(std::string& out, std::string_view request_id) const {
  const size_t at = out.size();
  out += text_;
  if (old_client_) {
    out[at + line_end_ - 1] = '0';
  }
  out += keep_alive_ ? (old_client_ ? "Connection: keep-alive\r\n" : "") : "Connection: close\r\n";
  AppendTail(out, request_id);
}

}  // namespace aurora::failover
