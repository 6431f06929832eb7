#include "shared/httpd/connection.h"

#include <utility>

#include "shared/http/encoder.h"
#include "shared/http/url.h"

namespace aurora::httpd {
namespace {

constexpr size_t kUnsentMax = size_t{1} << 20;
constexpr Duration kLinger = Duration::Seconds(2);
constexpr size_t kPlaintextPiece = 16384;  // a TLS record's

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  }
  return out;
}

bool HasNoBody(int status) {
  return status < 200 || status == 204 || status == 304;
}

}  // namespace

Server::Connection::Connection(State& state, uint64_t id, std::unique_ptr<uv::TcpStream> stream)
    : state_(state),
      id_(id),
      stream_(std::move(stream)),
      decoder_(http::Decoder::Kind::kRequest, state.limits, &state.scratch),
      timer_(state.loop, [this] { OnTimer(); }) {}

bool Server::Connection::Start() {
  if (state_.certificate != nullptr) {
    auto session = tls::Session::Server(state_.certificate);
    if (!session.ok()) {
      return false;
    }
    tls_ = *std::move(session);
  }
  stream_->SetObserver(this);
  stream_->NoDelay(true);
  stream_->StartRead();
  if (tls_ != nullptr) {
    timer_.Start(state_.options.head_timeout);
  } else {
    ArmTimer();
  }
  return true;
}

// Takes everything that is ready out of the session, then answers what it has to say.
void Server::Connection::OnCiphertext(std::string_view bytes) {
  tls_->FeedCiphertext(bytes);
  const tls::Session::State state = tls_->Advance();
  std::string plain;
  while (tls_->ReadPlaintext(plain, kPlaintextPiece) > 0) {
  }
  if (std::string out; tls_->DrainCiphertext(out) > 0) {  // the handshake's, or an alert
    stream_->Write(std::move(out));
  }
  if (state == tls::Session::State::kFailed) {
    stream_->Shutdown();
    Close();
    return;
  }
  if (!plain.empty()) {
    Process(plain);
  } else if (state == tls::Session::State::kOpen) {
    ArmTimer();  // the handshake's limit is over
  }
  if (phase_ != Phase::kClosed && tls_->state() == tls::Session::State::kPeerClosed &&
      !client_done_) {
    OnEof();
  }
}

void Server::Connection::Send(std::string bytes) {
  if (tls_ == nullptr) {
    stream_->Write(std::move(bytes));
    return;
  }
  std::string out;
  if (tls_->WritePlaintext(bytes)) {
    tls_->DrainCiphertext(out);
    stream_->Write(std::move(out));
  }
}

bool Server::Connection::idle() const {
  return slots_.empty() && decoder_.idle() && held_input_.empty() &&
         stream_->write_queue_bytes() == 0;
}

void Server::Connection::Release() {
  phase_ = Phase::kClosed;
  timer_.Stop();
  for (const Slot& slot : slots_) {
    state_.connection_of.erase(slot.exchange_id);
  }
  slots_.clear();
  stream_.reset();
}

void Server::Connection::Close() {
  if (phase_ != Phase::kClosed) {
    state_.Close(id_);
  }
}

bool Server::Connection::Blocked() const {
  return slots_.size() >= state_.options.pipeline_max || stream_->write_queue_bytes() > kUnsentMax;
}

void Server::Connection::OnData(std::span<char> bytes) {
  if (phase_ != Phase::kOpen) {
    return;
  }
  if (tls_ != nullptr) {
    OnCiphertext({bytes.data(), bytes.size()});
  } else {
    Process({bytes.data(), bytes.size()});
  }
  // Otherwise the bytes are read only so that the client's FIN is seen.
}

