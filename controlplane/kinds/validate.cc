#include "controlplane/kinds/validate.h"

#include <set>

#include "controlplane/kinds/field.h"
#include "shared/base/status.h"
#include "shared/http/url.h"

namespace aurora::kinds {
namespace {

constexpr int64_t kDayMs = 86'400'000;
constexpr int64_t kLimitMax = 1'000'000'000'000;

template <class List, class Check>
absl::Status CheckEach(std::string_view field, const List& list, Check check) {
  AURORA_RETURN_IF_ERROR(CheckCount(field, list.size(), kListMax));
  for (int i = 0; i < list.size(); ++i) {
    AURORA_RETURN_IF_ERROR(check(Indexed(field, i), list.Get(i)));
  }
  return absl::OkStatus();
}

absl::Status CheckLimits(const v1::RateLimits& l) {
  AURORA_RETURN_IF_ERROR(
      CheckRange("rate_limits.requests_per_minute", l.requests_per_minute(), 0, kLimitMax));
  AURORA_RETURN_IF_ERROR(
      CheckRange("rate_limits.requests_per_day", l.requests_per_day(), 0, kLimitMax));
  AURORA_RETURN_IF_ERROR(
      CheckRange("rate_limits.tokens_per_minute", l.tokens_per_minute(), 0, kLimitMax));
  AURORA_RETURN_IF_ERROR(
      CheckRange("rate_limits.tokens_per_day", l.tokens_per_day(), 0, kLimitMax));
  return CheckRange("rate_limits.concurrent_requests", l.concurrent_requests(), 0, kLimitMax);
}

absl::Status CheckTimeouts(const v1::ProviderTimeouts& t) {
  AURORA_RETURN_IF_ERROR(CheckRange("timeouts.connect_ms", t.connect_ms(), 0, 300'000));
  AURORA_RETURN_IF_ERROR(CheckRange("timeouts.first_byte_ms", t.first_byte_ms(), 0, kDayMs));
  AURORA_RETURN_IF_ERROR(CheckRange("timeouts.idle_ms", t.idle_ms(), 0, kDayMs));
  return CheckRange("timeouts.total_ms", t.total_ms(), 0, kDayMs);
}

absl::Status CheckResilience(const v1::ProviderResilience& r) {
  AURORA_RETURN_IF_ERROR(CheckRange("resilience.max_retries", r.max_retries(), -1, 10));
  AURORA_RETURN_IF_ERROR(
      CheckRange("resilience.breaker_failures", r.breaker_failures(), -1, 10'000));
  AURORA_RETURN_IF_ERROR(
      CheckRange("resilience.breaker_open_ms", r.breaker_open_ms(), 0, 3'600'000));
  return CheckRange("resilience.cooldown_ms", r.cooldown_ms(), 0, kDayMs);
}

}  // namespace

absl::Status Validate(const v1::AuthKeySpec& spec) {
  if (spec.name().empty()) {
    return Bad("name", "is required");
  }
  AURORA_RETURN_IF_ERROR(CheckText("name", spec.name(), kNameBytesMax));
  AURORA_RETURN_IF_ERROR(CheckText("description", spec.description(), kDescriptionBytesMax));
  AURORA_RETURN_IF_ERROR(CheckUserPath("user_path", spec.user_path()));
  AURORA_RETURN_IF_ERROR(
      CheckEach("allowed_providers", spec.allowed_providers().values(), CheckSegment));
  AURORA_RETURN_IF_ERROR(CheckEach("allowed_models", spec.allowed_models().values(), CheckPattern));
  AURORA_RETURN_IF_ERROR(CheckEach("denied_models", spec.denied_models(), CheckPattern));
  AURORA_RETURN_IF_ERROR(CheckLimits(spec.rate_limits()));
  AURORA_RETURN_IF_ERROR(
      CheckTime("expires_at", spec.expires_at().seconds(), spec.expires_at().nanos()));
  AURORA_RETURN_IF_ERROR(CheckCount("secrets", spec.secrets_size(), 10));
  for (const v1::KeySecret& s : spec.secrets()) {
    if (s.sha256().size() != 32) {
      return Bad("secrets", "a hash is not 32 bytes");
    }
  }
  return absl::OkStatus();
}

absl::Status Validate(const v1::ProviderSpec& spec) {
  AURORA_RETURN_IF_ERROR(CheckSegment("name", spec.name()));
  if (spec.name() == "status") {
    return Bad("name", "\"status\" is how all of them do (GET providers/status); take another");
  }
  if (spec.type() == v1::PROVIDER_TYPE_UNSPECIFIED || !v1::ProviderType_IsValid(spec.type())) {
    return Bad("type",
               "is required; allowed are openai, anthropic, gemini, azure, groq, deepseek, "
               "openrouter, xai, mistral, "
               "together, fireworks, ollama, vllm");
  }
  if (spec.base_url().empty() && spec.type() == v1::PROVIDER_TYPE_AZURE) {
    return Bad("base_url", "is required for azure, e.g. https://NAME.openai.azure.com");
  }
  if (!spec.base_url().empty()) {
    AURORA_RETURN_IF_ERROR(CheckText("base_url", spec.base_url(), kUrlBytesMax));
    if (const auto url = http::ParseBaseUrl(spec.base_url()); !url.ok()) {
      return Bad("base_url", Std(url.status().message()));
    }
  }
  AURORA_RETURN_IF_ERROR(CheckText("api_version", spec.api_version(), 64));
  AURORA_RETURN_IF_ERROR(CheckText("ca_file", spec.ca_file(), 4096));
  AURORA_RETURN_IF_ERROR(CheckEach("models", spec.models(), CheckName));
  AURORA_RETURN_IF_ERROR(CheckTimeouts(spec.timeouts()));
  AURORA_RETURN_IF_ERROR(CheckResilience(spec.resilience()));
  AURORA_RETURN_IF_ERROR(CheckCount("credentials", spec.credentials_size(), 100));
  std::set<std::string> ids;
  for (int i = 0; i < spec.credentials_size(); ++i) {
    const v1::SealedCredential& c = spec.credentials(i);
    AURORA_RETURN_IF_ERROR(CheckSegment(Indexed("credentials", i) + ".id", c.id()));
    AURORA_RETURN_IF_ERROR(
        CheckRange(Indexed("credentials", i) + ".weight", c.weight(), 0, 1'000'000));
    if (!ids.insert(c.id()).second) {
      return Bad(Indexed("credentials", i) + ".id", "\"" + c.id() + "\" is there twice");
    }
  }
  return absl::OkStatus();
}

absl::Status Validate(const v1::ModelSpec& spec) {
  AURORA_RETURN_IF_ERROR(CheckName("id", spec.id()));
  AURORA_RETURN_IF_ERROR(CheckSegment("provider", spec.provider()));
  AURORA_RETURN_IF_ERROR(CheckText("upstream_id", spec.upstream_id(), kPathBytesMax));
  AURORA_RETURN_IF_ERROR(CheckText("display_name", spec.display_name(), kPathBytesMax));
  AURORA_RETURN_IF_ERROR(CheckRange("context_window", spec.context_window(), 0, kLimitMax));
  AURORA_RETURN_IF_ERROR(CheckRange("max_output_tokens", spec.max_output_tokens(), 0, kLimitMax));
  AURORA_RETURN_IF_ERROR(CheckEach("capabilities", spec.capabilities(), CheckSegment));
  return CheckEach("modalities", spec.modalities(), CheckSegment);
}

absl::Status Validate(const v1::AliasSpec& spec) {
  AURORA_RETURN_IF_ERROR(CheckName("name", spec.name()));
  if (spec.targets().empty()) {
    return Bad("targets", "at least one is required");
  }
  AURORA_RETURN_IF_ERROR(CheckCount("targets", spec.targets_size(), 32));
  for (int i = 0; i < spec.targets_size(); ++i) {
    const v1::AliasTarget& t = spec.targets(i);
    const std::string field = Indexed("targets", i);
    AURORA_RETURN_IF_ERROR(CheckName(field + ".model", t.model()));
    AURORA_RETURN_IF_ERROR(CheckRange(field + ".weight", t.weight(), 0, 1'000'000));
    AURORA_RETURN_IF_ERROR(CheckRange(field + ".order", t.order(), 0, 1'000));
    if (t.model() == spec.name()) {
      return Bad(field + ".model", "an alias cannot point at itself");
    }
  }
  return absl::OkStatus();
}

absl::Status Validate(const v1::ModelOverrideSpec& spec) {
  if (spec.selector() != "/") {
    AURORA_RETURN_IF_ERROR(CheckName("selector", spec.selector()));
  }
  return CheckEach("user_paths", spec.user_paths().values(),
                   [](std::string_view field, std::string_view path) {
                     return path.empty() ? Bad(field, "is empty; \"/\" means everybody")
                                         : CheckUserPath(field, path);
                   });
}

}  // namespace aurora::kinds
