// TLS configuration for one side: certificates, trust, protocol floor (1.2), ALPN http/1.1.
// Source: OpenSSL 3; RFC 8446, RFC 5246, RFC 7301.
// Thread: build anywhere; afterwards owned by one loop (a ClientContext keeps sessions to resume,
// unsynchronised). Lifetime: sessions keep what they need of a context alive, so a context may be
// swapped while sessions live. Errors: InvalidArgument with the whole OpenSSL error queue in the
// message.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "shared/base/status.h"

struct ssl_ctx_st;
struct ssl_st;
struct ssl_session_st;

namespace aurora::tls {

struct SslCtxFree {
  void operator()(ssl_ctx_st* context) const noexcept;
};
struct SslFree {
  void operator()(ssl_st* ssl) const noexcept;
};
struct SslSessionFree {
  void operator()(ssl_session_st* session) const noexcept;
};

// Takes every entry off OpenSSL's thread-local error queue: "what: first; second".
absl::Status TakeErrors(std::string_view what);

// Built anew when the files change; live sessions go on with the old one.
class ServerContext {
 public:
  struct Options {
    std::string certificate_file;  // PEM chain, leaf first
    std::string key_file;          // PEM
    std::string client_ca_file = {};  // PEM; given: only clients with a certificate by it are let in
  };
  static absl::StatusOr<std::shared_ptr<ServerContext>> Load(const Options& options);

  ssl_ctx_st* raw() const { return context_.get(); }
  // When the leaf certificate ends, Unix seconds.
  int64_t not_after_unix_s() const;

 private:
  explicit ServerContext(ssl_ctx_st* context) : context_(context) {}
  std::unique_ptr<ssl_ctx_st, SslCtxFree> context_;
};

class ClientContext {
 public:
  struct Options {
    std::string ca_file = {};    // PEM; empty: the system's store
    std::string certificate_file = {};  // PEM chain shown to servers that ask; "" = none
    std::string key_file = {};
    bool verify = true;          // false only for a backend the operator marked so
    size_t sessions_max = 1024;  // hosts whose last session is kept for resumption
  };
  static absl::StatusOr<std::shared_ptr<ClientContext>> Create(const Options& options);
  ~ClientContext();

  ssl_ctx_st* raw() const { return context_.get(); }
  // The last session of that host to resume, or null. Borrowed until the next RememberSession.
  ssl_session_st* FindSession(std::string_view server_name) const;
  // Takes over `session`.
  void RememberSession(std::string_view server_name, ssl_session_st* session);

 private:
  struct Sessions;
  ClientContext(ssl_ctx_st* context, size_t sessions_max);
  std::unique_ptr<ssl_ctx_st, SslCtxFree> context_;
  std::unique_ptr<Sessions> sessions_;
};

}  // namespace aurora::tls
