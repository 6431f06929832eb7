#include "dataplane/routing/route.h"

#include <map>
#include <string>

#include "tests/support/test.h"

namespace aurora::routing {
namespace {

struct World {
  model::Catalog catalog;
  model::AuthKey key;
  upstream::Health health{Rng(3)};

  void Provider(std::string name, model::Dialect dialect, std::vector<std::string> models) {
    model::Provider p;
    p.name = name;
    p.dialect = dialect;
    p.slot = static_cast<model::Slot>(catalog.providers.size());
    p.models = models;
    p.resilience.breaker_failures = 1;
    catalog.provider_by_name[name] = static_cast<uint32_t>(catalog.providers.size());
    for (const std::string& m : models) {
      model::Model entry;
      entry.id = m;
      entry.upstream_id = m;
      entry.provider_index = p.slot;
      const auto index = static_cast<uint32_t>(catalog.models.size());
      catalog.models_by_name[m].push_back(index);
      catalog.model_by_qualified_name[name + "/" + m] = index;
      catalog.models.push_back(entry);
    }
    catalog.providers.push_back(p);
  }

  std::string Ask(std::string_view asked, model::Endpoint endpoint = model::Endpoint::kChatCompletions) {
    Route route;
    Resolve(catalog, {asked, endpoint, &key, Instant::FromMicros(1)}, health, route);
    switch (route.error) {
      case RouteError::kNotFound:
        return "404";
      case RouteError::kForbidden:
        return "403";
      case RouteError::kUnsupported:
        return "501 " + catalog.providers[route.blocking_provider].name;
      case RouteError::kNone:
        break;
    }
    std::string text;
    for (uint32_t i = 0; i < route.count; ++i) {
      text += (i > 0 ? " " : "") + catalog.providers[route.candidates[i].provider].name + ":" +
              std::string(UpstreamName(catalog, route.candidates[i], asked));
    }
    return text;
  }
};

World Make() {
  World w;
  w.Provider("openai", model::Dialect::kOpenAi, {"gpt-4o", "gpt-4o-mini"});
  w.Provider("anthropic", model::Dialect::kAnthropic, {"claude"});
  w.Provider("azure", model::Dialect::kOpenAi, {"gpt-4o"});
  w.Provider("local", model::Dialect::kOpenAi, {});
  return w;
}

}  // namespace

TEST_CASE("a name resolves as alias, then as registered model, then as provider/model") {
  World w = Make();
  CHECK(w.Ask("gpt-4o") == "openai:gpt-4o azure:gpt-4o");
  CHECK(w.Ask("azure/gpt-4o") == "azure:gpt-4o");
  CHECK(w.Ask("local/anything/at:all") == "local:anything/at:all");
  CHECK(w.Ask("openai/unlisted") == "404");
  CHECK(w.Ask("nobody/x") == "404");
  CHECK(w.Ask("openai/") == "404");
  CHECK(w.Ask("") == "404");
  w.catalog.aliases["gpt-4o"] = {"gpt-4o", {{"azure/gpt-4o", 1, 0}, {"gpt-4o-mini", 1, 1}}};
  CHECK(w.Ask("gpt-4o") == "azure:gpt-4o openai:gpt-4o-mini");
}

TEST_CASE("an alias leads where its targets lead: also to a model that the provider does not list") {
  World w = Make();
  w.catalog.aliases["fast"] = {
      "fast", {{"local/a/b", 1, 0}, {"local/c", 1, 1}, {"local/a/b", 1, 2}, {"openai/x", 1, 3}}};
  CHECK(w.Ask("fast") == "local:a/b local:c");
  Route route;
  Resolve(w.catalog, {"fast", model::Endpoint::kChatCompletions, &w.key, Instant::FromMicros(1)}, w.health, route);
  CHECK(ModelName(w.catalog, route.candidates[1], "fast") == "c");
  w.key.denied_models = {"local/c"};
  CHECK(w.Ask("fast") == "local:a/b");
  w.key.denied_models = {"fast"};
  CHECK(w.Ask("fast") == "403");
}

TEST_CASE("every target of an alias with as many as it may have is reached") {
  World w = Make();
  model::Alias many{"many", {}};
  for (uint32_t i = 0; i < 32; ++i) {
    many.targets.push_back({i < 31 ? "gone" + std::to_string(i) : "azure/gpt-4o", 1, i});
  }
  w.catalog.aliases["many"] = many;
  CHECK(w.Ask("many") == "azure:gpt-4o");
}

TEST_CASE("a provider that does not relay the endpoint is no candidate, and alone it is a 501 that names it") {
  World w = Make();
  CHECK(w.Ask("claude") == "501 anthropic");
  CHECK(w.Ask("claude", model::Endpoint::kMessages) == "anthropic:claude");
  CHECK(w.Ask("gpt-4o", model::Endpoint::kMessages).substr(0, 3) == "501");
  w.catalog.aliases["both"] = {"both", {{"claude", 1, 0}, {"gpt-4o-mini", 1, 1}}};
  CHECK(w.Ask("both") == "openai:gpt-4o-mini");
  CHECK(w.Ask("both", model::Endpoint::kMessages) == "anthropic:claude");
}

TEST_CASE("what a key may not use is no candidate; when nothing else is left it is a 403") {
  World w = Make();
  w.key.denied_models = {"openai/gpt-4o"};
  CHECK(w.Ask("gpt-4o") == "azure:gpt-4o");
  w.key.denied_models = {"gpt-4o"};
  CHECK(w.Ask("gpt-4o") == "403");
  w.key.denied_models.clear();
  w.key.allowed_providers.emplace({std::string("local")});
  CHECK(w.Ask("gpt-4o") == "403");
  CHECK(w.Ask("local/x") == "local:x");
}

TEST_CASE("a disabled model is as if it were not there") {
  World w = Make();
  w.catalog.models[0].enabled = false;
  CHECK(w.Ask("gpt-4o") == "azure:gpt-4o");
  CHECK(w.Ask("openai/gpt-4o") == "404");
}

TEST_CASE("targets of one order share by weight") {
  World w = Make();
  w.catalog.aliases["mix"] = {"mix", {{"openai/gpt-4o", 3, 0}, {"azure/gpt-4o", 1, 0}, {"gpt-4o-mini", 1, 5}}};
  std::map<std::string, int> first;
  for (int i = 0; i < 4000; ++i) {
    const std::string answer = w.Ask("mix");
    ++first[answer.substr(0, answer.find(':'))];
    CHECK(answer.substr(answer.rfind(' ') + 1) == "openai:gpt-4o-mini");
  }
  CHECK(first["openai"] > 2800);
  CHECK(first["openai"] < 3200);
}

TEST_CASE("a provider with an open breaker goes last") {
  World w = Make();
  w.health.ProviderFailed(w.catalog.providers[0], Instant::FromMicros(1));
  CHECK(w.Ask("gpt-4o") == "azure:gpt-4o openai:gpt-4o");
}

TEST_CASE("nearest names are close, allowed and few") {
  World w = Make();
  std::array<std::string_view, 3> names;
  REQUIRE(NearestNames(w.catalog, w.key, "gpt4o", names) >= 1);
  CHECK(names[0] == "gpt-4o");
  CHECK(NearestNames(w.catalog, w.key, "openai/gpt-4O", names) >= 1);
  CHECK(names[0] == "gpt-4o");
  CHECK(NearestNames(w.catalog, w.key, "zzzzzzzzzz", names) == 0);
  w.key.denied_models = {"gpt-*"};
  CHECK(NearestNames(w.catalog, w.key, "gpt4o", names) == 0);
  CHECK(NearestNames(w.catalog, w.key, std::string(1000, 'a'), names) == 0);
}

}  // namespace aurora::routing