void Server::Connection::Process(std::string_view in) {
  processing_ = true;
  bool more = true;
  while (more && phase_ == Phase::kOpen) {
    if (decoder_.idle() && Blocked()) {
      held_input_.assign(in);
      stream_->StopRead();
      break;
    }
    switch (decoder_.Next(in)) {
      case http::Decoder::Event::kHead:
        BeginRequest();
        break;
      case http::Decoder::Event::kBody:
        if (BodyFits(decoder_.body().size())) {
          request_.body += decoder_.body();
        }
        break;
      case http::Decoder::Event::kEnd:
        EndRequest();
        break;
      case http::Decoder::Event::kError:
        Refuse(decoder_.error().status, decoder_.error().text);
        break;
      case http::Decoder::Event::kNeedMore:
        more = false;
        break;
    }
  }
  processing_ = false;
  if (phase_ != Phase::kClosed) {
    Flush();
  }
}

void Server::Connection::BeginRequest() {
  const http::Head& head = decoder_.head();
  request_ = Request();
  request_.method = head.method;
  request_.method_text = head.method_text;
  request_.target = head.target;
  request_.path = http::PathOf(head.target);
  request_.query = http::QueryOf(head.target);
  request_.headers.reserve(head.header_count);
  for (const http::Header& header : head.all()) {
    request_.headers.emplace_back(Lower(header.name), header.value);
  }
  request_.peer = uv::IpText(stream_->peer());
  request_keep_alive_ = head.keep_alive;
  request_minor_ = head.minor_version;
  const bool expects = head.expect_continue;
  const uint64_t length = head.content_length;
  if (length > state_.options.body_max) {
    (void)BodyFits(state_.options.body_max + 1);
    return;
  }
  owes_continue_ = expects;
  Flush();
}

bool Server::Connection::BodyFits(size_t more) {
  if (request_.body.size() + more <= state_.options.body_max) {
    return true;
  }
  Refuse(413, "The body is larger than this server takes.");
  return false;
}

void Server::Connection::EndRequest() {
  decoder_.Reset();
  owes_continue_ = false;
  timing_request_ = false;
  const uint64_t exchange_id = state_.next_id++;
  slots_.push_back({exchange_id, request_keep_alive_, request_.method == http::Method::kHead,
                    request_minor_, std::nullopt});
  state_.connection_of.emplace(exchange_id, id_);
  if (!request_keep_alive_) {
    phase_ = Phase::kNoMoreRequests;
  }
  // May answer at once, and so come back to Answer and Flush before it returns.
  state_.handler(std::move(request_), Responder(state_.link, exchange_id));
}

// Answers in its turn and takes no more requests.
void Server::Connection::Refuse(int status, std::string_view text) {
  phase_ = Phase::kNoMoreRequests;
  owes_continue_ = false;
  Response response;
  response.status = status;
  response.body = text;
  response.body += '\n';
  slots_.push_back({state_.next_id++, false, false, 1, std::move(response)});
}

void Server::Connection::Answer(uint64_t exchange_id, Response response) {
  for (Slot& slot : slots_) {
    if (slot.exchange_id == exchange_id) {
      slot.response = std::move(response);
      break;
    }
  }
  Flush();
}

// Sends what is ready, in order. Closing and reading on wait until Process is off the stack.
void Server::Connection::Flush() {
  std::string out;
  bool close = false;
  while (!slots_.empty() && slots_.front().response.has_value() && !close) {
    const Slot& slot = slots_.front();
    const bool last_to_come = client_done_ && decoder_.idle() && held_input_.empty();
    close = !slot.keep_alive || (slots_.size() == 1 && (state_.draining || last_to_come));
    out += Serialise(slot, close);
    slots_.pop_front();
  }
  if (slots_.empty() && owes_continue_ && !close) {
    owes_continue_ = false;
    out += http::kContinue;
  }
  if (!out.empty()) {
    Send(std::move(out));
  }
  if (close) {
    phase_ =
        Phase::kNoMoreRequests;  // nothing was queued behind it: requests stop at a closing one
  }
  if (processing_) {
    return;
  }
  if (phase_ == Phase::kNoMoreRequests && slots_.empty()) {
    Finish();
    return;
  }
  Resume();
}

