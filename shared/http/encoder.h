// Append helpers that serialise HTTP/1.1 heads and chunk frames.
// Source: RFC 9112.
// Thread: pure.   Memory: Buffer writes into bytes the caller owns and never allocates; overflow is
// a sticky flag. Errors: none but overflow. Invariant: no value written through Header() can
// contain CR, LF or NUL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace aurora::http {

// A fixed buffer to serialise a head into. What does not fit is dropped and overflow() tells.
class Buffer {
 public:
  explicit Buffer(std::span<char> bytes) : begin_(bytes.data()), capacity_(bytes.size()) {}

  void Append(std::string_view bytes) {
    if (bytes.size() > capacity_ - size_) [[unlikely]] {
      overflow_ = true;
    } else if (!bytes.empty()) {  // its data() may be null, which memcpy must not see
      std::memcpy(begin_ + size_, bytes.data(), bytes.size());
      size_ += bytes.size();
    }
  }
  void AppendDecimal(uint64_t value);
  // "name: value\r\n", the value sanitised.
  void Header(std::string_view name, std::string_view value);
  void Header(std::string_view name, uint64_t value);

  std::string_view view() const { return {begin_, size_}; }
  size_t size() const { return size_; }
  bool overflow() const { return overflow_; }
  void Clear() {
    size_ = 0;
    overflow_ = false;
  }

 private:
  char* begin_;
  size_t capacity_;
  size_t size_ = 0;
  bool overflow_ = false;
};

// The same for a growing string.
void AppendDecimal(std::string& out, uint64_t value);
void AppendHeader(std::string& out, std::string_view name, std::string_view value);
void AppendHeader(std::string& out, std::string_view name, uint64_t value);
// "HTTP/1.1 <status> <phrase>\r\n".
void AppendStatusLine(std::string& out, int status);

// Writes "<hex size>\r\n" and returns the view over `out`. A chunk is that, the bytes, then kCrlf.
inline constexpr size_t kChunkHeaderMax = 18;
std::string_view ChunkHeader(size_t size, std::span<char, kChunkHeaderMax> out);
inline constexpr std::string_view kCrlf = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";
inline constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// "OK" for 200; "Unknown" for what has no registered phrase.
std::string_view ReasonPhrase(int status);

// True when the value may be written as is: no CR, LF, NUL or other control but HTAB.
bool IsCleanValue(std::string_view value);
bool IsToken(std::string_view name);

}  // namespace aurora::http
