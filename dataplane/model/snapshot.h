// Snapshot: everything the request path knows about policy, immutable, shared by all loops.
// Source: architecture.md §2. Thread: built on the reader thread, then read-only; each loop holds its own pointer.
// Memory: keys in 256 shards with structural sharing, so that one changed key copies one shard (1/256th).
// Invariant: `seq` never decreases from one published Snapshot to the next.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/model/price.h"
#include "dataplane/model/types.h"
#include "shared/base/string_map.h"

namespace aurora::model {

struct SecretHashHash {
  size_t operator()(const SecretHash& h) const {
    size_t v = 0;  // the hash is uniform already
    __builtin_memcpy(&v, h.data() + 8, sizeof v);
    return v;
  }
};

using KeyShard = absl::flat_hash_map<SecretHash, KeySecret, SecretHashHash>;

// The parts that change rarely, replaced as a whole when any of them changes.
struct Catalog {
  std::vector<Provider> providers;  // environment ones by name, then stored ones by name: the resolution order
  StringMap<uint32_t> provider_by_name;
  std::vector<Model> models;
  StringMap<uint32_t> model_by_qualified_name;          // "provider/id"
  StringMap<std::vector<uint32_t>> models_by_name;      // "id" -> indices, in provider order
  StringMap<Alias> aliases;
  StringMap<Override> overrides;
  Prices prices;
};

class Snapshot {
 public:
  uint64_t epoch = 0;  // of the control plane's history that seq belongs to
  uint64_t seq = 0;  // the last change entry of aurora.db that is in here
  std::string revision;
  std::array<std::shared_ptr<const KeyShard>, 256> key_shards;
  std::shared_ptr<const Catalog> catalog;

  // Null when no such secret. The caller still checks expiry, enabled and not_after.
  const KeySecret* FindKey(const SecretHash& sha256) const {
    const auto& shard = key_shards[sha256[0]];
    if (shard == nullptr) {
      return nullptr;
    }
    const auto it = shard->find(sha256);
    return it == shard->end() ? nullptr : &it->second;
  }
};

}  // namespace aurora::model
