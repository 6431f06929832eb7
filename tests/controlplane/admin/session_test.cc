// The sealed session: what opens it, and what never does.
#include "controlplane/admin/session.h"

#include <set>

#include "shared/crypto/encoding.h"
#include "tests/support/test.h"

namespace aurora::admin {
namespace {

constexpr int64_t kNow = 1'700'000'000;

SessionSealer Sealer(std::string_view token = "correct-horse") {
  return SessionSealer(crypto::Sha256Of(token));
}

TEST_CASE("any node with the same admin token opens the session, and sees the same CSRF token") {
  const Session session = SessionSealer::Begin(kNow);
  const std::string sealed = Sealer().Seal(session);
  const auto opened = Sealer().Open(sealed, kNow + 1);
  REQUIRE(opened.ok());
  CHECK(opened->started == kNow);
  CHECK(opened->csrf == session.csrf);
  CHECK(opened->expires() == kNow + kSessionMax);
}

TEST_CASE("a node with another admin token does not open it") {
  const std::string sealed = Sealer().Seal(SessionSealer::Begin(kNow));
  CHECK(absl::IsUnauthenticated(Sealer("another").Open(sealed, kNow).status()));
}

TEST_CASE("a session ends when it has not been used for long, and at its end whatever was used") {
  Session session = SessionSealer::Begin(kNow);
  const SessionSealer sealer = Sealer();
  CHECK(sealer.Open(sealer.Seal(session), kNow + kSessionIdle - 1).ok());
  CHECK_FALSE(sealer.Open(sealer.Seal(session), kNow + kSessionIdle).ok());
  session.seen = kNow + kSessionMax - 10;
  CHECK(sealer.Open(sealer.Seal(session), kNow + kSessionMax - 1).ok());
  CHECK_FALSE(sealer.Open(sealer.Seal(session), kNow + kSessionMax).ok());
}

TEST_CASE("a session from further in the future than clocks may differ is refused") {
  const SessionSealer sealer = Sealer();
  CHECK(sealer.Open(sealer.Seal(SessionSealer::Begin(kNow + kSessionSkew)), kNow).ok());
  CHECK_FALSE(sealer.Open(sealer.Seal(SessionSealer::Begin(kNow + kSessionSkew + 1)), kNow).ok());
}

TEST_CASE("one changed byte anywhere, a cut or a longer text opens nothing") {
  const SessionSealer sealer = Sealer();
  const std::string bytes = *crypto::Base64UrlDecode(sealer.Seal(SessionSealer::Begin(kNow)));
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK_FALSE(sealer.Open(crypto::Base64UrlEncode(changed), kNow).ok());
    CHECK_FALSE(sealer.Open(crypto::Base64UrlEncode(bytes.substr(0, i)), kNow).ok());
  }
  CHECK_FALSE(sealer.Open(crypto::Base64UrlEncode(bytes + "x"), kNow).ok());
  CHECK_FALSE(sealer.Open("", kNow).ok());
  CHECK_FALSE(sealer.Open("not base64!", kNow).ok());
  CHECK_FALSE(sealer.Open(std::string(100'000, 'A'), kNow).ok());
}

TEST_CASE("no two sessions share a CSRF token, and the cookie does not show it") {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const Session session = SessionSealer::Begin(kNow);
    CHECK(session.csrf.size() == 22);
    CHECK(seen.insert(session.csrf).second);
    CHECK(Sealer().Seal(session).find(session.csrf) == std::string::npos);
  }
}

TEST_CASE("a cookie is found by its whole name, wherever it stands") {
  CHECK(CookieValue("aurora_session=a", "aurora_session") == "a");
  CHECK(CookieValue("x=1; aurora_session=a=b; y=2", "aurora_session") == "a=b");
  CHECK(CookieValue("x=1;aurora_session=a", "aurora_session") == "a");
  CHECK(CookieValue("xaurora_session=a", "aurora_session").empty());
  CHECK(CookieValue("__Secure-aurora_session=a", "aurora_session").empty());
  CHECK(CookieValue("aurora_session", "aurora_session").empty());
  CHECK(CookieValue("", "aurora_session").empty());
}

TEST_CASE("the cookie is out of reach of scripts, other sites and /v1, and of plain HTTP where there is TLS") {
  CHECK(SessionCookie(false, "v", 60) == "aurora_session=v; Path=/admin; HttpOnly; SameSite=Strict; Max-Age=60");
  CHECK(SessionCookie(true, "v", 60) ==
        "__Secure-aurora_session=v; Path=/admin; HttpOnly; SameSite=Strict; Max-Age=60; Secure");
}

}  // namespace
}  // namespace aurora::admin
