// Budget: how much a user path or a key may cost in a period.
#include "controlplane/kinds/field.h"
#include "controlplane/kinds/rules.h"
#include "controlplane/kinds/validate.h"
#include "shared/base/status.h"

namespace aurora::kinds {
namespace {

constexpr double kBudgetUsdMax = 1e9;
constexpr std::string_view kPeriods = "allowed are hour, day, week, month";
constexpr std::string_view kPath = "path:";
constexpr std::string_view kKey = "key:";

struct Period {
  std::string_view name;
  v1::BudgetPeriod period;
};
constexpr Period kByName[] = {{"hour", v1::BUDGET_PERIOD_HOUR},
                              {"day", v1::BUDGET_PERIOD_DAY},
                              {"week", v1::BUDGET_PERIOD_WEEK},
                              {"month", v1::BUDGET_PERIOD_MONTH}};

}  // namespace

absl::Status Validate(const v1::BudgetSpec& spec) {
  const std::string_view scope = spec.scope();
  if (scope.starts_with(kPath) && scope.size() > kPath.size()) {
    AURORA_RETURN_IF_ERROR(CheckUserPath("scope", scope.substr(kPath.size())));
  } else if (scope.starts_with(kKey)) {
    AURORA_RETURN_IF_ERROR(CheckSegment("scope", scope.substr(kKey.size())));
  } else {
    return Bad("scope", Quote(scope) + " is no scope; allowed are path:/user/path and key:ID");
  }
  if (spec.period() == v1::BUDGET_PERIOD_UNSPECIFIED || !v1::BudgetPeriod_IsValid(spec.period())) {
    return Bad("period", "is required; " + std::string(kPeriods));
  }
  AURORA_RETURN_IF_ERROR(CheckUsd("limit_usd", spec.limit_usd(), kBudgetUsdMax));
  return spec.limit_usd() > 0 ? absl::OkStatus() : Bad("limit_usd", "is required and must be more than 0");
}

absl::Status BudgetRules::Complete(std::string_view name, int64_t, Spec* spec) {
  if (name.empty()) {
    return absl::OkStatus();
  }
  const size_t at = name.rfind('@');
  for (const Period& p : kByName) {
    if (at == std::string_view::npos || name.substr(at + 1) != p.name) {
      continue;
    }
    if (spec->period() != v1::BUDGET_PERIOD_UNSPECIFIED && spec->period() != p.period) {
      return Bad("period", "differs from the one in the name, " + std::string(p.name));
    }
    spec->set_period(p.period);
    return TakeName("scope", name.substr(0, at), spec->mutable_scope());
  }
  return Bad("name", Quote(name) + " is no budget's; it is SCOPE@PERIOD, and of periods " + std::string(kPeriods));
}

std::string BudgetRules::Id(const Spec& spec) {
  for (const Period& p : kByName) {
    if (p.period == spec.period()) {
      return spec.scope() + "@" + std::string(p.name);
    }
  }
  return spec.scope();
}

}  // namespace aurora::kinds
