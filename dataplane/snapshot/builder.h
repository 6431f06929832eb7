// Builder: from changed policy to the next Snapshot, copying only what changed.
// Source: architecture.md (immutable snapshots, 256 shards with structural sharing). Thread: the
// reader thread. Use: Apply every changed (kind, id); SetDiscovered when a provider answered; then
// Build. Bounds: one changed key copies one of 256 shards; any other change rebuilds the catalog.
// Errors: none. What cannot be used here is left out and named in problems().
// Invariant: Build gives equal content for equal inputs, whatever the order of Apply.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "dataplane/model/snapshot.h"
#include "dataplane/snapshot/convert.h"
#include "dataplane/snapshot/slots.h"
#include "shared/config/provider.h"
#include "shared/crypto/seal.h"

namespace aurora::snapshot {

struct DiscoveredModel {
  std::string id;
  int64_t created_s = 0;
};

class Builder {
 public:
  // `stored_public_only`: stored providers may not be on private addresses; the environment's are the operator's.
  Builder(const std::vector<config::ProviderConfig>& environment, crypto::SealKeys keys,
          bool stored_public_only = false);

  // `resolved` absent = nothing in force (deleted). Kinds this version does not know are ignored.
  void Apply(std::string_view kind, std::string_view id, std::optional<std::string_view> resolved);
  // Forgets all stored policy (before a full load from another file). Environment and discovered
  // lists stay.
  void Clear();

  // Room for so many keys; before Apply is called for them.
  void Reserve(size_t keys);

  void SetDiscovered(std::string_view provider, std::vector<DiscoveredModel> models);

  // The next Snapshot; shares with the last one what did not change.
  std::shared_ptr<const model::Snapshot> Build(uint64_t seq, std::string revision, uint64_t epoch = 0);

  // Providers in force, for discovery. Valid after Build.
  const std::shared_ptr<const model::Catalog>& catalog() const { return catalog_; }
  // (what, why) of everything left out, by name.
  const std::map<std::string, std::string>& problems() const { return problems_; }
  // How often a sealed credential did not open.
  uint64_t decrypt_errors() const { return decrypt_errors_; }
  // Stored credentials that another key than the one in force sealed, whether they open or not. Valid after Build.
  uint64_t sealed_with_other() const { return sealed_with_other_; }

 private:
  void ApplyKey(std::string_view id, std::optional<std::string_view> resolved);
  model::KeyShard& MutableShard(uint8_t index);
  std::shared_ptr<const model::Catalog> BuildCatalog();
  void AddProviders(model::Catalog& catalog);
  void AddModels(model::Catalog& catalog);
  void AddPrices(model::Catalog& catalog);
  void AddModel(model::Catalog& catalog, uint32_t provider_index, model::Model m);

  Slots slots_;
  const crypto::SealKeys keys_;
  const bool stored_public_only_;
  std::vector<config::ProviderConfig> environment_;  // by name

  StringMap<absl::InlinedVector<model::SecretHash, 1>> secrets_of_key_;
  std::array<std::shared_ptr<model::KeyShard>, 256> shards_;
  std::array<bool, 256> shard_private_{};  // copied since the last Build

  std::map<std::string, std::string, std::less<>> providers_;  // kind by kind: id -> resolved bytes
  std::map<std::string, std::string, std::less<>> models_;
  std::map<std::string, std::string, std::less<>> aliases_;
  std::map<std::string, std::string, std::less<>> overrides_;
  std::map<std::string, std::string, std::less<>> prices_;
  std::map<std::string, std::vector<DiscoveredModel>, std::less<>> discovered_;
  std::shared_ptr<const model::Catalog> catalog_;
  bool catalog_stale_ = true;
  std::map<std::string, std::string> problems_;
  uint64_t decrypt_errors_ = 0;
  uint64_t sealed_with_other_ = 0;
};

}  // namespace aurora::snapshot
