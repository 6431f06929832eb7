#include "shared/http/encoder.h"

#include <array>
#include <string>

#include <zlib.h>

#include "shared/http/inflate.h"
#include "shared/http/message.h"
#include "tests/support/test.h"

namespace aurora::http {
namespace {

TEST_CASE("a value written through Header cannot break the line", "[http]") {
  std::array<char, 128> bytes;
  Buffer buffer{bytes};
  buffer.Header("x", "a\r\nEvil: 1\x01\tok");
  buffer.Header("n", uint64_t{18446744073709551615u});
  CHECK(buffer.view() == "x: a  Evil: 1 \tok\r\nn: 18446744073709551615\r\n");
  std::string out;
  AppendHeader(out, "x", "a\r\nEvil: 1\x01\tok");
  AppendHeader(out, "n", uint64_t{0});
  CHECK(out == "x: a  Evil: 1 \tok\r\nn: 0\r\n");
}

TEST_CASE("a buffer never writes past its end and remembers that it wanted to", "[http]") {
  std::array<char, 8> bytes{};
  Buffer buffer{std::span<char>(bytes.data(), 7)};
  buffer.Header("ab", "c");  // exactly 7
  CHECK(buffer.view() == "ab: c\r\n");
  CHECK(!buffer.overflow());
  buffer.Append("x");
  CHECK(buffer.overflow());
  CHECK(buffer.size() == 7);
  CHECK(bytes[7] == 0);
  buffer.Clear();
  buffer.Header("ab", "cd");
  CHECK(buffer.overflow());
  CHECK(buffer.size() == 0);
}

TEST_CASE("chunk headers are lower-case hex", "[http]") {
  std::array<char, kChunkHeaderMax> out;
  CHECK(ChunkHeader(0x1af, out) == "1af\r\n");
  CHECK(ChunkHeader(SIZE_MAX, out) == "ffffffffffffffff\r\n");
}

TEST_CASE("status lines carry the registered phrase", "[http]") {
  std::string out;
  AppendStatusLine(out, 431);
  AppendStatusLine(out, 299);
  CHECK(out == "HTTP/1.1 431 Request Header Fields Too Large\r\nHTTP/1.1 299 Unknown\r\n");
}

TEST_CASE("hop-by-hop headers stay on their hop and content-length does not", "[http]") {
  CHECK(IsHopByHop(HeaderId::kConnection));
  CHECK(IsHopByHop(HeaderId::kTransferEncoding));
  CHECK(IsHopByHop(HeaderId::kUpgrade));
  CHECK(!IsHopByHop(HeaderId::kContentLength));
  CHECK(!IsHopByHop(HeaderId::kOther));
}

std::string Gzip(const std::string& text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST_CASE("inflating gives the text back and never more than the limit", "[http]") {
  const std::string text(1'000'000, 'x');
  const std::string packed = Gzip(text);
  CHECK(*Inflate(packed, text.size()) == text);
  CHECK(*Inflate(Gzip("a") + Gzip("b"), 10) == "ab");
  CHECK(*Inflate(Gzip(""), 10).value_or("?").c_str() == '\0');
  CHECK(Inflate(packed, text.size() - 1).status().code() == absl::StatusCode::kResourceExhausted);
  CHECK(Inflate(Gzip("a"), 0).status().code() == absl::StatusCode::kResourceExhausted);
}

TEST_CASE("a truncated or malformed gzip body is an error, not a shorter text", "[http]") {
  const std::string packed = Gzip("hello, world");
  for (size_t i = 0; i < packed.size(); ++i) {
    CHECK(Inflate(packed.substr(0, i), 1000).status().code() == absl::StatusCode::kInvalidArgument);
  }
  CHECK(!Inflate("not gzip at all", 1000).ok());
  CHECK(!Inflate(packed + "tail", 1000).ok());
}

}  // namespace
}  // namespace aurora::http
