#include "shared/http/encoder.h"

#include <array>
#include <charconv>
#include <cstring>

#include "shared/http/text_scan.h"

namespace aurora::http {
namespace {

constexpr bool IsControl(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (u < 0x20 && u != '\t') || u == 0x7f;
}

constexpr std::array<bool, 256> kTokenBytes = [] {
  std::array<bool, 256> table{};
  for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}();

// A value with controls is a caller's slip or an attack: each control becomes one space.
std::string Sanitised(std::string_view value) {
  std::string clean(value);
  for (char& c : clean) {
    if (IsControl(c)) {
      c = ' ';
    }
  }
  return clean;
}

struct Decimal {
  explicit Decimal(uint64_t value) {
    size = static_cast<size_t>(
        std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr - digits.data());
  }
  std::string_view view() const { return {digits.data(), size}; }
  std::array<char, 20> digits;
  size_t size;
};

}  // namespace

void Buffer::AppendDecimal(uint64_t value) {
  Append(Decimal(value).view());
}

void Buffer::Header(std::string_view name, std::string_view value) {
  if (name.size() + value.size() + 4 > capacity_ - size_) {
    overflow_ = true;
    return;
  }
  Append(name);
  Append(": ");
  if (SkipText(value.data(), value.data() + value.size()) == value.data() + value.size()) {
    Append(value);
  } else {
    for (const char c : value) {
      begin_[size_++] = IsControl(c) ? ' ' : c;
    }
  }
  Append(kCrlf);
}

void Buffer::Header(std::string_view name, uint64_t value) {
  Header(name, Decimal(value).view());
}

void AppendDecimal(std::string& out, uint64_t value) {
  out += Decimal(value).view();
}

void AppendHeader(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  if (IsCleanValue(value)) {
    out += value;
  } else {
    out += Sanitised(value);
  }
  out += kCrlf;
}

void AppendHeader(std::string& out, std::string_view name, uint64_t value) {
  AppendHeader(out, name, Decimal(value).view());
}

void AppendStatusLine(std::string& out, int status) {
  out += "HTTP/1.1 ";
  AppendDecimal(out, static_cast<uint64_t>(status));
  out += ' ';
  out += ReasonPhrase(status);
  out += kCrlf;
}

std::string_view ChunkHeader(size_t size, std::span<char, kChunkHeaderMax> out) {
  char* end = std::to_chars(out.data(), out.data() + 16, size, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return {out.data(), static_cast<size_t>(end - out.data())};
}

std::string_view ReasonPhrase(int status) {
  struct Phrase {
    int status;
    std::string_view text;
  };
  static constexpr Phrase kPhrases[] = {
      {100, "Continue"},
      {101, "Switching Protocols"},
      {103, "Early Hints"},
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {206, "Partial Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {402, "Payment Required"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {410, "Gone"},
      {411, "Length Required"},
      {412, "Precondition Failed"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {416, "Range Not Satisfiable"},
      {417, "Expectation Failed"},
      {421, "Misdirected Request"},
      {422, "Unprocessable Content"},
      {424, "Failed Dependency"},
      {426, "Upgrade Required"},
      {428, "Precondition Required"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {499, "Client Closed Request"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
      {507, "Insufficient Storage"},
      {529, "Overloaded"},
  };
  if (status == 200) {
    return "OK";
  }
  for (const Phrase& phrase : kPhrases) {
    if (phrase.status == status) {
      return phrase.text;
    }
  }
  return "Unknown";
}

bool IsCleanValue(std::string_view value) {
  for (const char c : value) {
    if (IsControl(c)) {
      return false;
    }
  }
  return true;
}

bool IsToken(std::string_view name) {
  for (const char c : name) {
    if (!kTokenBytes[static_cast<unsigned char>(c)]) {
      return false;
    }
  }
  return !name.empty();
}

}  // namespace aurora::http
