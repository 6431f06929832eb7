#include "shared/http/head_parser.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <llhttp/llhttp.h>

#include "shared/http/encoder.h"
#include "shared/http/head_lexer.h"

namespace aurora::http {
namespace {

bool Refuse(Error* error, int status, std::string_view reason, std::string_view text) {
  *error = Error{status, reason, text};
  return false;
}

struct Context {
  Head* head;
  bool complete = false;
  bool too_many = false;
};

Context& Of(llhttp_t* parser) {
  return *static_cast<Context*>(parser->data);
}

int OnMethod(llhttp_t* parser, const char* at, size_t size) {
  Of(parser).head->method_text = {at, size};
  return 0;
}

int OnUrl(llhttp_t* parser, const char* at, size_t size) {
  Of(parser).head->target = {at, size};
  return 0;
}

int OnField(llhttp_t* parser, const char* at, size_t size) {
  Head& head = *Of(parser).head;
  if (head.header_count == kHeadersMax) {
    Of(parser).too_many = true;
    return HPE_USER;
  }
  Header& header = head.headers[head.header_count++];
  header.name = {at, size};
  header.value = {};
  header.id = ClassifyHeader(header.name);
  return 0;
}

int OnValue(llhttp_t* parser, const char* at, size_t size) {
  while (size > 0 && (at[size - 1] == ' ' || at[size - 1] == '\t')) {
    --size;
  }
  Head& head = *Of(parser).head;
  if (head.header_count == 0) {
    return HPE_USER;
  }
  head.headers[head.header_count - 1].value = {at, size};
  return 0;
}

// 1: no body for llhttp; framing is the decoder's.
int OnHeadersComplete(llhttp_t* parser) {
  Of(parser).complete = true;
  return 1;
}

const llhttp_settings_t* Settings() {
  static const llhttp_settings_t settings = [] {
    llhttp_settings_t s;
    llhttp_settings_init(&s);
    s.on_method = OnMethod;
    s.on_url = OnUrl;
    s.on_header_field = OnField;
    s.on_header_value = OnValue;
    s.on_headers_complete = OnHeadersComplete;
    return s;
  }();
  return &settings;
}

bool RefuseTransferEncoding(std::string_view value, Error* error) {
  if (HasToken(value, "chunked")) {
    return Refuse(error, 400, "bad_transfer_encoding",
                  "Transfer-Encoding must be exactly \"chunked\".");
  }
  return Refuse(error, 501, "unknown_transfer_encoding",
                "This Transfer-Encoding is not supported.");
}

bool RefuseSyntax(llhttp_errno_t code, std::string_view bytes, const Head& head, Error* error) {
  switch (code) {
    case HPE_INVALID_METHOD:
      if (IsToken(bytes.substr(0, bytes.find(' ')))) {
        return Refuse(error, 501, "unknown_method", "This method is not supported.");
      }
      return Refuse(error, 400, "bad_method", "The method is malformed.");
    case HPE_INVALID_VERSION:
      return Refuse(error, 505, "bad_version", "Only HTTP/1.1 and HTTP/1.0 are supported.");
    case HPE_INVALID_URL:
      return Refuse(error, 400, "bad_target", "The request target is malformed.");
    case HPE_UNEXPECTED_CONTENT_LENGTH:
      return Refuse(error, 400, "framing_conflict",
                    "More than one header says where the body ends.");
    case HPE_INVALID_CONTENT_LENGTH:
      return Refuse(error, 400, "bad_content_length", "Content-Length is malformed.");
    case HPE_INVALID_TRANSFER_ENCODING:
      return RefuseTransferEncoding(head.Value(HeaderId::kTransferEncoding), error);
    default:
      return Refuse(error, 400, "bad_syntax", "The head is malformed.");
  }
}

// What the headers say about framing and the connection, gathered in one pass.
struct Facts {
  uint32_t length_count = 0;
  uint32_t encoding_count = 0;
  uint32_t host_count = 0;
  uint32_t expect_count = 0;
  std::string_view length, encoding, host, expect;
  bool close = false;
  bool keep_alive = false;
  bool upgrade_token = false;
  bool upgrade_header = false;
};

Facts Gather(const Head& head) {
  Facts facts;
  for (const Header& header : head.all()) {
    switch (header.id) {
      case HeaderId::kContentLength:
        ++facts.length_count;
        facts.length = header.value;
        break;
      case HeaderId::kTransferEncoding:
        ++facts.encoding_count;
        facts.encoding = header.value;
        break;
      case HeaderId::kHost:
        ++facts.host_count;
        facts.host = header.value;
        break;
      case HeaderId::kExpect:
        ++facts.expect_count;
        facts.expect = header.value;
        break;
      case HeaderId::kConnection:
        facts.close |= HasToken(header.value, "close");
        facts.keep_alive |= HasToken(header.value, "keep-alive");
        facts.upgrade_token |= HasToken(header.value, "upgrade");
        break;
      case HeaderId::kUpgrade:
        facts.upgrade_header = true;
        break;
      default:
        break;
    }
  }
  return facts;
}

// Sets body and content_length. RFC 9112 6.3, minus every recovery it allows.
bool DecideFraming(const Facts& facts, Head* head, Error* error) {
  if (facts.encoding_count > 0 && facts.length_count > 0) {
    return Refuse(error, 400, "framing_conflict",
                  "Content-Length and Transfer-Encoding exclude each other.");
  }
  if (facts.encoding_count > 0) {
    if (head->minor_version == 0) {
      return Refuse(error, 400, "transfer_encoding_in_1_0", "HTTP/1.0 knows no Transfer-Encoding.");
    }
    if (facts.encoding_count > 1 || !EqualsIgnoreCase(facts.encoding, "chunked")) {
      return RefuseTransferEncoding(facts.encoding_count > 1 ? "chunked" : facts.encoding, error);
    }
    head->body = Head::Body::kChunked;
    return true;
  }
  if (facts.length_count == 0) {
    return true;
  }
  // 18 digits cannot overflow, and no body is that long.
  if (facts.length_count > 1 || facts.length.empty() || facts.length.size() > 18) {
    return Refuse(error, 400, "bad_content_length", "Content-Length is malformed or repeated.");
  }
  uint64_t length = 0;
  for (const char c : facts.length) {
    if (c < '0' || c > '9') {
      return Refuse(error, 400, "bad_content_length", "Content-Length is malformed.");
    }
    length = length * 10 + static_cast<uint64_t>(c - '0');
  }
  head->body = Head::Body::kLength;
  head->content_length = length;
  return true;
}

constexpr std::array<bool, 256> kHostBytes = [] {
  std::array<bool, 256> table{};
  for (const char c : std::string_view("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "-._~%!$&'()*+;=:[]")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}();

bool IsHostValue(std::string_view host) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return kHostBytes[static_cast<unsigned char>(c)];
  });
}

// Origin-form and "OPTIONS *" pass; absolute-form is reduced to origin-form when it agrees with
// Host.
bool CheckTarget(const Facts& facts, Head* head, Error* error) {
  std::string_view target = head->target;
  if (std::memchr(target.data(), '#', target.size()) != nullptr) {
    return Refuse(error, 400, "bad_target", "A request target has no fragment.");
  }
  if (target.front() == '/' || (target == "*" && head->method == Method::kOptions)) {
    return true;
  }
  const size_t scheme = target.find("://");
  if (scheme == std::string_view::npos || (!EqualsIgnoreCase(target.substr(0, scheme), "http") &&
                                           !EqualsIgnoreCase(target.substr(0, scheme), "https"))) {
    return Refuse(error, 400, "bad_target", "The request target must begin with \"/\".");
  }
  target.remove_prefix(scheme + 3);
  const size_t end = std::min(target.find_first_of("/?"), target.size());
  if (!EqualsIgnoreCase(target.substr(0, end), facts.host)) {
    return Refuse(error, 400, "host_conflict", "The request target and Host name different hosts.");
  }
  target.remove_prefix(end);
  if (!target.empty() && target.front() == '?') {
    return Refuse(error, 400, "bad_target", "The request target lacks a path.");
  }
  head->target = target.empty() ? std::string_view("/") : target;
  return true;
}

// llhttp tolerates runs of spaces and other protocols' names in the request line; one spelling is
// enough.
bool CheckRequestLine(const Limits& limits, std::string_view bytes, const Head& head,
                      Error* error) {
  if (head.target.size() > limits.target_bytes_max) {
    return Refuse(error, 414, "target_too_long", "The request target is too long.");
  }
  const size_t target_at = static_cast<size_t>(head.target.data() - bytes.data());
  if (head.target.empty() || target_at != head.method_text.size() + 1 ||
      bytes.substr(target_at + head.target.size(), 8) != " HTTP/1.") {
    return Refuse(error, 400, "bad_request_line", "The request line is malformed.");
  }
  return true;
}

bool FinishRequest(const Limits& limits, std::string_view bytes, Head* head, Error* error) {
  if (!CheckRequestLine(limits, bytes, *head, error)) {
    return false;
  }
  head->method = ClassifyMethod(head->method_text);
  if (head->method_text == "CONNECT") {
    return Refuse(error, 501, "unknown_method", "CONNECT is not supported.");
  }
  const Facts facts = Gather(*head);
  if (facts.host_count > 1 || (facts.host_count == 0 && head->minor_version == 1)) {
    return Refuse(error, 400, facts.host_count == 0 ? "missing_host" : "duplicate_host",
                  "A request carries exactly one Host.");
  }
  if (facts.host_count == 1 && !IsHostValue(facts.host)) {
    return Refuse(error, 400, "bad_host", "Host is malformed.");
  }
  if (!CheckTarget(facts, head, error) || !DecideFraming(facts, head, error)) {
    return false;
  }
  if (facts.expect_count > 0) {
    if (facts.expect_count > 1 || !EqualsIgnoreCase(facts.expect, "100-continue")) {
      return Refuse(error, 417, "unknown_expectation", "This Expect cannot be met.");
    }
    // A 1.0 client cannot mean it, and without a body there is nothing to wait for (RFC
    // 9110 10.1.1).
    head->expect_continue = head->minor_version == 1 && head->body != Head::Body::kNone;
  }
  head->keep_alive = !facts.close && (head->minor_version == 1 || facts.keep_alive);
  head->upgrade = facts.upgrade_token && facts.upgrade_header;
  return true;
}

bool FinishResponse(Head* head, Error* error) {
  if (head->status < 100 || head->status > 599) {
    return Refuse(error, 502, "bad_status", "The status is out of range.");
  }
  const Facts facts = Gather(*head);
  if (!DecideFraming(facts, head, error)) {
    return false;
  }
  head->keep_alive = !facts.close && (head->minor_version == 1 || facts.keep_alive);
  head->upgrade = head->status == 101;
  if (head->status < 200 || head->status == 204 || head->status == 304) {
    head->body = Head::Body::kNone;
  } else if (head->body == Head::Body::kNone) {
    head->body = Head::Body::kUntilClose;
    head->keep_alive = false;
  }
  return true;
}

void Clear(Head* head) {
  head->method = Method::kOther;
  head->body = Head::Body::kNone;
  head->keep_alive = true;
  head->expect_continue = false;
  head->upgrade = false;
  head->status = 0;
  head->minor_version = 1;
  head->header_count = 0;
  head->method_text = {};
  head->target = {};
  head->content_length = 0;
}

}  // namespace

size_t ParseUsualHead(Decoder::Kind kind, const Limits& limits, std::string_view bytes,
                      Head* head) {
  Clear(head);
  const size_t size = LexHead(kind, limits, bytes, head);
  if (size == 0) {
    return 0;
  }
  Error error;
  const bool ok = kind == Decoder::Kind::kRequest
                      ? FinishRequest(limits, bytes.substr(0, size), head, &error)
                      : FinishResponse(head, &error);
  return ok ? size : 0;
}

bool ParseHead(Decoder::Kind kind, const Limits& limits, std::string_view bytes, Head* head,
               Error* error) {
  Clear(head);
  const bool request = kind == Decoder::Kind::kRequest;
  if (request && bytes.starts_with("PRI * HTTP/2.0\r\n")) {
    return Refuse(error, 505, "http2_preface", "HTTP/2 is not spoken here.");
  }
  llhttp_t parser;
  llhttp_init(&parser, request ? HTTP_REQUEST : HTTP_RESPONSE, Settings());
  Context context{head};
  parser.data = &context;
  const llhttp_errno_t code = llhttp_execute(&parser, bytes.data(), bytes.size());
  if (context.too_many) {
    return Refuse(error, 431, "too_many_headers", "Too many headers.");
  }
  if (!context.complete || (code != HPE_OK && code != HPE_PAUSED_UPGRADE)) {
    return RefuseSyntax(code, bytes, *head, error);
  }
  if (parser.http_major != 1 || parser.http_minor > 1) {
    return Refuse(error, 505, "bad_version", "Only HTTP/1.1 and HTTP/1.0 are supported.");
  }
  head->minor_version = parser.http_minor;
  head->status = parser.status_code;
  return request ? FinishRequest(limits, bytes, head, error) : FinishResponse(head, error);
}

}  // namespace aurora::http
