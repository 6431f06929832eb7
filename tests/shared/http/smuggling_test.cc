#include <string>
#include <string_view>

#include "shared/http/decoder.h"
#include "tests/support/test.h"

namespace aurora::http {
namespace {

using namespace std::string_view_literals;

struct Case {
  std::string_view name;
  std::string_view bytes;
  int status;
  std::string_view reason;
};

#define H "Host: a\r\n"
constexpr Case kRequests[] = {
    {"CL and TE", "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
     400, "framing_conflict"},
    {"TE and CL", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
     400, "framing_conflict"},
    {"two equal CL", "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 400,
     "framing_conflict"},
    {"two different CL", "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
     400, "framing_conflict"},
    {"CL list", "POST / HTTP/1.1\r\n" H "Content-Length: 3, 3\r\n\r\n", 400, "bad_content_length"},
    {"signed CL", "POST / HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\n", 400, "bad_content_length"},
    {"negative CL", "POST / HTTP/1.1\r\n" H "Content-Length: -3\r\n\r\n", 400,
     "bad_content_length"},
    {"hex CL", "POST / HTTP/1.1\r\n" H "Content-Length: 0x3\r\n\r\n", 400, "bad_content_length"},
    {"empty CL", "POST / HTTP/1.1\r\n" H "Content-Length: \r\n\r\n", 400, "bad_content_length"},
    {"spaced CL", "POST / HTTP/1.1\r\n" H "Content-Length: 3 3\r\n\r\n", 400, "bad_content_length"},
    {"overflowing CL", "POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551617\r\n\r\n", 400,
     "bad_content_length"},
    {"19 digit CL", "POST / HTTP/1.1\r\n" H "Content-Length: 1000000000000000000\r\n\r\n", 400,
     "bad_content_length"},
    {"TE then identity", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, identity\r\n\r\n",
     400, "bad_transfer_encoding"},
    {"chunked twice", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n", 400,
     "bad_transfer_encoding"},
    {"gzip then chunked", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", 400,
     "bad_transfer_encoding"},
    {"two TE",
     "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     400, "bad_transfer_encoding"},
    {"TE gzip", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n", 501,
     "unknown_transfer_encoding"},
    {"TE identity", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", 501,
     "unknown_transfer_encoding"},
    {"TE xchunked", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", 501,
     "unknown_transfer_encoding"},
    {"TE empty", "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n", 501,
     "unknown_transfer_encoding"},
    {"TE with a vertical tab", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \vchunked\r\n\r\n", 400,
     "bad_syntax"},
    {"TE in 1.0", "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 400,
     "transfer_encoding_in_1_0"},
    {"folded", "GET / HTTP/1.1\r\n" H "X: 1\r\n 2\r\n\r\n", 400, "folded_header"},
    {"folded TE", "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n chunked\r\n\r\n", 400,
     "folded_header"},
    {"first header folded", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "folded_header"},
    {"bare LF in the start line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400, "bare_lf"},
    {"bare LF in a header", "GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n", 400, "bare_lf"},
    {"bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400, "bare_lf"},
    {"bare CR hides a header", "GET / HTTP/1.1\r\n" H "X: \rTransfer-Encoding: chunked\r\n\r\n",
     400, "bad_syntax"},
    {"bare CR inside a value", "GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n", 400, "bad_syntax"},
    {"NUL in a value", "GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n"sv, 400, "bad_syntax"},
    {"control in a value", "GET / HTTP/1.1\r\n" H "X: a\x01z\r\n\r\n", 400, "bad_syntax"},
    {"DEL in a value", "GET / HTTP/1.1\r\n" H "X: a\x7fz\r\n\r\n", 400, "bad_syntax"},
    {"space before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, "bad_syntax"},
    {"tab before colon", "GET / HTTP/1.1\r\n" H "Content-Length\t: 3\r\n\r\n", 400, "bad_syntax"},
    {"no colon", "GET / HTTP/1.1\r\n" H "Nonsense\r\n\r\n", 400, "bad_syntax"},
    {"empty name", "GET / HTTP/1.1\r\n" H ": x\r\n\r\n", 400, "bad_syntax"},
    {"NUL in a name", "GET / HTTP/1.1\r\n" H "X\0Y: x\r\n\r\n"sv, 400, "bad_syntax"},
    {"no Host", "GET / HTTP/1.1\r\nX: 1\r\n\r\n", 400, "missing_host"},
    {"two Hosts", "GET / HTTP/1.1\r\n" H H "\r\n", 400, "duplicate_host"},
    {"two Hosts in 1.0", "GET / HTTP/1.0\r\n" H H "\r\n", 400, "duplicate_host"},
    {"Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "bad_host"},
    {"Host with user info", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, "bad_host"},
    {"Host list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, "bad_host"},
    {"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, "bad_host"},
    {"relative target", "GET foo HTTP/1.1\r\n" H "\r\n", 400, "bad_target"},
    {"star target for GET", "GET * HTTP/1.1\r\n" H "\r\n", 400, "bad_target"},
    {"fragment", "GET /a#b HTTP/1.1\r\n" H "\r\n", 400, "bad_target"},
    {"space in the target", "GET /a b HTTP/1.1\r\n" H "\r\n", 400, "bad_syntax"},
    {"NUL in the target", "GET /a\0b HTTP/1.1\r\n" H "\r\n"sv, 400, "bad_target"},
    {"other host in an absolute target", "GET http://b/ HTTP/1.1\r\n" H "\r\n", 400,
     "host_conflict"},
    {"other scheme", "GET ftp://a/ HTTP/1.1\r\n" H "\r\n", 400, "bad_target"},
    {"two spaces", "GET  / HTTP/1.1\r\n" H "\r\n", 400, "bad_request_line"},
    {"two spaces before the version", "GET /  HTTP/1.1\r\n" H "\r\n", 400, "bad_request_line"},
    {"space after the version", "GET / HTTP/1.1 \r\n" H "\r\n", 505, "bad_version"},
    {"HTTP/0.9", "GET /\r\n\r\n", 505, "bad_version"},
    {"HTTP/1.2", "GET / HTTP/1.2\r\n" H "\r\n", 505, "bad_version"},
    {"HTTP/2.0", "GET / HTTP/2.0\r\n" H "\r\n", 505, "bad_version"},
    {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http2_preface"},
    {"other protocol", "GET / RTSP/1.0\r\n" H "\r\n", 400, "bad_request_line"},
    {"ICE protocol", "SOURCE / ICE/1.0\r\n" H "\r\n", 400, "bad_request_line"},
    {"unknown method", "FOO / HTTP/1.1\r\n" H "\r\n", 501, "unknown_method"},
    {"lower case method", "get / HTTP/1.1\r\n" H "\r\n", 501, "unknown_method"},
    {"CONNECT", "CONNECT a:443 HTTP/1.1\r\n" H "\r\n", 501, "unknown_method"},
    {"TLS hello", "\x16\x03\x01\x02\x00", 400, "bad_syntax"},
    {"unknown Expect", "POST / HTTP/1.1\r\n" H "Expect: gold\r\nContent-Length: 1\r\n\r\n", 417,
     "unknown_expectation"},
    {"too many empty lines", "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 400, "bad_syntax"},
};

#define C "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
constexpr Case kChunked[] = {
    {"space after the size", C "3 \r\nabc\r\n0\r\n\r\n", 400, "bad_chunk"},
    {"space before the size", C " 3\r\nabc\r\n0\r\n\r\n", 400, "bad_chunk"},
    {"no size", C "\r\nabc\r\n0\r\n\r\n", 400, "bad_chunk"},
    {"only an extension", C ";x\r\n\r\n", 400, "bad_chunk"},
    {"signed size", C "+3\r\nabc\r\n0\r\n\r\n", 400, "bad_chunk"},
    {"0x size", C "0x3\r\nabc\r\n0\r\n\r\n", 400, "bad_chunk"},
    {"huge size", C "10000000000000003\r\nabc\r\n0\r\n\r\n", 400, "bad_chunk"},
    {"bare LF after the size", C "3\nabc\r\n0\r\n\r\n", 400, "bad_chunk"},
    {"bare LF after an extension", C "3;x\nabc\r\n0\r\n\r\n", 400, "bad_chunk"},
    {"bare CR after the size", C "3\rXabc\r\n0\r\n\r\n", 400, "bad_chunk"},
    {"no CRLF after the data", C "3\r\nabc0\r\n\r\n", 400, "bad_chunk"},
    {"bare LF after the data", C "3\r\nabc\n0\r\n\r\n", 400, "bad_chunk"},
    {"too much data", C "3\r\nabcd\r\n0\r\n\r\n", 400, "bad_chunk"},
    {"folded trailer", C "0\r\nX: 1\r\n 2\r\n\r\n", 400, "bad_trailer"},
    {"trailer without colon", C "0\r\nX\r\n\r\n", 400, "bad_trailer"},
    {"trailer with space before colon", C "0\r\nX : 1\r\n\r\n", 400, "bad_trailer"},
    {"bare LF in a trailer", C "0\r\nX: 1\n\r\n", 400, "bad_trailer"},
    {"NUL in a trailer", C "0\r\nX: \0\r\n\r\n"sv, 400, "bad_trailer"},
    {"trailer without a name", C "0\r\n: 1\r\n\r\n", 400, "bad_trailer"},
    {"bare LF ends the trailers", C "0\r\n\n", 400, "bad_trailer"},
};

// The first error, byte by byte and at once; both must agree.
Error FirstError(Decoder::Kind kind, std::string_view bytes, bool bytewise) {
  static const Limits limits;
  HeadScratch scratch;
  Decoder decoder(kind, limits, &scratch);
  while (!bytes.empty()) {
    std::string_view in = bytes.substr(0, bytewise ? 1 : bytes.size());
    bytes.remove_prefix(in.size());
    while (true) {
      const Decoder::Event event = decoder.Next(in);
      if (event == Decoder::Event::kError) {
        return decoder.error();
      }
      if (event == Decoder::Event::kEnd || event == Decoder::Event::kNeedMore) {
        break;
      }
    }
  }
  return {};
}

void CheckAll(std::span<const Case> cases) {
  for (const Case& c : cases) {
    INFO(c.name);
    for (const bool bytewise : {false, true}) {
      const Error error = FirstError(Decoder::Kind::kRequest, c.bytes, bytewise);
      CHECK(error.status == c.status);
      CHECK(error.reason == c.reason);
      CHECK(!error.text.empty());
    }
  }
}

TEST_CASE("every ambiguous request head is refused with its status", "[http]") {
  CheckAll(kRequests);
}

TEST_CASE("every malformed chunk or trailer is refused", "[http]") {
  CheckAll(kChunked);
}

TEST_CASE("an ambiguous response is a bad gateway", "[http]") {
  for (const std::string_view headers :
       {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 3\r\nContent-Length: 3\r\n", "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n", "X : 1\r\n", "X: 1\r\n 2\r\n", "X: 1\n"}) {
    const std::string bytes = "HTTP/1.1 200 OK\r\n" + std::string(headers) + "\r\n";
    INFO(headers);
    CHECK(FirstError(Decoder::Kind::kResponse, bytes, false).status == 502);
    CHECK(FirstError(Decoder::Kind::kResponse, bytes, true).status == 502);
  }
  for (const std::string_view bytes :
       {"HTTP/1.1 099 X\r\n\r\n", "HTTP/1.1 600 X\r\n\r\n", "HTTP/1.1 20 X\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n", "\r\nHTTP/1.1 200 OK\r\n\r\n", "ICY 200 OK\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    INFO(bytes);
    CHECK(FirstError(Decoder::Kind::kResponse, bytes, false).status == 502);
  }
}

}  // namespace
}  // namespace aurora::http

#undef C
#undef H
