// What each kind of the shared calls adds to its validation: what may be left out of an entity, and
// its row's id. Source: product contract, entities. Thread: stateless.
// Errors: InvalidArgument "field: …".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "aurora/v1/policy.pb.h"

namespace aurora::kinds {

struct GuardrailRules {
  using Spec = v1::GuardrailSpec;
  static absl::Status Complete(std::string_view name, int64_t now_s, Spec* spec);
  static std::string Id(const Spec& spec) { return spec.name(); }
};

struct WorkflowRules {
  using Spec = v1::WorkflowSpec;
  // `name`: the scope.
  static absl::Status Complete(std::string_view name, int64_t now_s, Spec* spec);
  static std::string Id(const Spec& spec);  // of the WorkflowScope
};

struct PricingRules {
  using Spec = v1::PricingSpec;
  // `name`: the selector, or selector@effective_from.
  static absl::Status Complete(std::string_view name, int64_t now_s, Spec* spec);
  static std::string Id(const Spec& spec);
};

struct BudgetRules {
  using Spec = v1::BudgetSpec;
  static absl::Status Complete(std::string_view name, int64_t now_s, Spec* spec);
  static std::string Id(const Spec& spec);
};

// Unix seconds as "2026-07-28T10:00:00Z": of one width, so that text sorts as time does.
std::string TimeText(int64_t unix_s);

}  // namespace aurora::kinds
