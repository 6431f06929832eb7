// Pricing: what a model costs from a moment on.
#include <optional>

#include "absl/time/time.h"
#include "controlplane/kinds/field.h"
#include "controlplane/kinds/rules.h"
#include "controlplane/kinds/validate.h"
#include "shared/base/status.h"

namespace aurora::kinds {
namespace {

constexpr double kPriceUsdMax = 1e6;

struct Name {
  std::string_view selector;
  std::optional<int64_t> effective_from;
};

// A selector may hold '@' itself: only a time behind the last one is one.
absl::StatusOr<Name> Split(std::string_view name) {
  const size_t at = name.rfind('@');
  absl::Time time;
  std::string why;
  if (at == std::string_view::npos ||
      !absl::ParseTime(absl::RFC3339_full, Absl(name.substr(at + 1)), &time, &why)) {
    return Name{name, std::nullopt};
  }
  const int64_t seconds = absl::ToUnixSeconds(time);
  if (absl::FromUnixSeconds(seconds) != time) {
    return Bad("effective_from", Quote(name.substr(at + 1)) + " is not a whole second");
  }
  return Name{name.substr(0, at), seconds};
}

}  // namespace

std::string TimeText(int64_t unix_s) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(unix_s), absl::UTCTimeZone());
}

absl::Status Validate(const v1::PricingSpec& spec) {
  AURORA_RETURN_IF_ERROR(CheckSelector("selector", spec.selector()));
  if (!spec.has_effective_from()) {
    return Bad("effective_from", "is required");
  }
  AURORA_RETURN_IF_ERROR(
      CheckTime("effective_from", spec.effective_from().seconds(), spec.effective_from().nanos()));
  if (spec.effective_from().nanos() != 0) {
    return Bad("effective_from", "is not a whole second");
  }
  AURORA_RETURN_IF_ERROR(CheckUsd("input_per_mtok", spec.input_per_mtok(), kPriceUsdMax));
  AURORA_RETURN_IF_ERROR(CheckUsd("output_per_mtok", spec.output_per_mtok(), kPriceUsdMax));
  AURORA_RETURN_IF_ERROR(CheckUsd("cached_input_per_mtok", spec.cached_input_per_mtok(), kPriceUsdMax));
  AURORA_RETURN_IF_ERROR(CheckUsd("cache_write_per_mtok", spec.cache_write_per_mtok(), kPriceUsdMax));
  AURORA_RETURN_IF_ERROR(CheckUsd("reasoning_output_per_mtok", spec.reasoning_output_per_mtok(), kPriceUsdMax));
  return CheckUsd("per_request", spec.per_request(), kPriceUsdMax);
}

absl::Status PricingRules::Complete(std::string_view name, int64_t now_s, Spec* spec) {
  AURORA_ASSIGN_OR_RETURN(const Name parts, Split(name));
  AURORA_RETURN_IF_ERROR(TakeName("selector", parts.selector, spec->mutable_selector()));
  if (parts.effective_from.has_value()) {
    if (spec->has_effective_from() && (spec->effective_from().seconds() != *parts.effective_from ||
                                       spec->effective_from().nanos() != 0)) {
      return Bad("effective_from", "differs from the one in the name, " + TimeText(*parts.effective_from));
    }
    spec->mutable_effective_from()->set_seconds(*parts.effective_from);
  } else if (!spec->has_effective_from()) {
    spec->mutable_effective_from()->set_seconds(now_s);
  }
  return absl::OkStatus();
}

std::string PricingRules::Id(const Spec& spec) {
  return spec.selector() + "@" + TimeText(spec.effective_from().seconds());
}

}  // namespace aurora::kinds
