// Signing in over HTTP, what a session may do, and the dashboard's files.
#include <chrono>

#include <nlohmann/json.hpp>

#include "controlplane/admin/session.h"
#include "tests/controlplane/admin/rest_fixture.h"

namespace aurora::admin {
namespace {

using testing::Http;
using testing::HttpAnswer;
using testing::kMasterKey;
using testing::Rest;

constexpr std::string_view kSession = "/admin/api/v1/session";
constexpr std::string_view kJson = "Content-Type: application/json\r\n";

HttpAnswer SignIn(const Rest& rest, const std::string& token, const std::string& headers = std::string(kJson)) {
  return Http(rest.port(), "POST", std::string(kSession), headers, R"({"token":")" + token + R"("})");
}

std::string HeaderOf(const HttpAnswer& answer, const std::string& name) {
  const size_t at = answer.head.find("\r\n" + name + ": ");
  if (at == std::string::npos) {
    return "";
  }
  const size_t begin = at + name.size() + 4;
  return answer.head.substr(begin, answer.head.find("\r\n", begin) - begin);
}

struct SignedIn {
  std::string cookie;  // header line
  std::string csrf;    // header line
};

SignedIn In(const Rest& rest) {
  const HttpAnswer answer = SignIn(rest, std::string(kMasterKey));
  REQUIRE(answer.status == 200);
  const std::string set = HeaderOf(answer, "Set-Cookie");
  REQUIRE(set.starts_with("aurora_session="));
  const auto body = nlohmann::json::parse(answer.body);
  CHECK(body["signed_in"] == true);
  return {"Cookie: " + set.substr(0, set.find(';')) + "\r\n",
          "X-Aurora-Csrf: " + body["csrf_token"].get<std::string>() + "\r\n"};
}

TEST_CASE("whoever signs in with the admin token gets a cookie that reads, and changes only with its CSRF token") {
  const Rest rest;
  const SignedIn in = In(rest);
  const std::string keys = "/admin/api/v1/auth-keys";
  CHECK(Http(rest.port(), "GET", keys, in.cookie).status == 200);

  const std::string body = R"({"id":"k1","name":"from the dashboard"})";
  const std::string json(kJson);
  const HttpAnswer bare = Http(rest.port(), "POST", keys, in.cookie + json, body);
  CHECK(bare.status == 403);
  CHECK(bare.body.find("permission_denied") != std::string::npos);
  const std::string guessed = "X-Aurora-Csrf: AAAAAAAAAAAAAAAAAAAAAA\r\n";
  CHECK(Http(rest.port(), "POST", keys, in.cookie + json + guessed, body).status == 403);
  CHECK(Http(rest.port(), "POST", keys, in.cookie + In(rest).csrf + json, body).status == 403);
  CHECK(Http(rest.port(), "POST", keys, in.cookie + in.csrf + json, body).status == 201);
  CHECK(Http(rest.port(), "DELETE", keys + "/k1", in.cookie).status == 403);
  CHECK(Http(rest.port(), "DELETE", keys + "/k1", in.cookie + in.csrf).status == 200);
  const HttpAnswer log = Http(rest.port(), "GET", "/admin/api/v1/audit/log", in.cookie);
  CHECK(nlohmann::json::parse(log.body)["entries"][0]["actor"] == "dashboard");
}

TEST_CASE("a wrong token gets no cookie and waits, and a form of another site cannot sign in") {
  const Rest rest;
  const auto before = std::chrono::steady_clock::now();
  const HttpAnswer wrong = SignIn(rest, "wrong");
  CHECK(wrong.status == 401);
  CHECK(HeaderOf(wrong, "Set-Cookie").empty());
  CHECK(std::chrono::steady_clock::now() - before >= std::chrono::milliseconds(250));
  CHECK(SignIn(rest, std::string(kMasterKey), "Content-Type: text/plain\r\n").status == 415);
  CHECK(SignIn(rest, std::string(kMasterKey), "").status == 415);
  CHECK(Http(rest.port(), "POST", std::string(kSession), std::string(kJson), "{}").status == 400);
}

TEST_CASE("asking for the session is no error without one, and tells the CSRF token with one") {
  const Rest rest;
  const HttpAnswer out = Http(rest.port(), "GET", std::string(kSession), "");
  CHECK(out.status == 200);
  CHECK(out.body == R"({"signed_in":false,"token_accepted":true})");
  CHECK(HeaderOf(out, "Cache-Control") == "no-store");
  CHECK(HeaderOf(out, "X-Aurora-Node") == "n1");
  const SignedIn in = In(rest);
  const auto body = nlohmann::json::parse(Http(rest.port(), "GET", std::string(kSession), in.cookie).body);
  CHECK(in.csrf.find(body["csrf_token"].get<std::string>()) != std::string::npos);
  CHECK(body["expires_at"] == "2023-11-15T10:13:20Z");
}

TEST_CASE("a session is renewed while it is used, and ends when it is not") {
  Rest rest;
  const SignedIn in = In(rest);
  const std::string path = "/admin/api/v1/cluster/status";
  CHECK(HeaderOf(Http(rest.port(), "GET", path, in.cookie), "Set-Cookie").empty());
  rest.backend().now_ms += 3000 * 1000;
  const HttpAnswer used = Http(rest.port(), "GET", path, in.cookie);
  CHECK(used.status == 200);
  const std::string renewed = HeaderOf(used, "Set-Cookie");
  REQUIRE(renewed.starts_with("aurora_session="));
  rest.backend().now_ms += 1000 * 1000;
  CHECK(Http(rest.port(), "GET", path, in.cookie).status == 401);
  const std::string cookie = "Cookie: " + renewed.substr(0, renewed.find(';')) + "\r\n";
  CHECK(Http(rest.port(), "GET", path, cookie).status == 200);
  CHECK(Http(rest.port(), "DELETE", std::string(kSession), cookie + in.csrf).status == 200);
}

TEST_CASE("signing out needs the CSRF token and forgets the cookie") {
  const Rest rest;
  const SignedIn in = In(rest);
  CHECK(Http(rest.port(), "DELETE", std::string(kSession), in.cookie).status == 403);
  const HttpAnswer out = Http(rest.port(), "DELETE", std::string(kSession), in.cookie + in.csrf);
  CHECK(out.status == 200);
  CHECK(HeaderOf(out, "Set-Cookie").starts_with("aurora_session=; Path=/admin;"));
}

TEST_CASE("an Authorization header is judged alone: a wrong one is not made good by a cookie") {
  const Rest rest;
  const SignedIn in = In(rest);
  const std::string both = in.cookie + "Authorization: Bearer wrong\r\n";
  CHECK(Http(rest.port(), "GET", "/admin/api/v1/auth-keys", both).status == 401);
}

TEST_CASE("behind a proxy that speaks TLS the cookie is Secure, and one that is not is no session") {
  const Rest rest;
  const std::string proxied = "X-Forwarded-Proto: https\r\n";
  const std::string set = HeaderOf(SignIn(rest, std::string(kMasterKey), std::string(kJson) + proxied), "Set-Cookie");
  CHECK(set.starts_with("__Secure-aurora_session="));
  CHECK(set.ends_with("; Secure"));
  CHECK(Http(rest.port(), "GET", "/admin/api/v1/auth-keys", In(rest).cookie + proxied).status == 401);
}

TEST_CASE("a node without a master key signs nobody in") {
  const Rest rest("");
  CHECK(SignIn(rest, "").status == 403);
  CHECK(Http(rest.port(), "GET", std::string(kSession), "").body == R"({"signed_in":false,"token_accepted":false})");
  const SessionSealer sealer(crypto::Sha256Of(""));
  const std::string forged = sealer.Seal(SessionSealer::Begin(testing::kNowMs / 1000));
  CHECK(Http(rest.port(), "GET", "/admin/api/v1/auth-keys", "Cookie: aurora_session=" + forged + "\r\n").status == 403);
}

TEST_CASE("the dashboard's pages need no token, allow no inline code, and are asked for again by ETag") {
  const Rest rest;
  CHECK(HeaderOf(Http(rest.port(), "GET", "/admin", ""), "Location") == "/admin/dashboard/");
  const HttpAnswer page = Http(rest.port(), "GET", "/admin/dashboard/cluster", "");
  CHECK(page.status == 200);
  CHECK(page.body == Http(rest.port(), "GET", "/admin/dashboard/", "").body);
  CHECK(HeaderOf(page, "Cache-Control") == "no-cache");
  CHECK(HeaderOf(page, "X-Content-Type-Options") == "nosniff");
  const std::string policy = HeaderOf(page, "Content-Security-Policy");
  CHECK(policy.find("default-src 'none'") == 0);
  CHECK(policy.find("unsafe") == std::string::npos);
  CHECK(policy.find("frame-ancestors 'none'") != std::string::npos);
  const std::string etag = HeaderOf(page, "ETag");
  const HttpAnswer again = Http(rest.port(), "GET", "/admin/dashboard/", "If-None-Match: \"x\", W/" + etag + "\r\n");
  CHECK(again.status == 304);
  CHECK(again.body.empty());
  const HttpAnswer small = Http(rest.port(), "GET", "/admin/dashboard/", "Accept-Encoding: br, gzip\r\n");
  if (!HeaderOf(small, "Content-Encoding").empty()) {
    CHECK(HeaderOf(small, "ETag") != etag);
    CHECK(small.body.size() < page.body.size());
  }
  CHECK(Http(rest.port(), "GET", "/admin/dashboard/", "Accept-Encoding: gzip;q=0\r\n").body == page.body);
  CHECK(Http(rest.port(), "GET", "/admin/dashboard/assets/none.js", "").status == 404);
  CHECK(Http(rest.port(), "GET", "/admin/dashboard/favicon.ico", "").status == 404);
  CHECK(Http(rest.port(), "POST", "/admin/dashboard/", "").status == 405);
  CHECK(Http(rest.port(), "GET", "/admin/dashboards", "").status == 401);
}

}  // namespace
}  // namespace aurora::admin
