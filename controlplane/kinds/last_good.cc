#include "controlplane/kinds/last_good.h"

#include <utility>

#include "aurora/v1/policy.pb.h"

namespace aurora::kinds {

std::optional<std::string> AuthKeyLastGood(std::string_view value, const replication::Facts& facts) {
  v1::AuthKeyResolved key;
  if (!key.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return std::nullopt;
  }
  auto* const secrets = key.mutable_spec()->mutable_secrets();
  for (int i = secrets->size() - 1; i >= 0; --i) {
    if (facts.revoked.contains(secrets->at(i).sha256())) {
      secrets->DeleteSubrange(i, 1);
    }
  }
  key.set_enabled(key.enabled() && !facts.Disabled());
  if (facts.ended_at.has_value()) {
    const auto ms = static_cast<int64_t>(facts.ended_at->unix_ms);
    key.mutable_deactivated_at()->set_seconds(ms / 1000);
    key.mutable_deactivated_at()->set_nanos(static_cast<int32_t>(ms % 1000) * 1'000'000);
  }
  return key.SerializeAsString();
}

}  // namespace aurora::kinds
