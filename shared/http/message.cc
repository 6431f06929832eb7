#include "shared/http/message.h"

#include <array>
#include <cstring>
#include <iterator>

namespace aurora::http {
namespace {

constexpr char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

constexpr std::string_view kNames[] = {
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

constexpr size_t kLongestName = 19;

// At most one known name has a given length and first letter, so one comparison settles any name.
struct NameTable {
  std::array<std::array<HeaderId, 32>, kLongestName + 1> ids{};
  bool unique = true;
};
constexpr NameTable kTable = [] {
  NameTable table;
  for (size_t i = 1; i < std::size(kNames); ++i) {
    HeaderId& id = table.ids[kNames[i].size()][static_cast<unsigned char>(kNames[i][0]) & 31];
    table.unique = table.unique && id == HeaderId::kOther;
    id = static_cast<HeaderId>(i);
  }
  return table;
}();
static_assert(kTable.unique);

// 8 bytes with bit 5 set: lower case for letters, and '-' stays. Of the token bytes only letters
// change.
uint64_t LoadLower(const char* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof(word));
  return word | 0x2020202020202020u;
}

// Requires: `lower` is a known name of the same size.
bool SameName(std::string_view name, std::string_view lower) {
  if (name.size() < sizeof(uint64_t)) {
    for (size_t i = 0; i < name.size(); ++i) {
      if ((name[i] | 0x20) != lower[i]) {
        return false;
      }
    }
    return true;
  }
  size_t at = 0;
  for (; at + sizeof(uint64_t) < name.size(); at += sizeof(uint64_t)) {
    if (LoadLower(name.data() + at) != LoadLower(lower.data() + at)) {
      return false;
    }
  }
  at = name.size() - sizeof(uint64_t);  // the last word overlaps the one before
  return LoadLower(name.data() + at) == LoadLower(lower.data() + at);
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
  if (name.empty() || name.size() > kLongestName) {
    return HeaderId::kOther;
  }
  const HeaderId id = kTable.ids[name.size()][static_cast<unsigned char>(name[0]) & 31];
  return id != HeaderId::kOther && SameName(name, kNames[static_cast<size_t>(id)])
             ? id
             : HeaderId::kOther;
}

std::string_view HeaderName(HeaderId id) {
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
