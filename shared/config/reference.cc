#include "shared/config/reference.h"

#include <array>
#include <limits>
#include <utility>

#include "shared/config/provider.h"
#include "shared/config/registry.h"

namespace aurora::config {
namespace {

constexpr std::string_view kHead = R"(# Configuration

Made by `aurora-ctl config reference` from the program's own table (`shared/config/registry.cc`). Do not edit: a
test compares.

Environment beats file beats default; a variable set to nothing counts as unset. Both processes read all of it,
once, at their start: a change is a restart. The file is TOML: `--config FILE`, else `AURORA_CONFIG`, else
`/etc/aurora/aurora.toml` if it is there; `server.listen` is `listen` below `[server]`. An unknown key, a value out
of bounds or two that contradict stop the start with exit code 2 and a line that names key, value, what is allowed
and where it came from; a variable that is nearly one of these is a warning. `aurora-ctl config validate` checks
without starting, `--check-config` and `--print-config` of either process do so for one; `aurora-ctl config view`
shows what a running node took.

- *Secrets* have a twin that names a file to read instead: the variable with `_FILE`, the key with `_file`. Only one
  of the two may be set.
- *Durations* are `100ms`, `5s`, `2m`, `12h`, `30d` or sums (`1m30s`); *sizes* bytes, or `64KiB`, `32MiB`, `2GiB`;
  *lists* an array of texts, or one text with commas.
- *Addresses* are `host:port`, `[ipv6]:port`, `:port` for all of IPv4, or `[::]:port` for IPv6 and IPv4; the host of
  `server.listen` and `cluster.peer_listen` may be a name.
- *Text* that is a path is used as given; certificates are PEM. `.cert` and `.key` go together.

**Kubernetes.** The Helm chart writes these variables; which of its values makes which is in
[templates/_env.tpl](../deploy/k8s/aurora/templates/_env.tpl), what they are for in
[values.yaml](../deploy/k8s/aurora/values.yaml). A setting without a value of its own goes into `extraEnv` as its
variable, or into `config` as TOML.

Further variables:

| variable | |
|---|---|
| `AURORA_CONFIG` | the file |
| `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` | or in small letters: the proxy towards providers, and nothing else |
| `AURORA_CTL_ADDR`, `AURORA_CTL_TOKEN`, `AURORA_CTL_TOKEN_FILE`, `AURORA_CTL_CONTEXT` | of `aurora-ctl` |
)";

constexpr std::string_view kProviders = R"(
## providers

A provider of this node: a table `[providers.<name>]`, the name 1 to 63 of `a-z 0-9 -`, or variables. Those that all
nodes share are stored with `aurora-ctl providers apply` instead. For `openai` the variables are `OPENAI_API_KEY`,
`OPENAI_BASE_URL`, `OPENAI_MODELS`, for `azure` also `AZURE_API_VERSION`; a word more makes another provider:
`OPENAI_EAST_API_KEY` is of `openai-east`. A table's provider has its own name's: `MY_CORP_API_KEY` is of
`[providers.my-corp]`. Variables alone make a provider when there is a key (`openai`, `ollama`,
`vllm`: or a base URL).

)";

struct Columns {
  std::string key, variable, type, allowed, fallback;
};

std::string Code(std::string_view text) {
  return text.empty() ? "" : "`" + std::string(text) + "`";
}

std::string Size(int64_t bytes) {
  constexpr std::array<std::pair<std::string_view, int64_t>, 3> kUnits = {
      {{"GiB", 1LL << 30}, {"MiB", 1LL << 20}, {"KiB", 1LL << 10}}};
  for (const auto& [name, unit] : kUnits) {
    if (bytes >= unit && bytes % unit == 0) {
      return std::to_string(bytes / unit) + std::string(name);
    }
  }
  return std::to_string(bytes);
}

