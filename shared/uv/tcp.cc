#include "shared/uv/tcp.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "shared/base/check.h"

namespace aurora::uv {
namespace {

// libuv itself reads uv_buf_t as iovec on Unix; so may we.
static_assert(sizeof(uv_buf_t) == sizeof(iovec));
static_assert(offsetof(uv_buf_t, base) == offsetof(iovec, iov_base));
static_assert(offsetof(uv_buf_t, len) == offsetof(iovec, iov_len));

}  // namespace

struct TcpStream::WriteRequest {
  uv_write_t request;
  std::string bytes;
  WriteDone done;
  void* arg;
};

TcpStream::TcpStream(Loop& loop) : loop_(loop) {
  handle_.reset(new uv_tcp_t);
  AURORA_CHECK(uv_tcp_init(loop.raw(), handle_.get()) == 0);
  handle_->data = this;
}

TcpStream::~TcpStream() = default;

int TcpStream::Connect(const sockaddr_storage& address) {
  loop_.AssertInThread();
  auto request = std::make_unique<uv_connect_t>();
  const int error =
      uv_tcp_connect(request.get(), handle_.get(), reinterpret_cast<const sockaddr*>(&address),
                     [](uv_connect_t* raw, int status) {
                       const std::unique_ptr<uv_connect_t> done(raw);
                       auto* self = static_cast<TcpStream*>(done->handle->data);
                       if (self != nullptr && self->observer_ != nullptr) {
                         self->observer_->OnConnected(status);
                       }
                     });
  if (error == 0) {
    (void)request.release();  // the callback owns it
  }
  return error;
}

void TcpStream::StartRead() {
  if (reading_ || failed_ || handle_ == nullptr) {
    return;
  }
  reading_ = uv_read_start(stream(), GiveReadBuffer, OnRead) == 0;
}

void TcpStream::StopRead() {
  if (reading_ && handle_ != nullptr) {
    uv_read_stop(stream());
    reading_ = false;
  }
}

void TcpStream::GiveReadBuffer(uv_handle_t* handle, size_t, uv_buf_t* buffer) {
  auto* self = static_cast<TcpStream*>(handle->data);
  if (self != nullptr && self->observer_ != nullptr) {
    if (const std::span<char> room = self->observer_->ReadRoom(); !room.empty()) {
      buffer->base = room.data();
      buffer->len = room.size();
      return;
    }
  }
  buffer->base = static_cast<Loop*>(handle->loop->data)->read_buffer();
  buffer->len = kReadBytesMax;
}

void TcpStream::OnRead(uv_stream_t* handle, ssize_t count, const uv_buf_t* buffer) {
  auto* self = static_cast<TcpStream*>(handle->data);
  if (count == 0 || self == nullptr || self->observer_ == nullptr) {
    return;
  }
  if (count > 0) {
    self->observer_->OnData({buffer->base, static_cast<size_t>(count)});
    return;  // self may be gone
  }
  self->StopRead();
  if (count == UV_EOF) {
    self->observer_->OnEof();
    return;
  }
  self->FailOnce(static_cast<int>(count));
}

void TcpStream::FailOnce(int error) {
  if (std::exchange(failed_, true) || observer_ == nullptr) {
    return;
  }
  StopRead();
  observer_->OnStreamError(error);
}

ssize_t TcpStream::TryWrite(std::span<const iovec> slices) {
  if (handle_ == nullptr) {
    return UV_ECANCELED;
  }
  const int written = uv_try_write(stream(), reinterpret_cast<const uv_buf_t*>(slices.data()),
                                   static_cast<unsigned>(slices.size()));
  return written == UV_EAGAIN ? 0 : written;
}

ssize_t TcpStream::TryWrite(std::string_view bytes) {
  const iovec slice{const_cast<char*>(bytes.data()), bytes.size()};
  return TryWrite({&slice, 1});
}

void TcpStream::Write(std::string bytes, WriteDone done, void* arg) {
  loop_.AssertInThread();
  if (handle_ == nullptr) {
    return;
  }
  auto write = std::make_unique<WriteRequest>();
  write->bytes = std::move(bytes);
  write->done = done;
  write->arg = arg;
  write->request.data = write.get();
  const uv_buf_t buffer{write->bytes.data(), write->bytes.size()};
  if (uv_write(&write->request, stream(), &buffer, 1, OnWritten) == 0) {
    (void)write.release();  // OnWritten owns it
    return;
  }
  // Only a stream that is not connected comes here; reads report what happened to it.
  failed_ = true;
}

void TcpStream::OnWritten(uv_write_t* request, int status) {
  const std::unique_ptr<WriteRequest> write(static_cast<WriteRequest*>(request->data));
  // A destroyed stream has no data; one destroyed by `done` has none afterwards. The handle itself
  // outlives this call.
  uv_stream_t* const handle = request->handle;
  if (handle->data == nullptr) {
    return;
  }
  if (write->done != nullptr) {
    write->done(write->arg, status);
  }
  auto* self = static_cast<TcpStream*>(handle->data);
  if (self == nullptr) {
    return;
  }
  if (status != 0) {
    self->FailOnce(status);
  } else if (handle->write_queue_size == 0 && self->observer_ != nullptr && !self->failed_) {
    self->observer_->OnDrained();
  }
}

size_t TcpStream::write_queue_bytes() const {
  return handle_ == nullptr ? 0 : uv_stream_get_write_queue_size(stream());
}

void TcpStream::Shutdown() {
  if (handle_ == nullptr) {
    return;
  }
  auto request = std::make_unique<uv_shutdown_t>();
  const int error = uv_shutdown(request.get(), stream(), [](uv_shutdown_t* raw, int) {
    delete raw;  // a failure shows on the read side
  });
  if (error == 0) {
    (void)request.release();
  }
}

void TcpStream::Abort() {
  if (handle_ == nullptr) {
    return;
  }
  handle_->data = nullptr;
  reading_ = false;
  const int error = uv_tcp_close_reset(
      handle_.get(), [](uv_handle_t* closed) { delete reinterpret_cast<uv_tcp_t*>(closed); });
  if (error == 0) {
    (void)handle_.release();
  } else {
    handle_.reset();  // a stream in shutdown cannot reset: close it the ordinary way
  }
}

void TcpStream::NoDelay(bool on) {
  if (handle_ != nullptr) {
    uv_tcp_nodelay(handle_.get(), on ? 1 : 0);
  }
}

void TcpStream::KeepAlive(Duration idle) {
  if (handle_ != nullptr) {
    const auto seconds = static_cast<unsigned>(std::max<int64_t>(0, idle.millis() / 1000));
    uv_tcp_keepalive(handle_.get(), seconds > 0 ? 1 : 0, seconds);
  }
}

sockaddr_storage TcpStream::peer() const {
  sockaddr_storage address{};
  int size = sizeof(address);
  if (handle_ == nullptr ||
      uv_tcp_getpeername(handle_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return {};
  }
  return address;
}

sockaddr_storage TcpStream::local() const {
  sockaddr_storage address{};
  int size = sizeof(address);
  if (handle_ == nullptr ||
      uv_tcp_getsockname(handle_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return {};
  }
  return address;
}

int TcpStream::fd() const {
  uv_os_fd_t fd = -1;
  if (handle_ != nullptr) {
    uv_fileno(reinterpret_cast<const uv_handle_t*>(handle_.get()), &fd);
  }
  return fd;
}

}  // namespace aurora::uv
