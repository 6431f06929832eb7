#include "shared/tls/session.h"

#include <algorithm>
#include <array>
#include <limits>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "shared/base/check.h"

namespace aurora::tls {
namespace {

bool IsIp(const std::string& name) {
  std::array<unsigned char, 16> bytes{};
  return inet_pton(AF_INET, name.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, name.c_str(), bytes.data()) == 1;
}

int Clamp(size_t size) {
  return static_cast<int>(std::min<size_t>(size, std::numeric_limits<int>::max()));
}

// Both sides: memory BIOs that the SSL object owns.
bool AttachBios(ssl_st* ssl) {
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
  if (in == nullptr || out == nullptr) {
    BIO_free(in);
    BIO_free(out);
    return false;
  }
  BIO_set_mem_eof_return(in, -1);  // empty means "later", not "closed"
  BIO_set_mem_eof_return(out, -1);
  SSL_set_bio(ssl, in, out);
  return true;
}

int OnNewSession(ssl_st* ssl, ssl_session_st* session) {
  auto* owner = static_cast<Session*>(SSL_get_app_data(ssl));
  if (owner == nullptr) {
    return 0;
  }
  owner->RememberForResumption(session);
  return 1;  // the reference is ours now
}

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> Session::Client(std::shared_ptr<ClientContext> context,
                                                         std::string_view server_name) {
  ERR_clear_error();
  std::unique_ptr<Session> session(new Session);
  session->client_ = std::move(context);
  session->server_name_ = server_name;
  // In TLS 1.3 tickets come after the handshake, so sessions are collected by callback.
  SSL_CTX_sess_set_new_cb(session->client_->raw(), OnNewSession);
  session->ssl_.reset(SSL_new(session->client_->raw()));
  ssl_st* ssl = session->ssl_.get();
  if (ssl == nullptr || !AttachBios(ssl)) {
    return TakeErrors("starting a TLS session");
  }
  const std::string& name = session->server_name_;
  const bool ip = IsIp(name);
  if (name.empty()) {
    // The chain is checked, no name.
  } else if (ip ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) != 1
         : SSL_set_tlsext_host_name(ssl, name.c_str()) != 1 ||
               SSL_set1_host(ssl, name.c_str()) != 1) {
    return TakeErrors("server name " + name);
  }
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  SSL_set_app_data(ssl, session.get());
  if (ssl_session_st* old = session->client_->FindSession(name); old != nullptr) {
    SSL_set_session(ssl, old);
  }
  SSL_set_connect_state(ssl);
  return session;
}

absl::StatusOr<std::unique_ptr<Session>> Session::Server(std::shared_ptr<ServerContext> context) {
  ERR_clear_error();
  std::unique_ptr<Session> session(new Session);
  session->server_ = std::move(context);
  session->ssl_.reset(SSL_new(session->server_->raw()));
  if (session->ssl_ == nullptr || !AttachBios(session->ssl_.get())) {
    return TakeErrors("starting a TLS session");
  }
  SSL_set_accept_state(session->ssl_.get());
  return session;
}

void Session::RememberForResumption(ssl_session_st* session) {
  client_->RememberSession(server_name_, session);
}

Session::~Session() {
  if (ssl_ != nullptr) {
    SSL_set_app_data(ssl_.get(), nullptr);
    // Without this OpenSSL would call a session that never saw close_notify bad and not resume it.
    if (state_ != State::kFailed) {
      SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
  }
}

void Session::FeedCiphertext(std::string_view bytes) {
  while (!bytes.empty()) {
    const int taken = BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), Clamp(bytes.size()));
    AURORA_CHECK(taken > 0);  // a memory BIO takes everything or memory is gone
    bytes.remove_prefix(static_cast<size_t>(taken));
  }
}

void Session::Fail(std::string_view what) {
  state_ = State::kFailed;
  std::string text(what);
  if (const long verdict = SSL_get_verify_result(ssl_.get()); verdict != X509_V_OK) {
    text += " (certificate: ";
    text += X509_verify_cert_error_string(verdict);
    text += ")";
  }
  status_ = Unavailable(Std(TakeErrors(text).message()));
}

Session::State Session::Advance() {
  if (state_ != State::kHandshaking) {
    return state_;
  }
  ERR_clear_error();
  const int rc = SSL_do_handshake(ssl_.get());
  if (rc == 1) {
    state_ = State::kOpen;
  } else if (const int error = SSL_get_error(ssl_.get(), rc);
             error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
    Fail("TLS handshake");
  }
  return state_;
}

size_t Session::ReadPlaintext(std::span<char> out) {
  size_t total = 0;
  while (total < out.size() && state_ == State::kOpen) {
    ERR_clear_error();
    const int got = SSL_read(ssl_.get(), out.data() + total, Clamp(out.size() - total));
    if (got > 0) {
      total += static_cast<size_t>(got);
      continue;
    }
    switch (SSL_get_error(ssl_.get(), got)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:
        return total;
      case SSL_ERROR_ZERO_RETURN:
        state_ = State::kPeerClosed;
        return total;
      default:
        Fail("TLS read");
        return total;
    }
  }
  return total;
}

size_t Session::ReadPlaintext(std::string& out, size_t bytes_max) {
  constexpr size_t kRecordMax = 16 * 1024;
  size_t total = 0;
  while (total < bytes_max) {
    const size_t before = out.size();
    const size_t want = std::min(bytes_max - total, kRecordMax);
    out.resize(before + want);
    const size_t got = ReadPlaintext(std::span<char>(out.data() + before, want));
    out.resize(before + got);
    total += got;
    if (got < want) {
      break;
    }
  }
  return total;
}

bool Session::WritePlaintext(std::string_view bytes) {
  AURORA_CHECK(state_ != State::kHandshaking);
  while (!bytes.empty() && state_ != State::kFailed) {
    ERR_clear_error();
    const int taken = SSL_write(ssl_.get(), bytes.data(), Clamp(bytes.size()));
    if (taken > 0) {
      bytes.remove_prefix(static_cast<size_t>(taken));
      continue;
    }
    Fail("TLS write");  // a memory BIO never blocks
  }
  return state_ != State::kFailed;
}

size_t Session::ciphertext_bytes() const {
  return BIO_ctrl_pending(SSL_get_wbio(ssl_.get()));
}

size_t Session::DrainCiphertext(std::string& out) {
  const size_t pending = ciphertext_bytes();
  if (pending == 0) {
    return 0;
  }
  const size_t before = out.size();
  out.resize(before + pending);
  const int got = BIO_read(SSL_get_wbio(ssl_.get()), out.data() + before, Clamp(pending));
  AURORA_CHECK(got > 0);
  out.resize(before + static_cast<size_t>(got));
  return static_cast<size_t>(got);
}

void Session::Close() {
  if (state_ == State::kOpen || state_ == State::kPeerClosed) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
}

bool Session::resumed() const {
  return SSL_session_reused(ssl_.get()) == 1;
}

std::string_view Session::protocol() const {
  return SSL_get_version(ssl_.get());
}

std::string_view Session::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

}  // namespace aurora::tls
