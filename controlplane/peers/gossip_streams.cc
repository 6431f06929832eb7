#include "controlplane/peers/gossip_streams.h"

#include <utility>
#include <variant>

#include "controlplane/gossipwire/layers.h"
#include "controlplane/peers/gossip_address.h"
#include "shared/base/check.h"
#include "shared/uv/timer.h"
#include "shared/uv/udp.h"

namespace aurora::peers {

using gossipwire::Address;
using gossipwire::Message;
using gossipwire::Refusal;
using gossipwire::StreamDecoder;
using membership::StreamRequest;

// One connection. It removes itself; after Remove it lives on until the loop has left its
// callbacks.
class GossipStreams::Conversation final : public uv::StreamObserver {
 public:
  Conversation(GossipStreams& owner, uint64_t key, std::unique_ptr<uv::TcpStream> stream,
               bool inbound, Address peer)
      : owner_(owner),
        key_(key),
        inbound_(inbound),
        peer_(std::move(peer)),
        decoder_(*owner.config_,
                 inbound ? StreamDecoder::Side::kInbound : StreamDecoder::Side::kAnswer),
        deadline_(owner.loop_, [this] { Fail(timeout_status_); }),
        stream_(std::move(stream)) {
    stream_->SetObserver(this);
    deadline_.Start(owner.limits_.timeout);
  }

  void Serve() { stream_->StartRead(); }

  void Dial(std::optional<StreamRequest> request, std::string payload) {
    request_ = std::move(request);
    payload_ = std::move(payload);
    const auto address = ToSockaddr(peer_, owner_.scope_id_);
    const int error = address ? stream_->Connect(*address) : UV_EINVAL;
    if (error != 0) {
      // Reported from the loop, never inside Begin.
      timeout_status_ = uv::UvError(error, "connecting");
      deadline_.Start(Duration());
    }
  }

  void OnConnected(int error) override {
    if (error != 0) {
      Fail(uv::UvError(error, "connecting"));
      return;
    }
    auto blob = gossipwire::EncodeStream(Request(), *owner_.config_);
    if (!blob.ok()) {
      Fail(blob.status());
      return;
    }
    if (std::string header = gossipwire::LabelHeader(owner_.config_->label); !header.empty()) {
      WriteOut(std::move(header));
    }
    WriteOut(*std::move(blob));
    if (request_) {
      stream_->StartRead();
    }
  }

  void OnData(std::span<char> bytes) override {
    if (done_) {
      return;  // what follows the message is nobody's
    }
    Count(bytes.size());
    if (read_ > owner_.limits_.bytes || owner_.bytes_ > owner_.limits_.bytes_together) {
      Refuse(Refusal::kTooMuch, "more bytes than a stream may have");
      return;
    }
    switch (decoder_.Feed({bytes.data(), bytes.size()})) {
      case StreamDecoder::State::kMore:
        return;
      case StreamDecoder::State::kRefused:
        Refuse(decoder_.refusal(), Std(decoder_.error().message()));
        return;
      case StreamDecoder::State::kMessage:
        break;
    }
    if (inbound_) {
      Answer();
    } else {
      Finish(std::move(decoder_.message()));
    }
  }

  void OnEof() override {
    if (done_) {
      Remove();
    } else {
      Fail(Unavailable("the peer closed in the middle"));
    }
  }

  void OnStreamError(int error) override { Fail(uv::UvError(error, "stream")); }

  void OnDrained() override {
    if (refused_ || (!inbound_ && !request_)) {
      Remove();  // a refusal or a user message is out
    }
  }

  bool inbound() const { return inbound_; }
  size_t read() const { return read_; }

 private:
  Message Request() {
    if (!request_) {
      return gossipwire::User{std::move(payload_)};
    }
    if (request_->kind == StreamRequest::Kind::kPing) {
      return request_->ping;
    }
    return owner_.handler_->StateToSend(request_->join);
  }

  void Answer() {
    done_ = true;
    auto answer = owner_.handler_->OnStreamRequest(peer_, decoder_.message());
    if (answer) {
      Say(*answer);
    } else {
      Remove();
    }
  }

