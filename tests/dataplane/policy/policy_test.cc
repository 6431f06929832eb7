#include "dataplane/policy/access.h"
#include "dataplane/policy/authenticate.h"
#include "tests/support/test.h"

namespace aurora::policy {
namespace {

http::Head WithHeaders(std::initializer_list<std::pair<std::string_view, std::string_view>> headers) {
  http::Head head;
  for (const auto& [name, value] : headers) {
    head.headers[head.header_count++] = {name, value, http::ClassifyHeader(name)};
  }
  return head;
}

model::Snapshot WithKey(std::string_view secret, const model::AuthKey& key, int64_t not_after_ms = 0) {
  model::Snapshot snapshot;
  model::KeySecret entry;
  entry.sha256 = crypto::Sha256Of(secret);
  entry.not_after_ms = not_after_ms;
  entry.key = std::make_shared<const model::AuthKey>(key);
  auto shard = std::make_shared<model::KeyShard>();
  shard->emplace(entry.sha256, entry);
  snapshot.key_shards[entry.sha256[0]] = shard;
  return snapshot;
}

}  // namespace

TEST_CASE("credentials are taken from Bearer first, then x-api-key, api-key, x-goog-api-key") {
  CHECK(ExtractCredential(WithHeaders({{"X-Goog-Api-Key", "g"}, {"api-key", "a"}, {"x-api-key", "x"},
                                       {"authorization", "bEARER  b"}})) == "b");
  CHECK(ExtractCredential(WithHeaders({{"x-goog-api-key", "g"}, {"api-key", "a"}, {"x-api-key", "x"}})) == "x");
  CHECK(ExtractCredential(WithHeaders({{"x-goog-api-key", "g"}, {"Api-Key", "a"}})) == "a");
  CHECK(ExtractCredential(WithHeaders({{"x-goog-api-key", "g"}})) == "g");
  CHECK(ExtractCredential(WithHeaders({{"authorization", "Basic eA=="}, {"api-key", "a"}})) == "a");
  CHECK(ExtractCredential(WithHeaders({{"authorization", "Bearer "}})) == "");
  CHECK(ExtractCredential(WithHeaders({})) == "");
}

TEST_CASE("every reason a key does not work has its own code") {
  crypto::Sha256 sha;
  const http::Head head = WithHeaders({{"authorization", "Bearer sk_aur_1"}});
  const auto code = [&](const model::AuthKey& key, int64_t not_after, int64_t now) {
    const model::Snapshot snapshot = WithKey("sk_aur_1", key, not_after);
    return std::string(CodeOf(Authenticate(head, snapshot, sha, now).error));
  };
  model::AuthKey key;
  CHECK(code(key, 0, 5) == "");
  CHECK(code(key, 6, 5) == "");
  CHECK(code(key, 5, 5) == "rotated_api_key");
  key.expires_at_ms = 100;
  CHECK(code(key, 0, 99) == "");
  CHECK(code(key, 0, 100) == "expired_api_key");
  key.enabled = false;
  CHECK(code(key, 0, 5) == "disabled_api_key");
  key.ended = true;
  CHECK(code(key, 0, 5) == "deactivated_api_key");
  const model::Snapshot other = WithKey("sk_aur_2", model::AuthKey{});
  CHECK(Authenticate(head, other, sha, 5).error == AuthError::kUnknown);
  CHECK(Authenticate(WithHeaders({}), other, sha, 5).error == AuthError::kMissing);
}

TEST_CASE("a list entry matches a model, a qualified model, a whole provider or a prefix") {
  CHECK(EntryMatches("gpt-4o", "openai", "gpt-4o"));
  CHECK_FALSE(EntryMatches("gpt-4", "openai", "gpt-4o"));
  CHECK(EntryMatches("openai/gpt-4o", "openai", "gpt-4o"));
  CHECK_FALSE(EntryMatches("azure/gpt-4o", "openai", "gpt-4o"));
  CHECK(EntryMatches("openai/", "openai", "x"));
  CHECK_FALSE(EntryMatches("open/", "openai", "x"));
  CHECK(EntryMatches("gpt-*", "openai", "gpt-4o"));
  CHECK(EntryMatches("openai/gpt-*", "openai", "gpt-4o"));
  CHECK(EntryMatches("openai/*", "openai", "x"));
  CHECK_FALSE(EntryMatches("openai/o*", "openai", "gpt-4o"));
  CHECK(EntryMatches("*", "openai", "x"));
  CHECK(EntryMatches("anthropic/claude", "openrouter", "anthropic/claude"));
  CHECK_FALSE(EntryMatches("", "openai", ""));
}

TEST_CASE("an absent list allows any, an empty one none, and a denial beats both") {
  model::AuthKey key;
  const Target target{"openai", "gpt-4o", ""};
  CHECK(ModelAllowed(key, target));
  CHECK(ProviderAllowed(key, "openai"));
  key.allowed_models.emplace();
  key.allowed_providers.emplace();
  CHECK_FALSE(ModelAllowed(key, target));
  CHECK_FALSE(ProviderAllowed(key, "openai"));
  key.allowed_models->push_back("gpt-4o");
  key.allowed_providers->push_back("openai");
  CHECK(ModelAllowed(key, target));
  CHECK(ProviderAllowed(key, "openai"));
  key.denied_models = {"openai/gpt*"};
  CHECK_FALSE(ModelAllowed(key, target));
}

TEST_CASE("an alias on a key's list allows what it stands for, and a denied one refuses it") {
  model::AuthKey key;
  key.allowed_models.emplace({std::string("smart")});
  CHECK(ModelAllowed(key, {"openai", "gpt-4o", "smart"}));
  CHECK_FALSE(ModelAllowed(key, {"openai", "gpt-4o", ""}));
  key.denied_models = {"smart"};
  CHECK_FALSE(ModelAllowed(key, {"openai", "gpt-4o", "smart"}));
}

TEST_CASE("the most specific override decides alone") {
  model::Catalog catalog;
  const auto put = [&](std::string selector, bool enabled) {
    catalog.overrides[selector] = {selector, enabled, std::nullopt};
  };
  const Target target{"openai", "gpt-4o", ""};
  CHECK(OverridesAllow(catalog, "/", target));
  put("/", false);
  CHECK_FALSE(OverridesAllow(catalog, "/", target));
  put("openai/", true);
  CHECK(OverridesAllow(catalog, "/", target));
  put("gpt-4o", false);
  CHECK_FALSE(OverridesAllow(catalog, "/", target));
  put("openai/gpt-4o", true);
  CHECK(OverridesAllow(catalog, "/", target));
  CHECK_FALSE(OverridesAllow(catalog, "/", {"azure", "gpt-4o", ""}));
}

TEST_CASE("an override's user paths cover themselves and everything below, not their siblings") {
  CHECK(PathCovers("/team", "/team"));
  CHECK(PathCovers("/team/", "/team/a"));
  CHECK_FALSE(PathCovers("/team", "/teams"));
  CHECK(PathCovers("/", "/anything"));
  CHECK_FALSE(PathCovers("/team/a", "/team"));
  model::Catalog catalog;
  catalog.overrides["gpt-4o"] = {"gpt-4o", true, std::vector<std::string>{"/team"}};
  CHECK(OverridesAllow(catalog, "/team/a", {"openai", "gpt-4o", ""}));
  CHECK_FALSE(OverridesAllow(catalog, "/other", {"openai", "gpt-4o", ""}));
  CHECK_FALSE(OverridesAllow(catalog, "", {"openai", "gpt-4o", ""}));
}

}  // namespace aurora::policy
