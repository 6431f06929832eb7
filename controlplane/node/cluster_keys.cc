// The gossip keyring at run time: changes, their way to the disk, to gossip and to the other members.
#include "aurora/v1/sync.pb.h"
#include "controlplane/node/cluster_impl.h"
#include "controlplane/store/election_thread.h"
#include "shared/crypto/random.h"
#include "shared/log/log.h"

namespace aurora::node {
namespace {

constexpr std::string_view kAad = "aurora gossip key change";
constexpr size_t kNonceBytes = 12;

std::string_view Verb(RingChange::Action action) {
  switch (action) {
    case RingChange::Action::kInstall:
      return "installed";
    case RingChange::Action::kUse:
      return "in use";
    case RingChange::Action::kRemove:
      return "removed";
  }
  return "";
}

}  // namespace

// Sealed under the key that was primary before: who has not heard of the change yet has that one.
bool ClusterImpl::ToFrame(const RingChange& change, v1::ControlFrame* frame) const {
  v1::GossipKeyChange* out = frame->mutable_gossip_key_change();
  out->set_action(static_cast<v1::GossipKeyChange::Action>(change.action));
  out->set_fingerprint(change.fingerprint);
  out->set_unix_ms(change.unix_ms);
  out->set_node_uid(change.node_uid);
  if (change.action == RingChange::Action::kInstall) {
    if (ring_.keyring().empty()) {
      return false;
    }
    out->set_sealed_key(gossipwire::SealWith(ring_.keyring(), gossipwire::SealVersion::kPlain,
                                             crypto::RandomBytes(kNonceBytes), change.key.Reveal(), kAad));
    out->set_sealed_with(ring_.Fingerprints().front());
  }
  return true;
}

void ClusterImpl::ChangeRing(const RingChange& change, const std::string& actor) {
  v1::ControlFrame frame;
  const bool sendable = ToFrame(change, &frame);
  if (ring_.Apply(change)) {
    ApplyRing();
  }
  if (sendable) {
    links_->SendAll(frame);
  }
  Tell(false, "gossip_key_changed",
       "gossip key " + change.fingerprint + " " + std::string(Verb(change.action)) + " by " + actor);
}

void ClusterImpl::ApplyRing() {
  std::vector<store::GossipKeyRecord> records;
  for (const RingChange& change : ring_.Records()) {
    records.push_back({static_cast<uint8_t>(change.action), change.fingerprint, change.key, change.unix_ms,
                       change.node_uid});
  }
  deps_.election->Submit([records](store::ElectionDb& db) { return db.SetGossipKeys(records); });
  if (const absl::Status status = gossip_->SetKeys(ring_.Keys()); !status.ok()) {
    log::Error("gossip did not take the keyring", {{"status", status}});
  }
  TellLocal();
}

// What a peer that was away may have missed.
void ClusterImpl::SendRing(std::string_view uid) {
  for (const RingChange& change : ring_.Records()) {
    v1::ControlFrame frame;
    if (ToFrame(change, &frame)) {
      (void)links_->Send(uid, frame);
    }
  }
}

void ClusterImpl::OnKeyChange(const peers::PeerState& from, const v1::GossipKeyChange& change) {
  if (change.action() < v1::GossipKeyChange::ACTION_INSTALL || change.action() > v1::GossipKeyChange::ACTION_REMOVE) {
    log::Warn("a gossip key change of an unknown kind was ignored", {{"peer", from.node_id}});
    return;
  }
  RingChange told;
  told.action = static_cast<RingChange::Action>(change.action());
  told.fingerprint = change.fingerprint();
  told.unix_ms = change.unix_ms();
  told.node_uid = change.node_uid();
  if (told.action == RingChange::Action::kInstall) {
    auto key = gossipwire::Unseal(ring_.keyring(), change.sealed_key(), kAad);
    if (!key.ok()) {
      Tell(true, "gossip_key_unreadable",
           "node " + from.node_id + " installed gossip key " + told.fingerprint + " sealed with key " +
               change.sealed_with() + ", which this node does not have: install it here too");
      return;
    }
    told.key = crypto::Secret::Take(key->plain);
  }
  // Seal before the ring changes: the next peer may know only what we knew.
  v1::ControlFrame onward;
  const bool sendable = ToFrame(told, &onward);
  if (!ring_.Apply(told)) {
    return;
  }
  ApplyRing();
  Tell(false, "gossip_key_changed",
       "gossip key " + told.fingerprint + " " + std::string(Verb(told.action)) + ", told by " + from.node_id);
  if (sendable) {
    links_->SendAll(onward);  // who has it ignores it, so relaying ends
  }
}

v1::GossipKeyInfo ClusterImpl::KeyInfo(const std::string& fingerprint) const {
  v1::GossipKeyInfo info;
  info.set_fingerprint(fingerprint);
  const std::vector<std::string> ring = ring_.Fingerprints();
  info.set_primary(!ring.empty() && ring.front() == fingerprint);
  info.set_source(ring_.IsConfigured(fingerprint) ? "config" : "installed");
  for (const roster::NodeView& node : roster_->View(uv::Loop::Now()).nodes) {
    const bool counts = !node.self && !node.guest && node.status != roster::Status::kLeft;
    if (counts && std::find(node.gossip_keys.begin(), node.gossip_keys.end(), fingerprint) == node.gossip_keys.end()) {
      info.add_missing_on(node.node_id);
    }
  }
  return info;
}

}  // namespace aurora::node