  // Writes, sends FIN, and waits for the peer's, so that what it still sends cannot turn our answer
  // into a reset.
  void Say(const Message& message) {
    auto blob = gossipwire::EncodeStream(message, *owner_.config_);
    if (!blob.ok()) {
      Fail(blob.status());
      return;
    }
    WriteOut(*std::move(blob));
    stream_->Shutdown();
  }

  void WriteOut(std::string bytes) {
    owner_.stats_->bytes_out += bytes.size();
    stream_->Write(std::move(bytes));
  }

  void Count(size_t bytes) {
    read_ += bytes;
    owner_.bytes_ += bytes;
    owner_.stats_->bytes_in += bytes;
  }

  void Refuse(Refusal refusal, std::string_view detail) {
    owner_.handler_->OnStreamRefused(refusal, peer_, detail);
    // Who holds the key and the label is told why; others are not worth a byte.
    const bool tell = inbound_ && refusal != Refusal::kKey && refusal != Refusal::kLabel;
    if (!tell) {
      Fail(InvalidArgument(detail));
      return;
    }
    done_ = true;
    refused_ = true;
    ++owner_.stats_->streams_failed;
    stream_->StopRead();
    Say(gossipwire::Error{std::string(detail)});
  }

  void Fail(const absl::Status& status) {
    if (!done_) {
      ++owner_.stats_->streams_failed;
    }
    Finish(status);
  }

  void Finish(absl::StatusOr<Message> answer) {
    done_ = true;
    const auto request = std::exchange(request_, std::nullopt);
    Remove();
    if (request) {
      owner_.handler_->OnStreamEnd(*request, std::move(answer));
    }
  }

  void Remove() {
    deadline_.Stop();
    stream_->SetObserver(nullptr);
    stream_->StopRead();
    owner_.Remove(key_);
  }

  GossipStreams& owner_;
  const uint64_t key_;
  const bool inbound_;
  const Address peer_;
  StreamDecoder decoder_;
  absl::Status timeout_status_ = absl::DeadlineExceededError("the stream took too long");
  uv::Timer deadline_;
  std::unique_ptr<uv::TcpStream> stream_;
  std::optional<StreamRequest> request_;  // outbound, until it is answered
  std::string payload_;
  size_t read_ = 0;
  bool done_ = false;
  bool refused_ = false;
};

GossipStreams::GossipStreams(uv::Loop& loop, const StreamLimits& limits,
                             const gossipwire::StreamConfig* config, uint32_t scope_id,
                             GossipStats* stats, StreamHandler* handler)
    : loop_(loop),
      limits_(limits),
      config_(config),
      scope_id_(scope_id),
      stats_(stats),
      handler_(handler) {}

GossipStreams::~GossipStreams() = default;

void GossipStreams::Accept(std::unique_ptr<uv::TcpStream> stream) {
  ++stats_->streams_in;
  if (inbound_ >= limits_.inbound) {
    ++stats_->streams_in_refused;
    stream->Abort();
    return;
  }
  ++inbound_;
  const uint64_t key = next_key_++;
  const Address peer = FromSockaddr(uv::UnmappedFromV6(stream->peer()));
  auto conversation = std::make_unique<Conversation>(*this, key, std::move(stream), true, peer);
  Conversation* const raw = conversation.get();
  conversations_.emplace(key, std::move(conversation));
  raw->Serve();
}

void GossipStreams::Begin(const StreamRequest& request) {
  Open(request.to, request, {});
}

void GossipStreams::SendUser(const Address& to, std::string payload) {
  Open(to, std::nullopt, std::move(payload));
}

void GossipStreams::Open(const Address& to, std::optional<StreamRequest> request,
                         std::string payload) {
  ++stats_->streams_out;
  const uint64_t key = next_key_++;
  auto conversation =
      std::make_unique<Conversation>(*this, key, std::make_unique<uv::TcpStream>(loop_), false, to);
  Conversation* const raw = conversation.get();
  conversations_.emplace(key, std::move(conversation));
  raw->Dial(std::move(request), std::move(payload));
}

void GossipStreams::Remove(uint64_t key) {
  const auto it = conversations_.find(key);
  if (it == conversations_.end()) {
    return;
  }
  std::unique_ptr<Conversation> gone = std::move(it->second);
  conversations_.erase(it);
  inbound_ -= gone->inbound() ? size_t{1} : 0;
  bytes_ -= gone->read();
  loop_.Retire(std::move(gone));
}

}  // namespace aurora::peers
