// Resolved policy as bytes, for the snapshot tests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "aurora/v1/policy.pb.h"
#include "dataplane/model/types.h"

namespace aurora::snapshot {

// The hash of key number `n`; its first byte (the shard) is n modulo 256.
inline model::SecretHash HashOf(uint32_t n) {
  model::SecretHash hash{};
  hash[0] = static_cast<uint8_t>(n);
  for (size_t i = 0; i < 4; ++i) {
    hash[8 + i] = static_cast<uint8_t>(n >> (8 * i));
  }
  return hash;
}

inline std::string KeyRow(uint32_t n, std::string_view name = "key", bool enabled = true) {
  aurora::v1::AuthKeyResolved row;
  row.set_enabled(enabled);
  row.mutable_spec()->set_name(name.data(), name.size());
  const model::SecretHash hash = HashOf(n);
  row.mutable_spec()->add_secrets()->set_sha256(hash.data(), hash.size());
  return row.SerializeAsString();
}

inline aurora::v1::ProviderSpec ProviderRow(std::string_view name) {
  aurora::v1::ProviderSpec row;
  row.set_name(name.data(), name.size());
  row.set_type(aurora::v1::PROVIDER_TYPE_OPENAI);
  row.set_base_url("http://127.0.0.1:9/v1");
  row.set_enabled(true);
  return row;
}

}  // namespace aurora::snapshot