std::string_view TypeName(Kind kind) {
  switch (kind) {
    case Kind::kString:
      return "text";
    case Kind::kSecret:
      return "secret";
    case Kind::kBool:
      return "boolean";
    case Kind::kInt:
      return "integer";
    case Kind::kBytes:
      return "size";
    case Kind::kDuration:
      return "duration";
    case Kind::kEnum:
      return "choice";
    case Kind::kHostPort:
      return "address";
    case Kind::kStrings:
      return "list";
    case Kind::kSecretList:
      return "list of secrets";
  }
  return "";
}

std::string Bound(Kind kind, int64_t value) {
  return kind == Kind::kDuration ? FormatDuration(Duration::Micros(value))
         : kind == Kind::kBytes  ? Size(value)
                                 : std::to_string(value);
}

std::string Allowed(const Rule& rule) {
  switch (rule.kind) {
    case Kind::kInt:
    case Kind::kBytes:
    case Kind::kDuration:
      return rule.max == std::numeric_limits<int64_t>::max()
                 ? "from " + Bound(rule.kind, rule.min)
                 : Bound(rule.kind, rule.min) + " to " + Bound(rule.kind, rule.max);
    case Kind::kEnum: {
      std::string out;
      for (const char c : rule.allowed) {
        out += c == '|' ? "`, `" : std::string(1, c);
      }
      return Code(out);
    }
    case Kind::kBool:
      return "`true`, `false`";
    default:
      return "";
  }
}

std::string Default(const Rule& rule, std::string_view fallback) {
  const auto bytes = rule.kind == Kind::kBytes ? ParseBytes(fallback) : std::nullopt;
  return Code(bytes.has_value() ? Size(*bytes) : std::string(fallback));
}

void AddRow(std::string& out, const Columns& c, std::string_view meaning) {
  for (const std::string_view cell : {std::string_view(c.key), std::string_view(c.variable), std::string_view(c.type),
                                      std::string_view(c.allowed), std::string_view(c.fallback), meaning}) {
    out += "| ";
    out += cell;
    out += cell.empty() ? "" : " ";
  }
  out += "|\n";
}

void AddHeading(std::string& out) {
  AddRow(out, {"key", "variable", "type", "allowed", "default"}, "meaning");
  out += "|---|---|---|---|---|---|\n";
}

void AddSettings(std::string& out) {
  std::string_view section;
  for (const Setting& s : Settings()) {
    const std::string_view own = s.key.substr(0, s.key.find('.'));
    if (own != section) {
      section = own;
      out += "\n## " + std::string(section) + "\n\n";
      AddHeading(out);
    }
    const std::string variable = s.Variable();
    AddRow(out,
           {Code(s.key), Code(variable) + (IsSecret(s.rule.kind) ? ", " + Code(variable + "_FILE") : ""),
            std::string(TypeName(s.rule.kind)), Allowed(s.rule), Default(s.rule, s.fallback)},
           s.meaning.text);
  }
}

void AddProviders(std::string& out) {
  out += kProviders;
  AddHeading(out);
  for (const ProviderSetting& s : ProviderSettings()) {
    const std::string_view ending = VariableEnding(s.key);
    std::string variable = ending.empty() ? "" : Code("<NAME>" + std::string(ending));
    if (IsSecret(s.rule.kind)) {
      variable += ", " + Code("<NAME>" + std::string(ending) + "_FILE");
    }
    AddRow(out,
           {Code(s.key), variable, std::string(TypeName(s.rule.kind)), Allowed(s.rule), Default(s.rule, s.fallback)},
           s.meaning.text);
  }
  out += "\n| type | `base_url` by default |\n|---|---|\n";
  for (int number = 1; !ToString(static_cast<ProviderType>(number)).empty(); ++number) {
    const auto type = static_cast<ProviderType>(number);
    const std::string_view url = DefaultBaseUrl(type);
    out += "| " + Code(ToString(type)) + " | " + (url.empty() ? "none: must be set" : Code(url)) + " |\n";
  }
}

}  // namespace

std::string Reference() {
  std::string out(kHead);
  AddSettings(out);
  AddProviders(out);
  return out;
}

}  // namespace aurora::config
