#include "dataplane/snapshot/convert.h"

#include <algorithm>
#include <utility>

#include "aurora/v1/policy.pb.h"
#include "shared/base/status.h"
#include "shared/crypto/seal.h"
#include "shared/http/url.h"

namespace aurora::snapshot {
namespace {

template <class Proto>
absl::StatusOr<Proto> Parse(std::string_view bytes, std::string_view kind) {
  Proto proto;
  if (!proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return InvalidArgument(std::string(kind) + ": the stored bytes do not parse");
  }
  return proto;
}

int64_t Millis(const google::protobuf::Timestamp& t) {
  return t.seconds() * 1000 + t.nanos() / 1'000'000;
}

model::NameSet Names(bool present, const aurora::v1::StringList& list) {
  if (!present) {
    return std::nullopt;
  }
  std::vector<std::string> names(list.values().begin(), list.values().end());
  std::sort(names.begin(), names.end());
  return names;
}

model::Dialect DialectOf(model::ProviderType type) {
  switch (type) {
    case model::ProviderType::kAnthropic:
      return model::Dialect::kAnthropic;
    case model::ProviderType::kGemini:
      return model::Dialect::kGemini;
    default:
      return model::Dialect::kOpenAi;
  }
}

std::string CredentialLines(model::ProviderType type, std::string_view secret) {
  if (secret.empty()) {
    return "";
  }
  std::string_view name = "Authorization: Bearer ";
  if (type == model::ProviderType::kAnthropic) {
    name = "x-api-key: ";
  } else if (type == model::ProviderType::kAzure) {
    name = "api-key: ";
  } else if (type == model::ProviderType::kGemini) {
    name = "x-goog-api-key: ";
  }
  return std::string(name) + std::string(secret) + "\r\n";
}

// A secret ends up in a header line: a line break in it would forge headers.
bool PrintableAscii(std::string_view s) {
  return std::all_of(s.begin(), s.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

absl::Status SetUrl(std::string_view base_url, model::Provider& p) {
  AURORA_ASSIGN_OR_RETURN(http::Url url, http::ParseBaseUrl(base_url));
  p.tls = url.tls;
  p.host = url.host;
  p.port = url.port;
  p.authority = url.authority;
  p.base_path = url.path;
  p.constant_lines = "Host: " + p.authority + "\r\n";
  return absl::OkStatus();
}

absl::Status AddCredential(std::string_view id, std::string_view secret, uint32_t weight,
                           Slots& slots, model::Provider& p) {
  if (!PrintableAscii(secret)) {
    return FailedPrecondition("provider " + p.name + ": credential " + std::string(id) +
                              " holds a character that no header may carry");
  }
  model::Credential c;
  c.id = id;
  c.slot = slots.credentials.Of(p.name + "/" + c.id);
  c.weight = weight == 0 ? 1 : weight;
  c.header_lines = CredentialLines(p.type, secret);
  p.credentials.push_back(std::move(c));
  return absl::OkStatus();
}

Duration Or(int64_t ms, Duration fallback) {
  return ms > 0 ? Duration::Millis(ms) : fallback;
}

model::Timeouts TimeoutsOf(const aurora::v1::ProviderTimeouts& t) {
  const model::Timeouts d;
  return {Or(t.connect_ms(), d.connect), Or(t.first_byte_ms(), d.first_byte),
          Or(t.idle_ms(), d.idle), Or(t.total_ms(), d.total)};
}

model::Resilience ResilienceOf(const aurora::v1::ProviderResilience& r) {
  model::Resilience out;
  if (r.max_retries() != 0) {
    out.max_retries = std::max(r.max_retries(), 0);
  }
  if (r.breaker_failures() != 0) {
    out.breaker_failures = std::max(r.breaker_failures(), 0);
  }
  out.breaker_open = Or(r.breaker_open_ms(), out.breaker_open);
  out.cooldown = Or(r.cooldown_ms(), out.cooldown);
  return out;
}

}  // namespace

absl::StatusOr<KeyAndSecrets> ConvertAuthKey(std::string_view id, std::string_view resolved) {
  // One message for all keys of a thread: parsing into it again allocates next to nothing.
  static thread_local aurora::v1::AuthKeyResolved proto;
  if (!proto.ParseFromArray(resolved.data(), static_cast<int>(resolved.size()))) {
    return InvalidArgument("AuthKey: the stored bytes do not parse");
  }
  const aurora::v1::AuthKeySpec& spec = proto.spec();
  auto key = std::make_shared<model::AuthKey>();
  key->id = id;
  key->name = spec.name();
  key->user_path = spec.user_path();
  key->allowed_providers = Names(spec.has_allowed_providers(), spec.allowed_providers());
  key->allowed_models = Names(spec.has_allowed_models(), spec.allowed_models());
  key->denied_models.assign(spec.denied_models().begin(), spec.denied_models().end());
  std::sort(key->denied_models.begin(), key->denied_models.end());
  const aurora::v1::RateLimits& l = spec.rate_limits();
  key->limits = {l.requests_per_minute(), l.requests_per_day(), l.tokens_per_minute(),
                 l.tokens_per_day(), l.concurrent_requests()};
  key->enabled = proto.enabled();
  key->ended = proto.has_deactivated_at();
  key->expires_at_ms = spec.has_expires_at() ? Millis(spec.expires_at()) : 0;
  KeyAndSecrets out;
  out.key = key;
  for (const aurora::v1::KeySecret& s : spec.secrets()) {
    if (s.sha256().size() != sizeof(model::SecretHash)) {
      return InvalidArgument("AuthKey: a secret hash is not 32 bytes");
    }
    model::KeySecret secret;
    std::copy(s.sha256().begin(), s.sha256().end(), reinterpret_cast<char*>(secret.sha256.data()));
    secret.not_after_ms = s.has_not_after() ? Millis(s.not_after()) : 0;
    secret.key = key;
    out.secrets.push_back(std::move(secret));
  }
  return out;
}

absl::StatusOr<model::Provider> ConvertProvider(std::string_view spec,
                                                const crypto::SealKeys& keys, Slots& slots) {
  AURORA_ASSIGN_OR_RETURN(auto proto, Parse<aurora::v1::ProviderSpec>(spec, "Provider"));
  if (!proto.enabled()) {
    return NotFound("provider " + proto.name() + " is disabled");
  }
  if (proto.type() < aurora::v1::PROVIDER_TYPE_OPENAI ||
      proto.type() > aurora::v1::PROVIDER_TYPE_VLLM) {
    return InvalidArgument("provider " + proto.name() + ": a type this version does not know");
  }
  model::Provider p;
  p.name = proto.name();
  p.slot = slots.providers.Of(p.name);
  p.type = static_cast<model::ProviderType>(proto.type() - 1);
  p.dialect = DialectOf(p.type);
  p.stamp = proto.stamp();
  p.api_version = proto.api_version();
  p.ca_file = proto.ca_file();
  p.models.assign(proto.models().begin(), proto.models().end());
  p.timeouts = TimeoutsOf(proto.timeouts());
  p.resilience = ResilienceOf(proto.resilience());
  const std::string_view default_url =
      config::DefaultBaseUrl(static_cast<config::ProviderType>(proto.type()));
  AURORA_RETURN_IF_ERROR(
      SetUrl(proto.base_url().empty() ? default_url : std::string_view(proto.base_url()), p));
  for (const aurora::v1::SealedCredential& c : proto.credentials()) {
    if (keys.current.empty()) {
      return FailedPrecondition(
          "provider " + p.name +
          " has sealed credentials, but this node has no AURORA_ENCRYPTION_KEY");
    }
    auto secret = crypto::Open(keys, c.sealed(), "provider/" + p.name + "/" + c.id());
    if (!secret.ok()) {
      return WithContext("provider " + p.name + ": credential " + c.id(), secret.status());
    }
    AURORA_RETURN_IF_ERROR(AddCredential(c.id(), secret->Reveal(), c.weight(), slots, p));
  }
  return p;
}

size_t CountSealedWithOther(std::string_view spec, std::string_view key32) {
  const auto proto = Parse<aurora::v1::ProviderSpec>(spec, "Provider");
  return !proto.ok() ? 0
                     : static_cast<size_t>(std::count_if(
                           proto->credentials().begin(), proto->credentials().end(),
                           [&](const auto& c) { return crypto::SealedWithOther(key32, c.sealed()); }));
}

absl::StatusOr<model::Provider> ConvertProvider(const config::ProviderConfig& config,
                                                Slots& slots) {
  model::Provider p;
  p.name = config.name;
  p.slot = slots.providers.Of(p.name);
  p.type = static_cast<model::ProviderType>(static_cast<int>(config.type) - 1);
  p.dialect = DialectOf(p.type);
  p.from_environment = true;
  p.stamp = config.stamp;
  p.api_version = config.api_version;
  p.ca_file = config.ca_file;
  p.models = config.models;
  p.timeouts = {config.timeouts.connect, config.timeouts.first_byte, config.timeouts.idle,
                config.timeouts.total};
  p.resilience = {config.resilience.max_retries, config.resilience.breaker_failures,
                  config.resilience.breaker_open, config.resilience.cooldown};
  AURORA_RETURN_IF_ERROR(SetUrl(config.base_url, p));
  if (!config.api_key.empty()) {
    AURORA_RETURN_IF_ERROR(AddCredential("environment", config.api_key.Reveal(), 1, slots, p));
  }
  return p;
}

absl::StatusOr<RegisteredModel> ConvertModel(std::string_view spec) {
  AURORA_ASSIGN_OR_RETURN(auto proto, Parse<aurora::v1::ModelSpec>(spec, "Model"));
  RegisteredModel out;
  out.provider = proto.provider();
  out.model.id = proto.id();
  out.model.upstream_id = proto.upstream_id().empty() ? proto.id() : proto.upstream_id();
  out.model.display_name = proto.display_name();
  out.model.created_s = proto.created_at().seconds();
  out.model.enabled = proto.enabled();
  out.model.registered = true;
  return out;
}

absl::StatusOr<model::Alias> ConvertAlias(std::string_view spec) {
  AURORA_ASSIGN_OR_RETURN(auto proto, Parse<aurora::v1::AliasSpec>(spec, "Alias"));
  model::Alias out;
  out.name = proto.name();
  for (const aurora::v1::AliasTarget& t : proto.targets()) {
    out.targets.push_back({t.model(), t.weight() == 0 ? 1 : t.weight(), t.order()});
  }
  std::stable_sort(out.targets.begin(), out.targets.end(),
                   [](const auto& a, const auto& b) { return a.order < b.order; });
  return out;
}

absl::StatusOr<model::Override> ConvertOverride(std::string_view spec) {
  AURORA_ASSIGN_OR_RETURN(auto proto, Parse<aurora::v1::ModelOverrideSpec>(spec, "ModelOverride"));
  model::Override out;
  out.selector = proto.selector();
  out.enabled = proto.enabled();
  if (proto.has_user_paths()) {
    out.user_paths.emplace(proto.user_paths().values().begin(), proto.user_paths().values().end());
  }
  return out;
}

absl::StatusOr<SelectorPrice> ConvertPrice(std::string_view spec) {
  AURORA_ASSIGN_OR_RETURN(auto proto, Parse<aurora::v1::PricingSpec>(spec, "Pricing"));
  constexpr double kPerMtok = 1000;  // USD per million tokens in nano-USD per token
  SelectorPrice out;
  out.selector = proto.selector();
  model::Price& p = out.price;
  p.effective_from_s = proto.effective_from().seconds();
  p.input = proto.input_per_mtok() * kPerMtok;
  p.output = proto.output_per_mtok() * kPerMtok;
  p.cached_input = proto.has_cached_input_per_mtok() ? proto.cached_input_per_mtok() * kPerMtok : p.input;
  p.cache_write = proto.has_cache_write_per_mtok() ? proto.cache_write_per_mtok() * kPerMtok : p.input;
  p.reasoning = proto.has_reasoning_output_per_mtok() ? proto.reasoning_output_per_mtok() * kPerMtok : p.output;
  p.per_request = proto.per_request() * 1e9;
  return out;
}

}  // namespace aurora::snapshot
