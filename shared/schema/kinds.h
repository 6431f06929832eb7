// The kinds of policy rows, as the `kind` column spells them (docs/protocols/rows.md), and what the
// shared calls call them (docs/adding-a-kind.md).
// Source: ours. A kind a program does not know is stored and relayed all the same.
#pragma once

#include <array>
#include <string_view>

namespace aurora::schema {

inline constexpr std::string_view kAuthKey = "AuthKey";
inline constexpr std::string_view kProvider = "Provider";
inline constexpr std::string_view kModel = "Model";
inline constexpr std::string_view kAlias = "Alias";
inline constexpr std::string_view kModelOverride = "ModelOverride";
inline constexpr std::string_view kGuardrail = "Guardrail";
inline constexpr std::string_view kWorkflow = "Workflow";
inline constexpr std::string_view kWorkflowScope = "WorkflowScope";
inline constexpr std::string_view kPricing = "Pricing";
inline constexpr std::string_view kBudget = "Budget";

inline constexpr std::array kKinds = {kAuthKey,   kProvider, kModel,         kAlias,   kModelOverride,
                                      kGuardrail, kWorkflow, kWorkflowScope, kPricing, kBudget};

struct KindNames {
  std::string_view kind;
  std::string_view rest;   // collection below /admin/api/v1/
  std::string_view list;   // the member that a list's body holds them in
  std::string_view group;  // of aurora-ctl commands
};

// Those served by the shared calls.
inline constexpr std::array kShared = {
    KindNames{kGuardrail, "guardrails", "guardrails", "guardrails"},
    KindNames{kWorkflow, "workflows", "workflows", "workflows"},
    KindNames{kPricing, "model-pricing", "model_pricing", "pricing"},
    KindNames{kBudget, "budgets", "budgets", "budgets"},
};

}  // namespace aurora::schema
