#include "shared/http/message.h"

namespace aurora::http {
namespace {

constexpr char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

// `lower` is a lower-case literal of the same length as `name`.
bool Is(std::string_view name, std::string_view lower) {
  for (size_t i = 0; i < lower.size(); ++i) {
    if (Lower(name[i]) != lower[i]) {
      return false;
    }
  }
  return true;
}

HeaderId Pick(std::string_view name, HeaderId id) {
  return Is(name, HeaderName(id)) ? id : HeaderId::kOther;
}

HeaderId Pick(std::string_view name, HeaderId first, HeaderId second) {
  const HeaderId id = Pick(name, first);
  return id != HeaderId::kOther ? id : Pick(name, second);
}

// Names of 10 to 12 characters, where most collisions of length live.
HeaderId ClassifyMedium(std::string_view name, char first) {
  switch (name.size()) {
    case 10:
      switch (first) {
        case 'c':
          return Pick(name, HeaderId::kConnection);
        case 'k':
          return Pick(name, HeaderId::kKeepAlive);
        case 'u':
          return Pick(name, HeaderId::kUserAgent);
        case 't':
          return Pick(name, HeaderId::kTracestate);
        case 's':
          return Pick(name, HeaderId::kSetCookie);
        default:
          return HeaderId::kOther;
      }
    case 11:
      switch (first) {
        case 't':
          return Pick(name, HeaderId::kTraceparent);
        case 'r':
          return Pick(name, HeaderId::kRetryAfter);
        default:
          return HeaderId::kOther;
      }
    default:
      switch (first) {
        case 'c':
          return Pick(name, HeaderId::kContentType);
        case 'x':
          return Pick(name, HeaderId::kXRequestId);
        default:
          return HeaderId::kOther;
      }
  }
}

HeaderId ClassifyLong(std::string_view name, char first) {
  switch (name.size()) {
    case 13:
      return Pick(name, HeaderId::kAuthorization);
    case 14:
      return first == 'c' ? Pick(name, HeaderId::kContentLength)
             : first == 'a' ? Pick(name, HeaderId::kAnthropicBeta)
             : first == 'x' ? Pick(name, HeaderId::kXGoogApiKey)
                            : HeaderId::kOther;
    case 15:
      return first == 'a' ? Pick(name, HeaderId::kAcceptEncoding)
             : first == 'x' ? Pick(name, HeaderId::kXForwardedFor)
                            : HeaderId::kOther;
    case 16:
      return first == 'c' ? Pick(name, HeaderId::kContentEncoding)
             : first == 'p' ? Pick(name, HeaderId::kProxyConnection)
                            : HeaderId::kOther;
    case 17:
      return first == 't' ? Pick(name, HeaderId::kTransferEncoding)
             : first == 'a' ? Pick(name, HeaderId::kAnthropicVersion)
             : first == 'x' ? Pick(name, HeaderId::kXForwardedProto)
                            : HeaderId::kOther;
    case 18:
      return Pick(name, HeaderId::kProxyAuthenticate);
    case 19:
      return Pick(name, HeaderId::kProxyAuthorization);
    default:
      return HeaderId::kOther;
  }
}

}  // namespace

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) {
    return false;
  }
  for (size_t i = 0; i < a.size(); ++i) {
    if (Lower(a[i]) != Lower(b[i])) {
      return false;
    }
  }
  return true;
}

const Header* Head::Find(std::string_view name) const {
  for (uint32_t i = 0; i < header_count; ++i) {
    if (EqualsIgnoreCase(headers[i].name, name)) {
      return &headers[i];
    }
  }
  return nullptr;
}

HeaderId ClassifyHeader(std::string_view name) {
  if (name.size() < 2) {
    return HeaderId::kOther;
  }
  const char first = Lower(name[0]);
  switch (name.size()) {
    case 2:
      return Pick(name, HeaderId::kTe);
    case 3:
      return Pick(name, HeaderId::kVia);
    case 4:
      return Pick(name, HeaderId::kHost, HeaderId::kDate);
    case 6:
      return first == 'a' ? Pick(name, HeaderId::kAccept)
             : first == 'e' ? Pick(name, HeaderId::kExpect)
             : first == 's' ? Pick(name, HeaderId::kServer)
             : first == 'c' ? Pick(name, HeaderId::kCookie)
                            : HeaderId::kOther;
    case 7:
      return first == 'u' ? Pick(name, HeaderId::kUpgrade)
             : first == 't' ? Pick(name, HeaderId::kTrailer)
             : first == 'a' ? Pick(name, HeaderId::kApiKey)
                            : HeaderId::kOther;
    case 8:
      return Pick(name, HeaderId::kLocation);
    case 9:
      return first == 'x'   ? Pick(name, HeaderId::kXApiKey)
             : first == 'f' ? Pick(name, HeaderId::kForwarded)
                            : HeaderId::kOther;
    default:
      return name.size() >= 10 && name.size() <= 12 ? ClassifyMedium(name, first)
                                                    : ClassifyLong(name, first);
  }
}

std::string_view HeaderName(HeaderId id) {
  static constexpr std::string_view kNames[] = {
      "",
      "host",
      "connection",
      "content-length",
      "content-type",
      "content-encoding",
      "transfer-encoding",
      "expect",
      "upgrade",
      "te",
      "trailer",
      "keep-alive",
      "proxy-connection",
      "proxy-authorization",
      "proxy-authenticate",
      "authorization",
      "x-api-key",
      "api-key",
      "x-goog-api-key",
      "accept",
      "accept-encoding",
      "user-agent",
      "traceparent",
      "tracestate",
      "retry-after",
      "x-request-id",
      "anthropic-version",
      "anthropic-beta",
      "date",
      "server",
      "cookie",
      "set-cookie",
      "forwarded",
      "x-forwarded-for",
      "x-forwarded-proto",
      "via",
      "location",
  };
  static_assert(std::size(kNames) == static_cast<size_t>(HeaderId::kLocation) + 1);
  return kNames[static_cast<size_t>(id)];
}

bool HasToken(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    std::string_view item = list.substr(0, comma);
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) {
      item.remove_prefix(1);
    }
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) {
      item.remove_suffix(1);
    }
    if (EqualsIgnoreCase(item, token)) {
      return true;
    }
  }
  return false;
}

// Methods are case-sensitive (RFC 9110 9.1).
Method ClassifyMethod(std::string_view text) {
  for (const Method method : {Method::kPost, Method::kGet, Method::kHead, Method::kPut,
                              Method::kDelete, Method::kPatch, Method::kOptions}) {
    if (text == MethodName(method)) {
      return method;
    }
  }
  return Method::kOther;
}

std::string_view MethodName(Method method) {
  switch (method) {
    case Method::kGet:
      return "GET";
    case Method::kHead:
      return "HEAD";
    case Method::kPost:
      return "POST";
    case Method::kPut:
      return "PUT";
    case Method::kDelete:
      return "DELETE";
    case Method::kPatch:
      return "PATCH";
    case Method::kOptions:
      return "OPTIONS";
    case Method::kOther:
      return "OTHER";
  }
  return "OTHER";
}

bool IsHopByHop(HeaderId id) {
  switch (id) {
    case HeaderId::kConnection:
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyConnection:
    case HeaderId::kProxyAuthorization:
    case HeaderId::kProxyAuthenticate:
    case HeaderId::kTe:
    case HeaderId::kTrailer:
    case HeaderId::kTransferEncoding:
    case HeaderId::kUpgrade:
      return true;
    default:
      return false;
  }
}

}  // namespace aurora::http
