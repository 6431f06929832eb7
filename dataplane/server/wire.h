// Wire: one TCP stream, plain or TLS, with the bytes that did not fit yet.
// Source: ours, over shared/uv and shared/tls. Thread: one loop.
// Memory: nothing but the stream while idle; TLS buffers are released by OpenSSL between records.
// Borrowing: OnWireData's bytes lie in the loop's read buffer (plaintext too: the ciphertext in it
// was consumed), with padding behind them. Write copies only what the kernel did not take. Errors:
// OnWireFailed, once, then nothing more. Write returns false instead when it is the one to notice.
// Lifetime: the owner outlives the callbacks of the iteration it closes the wire in (Loop::Retire).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "dataplane/exchange/exchange.h"
#include "dataplane/exchange/outbox.h"
#include "shared/tls/session.h"
#include "shared/uv/tcp.h"

namespace aurora::server {

// What the wires of one loop share.
struct WireScratch {
  uv::Loop& loop;
  size_t high_watermark_bytes = 256 * 1024;
  size_t low_watermark_bytes = 64 * 1024;
  std::string plain;  // pieces joined, so that one write is few TLS records
  std::string cipher;
};

class WireObserver {
 public:
  virtual ~WireObserver() = default;
  // Where plain bytes may be read to; empty = the loop's buffer (uv::StreamObserver::ReadRoom).
  virtual std::span<char> WireRoom() { return {}; }
  virtual void OnWireOpen() = 0;  // connected, or the TLS handshake is done
  virtual void OnWireData(std::span<char> bytes) = 0;
  virtual void OnWireEof() = 0;
  virtual void OnWireFailed(exchange::UpstreamFailure failure, std::string_view detail) = 0;
  virtual void OnWireDrained() = 0;  // was blocked, is below the low watermark
  virtual void OnWireFlushed() {}    // nothing is queued any more
};

class Wire final : private uv::StreamObserver {
 public:
  Wire(WireScratch& scratch, WireObserver& observer) : scratch_(scratch), observer_(observer) {}

  // Takes an accepted stream and begins to read. With a session OnWireOpen follows its handshake.
  void Accept(std::unique_ptr<uv::TcpStream> stream, std::unique_ptr<tls::Session> session);
  // OnWireOpen or OnWireFailed(kConnect) follows. Returns a uv error when it cannot begin. May be
  // called again after a failure.
  [[nodiscard]] int Connect(const sockaddr_storage& address);
  // On a connected wire: OnWireOpen or OnWireFailed(kTls) follows.
  void StartTls(std::unique_ptr<tls::Session> session);

  // False: the stream is broken (nothing will be reported about it again).
  [[nodiscard]] bool Write(const exchange::Pieces& pieces);
  [[nodiscard]] bool Write(std::string_view bytes);
  // More than the high watermark is queued; OnWireDrained will follow.
  bool blocked() const { return blocked_; }
  size_t queued_bytes() const { return stream_ == nullptr ? 0 : stream_->write_queue_bytes(); }

  void Pause();
  void Resume();
  void Shutdown();  // FIN (and close_notify) behind what is queued
  void Abort();     // RST
  void Close();
  bool open() const { return stream_ != nullptr; }
  bool tls() const { return session_ != nullptr; }
  std::string PeerIp() const;
  int fd() const { return stream_ == nullptr ? -1 : stream_->fd(); }

 private:
  std::span<char> ReadRoom() override {
    return session_ == nullptr ? observer_.WireRoom() : std::span<char>();
  }
  void OnConnected(int error) override;
  void OnData(std::span<char> bytes) override;
  void OnEof() override;
  void OnStreamError(int error) override;
  void OnDrained() override;

  void OnCiphertext(std::span<char> bytes);
  bool WriteTls(const exchange::Pieces& pieces);
  bool WritePlain(std::span<const iovec> slices, size_t bytes);
  bool FlushCiphertext();
  void Fail(exchange::UpstreamFailure failure, std::string_view detail);

  WireScratch& scratch_;
  WireObserver& observer_;
  std::unique_ptr<uv::TcpStream> stream_;
  std::unique_ptr<tls::Session> session_;
  bool connected_ = false;
  bool handshaking_ = false;
  bool blocked_ = false;
};

}  // namespace aurora::server
