// SavedHead: a request's head as it can be sent on or parsed again: method, target and headers as they came, without
// what belongs to one hop (RFC 9110 section 7.6.1), to the framing, and the request id.
// Source: ours. Thread: pure. Memory: one string whose capacity is kept from request to request.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shared/http/message.h"

namespace aurora::failover {

class SavedHead {
 public:
  void Save(const http::Head& head);
  // The body is at hand now, and of that size. `inflated`: it is no longer encoded.
  void SetBody(uint64_t size, bool inflated);

  // The head for a peer, its blank line included.
  void AppendForPeer(std::string& out, std::string_view request_id) const;
  // The head as our own decoder takes it: the client's version and its wish about the connection.
  void AppendAsReceived(std::string& out, std::string_view request_id) const;

  http::Method method() const { return method_; }
  http::Head::Body body() const { return body_; }
  uint64_t content_length() const { return content_length_; }
  bool old_client() const { return old_client_; }  // HTTP/1.0
  bool keep_alive() const { return keep_alive_; }
  bool expect_continue() const { return expect_continue_; }

 private:
  void AppendTail(std::string& out, std::string_view request_id) const;

  std::string text_;     // request line and header lines
  size_t line_end_ = 0;  // of the request line, CRLF not included
  size_t encoding_at_ = 0;
  size_t encoding_size_ = 0;  // of the Content-Encoding line; 0 = none
  uint64_t content_length_ = 0;
  http::Method method_ = http::Method::kOther;
  http::Head::Body body_ = http::Head::Body::kNone;
  bool old_client_ = false;
  bool keep_alive_ = true;
  bool expect_continue_ = false;
};

}  // namespace aurora::failover
