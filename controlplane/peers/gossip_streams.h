// The TCP side of gossip: one request and at most one answer a connection, both ways.
// Source: hashicorp/memberlist net.go (docs/protocols/gossip.md). Thread: the loop's. Bounds:
// StreamLimits; beyond them a connection is closed without a word. Errors: a conversation that
// fails is reported once, with the reason; nothing is retried here. Invariant: each StreamRequest
// ends in exactly one OnStreamEnd, never inside Begin, unless this object dies first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "controlplane/gossipwire/stream.h"
#include "controlplane/membership/outbox.h"
#include "controlplane/peers/gossip_stats.h"
#include "shared/base/status.h"
#include "shared/uv/tcp.h"

namespace aurora::peers {

struct StreamLimits {
  size_t inbound = 128;
  Duration timeout = Duration::Seconds(10);  // a whole conversation
  size_t bytes = 8u << 20;                   // of one request or answer, as it comes
  size_t bytes_together = 64u << 20;         // of all that are under way
};

class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  // What a peer asked; what to answer, or nothing.
  virtual std::optional<gossipwire::Message> OnStreamRequest(const gossipwire::Address& from,
                                                             gossipwire::Message& message) = 0;
  // Our view, at the moment a push/pull is written.
  virtual gossipwire::PushPull StateToSend(bool join) = 0;
  virtual void OnStreamEnd(const membership::StreamRequest& request,
                           absl::StatusOr<gossipwire::Message> answer) = 0;
  virtual void OnStreamRefused(gossipwire::Refusal refusal, const gossipwire::Address& from,
                               std::string_view detail) = 0;
};

class GossipStreams {
 public:
  // `config` is read at each conversation's start; it and `stats` outlive this object.
  GossipStreams(uv::Loop& loop, const StreamLimits& limits, const gossipwire::StreamConfig* config,
                uint32_t scope_id, GossipStats* stats, StreamHandler* handler);
  ~GossipStreams();

  void Accept(std::unique_ptr<uv::TcpStream> stream);
  void Begin(const membership::StreamRequest& request);
  // One way, no answer, no report.
  void SendUser(const gossipwire::Address& to, std::string payload);
  size_t open() const { return conversations_.size(); }

 private:
  class Conversation;

  void Open(const gossipwire::Address& to, std::optional<membership::StreamRequest> request,
            std::string payload);
  void Remove(uint64_t key);

  uv::Loop& loop_;
  const StreamLimits limits_;
  const gossipwire::StreamConfig* const config_;
  const uint32_t scope_id_;
  GossipStats* const stats_;
  StreamHandler* const handler_;
  uint64_t next_key_ = 1;
  size_t inbound_ = 0;
  size_t bytes_ = 0;  // read by conversations under way
  absl::flat_hash_map<uint64_t, std::unique_ptr<Conversation>> conversations_;
};

}  // namespace aurora::peers
