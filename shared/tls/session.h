// One TLS connection without a socket: ciphertext in and out, plaintext in and out.
// Source: OpenSSL 3 over memory BIOs; RFC 8446.
// Thread: its owner's.   Memory: read and write buffers are released while idle
// (SSL_MODE_RELEASE_BUFFERS). Errors: a failed handshake or record is sticky: state() is kFailed
// and status() says why; DrainCiphertext may still
//   hold the alert for the peer.
// Invariant: bytes given to WritePlaintext come out of the peer's ReadPlaintext in order, or the
// session has failed.
//
// Per read:  FeedCiphertext -> Advance -> ReadPlaintext -> DrainCiphertext to the socket.
// Per write: WritePlaintext -> DrainCiphertext to the socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "shared/base/status.h"
#include "shared/tls/context.h"

namespace aurora::tls {

class Session {
 public:
  enum class State : uint8_t { kHandshaking, kOpen, kPeerClosed, kFailed };

  // `server_name` goes into SNI and must match the certificate (an IP literal is matched as an IP,
  // without SNI). "": whoever the context trusts is right, whatever it is called.
  static absl::StatusOr<std::unique_ptr<Session>> Client(std::shared_ptr<ClientContext> context,
                                                         std::string_view server_name);
  static absl::StatusOr<std::unique_ptr<Session>> Server(std::shared_ptr<ServerContext> context);
  // Keeps the session resumable even when the peer never sent close_notify.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // All bytes are taken.
  void FeedCiphertext(std::string_view bytes);
  // Drives the handshake with what was fed. A client calls it once at the start to make its hello.
  State Advance();
  // Appends at most `bytes_max` decrypted bytes to `out`. Returns how many; 0 when none are ready
  // (see state()).
  size_t ReadPlaintext(std::string& out, size_t bytes_max);
  // The same into caller's memory.
  size_t ReadPlaintext(std::span<char> out);
  // Encrypts all of `bytes` into the outgoing ciphertext. Requires: state() is kOpen or
  // kPeerClosed. Returns false when the session failed.
  [[nodiscard]] bool WritePlaintext(std::string_view bytes);
  // Moves all outgoing ciphertext to the end of `out`. Returns how many bytes.
  size_t DrainCiphertext(std::string& out);
  size_t ciphertext_bytes() const;
  // Adds close_notify to the outgoing ciphertext. No more WritePlaintext.
  void Close();

  State state() const { return state_; }
  const absl::Status& status() const { return status_; }
  bool resumed() const;
  std::string_view protocol() const;  // "TLSv1.3"
  std::string_view alpn() const;      // "" when none was agreed

  // For OpenSSL's new-session callback only. Takes over `session`.
  void RememberForResumption(ssl_session_st* session);

 private:
  Session() = default;
  void Fail(std::string_view what);

  std::shared_ptr<ClientContext> client_;  // null on the server side
  std::shared_ptr<ServerContext> server_;
  std::string server_name_;
  std::unique_ptr<ssl_st, SslFree> ssl_;
  State state_ = State::kHandshaking;
  absl::Status status_;
};

}  // namespace aurora::tls
