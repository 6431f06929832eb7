#include "controlplane/node/gossip_ring.h"

#include <tuple>
#include <utility>

#include "shared/base/status.h"
#include "shared/crypto/encoding.h"

namespace aurora::node {

using gossipwire::Keyring;

GossipRing::GossipRing(std::vector<crypto::Secret> configured, const std::vector<RingChange>& stored)
    : configured_(std::move(configured)) {
  Rebuild();
  for (const RingChange& change : stored) {
    Apply(change);
  }
}

bool GossipRing::Later(const RingChange& a, const RingChange& b) {
  return std::tie(a.unix_ms, a.node_uid) > std::tie(b.unix_ms, b.node_uid);
}

bool GossipRing::IsConfigured(std::string_view fingerprint) const {
  for (const crypto::Secret& key : configured_) {
    if (Keyring::Fingerprint(key.Reveal()) == fingerprint) {
      return true;
    }
  }
  return false;
}

void GossipRing::Rebuild() {
  Keyring ring;
  std::string primary;
  const auto install = [&](const crypto::Secret& key) {
    const auto installed = ring.Install(key.Reveal());
    if (installed.ok() && primary.empty()) {
      primary = *installed;
    }
  };
  // A removed key that is also the last one to hold gossip together stays until another is in use.
  for (const crypto::Secret& key : configured_) {
    const std::string fingerprint = Keyring::Fingerprint(key.Reveal());
    const auto change = keys_.find(fingerprint);
    const bool removed = change != keys_.end() && change->second.action == RingChange::Action::kRemove;
    if (!removed) {
      install(key);
    }
  }
  for (const auto& [fingerprint, change] : keys_) {
    if (change.action == RingChange::Action::kInstall) {
      install(change.key);
    }
  }
  if (ring.empty() && !configured_.empty()) {
    install(configured_.front());
  }
  if (!use_.fingerprint.empty()) {
    (void)ring.Use(use_.fingerprint);  // not here (yet): the first one stays
  }
  keyring_ = std::move(ring);
}

std::vector<crypto::Secret> GossipRing::Keys() const {
  std::vector<crypto::Secret> keys;
  for (size_t i = 0; i < keyring_.size(); ++i) {
    keys.emplace_back(std::string(keyring_.key(i)));
  }
  return keys;
}

std::vector<std::string> GossipRing::Fingerprints() const {
  return keyring_.Fingerprints();
}

absl::StatusOr<RingChange> GossipRing::Install(const std::string& key_base64, int64_t unix_ms,
                                               const std::string& uid) const {
  if (keyring_.empty()) {
    return FailedPrecondition(
        "gossip is not encrypted: set cluster.gossip_keys on every node first; a key is never sent in clear");
  }
  const auto key = crypto::Base64Decode(key_base64);
  if (!key || (key->size() != 16 && key->size() != 24 && key->size() != 32)) {
    return InvalidArgument("key: must be base64 of 16, 24 or 32 bytes (openssl rand -base64 32 makes one)");
  }
  Keyring trial = keyring_;
  AURORA_ASSIGN_OR_RETURN(const std::string fingerprint, trial.Install(*key));
  return RingChange{RingChange::Action::kInstall, fingerprint, crypto::Secret(*key), unix_ms, uid};
}

absl::StatusOr<RingChange> GossipRing::Use(const std::string& fingerprint, int64_t unix_ms,
                                           const std::string& uid) const {
  Keyring trial = keyring_;
  AURORA_RETURN_IF_ERROR(trial.Use(fingerprint));
  return RingChange{RingChange::Action::kUse, fingerprint, {}, unix_ms, uid};
}

absl::StatusOr<RingChange> GossipRing::Remove(const std::string& fingerprint, int64_t unix_ms,
                                              const std::string& uid) const {
  Keyring trial = keyring_;
  AURORA_RETURN_IF_ERROR(trial.Remove(fingerprint));
  return RingChange{RingChange::Action::kRemove, fingerprint, {}, unix_ms, uid};
}

bool GossipRing::Apply(const RingChange& change) {
  if (change.action == RingChange::Action::kUse) {
    if (!use_.fingerprint.empty() && !Later(change, use_)) {
      return false;
    }
    use_ = change;
  } else {
    const auto known = keys_.find(change.fingerprint);
    if (known != keys_.end() && !Later(change, known->second)) {
      return false;
    }
    if (known == keys_.end() && keys_.size() >= kRecordsMax) {
      return false;
    }
    if (change.action == RingChange::Action::kInstall &&
        Keyring::Fingerprint(change.key.Reveal()) != change.fingerprint) {
      return false;
    }
    keys_[change.fingerprint] = change;
  }
  Rebuild();
  return true;
}

std::vector<RingChange> GossipRing::Records() const {
  std::vector<RingChange> records;
  for (const auto& [fingerprint, change] : keys_) {
    records.push_back(change);
  }
  if (!use_.fingerprint.empty()) {
    records.push_back(use_);
  }
  return records;
}

}  // namespace aurora::node
