// GossipEngine: the gossip thread's side of Gossip. Brings datagrams, streams and time to the
// membership core and carries out what it answers. Source: ours. Thread: built on any, then the
// loop's. Bounds: GossipOptions. Errors: Open says what failed. Invariant: after each call into the
// core its Outbox is carried out, the timer stands at its next deadline, and what there is to tell
// is on its way home within kTellWithin.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/gossipwire/address.h"
#include "controlplane/gossipwire/keyring.h"
#include "controlplane/gossipwire/packet.h"
#include "controlplane/membership/membership.h"
#include "controlplane/peers/gossip.h"
#include "controlplane/peers/gossip_limits.h"
#include "controlplane/peers/gossip_outlet.h"
#include "controlplane/peers/gossip_seeds.h"
#include "controlplane/peers/gossip_streams.h"
#include "controlplane/peers/gossip_throttle.h"
#include "shared/uv/tcp.h"
#include "shared/uv/timer.h"
#include "shared/uv/udp.h"

namespace aurora::peers {

inline constexpr Duration kTellWithin = Duration::Millis(20);

absl::StatusOr<gossipwire::Keyring> MakeKeyring(const std::vector<crypto::Secret>& keys);

class GossipEngine final : public uv::UdpObserver,
                           public uv::ListenerObserver,
                           public StreamHandler {
 public:
  static absl::StatusOr<std::unique_ptr<GossipEngine>> Open(uv::Loop& loop, GossipOptions options,
                                                            std::shared_ptr<GossipOutlet> outlet);
  ~GossipEngine() override;

  const gossipwire::Address& address() const { return address_; }

  // The rest on the loop's thread.
  void Start();
  void UpdateMeta(std::string meta);
  void SetKeys(gossipwire::Keyring keys, gossipwire::Verify verify);
  void SetSeeds(std::vector<gossipwire::JoinAddress> seeds);
  void Contact(const gossipwire::Address& address);
  void SendUser(std::string_view node, std::string payload, bool stream);
  void Leave(Duration bound, absl::AnyInvocable<void()> done);

 private:
  struct SentPing {
    uint32_t sequence = 0;
    Instant at;
  };

  GossipEngine(uv::Loop& loop, GossipOptions options, std::shared_ptr<GossipOutlet> outlet);
  absl::Status Bind();
  absl::Status OpenSockets();
  membership::Identity Self() const;

  // gossip_engine.cc: time, and what the core wants done.
  void OnTimer();
  void CatchUp(Instant now);  // ticks first when we stood still
  void Settle();              // carries out out_ and arms the timer
  void Carry(const membership::Datagram& datagram);
  void Each(const membership::Event& event);
  void Housekeep();
  void FinishLeave();
  void MakeCodec();

  // gossip_io.cc: what arrives.
  void OnDatagram(std::string_view bytes, const sockaddr_storage& from) override;
  void OnAccept(std::unique_ptr<uv::TcpStream> stream) override;
  std::optional<gossipwire::Message> OnStreamRequest(const gossipwire::Address& from,
                                                     gossipwire::Message& message) override;
  gossipwire::PushPull StateToSend(bool join) override;
  void OnStreamEnd(const membership::StreamRequest& request,
                   absl::StatusOr<gossipwire::Message> answer) override;
  void OnStreamRefused(gossipwire::Refusal refusal, const gossipwire::Address& from,
                       std::string_view detail) override;
  void Take(Instant now, const gossipwire::Address& from, gossipwire::Message& message);
  void OnUser(const gossipwire::Address& from, bool stream, std::string payload);
  void Refused(Reason reason, const gossipwire::Address& from, bool stream, std::string node,
               std::string_view detail);
  void NotePing(const gossipwire::Message& message, Instant now);
  void NoteAck(uint32_t sequence, Instant now);

  // gossip_tell.cc: what goes home.
  void Tell();  // soon
  void TellNow();
  void PublishMembers();
  void PublishStats();
  void LogEvent(const membership::Event& event);
  void Keep(const membership::Event& event);

  uv::Loop& loop_;
  GossipOptions options_;
  const std::shared_ptr<GossipOutlet> outlet_;
  gossipwire::Address bound_;
  gossipwire::Address address_;
  uint32_t scope_id_ = 0;

  gossipwire::Keyring keys_;
  gossipwire::StreamConfig stream_config_;
  std::optional<gossipwire::PacketCodec> codec_;
  std::optional<membership::Membership> core_;
  membership::Outbox out_;
  std::vector<std::string> parts_;  // scratch of Carry

  GossipStats stats_;
  LatenessWindow lateness_;
  std::array<SentPing, 64> pings_{};
  size_t next_ping_ = 0;
  TokenBucket bucket_;
  Seldom reports_{Duration::Seconds(60)};
  Throttle throttle_;
  uint64_t stalls_seen_ = 0;

  std::unique_ptr<uv::UdpSocket> udp_;
  std::unique_ptr<uv::TcpListener> listener_;
  std::unique_ptr<GossipStreams> streams_;
  std::unique_ptr<GossipSeeds> seeds_;

  uv::Timer timer_;
  uv::Timer housekeeping_;
  uv::Timer tell_timer_;
  uv::Timer leave_timer_;
  Instant armed_for_ = Instant::Never();
  int polls_ = 0;                  // passes over the sockets while a tick waits
  uint64_t datagrams_before_ = 0;  // datagrams_in at the last pass

  std::shared_ptr<GossipBatch> batch_;
  bool members_changed_ = true;
  Instant told_at_;
  absl::AnyInvocable<void()> left_;
};

}  // namespace aurora::peers
