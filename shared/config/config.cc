#include "shared/config/config.h"

#include <algorithm>

#include <unistd.h>

#include "shared/base/check.h"
#include "shared/base/status.h"
#include "shared/config/loading.h"
#include "shared/config/registry.h"

namespace aurora::config {
namespace {

constexpr std::string_view kDefaultPath = "/etc/aurora/aurora.toml";

using FileMap = std::map<std::string, const FileValue*, std::less<>>;

void NoteUnknownKey(Loading& loading, const FileValue& value, const std::string& key) {
  std::vector<std::string> known;
  for (const Setting& setting : Settings()) {
    known.emplace_back(setting.key);
    if (key.size() < setting.key.size() && setting.key.starts_with(key) &&
        setting.key[key.size()] == '.') {
      loading.mistakes.push_back(key + ": is a table, want [" + key + "] with keys below it (" +
                                 value.raw.source + ")");
      return;
    }
  }
  const std::string near = Nearest(key, known);
  loading.mistakes.push_back(key + ": no such key" +
                             (near.empty() ? "" : ", did you mean " + near + "?") + " (" +
                             value.raw.source + ")");
}

// Splits the file into settings by key and provider tables; notes keys nobody knows.
FileMap SortFile(Loading& loading, const std::vector<FileValue>& file,
                 std::vector<FileValue>& providers) {
  FileMap known;
  for (const FileValue& value : file) {
    const std::string key = value.Key();
    if (value.path[0] == "providers") {
      providers.push_back(value);
      continue;
    }
    const bool found = std::any_of(Settings().begin(), Settings().end(), [&](const Setting& s) {
      return s.key == key || (IsSecret(s.rule.kind) && std::string(s.key) + "_file" == key);
    });
    if (found) {
      known.emplace(key, &value);
    } else {
      NoteUnknownKey(loading, value, key);
    }
  }
  return known;
}

bool FromFile(Loading& loading, const Setting& setting, const FileMap& file, Raw* out) {
  const auto plain = file.find(setting.key);
  const std::string twin_key = std::string(setting.key) + "_file";
  const auto twin = file.find(twin_key);
  if (plain != file.end() && twin != file.end()) {
    loading.mistakes.push_back(twin_key + ": set together with " + std::string(setting.key) +
                               ", want one of them (" + twin->second->raw.source + ")");
    return false;
  }
  if (plain != file.end()) {
    *out = plain->second->raw;
    return true;
  }
  return twin != file.end() &&
         ReadSecretFile(loading, twin_key, twin->second->raw.text, twin->second->raw.source, out);
}

void LoadSetting(Loading& loading, const Setting& setting, const FileMap& file) {
  Raw raw;
  raw.text = std::string(setting.fallback);
  raw.source = "default";
  raw.from_text_source = true;
  Raw found;
  if (FromEnvironment(loading, setting.key, setting.Variable(), IsSecret(setting.rule.kind),
                      &found) ||
      FromFile(loading, setting, file, &found)) {
    raw = std::move(found);
  }
  EffectiveValue effective{std::string(setting.key), "", raw.source};
  const bool unset_address =
      setting.rule.kind == Kind::kHostPort && raw.source == "default" && raw.text.empty();
  if (!unset_address) {
    std::string allowed;
    std::optional<Value> value = Convert(setting.rule, raw, &allowed);
    if (value.has_value()) {
      effective.value = Display(setting.rule, *value);
      setting.store(loading.config, *value);
    } else {
      AURORA_CHECK(raw.source != "default");
      loading.mistakes.push_back(Mistake(setting.key, setting.rule, raw, allowed));
    }
  }
  loading.config.values.push_back(std::move(effective));
  loading.raws.emplace(std::string(setting.key), std::move(raw));
}

void SetDerived(Loading& loading, std::string_view key, const std::string& value) {
  for (EffectiveValue& effective : loading.config.values) {
    if (effective.key == key && effective.source == "default") {
      effective.value = value;
    }
  }
}

void Derive(Loading& loading) {
  Config& config = loading.config;
  if (loading.SourceOf("cluster.peer_listen") == "default") {
    config.cluster.peer_listen = {config.cluster.sync_bind_addr, 7950};
    SetDerived(loading, "cluster.peer_listen", config.cluster.peer_listen.ToString());
  }
  if (config.admin.socket.empty()) {
    config.admin.socket = config.storage.runtime_dir + "/admin/control.sock";
    SetDerived(loading, "admin.socket", config.admin.socket);
  }
}

void LoadProxy(Loading& loading) {
  const auto get = [&](std::string_view upper, std::string_view lower) -> std::string {
    for (const std::string_view name : {upper, lower}) {
      const auto at = loading.options.environment.find(std::string(name));
      if (at != loading.options.environment.end() && !at->second.empty()) {
        return at->second;
      }
    }
    return "";
  };
  loading.config.proxy = {get("HTTPS_PROXY", "https_proxy"), get("HTTP_PROXY", "http_proxy"),
                          get("NO_PROXY", "no_proxy")};
}

// A misspelt variable is silent otherwise: nothing else reads it. Others' variables share the
// prefixes (Kubernetes writes AURORA_SERVICE_HOST), so this only warns.
void WarnAboutVariables(Loading& loading) {
  std::vector<std::string> known = {"AURORA_CONFIG"};
  for (const Setting& setting : Settings()) {
    known.push_back(setting.Variable());
    if (IsSecret(setting.rule.kind)) {
      known.push_back(setting.Variable() + "_FILE");
    }
  }
  for (const auto& [name, value] : loading.options.environment) {
    const bool ours = name.starts_with("CLUSTER_") ||
                      (name.starts_with("AURORA_") && !name.starts_with("AURORA_CTL_") &&
                       !name.starts_with("AURORA_SERVICE_") && !name.starts_with("AURORA_PORT"));
    if (!ours || value.empty() || std::find(known.begin(), known.end(), name) != known.end()) {
      continue;
    }
    const std::string near = Nearest(name, known);
    if (!near.empty()) {
      loading.config.warnings.push_back(
          "environment " + name + " is not a setting and is ignored, did you mean " + near + "?");
    }
  }
}

absl::Status AsStatus(const std::vector<std::string>& mistakes) {
  std::string lines;
  for (const std::string& mistake : mistakes) {
    lines += (lines.empty() ? "" : "\n") + mistake;
  }
  return InvalidArgument(lines);
}

}  // namespace

std::string Loading::SourceOf(std::string_view key) const {
  const auto at = raws.find(key);
  return at == raws.end() ? "default" : at->second.source;
}

void Loading::Refuse(std::string_view key, std::string_view value, std::string_view what) {
  mistakes.push_back(std::string(key) + ": " + Quoted(value) + " " + std::string(what) + " (" +
                     SourceOf(key) + ")");
}

void Loading::RefuseSecret(std::string_view key, std::string_view what) {
  mistakes.push_back(std::string(key) + ": **** " + std::string(what) + " (" + SourceOf(key) + ")");
}

bool ReadSecretFile(Loading& loading, std::string_view key, const std::string& path,
                    const std::string& source, Raw* out) {
  absl::StatusOr<std::string> text = ReadFile(path, kMaxSecretFileBytes);
  if (!text.ok()) {
    loading.mistakes.push_back(std::string(key) + ": " + Quoted(path) +
                               " cannot be read: " + std::string(Std(text.status().message())) +
                               ", want a readable file (" + source + ")");
    return false;
  }
  while (text->ends_with('\n') || text->ends_with('\r')) {
    text->pop_back();
  }
  if (text->empty()) {
    loading.mistakes.push_back(std::string(key) + ": " + Quoted(path) +
                               " is empty, want the secret in it (" + source + ")");
    return false;
  }
  *out = Raw{};
  out->text = *std::move(text);
  out->source = source;
  out->from_text_source = true;
  return true;
}

bool FromEnvironment(Loading& loading, std::string_view key, const std::string& variable,
                     bool secret, Raw* out) {
  const Environment& environment = loading.options.environment;
  const auto set = [&](const std::string& name) {
    const auto at = environment.find(name);
    return at != environment.end() && !at->second.empty() ? &at->second : nullptr;
  };
  const std::string* plain = set(variable);
  const std::string* file = secret ? set(variable + "_FILE") : nullptr;
  if (plain != nullptr && file != nullptr) {
    loading.mistakes.push_back(std::string(key) + ": " + variable + " and " + variable +
                               "_FILE are both set, want one of them (environment)");
    return false;
  }
  if (file != nullptr) {
    return ReadSecretFile(loading, key, *file, "environment " + variable + "_FILE", out);
  }
  if (plain == nullptr) {
    return false;
  }
  *out = Raw{};
  out->text = *plain;
  out->source = "environment " + variable;
  out->from_text_source = true;
  return true;
}

absl::StatusOr<Config> LoadText(std::string_view toml, std::string_view origin,
                                const LoadOptions& options) {
  AURORA_ASSIGN_OR_RETURN(const std::vector<FileValue> file, ParseToml(toml, origin));
  Loading loading{options, {}, {}, {}};
  std::vector<FileValue> providers;
  const FileMap known = SortFile(loading, file, providers);
  for (const Setting& setting : Settings()) {
    LoadSetting(loading, setting, known);
  }
  Derive(loading);
  LoadProxy(loading);
  LoadProviders(loading, providers);
  WarnAboutVariables(loading);
  Validate(loading);
  if (!loading.mistakes.empty()) {
    return AsStatus(loading.mistakes);
  }
  return std::move(loading.config);
}

absl::StatusOr<Config> Load(const LoadOptions& options) {
  std::string path = options.config_path;
  std::string source = "--config";
  if (const auto at = options.environment.find("AURORA_CONFIG");
      path.empty() && at != options.environment.end()) {
    path = at->second;
    source = "environment AURORA_CONFIG";
  }
  if (path.empty()) {
    if (::access(std::string(kDefaultPath).c_str(), F_OK) != 0) {
      return LoadText("", "", options);
    }
    path = std::string(kDefaultPath);
    source = "the default path";
  }
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxConfigBytes);
  if (!text.ok()) {
    return InvalidArgument("config: " + Quoted(path) +
                           " cannot be read: " + std::string(Std(text.status().message())) +
                           ", want a readable TOML file (" + source + ")");
  }
  return LoadText(*text, path, options);
}

std::string PrintConfig(const Config& config) {
  std::string out;
  for (const EffectiveValue& value : config.values) {
    out += value.key + " = " + Quoted(value.value) + "  # " + value.source + "\n";
  }
  return out;
}

bool Admin::ForwardOn(const HostPort& server_listen) const {
  if (tls.enabled()) {
    return false;  // it would go on in clear, or to a certificate of another name
  }
  if (rest_listen.port == 0) {
    return false;  // the data plane cannot know what the kernel picked
  }
  return on_proxy_port == OnProxyPort::kTrue ||
         (on_proxy_port == OnProxyPort::kAuto && IsLoopbackHost(server_listen.host));
}

std::string_view ToString(FailoverMode mode) {
  switch (mode) {
    case FailoverMode::kSingleNode:
      return "single_node";
    case FailoverMode::kActivePassive:
      return "active_passive";
    case FailoverMode::kActiveActive:
      return "active_active";
  }
  return "";
}

std::string_view ToString(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "";
}

}  // namespace aurora::config
