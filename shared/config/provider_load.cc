// Providers from the file's [providers.<name>] tables and the environment; the environment wins key
// by key.
#include <algorithm>
#include <array>

#include "shared/base/status.h"
#include "shared/config/loading.h"
#include "shared/config/registry.h"

namespace aurora::config {
namespace {

constexpr std::string_view kAzureVersion = "2024-10-21";

using Keys = std::map<std::string, Raw, std::less<>>;
using Named = std::map<std::string, Keys, std::less<>>;

const ProviderSetting* FindSetting(std::string_view key) {
  for (const ProviderSetting& setting : ProviderSettings()) {
    if (setting.key == key) {
      return &setting;
    }
  }
  return nullptr;
}

bool ValidName(std::string_view name) {
  return !name.empty() && name.size() <= 63 && name[0] != '-' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
}

void NoteUnknown(Loading& loading, const FileValue& value, std::string_view inner) {
  std::vector<std::string> known = {"api_key_file"};
  for (const ProviderSetting& setting : ProviderSettings()) {
    known.emplace_back(setting.key);
  }
  const std::string near = Nearest(inner, known);
  loading.mistakes.push_back(value.Key() + ": no such key" +
                             (near.empty() ? "" : ", did you mean " + near + "?") + " (" +
                             value.raw.source + ")");
}

Named FromFile(Loading& loading, const std::vector<FileValue>& file) {
  Named out;
  for (const FileValue& value : file) {
    if (value.path.size() < 3) {
      loading.mistakes.push_back(value.Key() + ": is not a table, want [providers.<name>] (" +
                                 value.raw.source + ")");
      continue;
    }
    const std::string& name = value.path[1];
    if (!ValidName(name)) {
      loading.mistakes.push_back(
          value.Key() + ": " + Quoted(name) +
          " is not allowed as a provider's name, want 1 to 63 of a-z 0-9 - (" + value.raw.source +
          ")");
      continue;
    }
    FileValue inner{{value.path.begin() + 2, value.path.end()}, {}};
    const std::string key = inner.Key();
    if (key == "api_key_file") {
      Raw secret;
      if (ReadSecretFile(loading, value.Key(), value.raw.text, value.raw.source, &secret)) {
        out[name].emplace(key, std::move(secret));
      }
    } else if (FindSetting(key) != nullptr) {
      out[name].emplace(key, value.raw);
    } else {
      NoteUnknown(loading, value, key);
    }
  }
  for (auto& [name, keys] : out) {
    const auto twin = keys.find("api_key_file");
    if (twin != keys.end() && keys.contains("api_key")) {
      loading.mistakes.push_back("providers." + name +
                                 ".api_key_file: set together with api_key, want one of them (" +
                                 twin->second.source + ")");
    } else if (twin != keys.end()) {
      Raw secret = twin->second;
      keys.emplace("api_key", std::move(secret));
    }
  }
  return out;
}

struct Suffix {
  std::string_view ending;
  std::string_view key;
};
constexpr std::array<Suffix, 5> kSuffixes = {{{"_API_KEY_FILE", "api_key"},
                                              {"_API_KEY", "api_key"},
                                              {"_BASE_URL", "base_url"},
                                              {"_MODELS", "models"},
                                              {"_API_VERSION", "api_version"}}};

std::string Lower(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += c == '_' ? '-' : static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  return out;
}

// "OPENAI" or "OPENAI_EAST" -> the type; nullopt for other people's variables.
std::optional<ProviderType> TypeOfStem(std::string_view stem) {
  const std::string lower = Lower(stem);
  const std::optional<ProviderType> type =
      ProviderTypeFromName(std::string_view(lower).substr(0, lower.find('-')));
  return ValidName(lower) && lower.back() != '-' ? type : std::nullopt;
}

bool WorksWithoutKey(ProviderType type) {
  return type == ProviderType::kOllama || type == ProviderType::kVllm ||
         type == ProviderType::kOpenAi;
}

// Of the file's providers, whatever they are called, and of those that a type's name begins.
Named FromVariables(Loading& loading, const Named& file) {
  Named out;
  for (const auto& [variable, text] : loading.options.environment) {
    for (const Suffix& suffix : kSuffixes) {
      if (text.empty() || !variable.ends_with(suffix.ending) ||
          variable.size() == suffix.ending.size()) {
        continue;
      }
      const std::string_view stem =
          std::string_view(variable).substr(0, variable.size() - suffix.ending.size());
      const std::optional<ProviderType> type = TypeOfStem(stem);
      const std::string name = Lower(stem);
      const bool known = file.contains(name);
      if (!known && (!type.has_value() || (suffix.key == "api_version" && *type != ProviderType::kAzure))) {
        break;
      }
      Raw raw;
      const std::string plain =
          std::string(stem) + std::string(suffix.key == "api_key" ? "_API_KEY" : suffix.ending);
      if (!out[name].contains(suffix.key) &&
          FromEnvironment(loading, "providers." + name + "." + std::string(suffix.key), plain,
                          suffix.key == "api_key", &raw)) {
        out[name].emplace(suffix.key, std::move(raw));
      }
      break;
    }
  }
  return out;
}

// A variable alone makes no provider when nothing could be called with it (OLLAMA_MODELS is
// Ollama's own directory, ANTHROPIC_BASE_URL another tool's).
bool Complete(Loading& loading, const std::string& name, const Keys& keys) {
  const ProviderType type = *ProviderTypeFromName(name.substr(0, name.find('-')));
  if (keys.contains("api_key") || (keys.contains("base_url") && WorksWithoutKey(type))) {
    return true;
  }
  if (const auto url = keys.find("base_url"); url != keys.end()) {
    loading.config.warnings.push_back(url->second.source +
                                      " is set without an API key: no provider " + name);
  }
  return false;
}

void Merge(Loading& loading, Named& providers, Named variables) {
  for (auto& [name, keys] : variables) {
    const bool known = providers.contains(name);
    if (!known && !Complete(loading, name, keys)) {
      continue;
    }
    Keys& into = providers[name];
    if (!known) {
      Raw type;
      type.text = name.substr(0, name.find('-'));
      type.source = keys.begin()->second.source;
      into.emplace("type", std::move(type));
    }
    for (auto& [key, raw] : keys) {
      into[key] = std::move(raw);
    }
  }
}

void CheckBaseUrl(Loading& loading, const std::string& prefix, ProviderConfig& provider) {
  const std::string key = prefix + "base_url";
  std::string& url = provider.base_url;
  if (url.empty()) {
    url = std::string(DefaultBaseUrl(provider.type));
  }
  if (url.empty()) {
    loading.mistakes.push_back(key + ": \"\" is not allowed, want the resource's URL: type " +
                               std::string(ToString(provider.type)) + " has no default (" +
                               loading.SourceOf(prefix + "type") + ")");
    return;
  }
  while (url.ends_with('/')) {
    url.pop_back();
  }
  const size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  const std::string authority =
      scheme == 0 ? "" : url.substr(scheme, url.find('/', scheme) - scheme);
  bool good = !authority.empty() && url.find_first_of("?#@ \\\"<>") == std::string::npos;
  for (const char c : url) {
    good = good && c > ' ' && c <= '~';
  }
  if (good && authority.find(':') != std::string::npos && !authority.ends_with(']')) {
    const auto at = ParseHostPort(authority, "");
    good = at.ok() && !at->host.empty() && at->port != 0;
  }
  if (!good) {
    loading.Refuse(key, url,
                   "is not allowed, want http:// or https://, a host, an optional port and path");
  }
}

void CheckProvider(Loading& loading, const std::string& prefix, ProviderConfig& provider) {
  CheckBaseUrl(loading, prefix, provider);
  for (const char c : provider.api_key.Reveal()) {
    if (c <= ' ' || c > '~') {
      loading.RefuseSecret(prefix + "api_key",
                           "is not allowed, want printable ASCII without spaces");
      break;
    }
  }
  if (provider.type == ProviderType::kAzure && provider.api_version.empty()) {
    provider.api_version = std::string(kAzureVersion);
  }
  if (!provider.ca_file.empty() && loading.options.process == Process::kDataPlane) {
    CheckTrust(loading, prefix + "ca_file", provider.ca_file);
  }
}

void LoadProvider(Loading& loading, const std::string& name, Keys& keys) {
  const std::string prefix = "providers." + name + ".";
  ProviderConfig provider;
  provider.name = name;
  bool good = true;
  if (!keys.contains("type")) {
    // [providers.openai] needs no type: the name says it.
    const std::string head = name.substr(0, name.find('-'));
    Raw type;
    type.text = ProviderTypeFromName(head).has_value() ? head : "";
    type.source = keys.begin()->second.source;
    keys.emplace("type", std::move(type));
  }
  const size_t first_value = loading.config.values.size();
  for (const ProviderSetting& setting : ProviderSettings()) {
    Raw raw;
    raw.text = std::string(setting.fallback);
    raw.source = "default";
    raw.from_text_source = true;
    if (const auto at = keys.find(setting.key); at != keys.end()) {
      raw = at->second;
    }
    provider.from_environment = provider.from_environment || raw.source.starts_with("environment");
    const std::string key = prefix + std::string(setting.key);
    std::string allowed;
    std::optional<Value> value = Convert(setting.rule, raw, &allowed);
    if (value.has_value()) {
      loading.config.values.push_back({key, Display(setting.rule, *value), raw.source});
      setting.store(provider, *value);
    } else {
      good = false;
      loading.mistakes.push_back(Mistake(key, setting.rule, raw, allowed));
    }
    loading.raws.emplace(key, std::move(raw));
  }
  if (!good) {
    return;
  }
  CheckProvider(loading, prefix, provider);
  for (size_t i = first_value; i < loading.config.values.size(); ++i) {
    EffectiveValue& effective = loading.config.values[i];
    if (effective.key == prefix + "base_url") {
      effective.value = provider.base_url;
    } else if (effective.key == prefix + "api_version") {
      effective.value = provider.api_version;
    }
  }
  loading.config.providers.push_back(std::move(provider));
}

}  // namespace

std::string_view VariableEnding(std::string_view key) {
  for (const Suffix& suffix : kSuffixes) {
    if (suffix.key == key && !suffix.ending.ends_with("_FILE")) {
      return suffix.ending;
    }
  }
  return "";
}

void LoadProviders(Loading& loading, const std::vector<FileValue>& from_file) {
  Named providers = FromFile(loading, from_file);
  Named variables = FromVariables(loading, providers);
  Merge(loading, providers, std::move(variables));
  for (auto& [name, keys] : providers) {
    LoadProvider(loading, name, keys);
  }
}

}  // namespace aurora::config
