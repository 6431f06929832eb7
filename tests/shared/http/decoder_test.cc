#include "shared/http/decoder.h"

#include <string>
#include <string_view>
#include <vector>

#include "tests/shared/http/trace.h"
#include "tests/support/test.h"

namespace aurora::http {
namespace {

constexpr auto kRequest = Decoder::Kind::kRequest;
constexpr auto kResponse = Decoder::Kind::kResponse;

struct Message {
  Decoder::Kind kind;
  std::string bytes;
  bool eof;
};

std::vector<Message> Messages() {
  return {
      {kRequest, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", false},
      {kRequest, "\r\nGET /x?y=1 HTTP/1.1\r\nhost: a:80\r\nX-Empty:\r\nX-Tail: v \t\r\n\r\n", true},
      {kRequest,
       "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\n"
       "Host: a\r\nConnection: close\r\n\r\n",
       true},
      {kRequest,
       "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
       "5;ext=\"v\"\r\nhello\r\n00006\r\n world\r\n0\r\nX-T: v\r\nY:\r\n\r\n"
       "DELETE /b HTTP/1.0\r\n\r\n",
       true},
      {kRequest, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-Continue\r\n\r\n",
       true},
      {kRequest,
       "GET http://A/p?q HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"
       "Upgrade: websocket\r\n\r\n",
       false},
      {kRequest, "OPTIONS * HTTP/1.1\r\nHost: [::1]:8080\r\nX: \xc3\xa9\r\n\r\n", true},
      {kResponse, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
       true},
      {kResponse, "HTTP/1.1 200\r\n\r\nuntil the close", true},
      {kResponse, "HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\nHTTP/1.1 304 X\r\n\r\n",
       true},
      {kResponse, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", true},
      {kResponse,
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n", true},
      {kResponse, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", false},
      // Cut short: the error must be the same too.
      {kRequest, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", true},
      {kRequest, "GET / HTTP/1.1\r\nHo", true},
      {kResponse, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", true},
      {kRequest, "GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n", true},
  };
}

TEST_CASE("any split of the same bytes gives the same events", "[http]") {
  for (const Message& message : Messages()) {
    INFO(message.bytes);
    const std::string_view bytes = message.bytes;
    const std::string whole = Trace(message.kind, {bytes}, message.eof);
    for (size_t i = 0; i <= bytes.size(); ++i) {
      const std::string two =
          Trace(message.kind, {bytes.substr(0, i), bytes.substr(i)}, message.eof);
      REQUIRE(two == whole);
      const size_t j = std::min(bytes.size(), i + 7);
      REQUIRE(Trace(message.kind, {bytes.substr(0, i), bytes.substr(i, j - i), bytes.substr(j)},
                    message.eof) == whole);
    }
    std::vector<std::string_view> singles;
    for (size_t i = 0; i < bytes.size(); ++i) {
      singles.push_back(bytes.substr(i, 1));
    }
    REQUIRE(Trace(message.kind, singles, message.eof) == whole);
  }
}

TEST_CASE("a head is reported with its facts", "[http]") {
  const std::string trace = Trace(kRequest, {Messages()[5].bytes}, false);
  CHECK(trace ==
        "HEAD GET /p?q 0 1.1 body=0:0 keep upgrade|Host=a|Connection=keep-alive, Upgrade|"
        "Upgrade=websocket\nBODY \nEND\n");
  CHECK(Trace(kRequest, {Messages()[1].bytes}, true) ==
        "HEAD GET /x?y=1 0 1.1 body=0:0 keep|host=a:80|X-Empty=|X-Tail=v\nBODY \nEND\nCLOSED\n");
}

TEST_CASE("the five ways a body can end are told apart", "[http]") {
  CHECK(Trace(kRequest, {"GET / HTTP/1.1\r\nHost: a\r\n\r\n"}, false).find("body=0:0") !=
        std::string::npos);
  const std::string pipelined = Trace(kRequest, {Messages()[2].bytes}, true);
  CHECK(pipelined.find("body=1:5 keep") != std::string::npos);
  CHECK(pipelined.find("BODY hello\nEND\nHEAD GET /b 0 1.1 body=0:0 close") != std::string::npos);
  const std::string chunked = Trace(kRequest, {Messages()[3].bytes}, true);
  CHECK(chunked.find("body=2:0") != std::string::npos);
  CHECK(chunked.find("BODY hello world\nEND\nHEAD DELETE /b 0 1.0 body=0:0 close") !=
        std::string::npos);
  const std::string until_close = Trace(kResponse, {Messages()[8].bytes}, true);
  CHECK(until_close.find("body=3:0 close\nBODY until the close\nEND") != std::string::npos);
  // By status: neither the length of a 204 nor the silence of a 304 makes a body.
  const std::string by_status = Trace(kResponse, {Messages()[9].bytes}, true);
  CHECK(by_status.find(
            " 204 1.1 body=0:7 keep|Content-Length=7\nBODY \nEND\nHEAD   304 1.1 body=0:0") !=
        std::string::npos);
}

TEST_CASE("the answer to a HEAD has no body whatever it says", "[http]") {
  for (const std::string_view headers :
       {"Content-Length: 10\r\n", "Transfer-Encoding: chunked\r\n", ""}) {
    HeadScratch scratch;
    Decoder decoder(kResponse, DefaultLimits(), &scratch);
    decoder.ExpectNoBody();
    const std::string bytes = "HTTP/1.1 200 OK\r\n" + std::string(headers) + "\r\nHTTP";
    std::string_view in = bytes;
    REQUIRE(decoder.Next(in) == Decoder::Event::kHead);
    CHECK(decoder.head().keep_alive);
    REQUIRE(decoder.Next(in) == Decoder::Event::kEnd);
    CHECK(in == "HTTP");
  }
}

TEST_CASE("a decoder stops before pipelined bytes until Reset", "[http]") {
  HeadScratch scratch;
  Decoder decoder(kRequest, DefaultLimits(), &scratch);
  std::string_view in = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
  REQUIRE(decoder.Next(in) == Decoder::Event::kHead);
  REQUIRE(decoder.Next(in) == Decoder::Event::kEnd);
  REQUIRE(decoder.Next(in) == Decoder::Event::kEnd);
  CHECK(in.starts_with("GET /2"));
  CHECK(!decoder.idle());
  decoder.Reset();
  CHECK(decoder.idle());
  REQUIRE(decoder.Next(in) == Decoder::Event::kHead);
  CHECK(decoder.head().target == "/2");
  CHECK(in.empty());
}

TEST_CASE("an error is sticky until Reset", "[http]") {
  HeadScratch scratch;
  Decoder decoder(kRequest, DefaultLimits(), &scratch);
  std::string_view in = "GET / HTTP/1.1\nHost: a\r\n\r\n";
  REQUIRE(decoder.Next(in) == Decoder::Event::kError);
  in = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  REQUIRE(decoder.Next(in) == Decoder::Event::kError);
  CHECK(decoder.Eof() == Decoder::Event::kError);
  CHECK(decoder.error().reason == "bare_lf");
  decoder.Reset();
  CHECK(decoder.Next(in) == Decoder::Event::kHead);
}

std::string Reason(std::string_view bytes, size_t step) {
  std::vector<std::string_view> parts;
  for (size_t i = 0; i < bytes.size(); i += step) {
    parts.push_back(bytes.substr(i, step));
  }
  const std::string trace = Trace(kRequest, parts, false);
  const size_t at = trace.find("ERROR ");
  return at == std::string::npos ? "ok" : trace.substr(at + 6, trace.size() - at - 7);
}

TEST_CASE("a head at a limit passes and one beyond it is refused, however it is cut", "[http]") {
  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (const size_t step : {size_t{1} << 20, size_t{1000}, size_t{1}}) {
    const auto target = [](size_t size) {
      return "GET /" + std::string(size - 1, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n";
    };
    CHECK(Reason(target(16 * 1024), step) == "ok");
    CHECK(Reason(target(16 * 1024 + 1), step) == "414 target_too_long");
    CHECK(Reason(target(200 * 1024), step) == "414 target_too_long");

    std::string many = start;
    for (int i = 0; i < 95; ++i) {
      many += "X: 1\r\n";
    }
    CHECK(Reason(many + "\r\n", step) == "ok");
    CHECK(Reason(many + "X: 1\r\n\r\n", step) == "431 too_many_headers");

    const size_t room = 64 * 1024 - start.size() - 3 - 4;
    CHECK(Reason(start + "X: " + std::string(room, 'v') + "\r\n\r\n", step) == "ok");
    CHECK(Reason(start + "X: " + std::string(room + 1, 'v') + "\r\n\r\n", step) ==
          "431 head_too_large");
    CHECK(Reason(start + "X: " + std::string(100'000, 'v'), step) == "431 head_too_large");

    const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    CHECK(Reason(chunked + "1;" + std::string(1024, 'e') + "\r\nx\r\n0\r\n\r\n", step) == "ok");
    CHECK(Reason(chunked + "1;" + std::string(1025, 'e') + "\r\nx\r\n0\r\n\r\n", step) ==
          "400 chunk_extension_too_large");
    CHECK(Reason(chunked + "0\r\nX:" + std::string(17'000, 'e') + "\r\n\r\n", step) ==
          "431 trailer_too_large");
  }
}

TEST_CASE("every known header name is classified in any case, and near misses are not", "[http]") {
  for (int i = 1; i <= static_cast<int>(HeaderId::kLocation); ++i) {
    const auto id = static_cast<HeaderId>(i);
    std::string name(HeaderName(id));
    INFO(name);
    CHECK(ClassifyHeader(name) == id);
    for (char& c : name) {
      c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    }
    CHECK(ClassifyHeader(name) == id);
    name.back() = '_';
    CHECK(ClassifyHeader(name) == HeaderId::kOther);
    name.pop_back();
    CHECK(ClassifyHeader(name) == HeaderId::kOther);
  }
  CHECK(ClassifyHeader("") == HeaderId::kOther);
}

TEST_CASE("tokens are found in lists whatever the case and spacing", "[http]") {
  CHECK(HasToken("keep-alive, TE", "te"));
  CHECK(HasToken(" Close ", "close"));
  CHECK(!HasToken("closed", "close"));
  CHECK(!HasToken("", "close"));
  CHECK(!HasToken("a b", "a"));
}

}  // namespace
}  // namespace aurora::http
