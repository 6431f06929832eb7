// Validation of each kind's spec, before a write and again when a row is resolved.
// Source: product contract, entities. Thread: stateless.
// Errors: InvalidArgument "field: …" (field.h), the first mistake found.
#pragma once

#include "absl/status/status.h"
#include "aurora/v1/policy.pb.h"

namespace aurora::kinds {

absl::Status Validate(const v1::AuthKeySpec& spec);
absl::Status Validate(const v1::ProviderSpec& spec);
absl::Status Validate(const v1::ModelSpec& spec);
absl::Status Validate(const v1::AliasSpec& spec);
absl::Status Validate(const v1::ModelOverrideSpec& spec);
absl::Status Validate(const v1::GuardrailSpec& spec);
absl::Status Validate(const v1::WorkflowSpec& spec);
absl::Status Validate(const v1::WorkflowScopeSpec& spec);
absl::Status Validate(const v1::PricingSpec& spec);
absl::Status Validate(const v1::BudgetSpec& spec);

}  // namespace aurora::kinds
