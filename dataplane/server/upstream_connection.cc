#include "dataplane/server/upstream_connection.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "dataplane/server/loop_failover.h"
#include "dataplane/server/upstream_pool.h"
#include "shared/base/check.h"

namespace aurora::server {

using exchange::UpstreamFailure;

namespace {

// A machine that vanishes says nothing: an answer that may rightly take minutes would be waited for until its limit.
void NoticeDeadPeer(int fd) {
  const int on = 1;
  const int idle_s = 3;
  const int interval_s = 2;
  const int probes = 3;
  const unsigned unacknowledged_ms = 9000;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
}

}  // namespace

UpstreamConnection::UpstreamConnection(LoopState& loop, UpstreamPool& pool, uint32_t pool_index)
    : loop_(loop),
      pool_(pool),
      pool_index_(pool_index),
      wire_(loop.wires, *this),
      decoder_(http::Decoder::Kind::kResponse, loop.limits, &loop.head) {}

UpstreamConnection::~UpstreamConnection() {
  if (state_ == State::kResolving) {
    pool_.dns().Cancel(*this);
  }
}

void UpstreamConnection::Start(const model::Provider& provider, UpstreamUser& user,
                               std::shared_ptr<tls::ClientContext> tls) {
  user_ = &user;
  dialling_ = std::make_unique<Dialling>();
  dialling_->host = provider.host;
  dialling_->port = provider.port;
  to_peer_ = provider.slot == kPeerSlot;
  dialling_->server_name = to_peer_ ? std::string() : provider.host;  // peers are known by their CA, not by a name
  dialling_->tls = std::move(tls);
  dialling_->public_only = provider.public_only;
  dialling_->give_up = loop_.context.now + provider.timeouts.connect;
  const ProxyServer* proxy = to_peer_ ? nullptr : loop_.options.proxy.For(provider);
  if (proxy != nullptr) {
    dialling_->public_only = false;  // what it may reach is the proxy's to say
    dialling_->host = proxy->host;
    dialling_->port = proxy->port;
    if (provider.tls) {
      const bool v6 = provider.host.find(':') != std::string::npos;
      const std::string target =
          (v6 ? "[" + provider.host + "]" : provider.host) + ":" + std::to_string(provider.port);
      dialling_->tunnel_request = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n" +
                                  proxy->authorization_line + "\r\n";
    } else {
      absolute_ = std::make_unique<AbsoluteForm>();
      absolute_->origin = "http://" + provider.authority;
      absolute_->authorization_line = proxy->authorization_line;
    }
  }
  loop_.Arm(*this, dialling_->give_up);
  const auto* known = pool_.dns().Lookup(dialling_->host, loop_.context.now, *this);
  if (known != nullptr) {
    OnResolved(*known, "");
  }
}

void UpstreamConnection::OnResolved(const std::vector<sockaddr_storage>& addresses,
                                    std::string_view reason) {
  loop_.Refresh();
  if (addresses.empty()) {
    state_ = State::kConnecting;
    Fail(UpstreamFailure::kResolve, dialling_->host + ": " + std::string(reason));
    return;
  }
  state_ = State::kConnecting;
  dialling_->addresses = addresses;
  if (dialling_->public_only &&
      std::erase_if(dialling_->addresses, [](const auto& address) { return !uv::IsPublic(address); }) > 0) {
    dialling_->last_error = model::kNotPublic;
  }
  TryNextAddress();
}

void UpstreamConnection::TryNextAddress() {
  Dialling& d = *dialling_;
  while (d.next_address < d.addresses.size()) {
    sockaddr_storage address = d.addresses[d.next_address++];
    uv::SetPort(address, d.port);
    const int error = wire_.Connect(address);
    if (error == 0) {
      // What time is left is shared among the addresses left, so that a dead first one leaves time
      // for the second.
      const auto left = static_cast<int64_t>(d.addresses.size() - d.next_address + 1);
      loop_.Arm(*this,
                std::min(d.give_up, loop_.context.now + (d.give_up - loop_.context.now) / left));
      return;
    }
    d.last_error = uv_strerror(error);
  }
  // Also reached from inside Start, whose caller must not be called back: the timer reports it.
  loop_.Arm(*this, loop_.context.now);
}

void UpstreamConnection::OnWireOpen() {
  loop_.Refresh();
  if (state_ == State::kConnecting) {
    loop_.Arm(*this, dialling_->give_up);
    if (!dialling_->tunnel_request.empty()) {
      state_ = State::kTunnelling;
      if (!wire_.Write(std::string_view(dialling_->tunnel_request))) {
        Fail(UpstreamFailure::kProxy, "connection to the proxy lost");
      }
    } else if (dialling_->tls != nullptr) {
      StartTls();
    } else {
      Stand();
    }
  } else if (state_ == State::kHandshaking) {
    Stand();
  }
}

void UpstreamConnection::StartTls() {
  auto session = tls::Session::Client(dialling_->tls, dialling_->server_name);
  if (!session.ok()) {
    Fail(UpstreamFailure::kTls, Std(session.status().message()));
    return;
  }
  state_ = State::kHandshaking;
  wire_.StartTls(*std::move(session));
}

void UpstreamConnection::Stand() {
  state_ = State::kBusy;
  if (to_peer_) {
    NoticeDeadPeer(wire_.fd());
  }
  dialling_.reset();
  loop_.timers.Disarm(*this);
  user_->OnUpstreamReady();
}

bool UpstreamConnection::ended() const {
  char byte = 0;
  const ssize_t n = recv(wire_.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

void UpstreamConnection::Lease(UpstreamUser& user) {
  AURORA_DCHECK(state_ == State::kIdle);
  state_ = State::kBusy;
  user_ = &user;
  decoder_.Reset();
}

void UpstreamConnection::Idle() {
  state_ = State::kIdle;
  user_ = nullptr;
  idle_since_ = loop_.context.now;
  expect_no_body_ = false;
  if (absolute_ != nullptr) {
    absolute_->at_start = true;
  }
  wire_.Resume();
}

bool UpstreamConnection::Write(const exchange::Pieces& pieces) {
  if (absolute_ != nullptr && absolute_->at_start) [[unlikely]] {
    return WriteAbsolute(pieces);
  }
  return wire_.Write(pieces);
}

// "POST /v1/x HTTP/1.1\r\n…" becomes "POST http://authority/v1/x HTTP/1.1\r\nProxy-Authorization:
// …\r\n…".
bool UpstreamConnection::WriteAbsolute(const exchange::Pieces& pieces) {
  std::string joined;
  for (size_t i = 0; i < pieces.count(); ++i) {
    joined.append(pieces[i]);
  }
  const size_t line_end = joined.find("\r\n");
  const size_t space = joined.find(' ');
  AURORA_CHECK(line_end != std::string::npos && space < line_end);
  joined.insert(line_end + 2, absolute_->authorization_line);
  joined.insert(space + 1, absolute_->origin);
  absolute_->at_start = false;
  return wire_.Write(std::string_view(joined));
}

void UpstreamConnection::Shut() {
  if (state_ == State::kResolving) {
    pool_.dns().Cancel(*this);
  }
  state_ = State::kClosed;
  user_ = nullptr;
  loop_.timers.Disarm(*this);
  wire_.Close();
}

void UpstreamConnection::Fail(UpstreamFailure failure, std::string_view detail) {
  const std::string text(detail);
  UpstreamUser* user = std::exchange(user_, nullptr);
  pool_.CountFailure(pool_index_, failure);
  pool_.Close(*this);
  if (user != nullptr) {
    user->OnUpstreamFailed(failure, text);
  }
}

void UpstreamConnection::OnWireData(std::span<char> bytes) {
  loop_.Refresh();
  const std::string_view in(bytes.data(), bytes.size());
  if (state_ == State::kBusy) {
    ResponseData(in);
  } else if (state_ == State::kTunnelling) {
    TunnelData(in);
  } else if (state_ == State::kIdle) {
    pool_.Close(*this);  // an answer nobody asked for
  }
}

void UpstreamConnection::TunnelData(std::string_view in) {
  decoder_.ExpectNoBody();
  switch (decoder_.Next(in)) {
    case http::Decoder::Event::kHead:
      break;
    case http::Decoder::Event::kNeedMore:
      return;
    default:
      Fail(UpstreamFailure::kProxy, "the proxy's answer to CONNECT is not HTTP");
      return;
  }
  if (decoder_.head().status / 100 != 2) {
    Fail(UpstreamFailure::kProxy,
         "the proxy answered CONNECT with " + std::to_string(decoder_.head().status));
    return;
  }
  if (decoder_.Next(in) != http::Decoder::Event::kEnd || !in.empty()) {
    Fail(UpstreamFailure::kProxy, "the proxy sent bytes behind its answer to CONNECT");
    return;
  }
  decoder_.Reset();
  StartTls();
}

void UpstreamConnection::ResponseData(std::string_view in) {
  for (;;) {
    switch (decoder_.Next(in)) {
      case http::Decoder::Event::kNeedMore:
        user_->OnUpstreamBatch();
        return;
      case http::Decoder::Event::kHead: {
        const http::Head& head = decoder_.head();
        interim_ = head.status < 200 && head.status != 101;
        if (!interim_) {
          reusable_ = head.keep_alive;
          user_->OnUpstreamHead(head);
        }
        break;
      }
      case http::Decoder::Event::kBody:
        user_->OnUpstreamBody(decoder_.body());
        break;
      case http::Decoder::Event::kEnd:
        if (interim_) {
          decoder_.Reset();
          if (expect_no_body_) {
            decoder_.ExpectNoBody();
          }
          break;
        }
        user_->OnUpstreamEnd(reusable_ && in.empty());
        user_->OnUpstreamBatch();
        return;
      case http::Decoder::Event::kError:
        // What came before the fault is judged first.
        user_->OnUpstreamBatch();
        if (user_ != nullptr) {
          Fail(UpstreamFailure::kBadResponse, decoder_.error().text);
        }
        return;
    }
    if (user_ == nullptr) {
      return;  // the exchange gave the connection up
    }
  }
}

void UpstreamConnection::OnWireEof() {
  loop_.Refresh();
  if (state_ != State::kBusy) {
    if (state_ == State::kTunnelling) {
      Fail(UpstreamFailure::kProxy, "the proxy closed the connection");
    } else {
      Fail(UpstreamFailure::kReset, "closed by the provider");
    }
    return;
  }
  if (decoder_.Eof() == http::Decoder::Event::kEnd) {
    user_->OnUpstreamEnd(false);
    user_->OnUpstreamBatch();
  } else {
    Fail(UpstreamFailure::kReset,
         "the provider closed the connection before its response was complete");
  }
}

void UpstreamConnection::OnWireFailed(UpstreamFailure failure, std::string_view detail) {
  loop_.Refresh();
  if (state_ == State::kConnecting) {
    dialling_->last_error = detail;
    TryNextAddress();
  } else {
    Fail(state_ == State::kTunnelling ? UpstreamFailure::kProxy : failure, detail);
  }
}

void UpstreamConnection::OnWireDrained() {
  loop_.Refresh();
  if (user_ != nullptr) {
    user_->OnUpstreamDrained();
  }
}

void UpstreamConnection::OnDeadline() {
  if (state_ == State::kConnecting && dialling_->next_address < dialling_->addresses.size() &&
      loop_.context.now < dialling_->give_up) {
    dialling_->last_error = "timed out";
    wire_.Close();
    TryNextAddress();
  } else if (state_ == State::kConnecting && !wire_.open()) {
    Fail(UpstreamFailure::kConnect, dialling_->last_error);
  } else {
    Fail(UpstreamFailure::kTimeout,
         state_ == State::kHandshaking ? "TLS handshake timed out" : "connect timed out");
  }
}

}  // namespace aurora::server
