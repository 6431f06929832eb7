// TCP streams and listeners on a Loop.
// Source: ours, over libuv.
// Thread: the loop's.   Memory: two allocations per stream, none per read or TryWrite.
// Lifetime: destroying a stream closes it; writes in flight are dropped, their callbacks not
// called.
//   A stream may be destroyed from inside any of its observer's calls.
// Errors: negative uv error numbers (uv_strerror) on the hot path, Status where things are opened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <sys/uio.h>

#include "shared/uv/address.h"
#include "shared/uv/loop.h"

namespace aurora::uv {

class StreamObserver {
 public:
  virtual ~StreamObserver() = default;
  // The outcome of Connect: 0 or a negative uv error.
  virtual void OnConnected(int error) { (void)error; }
  // Where the next read may go; empty = the loop's shared buffer. Needs kReadPadding readable bytes
  // behind it, and OnData follows at once or not at all.
  virtual std::span<char> ReadRoom() { return {}; }
  // `bytes` lies in the loop's shared buffer (or in ReadRoom), valid during the call, with
  // kReadPadding writable bytes behind it.
  virtual void OnData(std::span<char> bytes) = 0;
  // The peer sent FIN. Reading has stopped; writing may go on.
  virtual void OnEof() = 0;
  // Reading or writing failed. Nothing more is reported; destroy the stream.
  virtual void OnStreamError(int error) = 0;
  // Everything given to Write has reached the kernel.
  virtual void OnDrained() {}
};

class TcpStream {
 public:
  explicit TcpStream(Loop& loop);
  ~TcpStream();
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;

  // Null is allowed: events are then dropped.
  void SetObserver(StreamObserver* observer) { observer_ = observer; }

  // Begins to connect; OnConnected follows (never inside this call). Returns a uv error when it
  // cannot begin.
  [[nodiscard]] int Connect(const sockaddr_storage& address);

  // Both are idempotent.
  void StartRead();
  void StopRead();
  bool reading() const { return reading_; }

  // Writes what the kernel takes now: bytes written, 0 when it takes nothing or earlier Writes are
  // queued, or a negative uv error.
  [[nodiscard]] ssize_t TryWrite(std::span<const iovec> slices);
  [[nodiscard]] ssize_t TryWrite(std::string_view bytes);
  // Queues owned bytes behind what is already queued. `done` (may be null) is called with 0 or a uv
  // error from the loop, unless the stream is destroyed first.
  using WriteDone = void (*)(void* arg, int error);
  void Write(std::string bytes, WriteDone done = nullptr, void* arg = nullptr);
  size_t write_queue_bytes() const;

  // FIN after the queued writes.
  void Shutdown();
  // Closes with RST: the peer sees an abort, and no TIME_WAIT is left. Only good for destruction
  // afterwards.
  void Abort();

  void NoDelay(bool on);
  void KeepAlive(Duration idle);  // zero turns it off
  // Empty (family AF_UNSPEC) when not connected.
  sockaddr_storage peer() const;
  sockaddr_storage local() const;
  int fd() const;

 private:
  friend class TcpListener;
  struct WriteRequest;
  static void GiveReadBuffer(uv_handle_t* handle, size_t size, uv_buf_t* buffer);
  static void OnRead(uv_stream_t* handle, ssize_t count, const uv_buf_t* buffer);
  static void OnWritten(uv_write_t* request, int status);
  void FailOnce(int error);
  uv_stream_t* stream() const { return reinterpret_cast<uv_stream_t*>(handle_.get()); }

  Loop& loop_;
  Handle<uv_tcp_t> handle_;
  StreamObserver* observer_ = nullptr;
  bool reading_ = false;
  bool failed_ = false;  // OnStreamError was reported
};

class ListenerObserver {
 public:
  virtual ~ListenerObserver() = default;
  virtual void OnAccept(std::unique_ptr<TcpStream> stream) = 0;
  virtual void OnAcceptError(int error) { (void)error; }
};

class TcpListener {
 public:
  struct Options {
    std::string host = "127.0.0.1";  // an IP literal
    uint16_t port = 0;               // 0: the kernel chooses
    bool reuse_port = false;         // SO_REUSEPORT: several loops share the port
    int backlog = 1024;
  };
  // Errors: InvalidArgument (host), AlreadyExists (address in use), PermissionDenied, Unavailable.
  static absl::StatusOr<std::unique_ptr<TcpListener>> Open(Loop& loop, const Options& options,
                                                           ListenerObserver* observer);
  // Takes over a bound (listening or not) socket; the fd is closed on failure too.
  static absl::StatusOr<std::unique_ptr<TcpListener>> AdoptFd(Loop& loop, int fd, int backlog,
                                                              ListenerObserver* observer);
  // OK when nobody else listens there: binds without SO_REUSEPORT and lets go. With SO_REUSEPORT
  // alone a second process would silently share the port. Always OK for port 0.
  static absl::Status Probe(const std::string& host, uint16_t port);

  ~TcpListener();
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;

  // While paused, new connections wait in the backlog.
  void Pause();
  void Resume();

  uint16_t port() const;
  int fd() const;

 private:
  TcpListener(Loop& loop, ListenerObserver* observer) : loop_(loop), observer_(observer) {}
  absl::Status Listen(int backlog);
  void AcceptOne();

  Loop& loop_;
  ListenerObserver* const observer_;
  Handle<uv_tcp_t> handle_;
  bool paused_ = false;
  bool waiting_ = false;  // one connection was announced while paused
};

}  // namespace aurora::uv
