#include "shared/http/head_lexer.h"

#include <array>
#include <cstring>

#include "shared/http/text_scan.h"

namespace aurora::http {
namespace {

enum : uint8_t { kToken = 1, kTarget = 2 };

constexpr std::array<uint8_t, 256> kBytes = [] {
  std::array<uint8_t, 256> table{};
  for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
    table[static_cast<unsigned char>(c)] |= kToken;
  }
  for (unsigned c = '!'; c <= '~'; ++c) {
    table[c] |= c == '#' ? uint8_t{0} : uint8_t{kTarget};
  }
  return table;
}();

const char* Skip(const char* at, const char* end, uint8_t what) {
  while (at != end && (kBytes[static_cast<unsigned char>(*at)] & what) != 0) {
    ++at;
  }
  return at;
}

bool StartsWith(const char* at, const char* end, std::string_view prefix) {
  return static_cast<size_t>(end - at) >= prefix.size() &&
         std::memcmp(at, prefix.data(), prefix.size()) == 0;
}

// Each returns what follows the line, or null.
const char* RequestLine(const char* at, const char* end, Head* head) {
  const char* const method_end = Skip(at, end, kToken);
  head->method_text = {at, static_cast<size_t>(method_end - at)};
  if (ClassifyMethod(head->method_text) == Method::kOther || method_end == end ||
      *method_end != ' ') {
    return nullptr;
  }
  const char* const target = method_end + 1;
  const char* const target_end = Skip(target, end, kTarget);
  head->target = {target, static_cast<size_t>(target_end - target)};
  constexpr std::string_view kRest = " HTTP/1.1\r\n";
  if (head->target.empty() || *target != '/' || !StartsWith(target_end, end, kRest)) {
    return nullptr;
  }
  return target_end + kRest.size();
}

const char* StatusLine(const char* at, const char* end, Head* head) {
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  if (!StartsWith(at, end, kVersion) || end - at < 14) {
    return nullptr;
  }
  at += kVersion.size();
  for (const char* const digits_end = at + 3; at != digits_end; ++at) {
    if (*at < '0' || *at > '9') {
      return nullptr;
    }
    head->status = head->status * 10 + (*at - '0');
  }
  if (*at != ' ') {
    return nullptr;
  }
  at = SkipText(at, end);
  return StartsWith(at, end, "\r\n") ? at + 2 : nullptr;
}

// "name: value\r\n"
const char* HeaderLine(const char* at, const char* end, Header* header) {
  const char* const name_end = Skip(at, end, kToken);
  if (name_end == at || name_end == end || *name_end != ':') {
    return nullptr;
  }
  header->name = {at, static_cast<size_t>(name_end - at)};
  const char* value = name_end + 1;
  while (value != end && *value == ' ') {
    ++value;
  }
  const char* const line_end = SkipText(value, end);
  if (!StartsWith(line_end, end, "\r\n")) {
    return nullptr;
  }
  const char* value_end = line_end;
  while (value_end != value && value_end[-1] == ' ') {
    --value_end;
  }
  header->value = {value, static_cast<size_t>(value_end - value)};
  header->id = ClassifyHeader(header->name);
  return line_end + 2;
}

}  // namespace

size_t LexHead(Decoder::Kind kind, const Limits& limits, std::string_view bytes, Head* head) {
  const char* const begin = bytes.data();
  const char* const end = begin + bytes.size();
  const char* at = kind == Decoder::Kind::kRequest ? RequestLine(begin, end, head)
                                                   : StatusLine(begin, end, head);
  if (at == nullptr || static_cast<size_t>(at - begin) > limits.target_bytes_max) {
    return 0;
  }
  while (!StartsWith(at, end, "\r\n")) {
    if (head->header_count == kHeadersMax) {
      return 0;
    }
    at = HeaderLine(at, end, &head->headers[head->header_count++]);
    if (at == nullptr) {
      return 0;
    }
  }
  const auto size = static_cast<size_t>(at + 2 - begin);
  return size <= limits.head_bytes_max ? size : 0;
}

}  // namespace aurora::http
