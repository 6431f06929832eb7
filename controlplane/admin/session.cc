#include "controlplane/admin/session.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "shared/base/check.h"
#include "shared/crypto/encoding.h"
#include "shared/crypto/random.h"
#include "shared/crypto/seal.h"

namespace aurora::admin {
namespace {

constexpr std::string_view kPurpose = "aurora dashboard session 1";
constexpr size_t kCsrfBytes = 16;
constexpr size_t kPlainBytes = 8 + 8 + kCsrfBytes;
constexpr size_t kSealedTextMax = 256;

void AppendNumber(std::string& out, int64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<uint64_t>(value) >> shift & 0xff));
  }
}

int64_t ReadNumber(std::string_view bytes) {
  uint64_t out = 0;
  for (const char c : bytes.substr(0, 8)) {
    out = out << 8 | static_cast<uint8_t>(c);
  }
  return static_cast<int64_t>(out);
}

absl::Status NoSession() {
  return Unauthenticated("the session has ended or is none of this cluster's; sign in again");
}

}  // namespace

SessionSealer::SessionSealer(const crypto::Digest& token_digest) {
  crypto::Sha256 hash;
  const crypto::Digest key =
      hash.Update(kPurpose).Hash({reinterpret_cast<const char*>(token_digest.data()), token_digest.size()});
  key_ = crypto::Secret({reinterpret_cast<const char*>(key.data()), key.size()});
}

Session SessionSealer::Begin(int64_t now) {
  return {now, now, crypto::Base64UrlEncode(crypto::RandomBytes(kCsrfBytes))};
}

std::string SessionSealer::Seal(const Session& session) const {
  std::string plain;
  AppendNumber(plain, session.started);
  AppendNumber(plain, session.seen);
  plain += crypto::Base64UrlDecode(session.csrf).value_or("");
  const absl::StatusOr<std::string> sealed = crypto::Seal(key_.Reveal(), plain, kPurpose);
  AURORA_CHECK(sealed.ok());
  return crypto::Base64UrlEncode(*sealed);
}

absl::StatusOr<Session> SessionSealer::Open(std::string_view sealed, int64_t now) const {
  if (sealed.empty() || sealed.size() > kSealedTextMax) {
    return NoSession();
  }
  const std::optional<std::string> envelope = crypto::Base64UrlDecode(sealed);
  if (!envelope.has_value()) {
    return NoSession();
  }
  const absl::StatusOr<crypto::Secret> opened = crypto::Open(key_.Reveal(), *envelope, kPurpose);
  if (!opened.ok() || opened->size() != kPlainBytes) {
    return NoSession();
  }
  const std::string_view plain = opened->Reveal();
  Session session;
  session.started = ReadNumber(plain);
  session.seen = ReadNumber(plain.substr(8));
  session.csrf = crypto::Base64UrlEncode(plain.substr(16));
  // Sealed by us, so no number here is near the bounds of its type.
  if (session.started > now + kSessionSkew || now >= session.expires() || now >= session.seen + kSessionIdle) {
    return NoSession();
  }
  return session;
}

std::string_view SessionCookieName(bool secure) {
  return secure ? "__Secure-aurora_session" : "aurora_session";
}

std::string_view CookieValue(std::string_view cookie_header, std::string_view name) {
  for (const absl::string_view piece : absl::StrSplit(Absl(cookie_header), ';')) {
    const std::string_view pair = Std(absl::StripAsciiWhitespace(piece));
    const size_t equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) == name && equals < pair.size()) {
      return pair.substr(equals + 1);
    }
  }
  return {};
}

std::string SessionCookie(bool secure, std::string_view sealed, int64_t max_age) {
  std::string out(SessionCookieName(secure));
  out.append("=").append(sealed).append("; Path=/admin; HttpOnly; SameSite=Strict; Max-Age=");
  out += std::to_string(max_age);
  out += secure ? "; Secure" : "";
  return out;
}

}  // namespace aurora::admin
