#include "shared/http/head_lexer.h"

#include <string>
#include <vector>

#include "shared/base/rng.h"
#include "shared/http/head_parser.h"
#include "shared/http/text_scan.h"
#include "tests/support/test.h"

namespace aurora::http {
namespace {

std::string Show(const Head& head) {
  std::string out = std::to_string(static_cast<int>(head.method)) + " " +
                    std::string(head.method_text) + " " + std::string(head.target) + " " +
                    std::to_string(head.status) + " " + std::to_string(head.minor_version) + " " +
                    std::to_string(static_cast<int>(head.body)) + " " +
                    std::to_string(head.content_length) + " " +
                    std::to_string(head.keep_alive + 2 * head.expect_continue + 4 * head.upgrade) +
                    "\n";
  for (const Header& h : head.all()) {
    out += std::to_string(static_cast<int>(h.id)) + "[" + std::string(h.name) + "][" +
           std::string(h.value) + "]\n";
  }
  return out;
}

const std::vector<std::string>& Seeds() {
  static const std::vector<std::string> seeds = {
      "POST /v1/chat/completions?a=%20&b=\"<x> HTTP/1.1\r\nHost: a.example:8080\r\n"
      "Authorization: Bearer sk-1\r\nContent-Type:application/json\r\nContent-Length:   12  \r\n"
      "X-Empty:\r\nX-Blank:   \r\nAccept: */*\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: [::1]\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
      "PUT /a HTTP/1.1\r\nhost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
      "DELETE /a/b;c=d?e HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n"
      "Content-Length: 3\r\nConnection: close\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
      "Connection: keep-alive\r\n\r\n",
      "HTTP/1.1 429 \r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
      "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nSet-Cookie: a=b; c\r\n\r\n"};
  return seeds;
}

TEST_CASE("usual heads are taken without llhttp") {
  Head head;
  for (const std::string& seed : {Seeds()[0], Seeds()[1], Seeds()[2]}) {
    CHECK(ParseUsualHead(Decoder::Kind::kRequest, Limits{}, seed + "body", &head) == seed.size());
  }
  for (const std::string& seed : {Seeds()[4], Seeds()[5], Seeds()[6], Seeds()[7]}) {
    CHECK(ParseUsualHead(Decoder::Kind::kResponse, Limits{}, seed + "body", &head) == seed.size());
  }
}

TEST_CASE("a head cut short or beyond a limit is never taken") {
  Head head;
  const std::string& whole = Seeds()[0];
  for (size_t size = 0; size < whole.size(); ++size) {
    CHECK(ParseUsualHead(Decoder::Kind::kRequest, Limits{}, whole.substr(0, size), &head) == 0);
  }
  Limits limits;
  limits.head_bytes_max = whole.size() - 1;
  CHECK(ParseUsualHead(Decoder::Kind::kRequest, limits, whole, &head) == 0);
  std::string many = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (size_t i = 0; i < kHeadersMax; ++i) {
    many += "A: b\r\n";
  }
  CHECK(ParseUsualHead(Decoder::Kind::kRequest, Limits{}, many + "\r\n", &head) == 0);
}

TEST_CASE("whatever is taken llhttp takes too and reads the same") {
  Rng rng(7);
  // Bytes that grammars turn on, and any other.
  constexpr std::string_view kSpecial = "\r\n :\t\0/?#HTP1.0,;-\"chunked\x7f\x80 ";
  size_t taken = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string bytes = Seeds()[rng.Below(Seeds().size())];
    const Decoder::Kind kind =
        bytes.starts_with("HTTP") ? Decoder::Kind::kResponse : Decoder::Kind::kRequest;
    for (uint64_t edits = rng.Below(4); edits > 0; --edits) {
      const auto at = static_cast<size_t>(rng.Below(bytes.size()));
      const char byte = rng.OneIn(3) ? static_cast<char>(rng.Below(256))
                                     : kSpecial[static_cast<size_t>(rng.Below(kSpecial.size()))];
      switch (rng.Below(3)) {
        case 0: bytes[at] = byte; break;
        case 1: bytes.insert(at, 1, byte); break;
        default: bytes.erase(at, 1); break;
      }
    }
    Head usual;
    const size_t size = ParseUsualHead(kind, Limits{}, bytes, &usual);
    if (size == 0) {
      continue;
    }
    ++taken;
    Head strict;
    Error error;
    INFO(bytes);
    REQUIRE(ParseHead(kind, Limits{}, std::string_view(bytes).substr(0, size), &strict, &error));
    REQUIRE(Show(usual) == Show(strict));
  }
  CHECK(taken > 20'000);
}

TEST_CASE("text is skipped up to the first byte that is none, at any length and place") {
  for (size_t size = 0; size < 70; ++size) {
    const std::string text(size, '~');
    CHECK(SkipText(text.data(), text.data() + size) == text.data() + size);
    for (size_t at = 0; at < size; ++at) {
      for (const char byte : {'\x1f', '\x7f', '\x80', '\xff', '\0'}) {
        std::string broken = text;
        broken[at] = byte;
        CHECK(SkipText(broken.data(), broken.data() + size) == broken.data() + at);
      }
    }
  }
}

}  // namespace
}  // namespace aurora::http
