#include "shared/tls/context.h"

#include <array>
#include <ctime>
#include <deque>
#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "shared/base/check.h"
#include "shared/base/string_map.h"

namespace aurora::tls {
namespace {

constexpr std::array<unsigned char, 9> kAlpn = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

int SelectAlpn(ssl_st*, const unsigned char** out, unsigned char* out_size,
               const unsigned char* offered, unsigned offered_size, void*) {
  unsigned char* chosen = nullptr;
  const int rc =
      SSL_select_next_proto(&chosen, out_size, kAlpn.data(), kAlpn.size(), offered, offered_size);
  *out = chosen;
  // A client that offers only other protocols is told so (RFC 7301 3.2) rather than misunderstood.
  return rc == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

absl::StatusOr<ssl_ctx_st*> NewContext(const SSL_METHOD* method) {
  ERR_clear_error();
  ssl_ctx_st* context = SSL_CTX_new(method);
  if (context == nullptr) {
    return TakeErrors("creating a TLS context");
  }
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  return context;
}

}  // namespace

void SslCtxFree::operator()(ssl_ctx_st* context) const noexcept {
  SSL_CTX_free(context);
}
void SslFree::operator()(ssl_st* ssl) const noexcept {
  SSL_free(ssl);
}
void SslSessionFree::operator()(ssl_session_st* session) const noexcept {
  SSL_SESSION_free(session);
}

absl::Status TakeErrors(std::string_view what) {
  std::string text(what);
  const char* separator = ": ";
  while (const unsigned long code = ERR_get_error()) {
    std::array<char, 256> line{};
    ERR_error_string_n(code, line.data(), line.size());
    text += separator;
    text += line.data();
    separator = "; ";
  }
  return InvalidArgument(text);
}

absl::StatusOr<std::shared_ptr<ServerContext>> ServerContext::Load(const Options& options) {
  AURORA_ASSIGN_OR_RETURN(ssl_ctx_st * raw, NewContext(TLS_server_method()));
  std::shared_ptr<ServerContext> context(new ServerContext(raw));
  if (SSL_CTX_use_certificate_chain_file(raw, options.certificate_file.c_str()) != 1) {
    return TakeErrors("certificate " + options.certificate_file);
  }
  if (SSL_CTX_use_PrivateKey_file(raw, options.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return TakeErrors("key " + options.key_file);
  }
  if (SSL_CTX_check_private_key(raw) != 1) {
    return TakeErrors("key " + options.key_file + " does not fit " + options.certificate_file);
  }
  if (!options.client_ca_file.empty()) {
    if (SSL_CTX_load_verify_file(raw, options.client_ca_file.c_str()) != 1) {
      return TakeErrors("CA file " + options.client_ca_file);
    }
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  SSL_CTX_set_alpn_select_cb(raw, SelectAlpn, nullptr);
  constexpr std::array<unsigned char, 6> kSessionContext = {'a', 'u', 'r', 'o', 'r', 'a'};
  SSL_CTX_set_session_id_context(raw, kSessionContext.data(), kSessionContext.size());
  // Resumption by tickets alone: no session is kept on this side.
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  return context;
}

int64_t ServerContext::not_after_unix_s() const {
  std::tm t{};
  const X509* leaf = SSL_CTX_get0_certificate(context_.get());
  return leaf != nullptr && ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &t) == 1 ? timegm(&t) : 0;
}

// One session per host, the oldest host leaving first.
struct ClientContext::Sessions {
  size_t max;
  StringMap<std::unique_ptr<ssl_session_st, SslSessionFree>> by_host;
  std::deque<std::string> order;
};

ClientContext::ClientContext(ssl_ctx_st* context, size_t sessions_max)
    : context_(context), sessions_(std::make_unique<Sessions>()) {
  sessions_->max = sessions_max;
}

ClientContext::~ClientContext() = default;

absl::StatusOr<std::shared_ptr<ClientContext>> ClientContext::Create(const Options& options) {
  AURORA_ASSIGN_OR_RETURN(ssl_ctx_st * raw, NewContext(TLS_client_method()));
  std::shared_ptr<ClientContext> context(new ClientContext(raw, options.sessions_max));
  if (!options.verify) {
    SSL_CTX_set_verify(raw, SSL_VERIFY_NONE, nullptr);
  } else {
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);
    if (options.ca_file.empty()) {
      if (SSL_CTX_set_default_verify_paths(raw) != 1) {
        return TakeErrors("the system's certificate store");
      }
    } else if (SSL_CTX_load_verify_file(raw, options.ca_file.c_str()) != 1) {
      return TakeErrors("CA file " + options.ca_file);
    }
  }
  if (!options.certificate_file.empty() &&
      (SSL_CTX_use_certificate_chain_file(raw, options.certificate_file.c_str()) != 1 ||
       SSL_CTX_use_PrivateKey_file(raw, options.key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
       SSL_CTX_check_private_key(raw) != 1)) {
    return TakeErrors("certificate " + options.certificate_file + " with key " + options.key_file);
  }
  AURORA_CHECK(SSL_CTX_set_alpn_protos(raw, kAlpn.data(), kAlpn.size()) == 0);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  return context;
}

ssl_session_st* ClientContext::FindSession(std::string_view server_name) const {
  const auto found = sessions_->by_host.find(server_name);
  return found == sessions_->by_host.end() ? nullptr : found->second.get();
}

void ClientContext::RememberSession(std::string_view server_name, ssl_session_st* session) {
  std::unique_ptr<ssl_session_st, SslSessionFree> owned(session);
  if (const auto found = sessions_->by_host.find(server_name); found != sessions_->by_host.end()) {
    found->second = std::move(owned);
    return;
  }
  if (sessions_->max == 0) {
    return;
  }
  if (sessions_->by_host.size() >= sessions_->max) {
    sessions_->by_host.erase(sessions_->order.front());
    sessions_->order.pop_front();
  }
  sessions_->order.emplace_back(server_name);
  sessions_->by_host.emplace(std::string(server_name), std::move(owned));
}

}  // namespace aurora::tls
