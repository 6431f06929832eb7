#include "shared/http/url.h"

#include "tests/support/test.h"

namespace aurora::http {
namespace {

TEST_CASE("a base URL is split into its parts", "[http]") {
  const Url plain = *ParseBaseUrl("http://Example.COM/v1/");
  CHECK(plain == Url{false, "example.com", 80, "/v1", "example.com"});
  CHECK(*ParseBaseUrl("HTTPS://h:8443") == Url{true, "h", 8443, "", "h:8443"});
  CHECK(*ParseBaseUrl("https://h:443/") == Url{true, "h", 443, "", "h"});
  CHECK(*ParseBaseUrl("http://[::1]:9000/a/b") == Url{false, "::1", 9000, "/a/b", "[::1]:9000"});
  CHECK(*ParseBaseUrl("http://[FE80::1]") == Url{false, "fe80::1", 80, "", "[fe80::1]"});
}

TEST_CASE("a base URL with anything else in it is refused", "[http]") {
  for (const std::string_view text : {"",
                                      "h",
                                      "//h",
                                      "ftp://h",
                                      "http://",
                                      "http:///x",
                                      "http://u@h",
                                      "http://h?q",
                                      "http://h#f",
                                      "http://h:",
                                      "http://h:0",
                                      "http://h:65536",
                                      "http://h:1x",
                                      "http://[::1",
                                      "http://[h]",
                                      "http://[::1]x",
                                      "http://h h",
                                      "http://h/../x",
                                      "http://h/%2e%2e",
                                      "http://h/a\\b",
                                      "http://a,b"}) {
    INFO(text);
    CHECK(!ParseBaseUrl(text).ok());
  }
}

TEST_CASE("host and port are taken apart", "[http]") {
  CHECK(ParseHostPort("a:1")->host == "a");
  CHECK(ParseHostPort("[::1]:80")->host == "::1");
  CHECK(ParseHostPort(":8080")->port == 8080);
  CHECK(ParseHostPort(":8080")->host.empty());
  CHECK(!ParseHostPort("a").ok());
  CHECK(!ParseHostPort("::1:80").ok());
}

TEST_CASE("a path that could climb or hide a separator is unsafe", "[http]") {
  for (const std::string_view path :
       {"",       "x",         "/..",     "/../x",  "/a/../b", "/a/..",  "/.",
        "/./a",   "/%2e%2e/a", "/.%2E/a", "/a%2fb", "/a%2Fb",  "/a%5cb", "/a\\b",
        "/a%00b", "/a%0ab",    "/a%",     "/a%2",   "/a%zz",   "/a\x7f"}) {
    INFO(path);
    CHECK(!IsSafePath(path));
  }
  CHECK(!IsSafePath(std::string_view("/a\0b", 4)));
  for (const std::string_view path :
       {"/", "/a", "/a/", "/a.b/..c/c..", "/...", "/v1/models/gpt-4%20x", "/a//b", "/%41"}) {
    INFO(path);
    CHECK(IsSafePath(path));
  }
}

TEST_CASE("percent-encoding is undone once, and refused where it is none", "[http]") {
  std::string out = "before";
  CHECK(PercentDecode("a%2Fb%2fc%253A+", out));
  CHECK(out == "a/b/c%3A+");
  CHECK(PercentDecode("", out));
  CHECK(out.empty());
  for (const std::string_view text : {"%", "a%2", "%2g", "%g2", "%00", "a%%41"}) {
    INFO(text);
    CHECK_FALSE(PercentDecode(text, out));
  }
}

TEST_CASE("a target is cut at its question mark", "[http]") {
  CHECK(PathOf("/a?b?c") == "/a");
  CHECK(QueryOf("/a?b?c") == "b?c");
  CHECK(QueryOf("/a").empty());
}

}  // namespace
}  // namespace aurora::http
