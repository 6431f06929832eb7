// From stored and configured policy to the Snapshot's types: unseals credentials, renders header
// lines. Source: proto/aurora/v1/policy.proto, shared/config/provider.h. Thread: any; no state but
// the slots given in. Errors: InvalidArgument for bytes that do not parse or a base URL that is
// none; FailedPrecondition when a credential cannot be opened here (no or another encryption key).
// Messages never carry a secret.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/model/snapshot.h"
#include "dataplane/snapshot/slots.h"
#include "shared/config/provider.h"
#include "shared/crypto/seal.h"

namespace aurora::snapshot {

struct KeyAndSecrets {
  std::shared_ptr<const model::AuthKey> key;
  std::vector<model::KeySecret> secrets;
};

// `resolved` is an aurora.v1.AuthKeyResolved.
absl::StatusOr<KeyAndSecrets> ConvertAuthKey(std::string_view id, std::string_view resolved);

// `spec` is an aurora.v1.ProviderSpec; a disabled provider gives NotFound.
absl::StatusOr<model::Provider> ConvertProvider(std::string_view spec,
                                                const crypto::SealKeys& keys, Slots& slots);
// How many of the provider's credentials are sealed with another key than `key32`, disabled or not.
size_t CountSealedWithOther(std::string_view spec, std::string_view key32);
absl::StatusOr<model::Provider> ConvertProvider(const config::ProviderConfig& config, Slots& slots);

struct RegisteredModel {
  std::string provider;
  model::Model model;  // without provider_index and slot
};
absl::StatusOr<RegisteredModel> ConvertModel(std::string_view spec);
absl::StatusOr<model::Alias> ConvertAlias(std::string_view spec);
absl::StatusOr<model::Override> ConvertOverride(std::string_view spec);
struct SelectorPrice {
  std::string selector;
  model::Price price;
};
absl::StatusOr<SelectorPrice> ConvertPrice(std::string_view spec);

}  // namespace aurora::snapshot