void Server::Connection::Resume() {
  if (phase_ == Phase::kOpen && !Blocked() && !held_input_.empty()) {
    const std::string input = std::exchange(held_input_, std::string());
    Process(input);
    return;
  }
  if (phase_ == Phase::kOpen && !Blocked() && !client_done_) {
    stream_->StartRead();
  }
  if (phase_ == Phase::kOpen && client_done_ && slots_.empty() && held_input_.empty()) {
    Finish();
    return;
  }
  if (phase_ == Phase::kOpen && state_.draining && idle()) {
    Finish();
    return;
  }
  ArmTimer();
}

// FIN, then wait for the client's: closing with unread bytes would reset the connection and lose
// the answer.
void Server::Connection::Finish() {
  if (client_done_ && stream_->write_queue_bytes() == 0) {
    Close();
    return;
  }
  phase_ = Phase::kLingering;
  decoder_.Reset();
  held_input_.clear();
  if (tls_ != nullptr) {
    tls_->Close();
    if (std::string out; tls_->DrainCiphertext(out) > 0) {
      stream_->Write(std::move(out));
    }
  }
  stream_->Shutdown();
  if (!client_done_) {
    stream_->StartRead();
  }
  timer_.Start(kLinger);
}

void Server::Connection::OnEof() {
  client_done_ = true;
  if (phase_ == Phase::kLingering) {
    if (stream_->write_queue_bytes() == 0) {
      Close();
    }
    return;
  }
  if (!decoder_.idle()) {
    Close();  // cut short in the middle of a request
    return;
  }
  // A client may send FIN right after its request and still wait for the answer.
  if (slots_.empty() && held_input_.empty()) {
    Finish();
  }
}

void Server::Connection::OnStreamError(int) {
  Close();
}

void Server::Connection::OnDrained() {
  if (phase_ == Phase::kLingering) {
    if (client_done_) {
      Close();
    }
    return;
  }
  if (!processing_) {
    Resume();
  }
}

void Server::Connection::ArmTimer() {
  if (phase_ != Phase::kOpen && phase_ != Phase::kNoMoreRequests) {
    return;
  }
  if (tls_ != nullptr && tls_->state() == tls::Session::State::kHandshaking) {
    return;  // Start's limit runs
  }
  if (!decoder_.idle() && phase_ == Phase::kOpen) {
    if (!std::exchange(timing_request_, true)) {
      timer_.Start(state_.options.head_timeout);
    }
    return;
  }
  timing_request_ = false;
  if (!slots_.empty()) {
    timer_.Stop();  // the handler's time, not the client's
  } else {
    timer_.Start(state_.options.idle_timeout);
  }
}

void Server::Connection::OnTimer() {
  if (timing_request_ && phase_ == Phase::kOpen) {
    Refuse(408, "The request took too long to arrive.");
    Flush();
    return;
  }
  Close();
}

std::string Server::Connection::Serialise(const Slot& slot, bool close) const {
  const Response& response = *slot.response;
  std::string out;
  out.reserve(256 + (slot.head_only ? 0 : response.body.size()));
  http::AppendStatusLine(out, response.status);
  if (!response.content_type.empty() && !HasNoBody(response.status)) {
    http::AppendHeader(out, "content-type", response.content_type);
  }
  if (!HasNoBody(response.status)) {
    http::AppendHeader(out, "content-length", uint64_t{response.body.size()});
  }
  if (close) {
    http::AppendHeader(out, "connection", "close");
  } else if (slot.minor_version == 0) {
    http::AppendHeader(out, "connection", "keep-alive");
  }
  for (const auto& [name, value] : response.headers) {
    const http::HeaderId id = http::ClassifyHeader(name);
    // Framing and connection are this file's business alone.
    if (http::IsToken(name) && !http::IsHopByHop(id) && id != http::HeaderId::kContentLength) {
      http::AppendHeader(out, name, value);
    }
  }
  out += http::kCrlf;
  if (!slot.head_only && !HasNoBody(response.status)) {
    out += response.body;
  }
  return out;
}

}  // namespace aurora::httpd
