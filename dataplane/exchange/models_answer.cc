// GET /v1/models and /v1/models/{id}: what this key may use, in the caller's dialect.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "dataplane/exchange/state.h"
#include "dataplane/policy/access.h"
#include "shared/http/encoder.h"
#include "shared/http/url.h"

namespace aurora::exchange {
namespace {

struct Entry {
  std::string id;
  std::string_view display_name;
  std::string_view owner;
  int64_t created_s = 0;
};

// "2024-05-01T00:00:00Z" (days to civil date after Howard Hinnant).
void AppendRfc3339(std::string& out, int64_t unix_s) {
  const int64_t z = unix_s / 86400 + 719468;
  const int64_t era = z / 146097;
  const int64_t doe = z - era * 146097;
  const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const int64_t mp = (5 * doy + 2) / 153;
  const int64_t day = doy - (153 * mp + 2) / 5 + 1;
  const int64_t month = mp < 10 ? mp + 3 : mp - 9;
  const int64_t year = yoe + era * 400 + (month <= 2 ? 1 : 0);
  const auto two = [&out](int64_t v) {
    out += static_cast<char>('0' + v / 10 % 10);
    out += static_cast<char>('0' + v % 10);
  };
  two(year / 100);
  two(year % 100);
  out += '-';
  two(month);
  out += '-';
  two(day);
  out += 'T';
  two(unix_s % 86400 / 3600);
  out += ':';
  two(unix_s % 3600 / 60);
  out += ':';
  two(unix_s % 60);
  out += 'Z';
}

void AppendEntry(std::string& out, const Entry& entry, bool anthropic) {
  if (anthropic) {
    out += R"({"type":"model","id":)";
    llm::AppendJsonString(out, entry.id);
    out += R"(,"display_name":)";
    llm::AppendJsonString(out, entry.display_name.empty() ? std::string_view(entry.id) : entry.display_name);
    out += R"(,"created_at":")";
    AppendRfc3339(out, entry.created_s);
    out += "\"}";
    return;
  }
  out += R"({"id":)";
  llm::AppendJsonString(out, entry.id);
  out += R"(,"object":"model","created":)";
  http::AppendDecimal(out, static_cast<uint64_t>(entry.created_s < 0 ? 0 : entry.created_s));
  out += R"(,"owned_by":)";
  llm::AppendJsonString(out, entry.owner);
  out += '}';
}

// Aliases by name, then models in catalog order: the first of a name bare, the others as provider/name. A bare name
// that is an alias's means the alias, also to a key that may not use it.
template <class Visit>
void ForEachModel(const model::Catalog& catalog, const model::AuthKey& key, upstream::Health& health, Instant now,
                  Visit visit) {
  std::vector<std::string_view> aliases;
  for (const auto& [name, alias] : catalog.aliases) {
    aliases.push_back(name);
  }
  std::sort(aliases.begin(), aliases.end());
  absl::flat_hash_set<std::string_view> seen;
  for (const std::string_view name : aliases) {
    routing::Route route;
    bool usable = false;
    for (const model::Endpoint endpoint : {model::Endpoint::kChatCompletions, model::Endpoint::kMessages}) {
      routing::Resolve(catalog, {name, endpoint, &key, now}, health, route);
      usable = usable || route.count > 0;
    }
    seen.insert(name);
    if (usable) {
      visit(Entry{std::string(name), "", "alias", 0});
    }
  }
  for (const model::Model& model : catalog.models) {
    if (!model.enabled || model.provider_index >= catalog.providers.size()) {
      continue;
    }
    const model::Provider& provider = catalog.providers[model.provider_index];
    if (!policy::MayUse(key, catalog, {provider.name, model.id, ""})) {
      continue;
    }
    const bool first = seen.insert(model.id).second;
    visit(Entry{first ? model.id : provider.name + "/" + model.id, model.display_name, provider.name,
                model.created_s});
  }
}

}  // namespace

void Exchange::State::AnswerModels(std::string_view path, Outbox& out) {
  constexpr std::string_view kOne = "/v1/models/";
  const bool anthropic = request.anthropic_shape;
  const model::AuthKey& key = *request.secret->key;
  std::string body;
  if (path.size() > kOne.size()) {
    // Clients encode the name as one path segment: "openai%2Fgpt-4o". What cannot be decoded is nobody's name.
    std::string wanted;
    if (!http::PercentDecode(path.substr(kOne.size()), wanted)) {
      wanted = path.substr(kOne.size());
    }
    const auto match = [&](const Entry& entry) {
      // Every model also answers to provider/name.
      const bool qualified = wanted.size() > entry.owner.size() && wanted.starts_with(entry.owner) &&
                             wanted[entry.owner.size()] == '/' &&
                             std::string_view(wanted).substr(entry.owner.size() + 1) == entry.id;
      if (body.empty() && (entry.id == wanted || qualified)) {
        AppendEntry(body, entry, anthropic);
      }
    };
    ForEachModel(catalog(), key, *ctx.health, ctx.now, match);
    if (body.empty()) {
      if (anthropic) {
        request.dialect = model::Dialect::kAnthropic;
      }
      const std::string_view shown = std::string_view(wanted).substr(0, 128);
      Fail({404, "model_not_found", Join({"There is no model '", shown, "' for this key."}), "model"},
           model::Outcome::kClientError, out);
      return;
    }
  } else {
    std::string first;
    std::string last;
    body = anthropic ? R"({"data":[)" : R"({"object":"list","data":[)";
    ForEachModel(catalog(), key, *ctx.health, ctx.now, [&](const Entry& entry) {
      if (first.empty()) {
        first = entry.id;
      } else {
        body += ',';
      }
      last = entry.id;
      AppendEntry(body, entry, anthropic);
    });
    body += ']';
    if (anthropic) {
      body += R"(,"has_more":false,"first_id":)";
      first.empty() ? void(body += "null") : llm::AppendJsonString(body, first);
      body += R"(,"last_id":)";
      last.empty() ? void(body += "null") : llm::AppendJsonString(body, last);
    }
    body += '}';
  }
  Answer(200, "application/json", ctx.arena->Copy(body), "", model::Outcome::kSuccess, out);
}

}  // namespace aurora::exchange
