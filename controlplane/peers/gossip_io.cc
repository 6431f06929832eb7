// What arrives: datagrams, streams, and what of them is refused.
#include <utility>
#include <variant>

#include "controlplane/gossipwire/address.h"
#include "controlplane/gossipwire/codec.h"
#include "controlplane/peers/gossip_address.h"
#include "controlplane/peers/gossip_engine.h"
#include "shared/log/log.h"

namespace aurora::peers {

using gossipwire::Address;
using gossipwire::Message;
using gossipwire::Refusal;
using membership::StreamRequest;

namespace {

Reason ReasonOf(Refusal refusal) {
  switch (refusal) {
    case Refusal::kLabel:
      return Reason::kLabel;
    case Refusal::kKey:
      return Reason::kKey;
    case Refusal::kCrc:
      return Reason::kCrc;
    case Refusal::kTooMuch:
      return Reason::kTooMuch;
    case Refusal::kMalformed:
    case Refusal::kNone:
      break;
  }
  return Reason::kMalformed;
}

std::string_view Explain(Reason reason) {
  switch (reason) {
    case Reason::kLabel:
      return "its cluster label is not ours (cluster.label)";
    case Reason::kKey:
      return "no key of ours opens it, or it is not encrypted (cluster.gossip_keys)";
    case Reason::kCrc:
      return "its checksum does not fit";
    case Reason::kMalformed:
      return "it does not follow the protocol";
    case Reason::kTooMuch:
      return "it is over a bound";
    case Reason::kRate:
      return "too many datagrams";
    case Reason::kForeign:
      return "it belongs to another cluster";
    case Reason::kConflict:
      return "its name is in use at another address (cluster.node_id)";
  }
  return "";
}

// A stream comes from a port of the moment. Where its sender listens is in the view it sent, when
// only one node of that view has its IP; otherwise nobody can say.
Address ListenerOf(const Address& from, const gossipwire::PushPull& state) {
  Address found;
  for (const gossipwire::NodeRecord& node : state.nodes) {
    if (node.address.ip == from.ip && node.state == gossipwire::NodeState::kAlive) {
      if (!found.empty()) {
        return {};
      }
      found = node.address;
    }
  }
  return found;
}

}  // namespace

void GossipEngine::OnDatagram(std::string_view bytes, const sockaddr_storage& sender) {
  const Instant now = uv::Loop::Now();
  ++stats_.datagrams_in;
  stats_.bytes_in += bytes.size();
  const Address from = FromSockaddr(sender);
  if (!bucket_.Take(now)) {
    Refused(Reason::kRate, from, false, {}, {});
    return;
  }
  gossipwire::Opened opened = codec_->Open(bytes);
  stats_.dropped_parts += opened.dropped;
  if (opened.refusal != Refusal::kNone) {
    Refused(ReasonOf(opened.refusal), from, false, {}, {});
    return;
  }
  CatchUp(now);
  for (Message& message : opened.messages) {
    Take(now, from, message);
  }
  Settle();
}

void GossipEngine::Take(Instant now, const Address& from, Message& message) {
  if (auto* user = std::get_if<gossipwire::User>(&message)) {
    OnUser(from, false, std::move(user->payload));
    return;
  }
  if (const auto* ack = std::get_if<gossipwire::Ack>(&message)) {
    NoteAck(ack->sequence, now);
  } else if (const auto* suspect = std::get_if<gossipwire::Suspect>(&message)) {
    const membership::Record* record = core_->Find(suspect->node);
    const bool echo = record != nullptr && record->state == gossipwire::NodeState::kSuspect;
    stats_.suspicions_echoed += echo ? 1 : 0;
  }
  core_->Receive(now, from, message, out_);
}

void GossipEngine::NotePing(const Message& message, Instant now) {
  if (const auto* ping = std::get_if<gossipwire::Ping>(&message)) {
    pings_[next_ping_++ % pings_.size()] = {ping->sequence, now};
  }
}

void GossipEngine::NoteAck(uint32_t sequence, Instant now) {
  for (SentPing& ping : pings_) {
    if (ping.sequence == sequence && ping.at != Instant()) {
      stats_.rtt.Add(now - ping.at);
      ping = {};
      return;
    }
  }
}

void GossipEngine::OnAccept(std::unique_ptr<uv::TcpStream> stream) {
  streams_->Accept(std::move(stream));
}

std::optional<Message> GossipEngine::OnStreamRequest(const Address& from, Message& message) {
  const Instant now = uv::Loop::Now();
  if (auto* state = std::get_if<gossipwire::PushPull>(&message)) {
    CatchUp(now);
    Message answer = core_->ReceiveStream(now, ListenerOf(from, *state), *state, out_);
    Settle();
    return answer;
  }
  if (const auto* ping = std::get_if<gossipwire::Ping>(&message)) {
    if (core_->AnswersStreamPing(*ping)) {
      return gossipwire::Ack{ping->sequence, {}};
    }
    return std::nullopt;
  }
  if (auto* user = std::get_if<gossipwire::User>(&message)) {
    OnUser(from, true, std::move(user->payload));
    return std::nullopt;
  }
  Refused(Reason::kMalformed, from, true, {}, "a stream that begins with an answer");
  return std::nullopt;
}

gossipwire::PushPull GossipEngine::StateToSend(bool join) {
  return core_->LocalState(join);
}

void GossipEngine::OnStreamEnd(const StreamRequest& request, absl::StatusOr<Message> answer) {
  const Instant now = uv::Loop::Now();
  CatchUp(now);
  const auto* state = answer.ok() ? std::get_if<gossipwire::PushPull>(&*answer) : nullptr;
  const auto* ack = answer.ok() ? std::get_if<gossipwire::Ack>(&*answer) : nullptr;
  if (request.kind == StreamRequest::Kind::kPushPull && state != nullptr) {
    core_->OnStreamState(now, request.id, *state, out_);
  } else if (request.kind == StreamRequest::Kind::kPing && ack != nullptr &&
             ack->sequence == request.ping.sequence) {
    core_->OnStreamPong(now, request.id, out_);
  } else {
    core_->OnStreamFailed(now, request.id, out_);
    if (const auto* error = answer.ok() ? std::get_if<gossipwire::Error>(&*answer) : nullptr;
        error != nullptr) {
      Refused(Reason::kMalformed, request.to, true, {}, "it answers: " + error->text);
    }
  }
  Settle();
}

void GossipEngine::OnStreamRefused(Refusal refusal, const Address& from, std::string_view detail) {
  Refused(ReasonOf(refusal), from, true, {}, detail);
  Tell();
}

void GossipEngine::OnUser(const Address& from, bool stream, std::string payload) {
  ++stats_.user_messages;
  if (outlet_->wants_users && batch_->users.size() < kEventsKept) {
    batch_->users.push_back({from, stream, std::move(payload)});
    Tell();
  }
}

void GossipEngine::Refused(Reason reason, const Address& from, bool stream, std::string node,
                           std::string_view detail) {
  ++stats_.refused[static_cast<size_t>(reason)];
  // A spoofed or passing port must not make a new line: a peer is its IP, or its name.
  const std::string peer = node.empty() ? gossipwire::FormatIp(from.ip) : node;
  if (!reports_.Allow(uv::Loop::Now(), peer + "/" + std::string(ReasonName(reason)))) {
    return;
  }
  const std::string text(detail.empty() ? Explain(reason) : detail);
  log::Warn("gossip: refused", {{"reason", ReasonName(reason)},
                                {"peer", gossipwire::FormatAddress(from)},
                                {"node", node},
                                {"stream", stream},
                                {"detail", text}});
  if (batch_->refused.size() < kEventsKept) {
    batch_->refused.push_back({reason, from, stream, std::move(node), text});
  }
  Tell();
}

}  // namespace aurora::peers
