// GossipRing: the keys that seal gossip: the configured ones, plus those installed at run time, minus removed ones.
// Source: ours (serf's keyring commands in spirit); docs/protocols/sync.md, GossipKeyChange. Thread: the control
// loop's. Bounds: kRecordsMax remembered changes, Keyring's kMaxKeys keys. Errors: InvalidArgument, NotFound,
// FailedPrecondition, each naming what to do. Always: the later change about a key wins on every node (time, then uid),
// so the order in which changes arrive does not matter; a change outlives restarts (Records are stored by the caller).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/gossipwire/keyring.h"
#include "shared/crypto/secret.h"

namespace aurora::node {

struct RingChange {
  enum class Action : uint8_t { kInstall = 1, kUse = 2, kRemove = 3 };
  Action action = Action::kInstall;
  std::string fingerprint;
  crypto::Secret key;  // kInstall
  int64_t unix_ms = 0;
  std::string node_uid;
};

class GossipRing {
 public:
  static constexpr size_t kRecordsMax = 64;

  GossipRing(std::vector<crypto::Secret> configured, const std::vector<RingChange>& stored);

  // The primary first; what gossip is given.
  std::vector<crypto::Secret> Keys() const;
  std::vector<std::string> Fingerprints() const;
  const gossipwire::Keyring& keyring() const { return keyring_; }
  bool IsConfigured(std::string_view fingerprint) const;

  // What an operator asks here. Answers the change to store, apply and send on; Apply it.
  absl::StatusOr<RingChange> Install(const std::string& key_base64, int64_t unix_ms, const std::string& uid) const;
  absl::StatusOr<RingChange> Use(const std::string& fingerprint, int64_t unix_ms, const std::string& uid) const;
  absl::StatusOr<RingChange> Remove(const std::string& fingerprint, int64_t unix_ms, const std::string& uid) const;
  // True: it was news. A change that would leave no primary is remembered and takes effect once another one is in use.
  bool Apply(const RingChange& change);
  // Everything remembered, for the disk and for peers that were away.
  std::vector<RingChange> Records() const;

 private:
  static bool Later(const RingChange& a, const RingChange& b);
  void Rebuild();

  const std::vector<crypto::Secret> configured_;
  std::map<std::string, RingChange> keys_;  // by fingerprint: the latest install or removal
  RingChange use_;                          // the latest; fingerprint "" = none
  gossipwire::Keyring keyring_;
};

}  // namespace aurora::node
