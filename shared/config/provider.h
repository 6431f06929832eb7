// ProviderConfig: one provider configured on this node, from [providers.<name>] or the environment.
// Source: docs product contract: <TYPE>_API_KEY, _BASE_URL, _MODELS, AZURE_API_VERSION, *_FILE
// twins; OPENAI_EAST_API_KEY makes "openai-east". Thread: a value. Units: Duration. Invariant:
// base_url is set, http or https, without a trailing slash; name matches [a-z0-9][a-z0-9-]{0,62}.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/time.h"
#include "shared/crypto/secret.h"

namespace aurora::config {

// Numbers are those of aurora.v1.ProviderType: static_cast converts.
enum class ProviderType {
  kOpenAi = 1,
  kAnthropic = 2,
  kGemini = 3,
  kAzure = 4,
  kGroq = 5,
  kDeepSeek = 6,
  kOpenRouter = 7,
  kXai = 8,
  kMistral = 9,
  kTogether = 10,
  kFireworks = 11,
  kOllama = 12,
  kVllm = 13,
};

struct ProviderTimeouts {
  Duration connect = Duration::Seconds(5);
  Duration first_byte = Duration::Seconds(120);
  Duration idle = Duration::Seconds(120);
  Duration total = Duration::Seconds(900);
};

struct ProviderResilience {
  int max_retries = 2;
  int breaker_failures = 5;  // 0 = the circuit never opens
  Duration breaker_open = Duration::Seconds(10);
  Duration cooldown = Duration::Seconds(30);
};

struct ProviderConfig {
  std::string name;
  ProviderType type = ProviderType::kOpenAi;
  std::string base_url;
  crypto::Secret api_key;  // empty = none is sent
  std::vector<std::string> models;
  std::string api_version;  // Azure
  std::string ca_file;
  bool stamp = false;
  ProviderTimeouts timeouts;
  ProviderResilience resilience;
  bool from_environment = false;  // any of its values came from the environment
};

// "openai", "anthropic", ...
std::string_view ToString(ProviderType type);
std::optional<ProviderType> ProviderTypeFromName(std::string_view lower_case_name);
// "" for Azure, which has none.
std::string_view DefaultBaseUrl(ProviderType type);

}  // namespace aurora::config
