// The policy a request is judged by, as plain values: what a Snapshot holds.
// Source: product.md §4. Thread: immutable after the Snapshot is published.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/time.h"

namespace aurora::model {

enum class Dialect : uint8_t { kOpenAi, kAnthropic, kGemini };

enum class ProviderType : uint8_t {
  kOpenAi, kAnthropic, kGemini, kAzure, kGroq, kDeepSeek, kOpenRouter, kXai, kMistral, kTogether,
  kFireworks, kOllama, kVllm,
};

// A slot is a small number that names a provider, credential or model for the life of the process: it is the index
// of per-loop arrays (pools, breakers, metrics), so a new Snapshot never moves their state.
using Slot = uint32_t;
inline constexpr Slot kNoSlot = 0xffffffff;

struct Credential {
  std::string id;
  Slot slot = kNoSlot;
  uint32_t weight = 1;
  // The header lines this credential adds, rendered once: "Authorization: Bearer …\r\n" (or x-api-key, api-key).
  std::string header_lines;
};

struct Timeouts {
  Duration connect = Duration::Seconds(5);
  Duration first_byte = Duration::Seconds(120);
  Duration idle = Duration::Seconds(120);
  Duration total = Duration::Seconds(900);
};

struct Resilience {
  int max_retries = 2;
  int breaker_failures = 5;  // <= 0: never opens
  Duration breaker_open = Duration::Seconds(10);
  Duration cooldown = Duration::Seconds(30);
};

inline constexpr std::string_view kNotPublic = "a private address, and admin.allow_private_networks is false";

struct Provider {
  std::string name;
  Slot slot = kNoSlot;
  ProviderType type = ProviderType::kOpenAi;
  Dialect dialect = Dialect::kOpenAi;
  bool from_environment = false;
  bool public_only = false;  // connected to at public addresses alone, whatever its name resolves to
  bool stamp = false;
  bool tls = false;
  std::string host;       // name or address to resolve
  uint16_t port = 0;
  std::string authority;  // Host header value
  std::string base_path;  // no trailing slash; "" or "/v1" or "/openai/v1"
  std::string api_version;
  std::string ca_file;
  std::vector<Credential> credentials;  // empty = none needed (Ollama)
  std::vector<std::string> models;      // configured list; else the discovered one
  Timeouts timeouts;
  Resilience resilience;
  // "Host: …\r\n" and every other header line that is the same for each request but the credential.
  std::string constant_lines;
};

struct Limits {
  int64_t requests_per_minute = 0;
  int64_t requests_per_day = 0;
  int64_t tokens_per_minute = 0;
  int64_t tokens_per_day = 0;
  int64_t concurrent_requests = 0;
};

// nullopt = any, empty = none; sorted, for binary search.
using NameSet = std::optional<std::vector<std::string>>;

struct AuthKey {
  std::string id;
  std::string name;
  std::string user_path;
  NameSet allowed_providers;
  NameSet allowed_models;
  std::vector<std::string> denied_models;  // sorted; deny beats allow
  Limits limits;
  bool enabled = true;
  bool ended = false;
  int64_t expires_at_ms = 0;  // Unix ms; 0 = never
};

using SecretHash = std::array<uint8_t, 32>;

// One working secret of a key.
struct KeySecret {
  SecretHash sha256{};
  int64_t not_after_ms = 0;  // Unix ms; 0 = as long as the key
  std::shared_ptr<const AuthKey> key;
};

// A model that a provider serves, registered or discovered.
struct Model {
  std::string id;           // the name callers use, without the provider
  std::string upstream_id;  // the name the provider knows
  Slot slot = kNoSlot;      // of provider/id
  uint32_t provider_index = 0;
  std::string display_name;
  int64_t created_s = 0;
  bool enabled = true;
  bool registered = false;
};

struct AliasTarget {
  std::string model;
  uint32_t weight = 1;
  uint32_t order = 0;
};

struct Alias {
  std::string name;
  std::vector<AliasTarget> targets;  // by order
};

struct Override {
  std::string selector;
  bool enabled = true;
  std::optional<std::vector<std::string>> user_paths;
};

}  // namespace aurora::model
