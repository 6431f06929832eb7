#include "controlplane/peers/gossip.h"

#include <utility>

#include <pthread.h>
#include <sys/resource.h>

#include "controlplane/gossipwire/limits.h"
#include "controlplane/peers/gossip_engine.h"
#include "controlplane/peers/gossip_outlet.h"
#include "shared/base/check.h"

namespace aurora::peers {

namespace {
constexpr size_t kCallsWaiting = 1024;

// It needs a thousandth of a core, but on time: an answer late by a second is an accusation.
// Refused without CAP_SYS_NICE, and then it shares like everyone.
void PreferThisThread() {
  constexpr int kNice = -10;
  (void)setpriority(PRIO_PROCESS, 0, kNice);  // Linux: 0 is the calling thread
  (void)pthread_setname_np(pthread_self(), "gossip");
}
}  // namespace

Gossip::Gossip() = default;

absl::StatusOr<std::unique_ptr<Gossip>> Gossip::Start(uv::Mailbox& home, GossipOptions options,
                                                      GossipCallbacks callbacks) {
  std::unique_ptr<Gossip> gossip(new Gossip);
  gossip->outlet_ = std::make_shared<GossipOutlet>(home, std::move(callbacks));
  AURORA_ASSIGN_OR_RETURN(gossip->engine_,
                          GossipEngine::Open(gossip->loop_, std::move(options), gossip->outlet_));
  gossip->address_ = gossip->engine_->address();
  gossip->mailbox_ = std::make_unique<uv::Mailbox>(gossip->loop_, kCallsWaiting);
  gossip->stop_ = std::make_unique<uv::Mailbox>(gossip->loop_, 1);
  gossip->thread_ = std::thread([raw = gossip.get()] {
    PreferThisThread();
    raw->engine_->Start();
    raw->loop_.Run();
  });
  return gossip;
}

Gossip::~Gossip() {
  outlet_->Close();
  if (thread_.joinable()) {
    AURORA_CHECK(stop_->Post([this] { loop_.Stop(); }));
    thread_.join();
  }
  stop_.reset();
  mailbox_.reset();
  engine_.reset();
}

std::shared_ptr<const MemberList> Gossip::Members() const {
  return outlet_->Members();
}

GossipStats Gossip::Stats() const {
  return outlet_->Stats();
}

bool Gossip::UpdateMeta(std::string meta) {
  AURORA_CHECK(meta.size() <= gossipwire::kMaxMeta);
  return Post([this, meta = std::move(meta)]() mutable { engine_->UpdateMeta(std::move(meta)); });
}

absl::Status Gossip::SetKeys(const std::vector<crypto::Secret>& keys, gossipwire::Verify verify) {
  AURORA_ASSIGN_OR_RETURN(gossipwire::Keyring ring, MakeKeyring(keys));
  const bool posted = Post([this, ring = std::move(ring), verify]() mutable {
    engine_->SetKeys(std::move(ring), verify);
  });
  return posted ? absl::OkStatus() : ResourceExhausted("the gossip thread does not answer");
}

absl::Status Gossip::SetSeeds(const std::vector<std::string>& seeds) {
  AURORA_ASSIGN_OR_RETURN(auto parsed, GossipSeeds::Parse(seeds, port()));
  const bool posted =
      Post([this, parsed = std::move(parsed)]() mutable { engine_->SetSeeds(std::move(parsed)); });
  return posted ? absl::OkStatus() : ResourceExhausted("the gossip thread does not answer");
}

bool Gossip::Contact(gossipwire::Address address) {
  return Post([this, address = std::move(address)] { engine_->Contact(address); });
}

bool Gossip::SendUser(std::string node, std::string payload, bool stream) {
  return Post([this, node = std::move(node), payload = std::move(payload), stream]() mutable {
    engine_->SendUser(node, std::move(payload), stream);
  });
}

bool Gossip::Leave(Duration bound, absl::AnyInvocable<void()> done) {
  return Post(
      [this, bound, done = std::move(done)]() mutable { engine_->Leave(bound, std::move(done)); });
}

}  // namespace aurora::peers
