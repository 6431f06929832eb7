#include "dataplane/server/wire.h"

#include <array>
#include <utility>

#include "shared/base/check.h"

namespace aurora::server {

using exchange::UpstreamFailure;

namespace {
iovec Slice(std::string_view bytes) {
  return {const_cast<char*>(bytes.data()), bytes.size()};  // iovec has no const form
}
}  // namespace

void Wire::Accept(std::unique_ptr<uv::TcpStream> stream, std::unique_ptr<tls::Session> session) {
  stream_ = std::move(stream);
  session_ = std::move(session);
  connected_ = true;
  handshaking_ = session_ != nullptr;
  stream_->SetObserver(this);
  stream_->NoDelay(true);
  stream_->StartRead();
}

int Wire::Connect(const sockaddr_storage& address) {
  connected_ = false;
  blocked_ = false;
  stream_ = std::make_unique<uv::TcpStream>(scratch_.loop);
  stream_->SetObserver(this);
  const int error = stream_->Connect(address);
  if (error != 0) {
    stream_.reset();
  }
  return error;
}

void Wire::StartTls(std::unique_ptr<tls::Session> session) {
  session_ = std::move(session);
  handshaking_ = true;
  session_->Advance();
  if (!FlushCiphertext()) {
    Fail(UpstreamFailure::kReset, "connection lost");
  }
}

bool Wire::Write(std::string_view bytes) {
  if (stream_ == nullptr) {
    return false;
  }
  if (session_ != nullptr) {
    return session_->WritePlaintext(bytes) && FlushCiphertext();
  }
  const iovec slice = Slice(bytes);
  return WritePlain({&slice, 1}, bytes.size());
}

bool Wire::Write(const exchange::Pieces& pieces) {
  if (stream_ == nullptr) {
    return false;
  }
  if (session_ != nullptr) {
    return WriteTls(pieces);
  }
  std::array<iovec, 24> slices;
  AURORA_DCHECK(pieces.count() <= slices.size());
  for (size_t i = 0; i < pieces.count(); ++i) {
    slices[i] = Slice(pieces[i]);
  }
  return WritePlain({slices.data(), pieces.count()}, pieces.bytes());
}

// Small pieces are joined, so that one write is few records; a long one goes in slices, so that its first bytes are on
// their way before its last are encrypted: what was decided before a write must not be told a long time after.
bool Wire::WriteTls(const exchange::Pieces& pieces) {
  constexpr size_t kSliceBytes = 256 * 1024;
  scratch_.plain.clear();
  for (size_t i = 0; i < pieces.count(); ++i) {
    std::string_view rest = pieces[i];
    if (scratch_.plain.size() + rest.size() <= kSliceBytes) {
      scratch_.plain.append(rest);
      continue;
    }
    if (!Write(std::string_view(scratch_.plain))) {
      return false;
    }
    scratch_.plain.clear();
    for (; rest.size() > kSliceBytes; rest.remove_prefix(kSliceBytes)) {
      if (!Write(rest.substr(0, kSliceBytes))) {
        return false;
      }
    }
    scratch_.plain.append(rest);
  }
  return Write(std::string_view(scratch_.plain));
}

bool Wire::WritePlain(std::span<const iovec> slices, size_t bytes) {
  const ssize_t written = stream_->TryWrite(slices);
  if (written < 0) {
    return false;
  }
  size_t skip = static_cast<size_t>(written);
  if (skip == bytes) {
    return true;
  }
  std::string rest;
  rest.reserve(bytes - skip);
  for (const iovec& slice : slices) {
    if (skip >= slice.iov_len) {
      skip -= slice.iov_len;
      continue;
    }
    rest.append(static_cast<const char*>(slice.iov_base) + skip, slice.iov_len - skip);
    skip = 0;
  }
  stream_->Write(
      std::move(rest),
      [](void* arg, int error) {
        auto* self = static_cast<Wire*>(arg);
        if (error == 0 && self->blocked_ &&
            self->queued_bytes() <= self->scratch_.low_watermark_bytes) {
          self->blocked_ = false;
          self->observer_.OnWireDrained();
        }
      },
      this);
  blocked_ = blocked_ || stream_->write_queue_bytes() > scratch_.high_watermark_bytes;
  return true;
}

bool Wire::FlushCiphertext() {
  scratch_.cipher.clear();
  if (session_->DrainCiphertext(scratch_.cipher) == 0) {
    return true;
  }
  const iovec slice = Slice(scratch_.cipher);
  return WritePlain({&slice, 1}, scratch_.cipher.size());
}

void Wire::Pause() {
  if (stream_ != nullptr) {
    stream_->StopRead();
  }
}

void Wire::Resume() {
  if (stream_ != nullptr) {
    stream_->StartRead();
  }
}

void Wire::Shutdown() {
  if (stream_ == nullptr) {
    return;
  }
  if (session_ != nullptr && !handshaking_) {
    session_->Close();
    (void)FlushCiphertext();  // the peer is gone already if this fails
  }
  stream_->Shutdown();
}

void Wire::Abort() {
  if (stream_ != nullptr) {
    stream_->Abort();
    Close();
  }
}

void Wire::Close() {
  stream_.reset();
  session_.reset();
  blocked_ = false;
}

std::string Wire::PeerIp() const {
  return stream_ == nullptr ? std::string() : uv::IpText(stream_->peer());
}

void Wire::Fail(UpstreamFailure failure, std::string_view detail) {
  const std::string text(detail);  // may belong to the session that goes now
  Close();
  observer_.OnWireFailed(failure, text);
}

void Wire::OnConnected(int error) {
  if (error != 0) {
    Fail(UpstreamFailure::kConnect, uv_strerror(error));
    return;
  }
  connected_ = true;
  stream_->NoDelay(true);
  stream_->StartRead();
  observer_.OnWireOpen();
}

void Wire::OnData(std::span<char> bytes) {
  if (session_ == nullptr) {
    observer_.OnWireData(bytes);
  } else {
    OnCiphertext(bytes);
  }
}

void Wire::OnCiphertext(std::span<char> bytes) {
  session_->FeedCiphertext({bytes.data(), bytes.size()});
  const tls::Session::State state = session_->Advance();
  if (!FlushCiphertext()) {
    Fail(UpstreamFailure::kReset, "connection lost");
    return;
  }
  if (handshaking_) {
    if (state == tls::Session::State::kFailed) {
      Fail(UpstreamFailure::kTls, Std(session_->status().message()));
      return;
    }
    if (state == tls::Session::State::kHandshaking) {
      return;
    }
    handshaking_ = false;
    observer_.OnWireOpen();
  }
  while (session_ != nullptr) {
    // The ciphertext is consumed, so the loop's buffer is free for the plaintext.
    const size_t count =
        session_->ReadPlaintext(std::span<char>(scratch_.loop.read_buffer(), uv::kReadBytesMax));
    if (count == 0) {
      break;
    }
    observer_.OnWireData({scratch_.loop.read_buffer(), count});
  }
  if (session_ == nullptr) {
    return;
  }
  if (!FlushCiphertext()) {  // key updates, alerts
    Fail(UpstreamFailure::kReset, "connection lost");
  } else if (session_->state() == tls::Session::State::kFailed) {
    Fail(UpstreamFailure::kTls, Std(session_->status().message()));
  } else if (session_->state() == tls::Session::State::kPeerClosed) {
    observer_.OnWireEof();
  }
}

void Wire::OnEof() {
  if (handshaking_) {
    Fail(UpstreamFailure::kTls, "the peer closed during the TLS handshake");
  } else if (session_ != nullptr && session_->state() != tls::Session::State::kPeerClosed) {
    Fail(UpstreamFailure::kReset, "closed without close_notify");  // may be a truncation
  } else if (session_ == nullptr) {
    observer_.OnWireEof();
  }
}

void Wire::OnStreamError(int error) {
  Fail(handshaking_ ? UpstreamFailure::kTls : UpstreamFailure::kReset, uv_strerror(error));
}

void Wire::OnDrained() {
  if (blocked_) {
    blocked_ = false;
    observer_.OnWireDrained();
  }
  if (stream_ != nullptr && stream_->write_queue_bytes() == 0) {
    observer_.OnWireFlushed();
  }
}

}  // namespace aurora::server
