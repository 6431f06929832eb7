#include "dataplane/snapshot/builder.h"

#include <string>

#include "shared/schema/kinds.h"
#include "tests/dataplane/snapshot/policy.h"
#include "tests/support/test.h"

namespace aurora::snapshot {
namespace {

using schema::kAlias;
using schema::kAuthKey;
using schema::kModel;
using schema::kModelOverride;
using schema::kProvider;

const std::string kSealKey(32, 'k');

config::ProviderConfig Environment(std::string_view name, std::string_view secret = "") {
  config::ProviderConfig c;
  c.name = name;
  c.base_url = "https://environment.test/v1";
  c.api_key = crypto::Secret(secret);
  c.from_environment = true;
  return c;
}

size_t SharedShards(const model::Snapshot& a, const model::Snapshot& b) {
  size_t n = 0;
  for (size_t i = 0; i < a.key_shards.size(); ++i) {
    n += a.key_shards[i] == b.key_shards[i] ? size_t{1} : size_t{0};
  }
  return n;
}

TEST_CASE("a key is found by each of its working secrets and keeps every rule it has") {
  Builder builder({}, crypto::Secret());
  v1::AuthKeyResolved key;
  key.set_enabled(true);
  v1::AuthKeySpec* spec = key.mutable_spec();
  spec->set_name("team");
  spec->set_user_path("/a/b");
  spec->mutable_allowed_models()->add_values("z");
  spec->mutable_allowed_models()->add_values("a");
  spec->mutable_allowed_providers();  // present and empty: none
  spec->add_denied_models("y");
  spec->add_denied_models("b");
  spec->mutable_rate_limits()->set_tokens_per_day(5);
  spec->mutable_expires_at()->set_seconds(12);
  AddSecret("new", spec);
  AddSecret("old", spec);
  spec->mutable_secrets(1)->mutable_not_after()->set_seconds(3);
  builder.Apply(kAuthKey, "id-1", key.SerializeAsString());
  const auto snapshot = builder.Build(1, "1");

  const model::KeySecret* found = snapshot->FindKey(HashOf("new"));
  REQUIRE(found != nullptr);
  CHECK(found->not_after_ms == 0);
  CHECK(found->key->id == "id-1");
  CHECK(found->key->name == "team");
  CHECK(found->key->user_path == "/a/b");
  CHECK(found->key->allowed_models == std::vector<std::string>{"a", "z"});
  CHECK(found->key->allowed_providers == std::vector<std::string>{});
  CHECK(found->key->denied_models == std::vector<std::string>{"b", "y"});
  CHECK(found->key->limits.tokens_per_day == 5);
  CHECK(found->key->expires_at_ms == 12'000);
  CHECK(found->key->enabled);
  CHECK_FALSE(found->key->ended);
  REQUIRE(snapshot->FindKey(HashOf("old")) != nullptr);
  CHECK(snapshot->FindKey(HashOf("old"))->not_after_ms == 3000);
  CHECK(snapshot->FindKey(HashOf("other")) == nullptr);
}

TEST_CASE("a key without lists may use anything, and a deactivated one is marked ended") {
  Builder builder({}, crypto::Secret());
  v1::AuthKeyResolved key;
  key.mutable_deactivated_at()->set_seconds(1);
  AddSecret("s", key.mutable_spec());
  builder.Apply(kAuthKey, "k", key.SerializeAsString());
  const auto snapshot = builder.Build(1, "1");
  const model::KeySecret* found = snapshot->FindKey(HashOf("s"));
  REQUIRE(found != nullptr);
  CHECK(found->key->allowed_models == std::nullopt);
  CHECK(found->key->allowed_providers == std::nullopt);
  CHECK(found->key->ended);
  CHECK_FALSE(found->key->enabled);
}

TEST_CASE("one changed key copies one shard and shares the other 255 and the catalog") {
  Builder builder({Environment("openai")}, crypto::Secret());
  for (int i = 0; i < 5000; ++i) {
    const std::string n = std::to_string(i);
    builder.Apply(kAuthKey, n, KeyBytes(n, {"secret" + n}));
  }
  const auto before = builder.Build(1, "1");
  builder.Apply(kAuthKey, "17", KeyBytes("renamed", {"secret17"}));
  const auto after = builder.Build(2, "2");
  CHECK(SharedShards(*before, *after) == 255);
  CHECK(before->catalog == after->catalog);
  CHECK(before->FindKey(HashOf("secret17"))->key->name == "17");
  CHECK(after->FindKey(HashOf("secret17"))->key->name == "renamed");
  CHECK(after->FindKey(HashOf("secret18"))->key->name == "18");
}

TEST_CASE("a changed model rebuilds the catalog and leaves every key shard shared") {
  Builder builder({Environment("openai")}, crypto::Secret());
  builder.Apply(kAuthKey, "k", KeyBytes("k", {"s"}));
  const auto before = builder.Build(1, "1");
  builder.Apply(kModel, "openai/m", ModelBytes("openai", "m", "m-2"));
  const auto after = builder.Build(2, "2");
  CHECK(SharedShards(*before, *after) == 256);
  CHECK(before->catalog != after->catalog);
}

TEST_CASE("a removed or rotated secret works no more, while a snapshot already out keeps it") {
  Builder builder({}, crypto::Secret());
  builder.Apply(kAuthKey, "k", KeyBytes("k", {"first"}));
  builder.Apply(kAuthKey, "gone", KeyBytes("gone", {"gone"}));
  const auto before = builder.Build(1, "1");
  builder.Apply(kAuthKey, "k", KeyBytes("k", {"second"}));
  builder.Apply(kAuthKey, "gone", std::nullopt);
  const auto after = builder.Build(2, "2");
  CHECK(after->FindKey(HashOf("first")) == nullptr);
  CHECK(after->FindKey(HashOf("second")) != nullptr);
  CHECK(after->FindKey(HashOf("gone")) == nullptr);
  CHECK(before->FindKey(HashOf("first")) != nullptr);
  CHECK(before->FindKey(HashOf("second")) == nullptr);
  CHECK(before->FindKey(HashOf("gone")) != nullptr);
}

TEST_CASE("a key whose bytes do not parse opens nothing and is named until it is mended") {
  Builder builder({}, crypto::Secret());
  builder.Apply(kAuthKey, "k", KeyBytes("k", {"s"}));
  builder.Apply(kAuthKey, "k", "\xff\xff\xff");
  CHECK(builder.Build(1, "1")->FindKey(HashOf("s")) == nullptr);
  CHECK(builder.problems().count("key k") == 1);
  v1::AuthKeyResolved short_hash;
  short_hash.mutable_spec()->add_secrets()->set_sha256("short");
  builder.Apply(kAuthKey, "k", short_hash.SerializeAsString());
  CHECK(builder.problems().count("key k") == 1);
  builder.Apply(kAuthKey, "k", KeyBytes("k", {"s"}));
  CHECK(builder.Build(2, "2")->FindKey(HashOf("s")) != nullptr);
  CHECK(builder.problems().empty());
}

TEST_CASE("environment providers come first by name and shadow stored ones of the same name") {
  Builder builder({Environment("zeta"), Environment("beta")}, crypto::Secret());
  for (const char* name : {"gamma", "alpha", "beta"}) {
    builder.Apply(
        kProvider, name,
        ProviderOf(name, v1::PROVIDER_TYPE_OPENAI, "http://stored.test/v1").SerializeAsString());
  }
  const auto catalog = builder.Build(1, "1")->catalog;
  std::vector<std::string> names;
  for (const model::Provider& p : catalog->providers) {
    names.push_back(p.name);
  }
  CHECK(names == std::vector<std::string>{"beta", "zeta", "alpha", "gamma"});
  CHECK(catalog->providers[0].host == "environment.test");
  CHECK(catalog->providers[0].from_environment);
  CHECK(catalog->providers[2].host == "stored.test");
  CHECK(catalog->provider_by_name.at("gamma") == 3);
}

TEST_CASE("only stored providers are kept to public addresses, and only where that is asked for") {
  for (const bool asked : {false, true}) {
    Builder builder({Environment("beta")}, crypto::Secret(), asked);
    builder.Apply(kProvider, "alpha",
                  ProviderOf("alpha", v1::PROVIDER_TYPE_OPENAI, "http://stored.test/v1").SerializeAsString());
    const auto catalog = builder.Build(1, "1")->catalog;
    REQUIRE(catalog->providers.size() == 2);
    CHECK_FALSE(catalog->providers[0].public_only);
    CHECK(catalog->providers[1].public_only == asked);
  }
}

TEST_CASE("each type sends its credential in the header its provider reads") {
  Builder builder({Environment("environment", "sk-e")}, crypto::Secret(kSealKey));
  const auto put = [&](std::string_view name, v1::ProviderType type) {
    v1::ProviderSpec spec = ProviderOf(name, type, "https://p.test:8443/base");
    AddSealed(kSealKey, "sk-1", &spec);
    builder.Apply(kProvider, name, spec.SerializeAsString());
  };
  put("openai", v1::PROVIDER_TYPE_OPENAI);
  put("anthropic", v1::PROVIDER_TYPE_ANTHROPIC);
  put("azure", v1::PROVIDER_TYPE_AZURE);
  put("gemini", v1::PROVIDER_TYPE_GEMINI);
  put("vllm", v1::PROVIDER_TYPE_VLLM);
  const auto catalog = builder.Build(1, "1")->catalog;
  const auto lines = [&](std::string_view name) {
    return catalog->providers[catalog->provider_by_name.at(name)].credentials.at(0).header_lines;
  };
  CHECK(lines("environment") == "Authorization: Bearer sk-e\r\n");
  CHECK(lines("openai") == "Authorization: Bearer sk-1\r\n");
  CHECK(lines("vllm") == "Authorization: Bearer sk-1\r\n");
  CHECK(lines("anthropic") == "x-api-key: sk-1\r\n");
  CHECK(lines("azure") == "api-key: sk-1\r\n");
  CHECK(lines("gemini") == "x-goog-api-key: sk-1\r\n");
  const model::Provider& p = catalog->providers[catalog->provider_by_name.at("openai")];
  CHECK(p.tls);
  CHECK(p.port == 8443);
  CHECK(p.base_path == "/base");
  CHECK(p.constant_lines == "Host: p.test:8443\r\n");
}

TEST_CASE(
    "a provider whose credential cannot be opened here is left out and named, the rest stay") {
  const std::string other(32, 'o');
  v1::ProviderSpec sealed = ProviderOf("sealed", v1::PROVIDER_TYPE_OPENAI, "https://p.test");
  AddSealed(kSealKey, "sk-very-secret", &sealed);
  const v1::ProviderSpec open = ProviderOf("open", v1::PROVIDER_TYPE_OLLAMA, "http://o.test");
  for (const std::string& key : {std::string(), other}) {
    Builder builder({}, crypto::Secret(key));
    builder.Apply(kProvider, "sealed", sealed.SerializeAsString());
    builder.Apply(kProvider, "open", open.SerializeAsString());
    const auto catalog = builder.Build(1, "1")->catalog;
    CHECK(catalog->provider_by_name.contains("open"));
    CHECK_FALSE(catalog->provider_by_name.contains("sealed"));
    REQUIRE(builder.problems().count("provider sealed") == 1);
    CHECK(builder.problems().at("provider sealed").find("sk-very") == std::string::npos);
  }
  // A credential sealed for one provider cannot be moved to another.
  v1::ProviderSpec moved = sealed;
  moved.set_name("moved");
  Builder builder({}, crypto::Secret(kSealKey));
  builder.Apply(kProvider, "moved", moved.SerializeAsString());
  builder.Apply(kProvider, "sealed", sealed.SerializeAsString());
  const auto catalog = builder.Build(1, "1")->catalog;
  CHECK_FALSE(catalog->provider_by_name.contains("moved"));
  CHECK(catalog->provider_by_name.contains("sealed"));
}

TEST_CASE("what the previous key sealed is in force and counted until it is sealed anew, disabled and shadowed too") {
  const std::string before(32, 'o');
  Builder builder({Environment("shadowed", "sk-e")}, {crypto::Secret(kSealKey), crypto::Secret(before)});
  const auto apply = [&](const std::string& name, const std::vector<std::string>& keys, bool enabled) {
    v1::ProviderSpec spec = ProviderOf(name, v1::PROVIDER_TYPE_OPENAI, "https://p.test");
    spec.set_enabled(enabled);
    for (const std::string& key : keys) {
      AddSealed(key, "sk-x", &spec);
    }
    builder.Apply(kProvider, name, spec.SerializeAsString());
    return builder.Build(1, "1")->catalog;
  };
  apply("both", {kSealKey, before}, true);
  CHECK(builder.sealed_with_other() == 1);
  apply("off", {before}, false);
  apply("shadowed", {before}, true);
  const auto catalog = apply("of-neither", {std::string(32, '3')}, true);
  CHECK(builder.sealed_with_other() == 4);
  CHECK(catalog->provider_by_name.contains("both"));
  CHECK(builder.problems().size() == 1);
  CHECK(builder.problems().count("provider of-neither") == 1);
  for (const std::string name : {"both", "off", "shadowed", "of-neither"}) {
    apply(name, {kSealKey}, true);
  }
  CHECK(builder.sealed_with_other() == 0);
}

TEST_CASE("a secret that would break out of its header line keeps its provider out") {
  Builder builder({Environment("evil", "sk\r\nx-admin: 1")}, crypto::Secret());
  CHECK(builder.Build(1, "1")->catalog->providers.empty());
  REQUIRE(builder.problems().count("provider evil") == 1);
  CHECK(builder.problems().at("provider evil").find("x-admin") == std::string::npos);
}

TEST_CASE("a disabled provider is out without being a problem") {
  Builder builder({}, crypto::Secret());
  v1::ProviderSpec spec = ProviderOf("p", v1::PROVIDER_TYPE_OPENAI, "http://p.test");
  spec.set_enabled(false);
  builder.Apply(kProvider, "p", spec.SerializeAsString());
  CHECK(builder.Build(1, "1")->catalog->providers.empty());
  CHECK(builder.problems().empty());
}

TEST_CASE("a registered model wins over a discovered one, and a configured list over discovery") {
  config::ProviderConfig listed = Environment("listed");
  listed.models = {"only"};
  Builder builder({Environment("env"), listed}, crypto::Secret());
  builder.Apply(kModel, "env/m", ModelBytes("env", "m", "real-m"));
  builder.SetDiscovered("env", {{"m", 1}, {"n", 2}});
  builder.SetDiscovered("listed", {{"extra", 1}});
  const auto catalog = builder.Build(1, "1")->catalog;
  const auto at = [&](std::string_view name) -> const model::Model& {
    return catalog->models[catalog->model_by_qualified_name.at(name)];
  };
  CHECK(at("env/m").upstream_id == "real-m");
  CHECK(at("env/m").registered);
  CHECK(at("env/n").created_s == 2);
  CHECK_FALSE(at("env/n").registered);
  CHECK(catalog->model_by_qualified_name.contains("listed/only"));
  CHECK_FALSE(catalog->model_by_qualified_name.contains("listed/extra"));
}

TEST_CASE("a name that several providers serve resolves in provider order") {
  Builder builder({Environment("env")}, crypto::Secret());
  builder.Apply(kProvider, "a",
                ProviderOf("a", v1::PROVIDER_TYPE_OPENAI, "http://a.test").SerializeAsString());
  builder.Apply(kModel, "a/m", ModelBytes("a", "m", ""));  // registered, yet behind the environment
  builder.SetDiscovered("env", {{"m", 0}});
  const auto catalog = builder.Build(1, "1")->catalog;
  const auto& indices = catalog->models_by_name.at("m");
  REQUIRE(indices.size() == 2);
  CHECK(catalog->models[indices[0]].provider_index == catalog->provider_by_name.at("env"));
  CHECK(catalog->models[indices[1]].provider_index == catalog->provider_by_name.at("a"));
}

TEST_CASE("a model of a provider that is not here is left out and named") {
  Builder builder({}, crypto::Secret());
  builder.Apply(kModel, "none/m", ModelBytes("none", "m", ""));
  CHECK(builder.Build(1, "1")->catalog->models.empty());
  CHECK(builder.problems().count("model none/m") == 1);
}

TEST_CASE("slots stay with their names through every change") {
  Builder builder({Environment("z", "sk")}, crypto::Secret());
  builder.SetDiscovered("z", {{"m", 0}});
  const auto before = builder.Build(1, "1")->catalog;
  builder.Apply(kProvider, "a",
                ProviderOf("a", v1::PROVIDER_TYPE_OPENAI, "http://a.test").SerializeAsString());
  builder.SetDiscovered("z", {{"aa", 0}, {"m", 0}});
  const auto after = builder.Build(2, "2")->catalog;
  const auto z = [](const model::Catalog& c) -> const model::Provider& {
    return c.providers[c.provider_by_name.at("z")];
  };
  CHECK(z(*before).slot == z(*after).slot);
  CHECK(z(*before).credentials[0].slot == z(*after).credentials[0].slot);
  CHECK(before->models[before->model_by_qualified_name.at("z/m")].slot ==
        after->models[after->model_by_qualified_name.at("z/m")].slot);
  CHECK(after->providers[after->provider_by_name.at("a")].slot != z(*after).slot);
}

TEST_CASE(
    "aliases are ordered with a weight of at least one, and overrides keep absent and empty "
    "apart") {
  v1::AliasSpec alias;
  alias.set_name("fast");
  alias.add_targets()->set_model("second");
  alias.mutable_targets(0)->set_order(2);
  alias.add_targets()->set_model("first");
  v1::ModelOverrideSpec everybody;
  everybody.set_selector("openai/");
  everybody.set_enabled(true);
  v1::ModelOverrideSpec nobody = everybody;
  nobody.set_selector("m");
  nobody.mutable_user_paths();
  Builder builder({}, crypto::Secret());
  builder.Apply(kAlias, "fast", alias.SerializeAsString());
  builder.Apply(kModelOverride, "openai/", everybody.SerializeAsString());
  builder.Apply(kModelOverride, "m", nobody.SerializeAsString());
  const auto catalog = builder.Build(1, "1")->catalog;
  const auto& targets = catalog->aliases.at("fast").targets;
  REQUIRE(targets.size() == 2);
  CHECK(targets[0].model == "first");
  CHECK(targets[0].weight == 1);
  CHECK(targets[1].model == "second");
  CHECK_FALSE(catalog->overrides.at("openai/").user_paths.has_value());
  REQUIRE(catalog->overrides.at("m").user_paths.has_value());
  CHECK(catalog->overrides.at("m").user_paths->empty());
}

TEST_CASE("the order of changes does not show, and kinds of a later version are passed over") {
  const std::string a =
      ProviderOf("a", v1::PROVIDER_TYPE_OPENAI, "http://a.test").SerializeAsString();
  const std::string b =
      ProviderOf("b", v1::PROVIDER_TYPE_GEMINI, "http://b.test").SerializeAsString();
  Builder one({}, crypto::Secret());
  one.Apply(kProvider, "a", a);
  one.Apply(kProvider, "b", b);
  one.Apply(kModel, "b/m", ModelBytes("b", "m", ""));
  Builder two({}, crypto::Secret());
  two.Apply("Hologram", "x", "bytes");
  two.Apply(kModel, "b/m", ModelBytes("b", "m", ""));
  two.Apply(kProvider, "b", b);
  two.Apply(kProvider, "a", a);
  const auto x = one.Build(1, "1")->catalog;
  const auto y = two.Build(1, "1")->catalog;
  REQUIRE(x->providers.size() == 2);
  REQUIRE(y->providers.size() == 2);
  CHECK(x->providers[0].name == y->providers[0].name);
  CHECK(x->providers[1].dialect == y->providers[1].dialect);
  CHECK(x->models[0].provider_index == y->models[0].provider_index);
  CHECK(two.problems().empty());
}

TEST_CASE("clearing forgets stored policy and keeps the environment and discovered lists") {
  Builder builder({Environment("env")}, crypto::Secret());
  builder.SetDiscovered("env", {{"m", 0}});
  builder.Apply(kAuthKey, "k", KeyBytes("k", {"s"}));
  builder.Apply(kProvider, "a",
                ProviderOf("a", v1::PROVIDER_TYPE_OPENAI, "http://a.test").SerializeAsString());
  builder.Build(1, "1");
  builder.Clear();
  const auto snapshot = builder.Build(2, "2");
  CHECK(snapshot->FindKey(HashOf("s")) == nullptr);
  CHECK(snapshot->catalog->providers.size() == 1);
  CHECK(snapshot->catalog->model_by_qualified_name.contains("env/m"));
}

}  // namespace
}  // namespace aurora::snapshot
