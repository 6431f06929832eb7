// Access: which providers and models a key may use.
// Source: product.md §4 (AuthKey, ModelOverride). Thread: pure. Bounds: linear in the lists of one key.
// Entries match "model", "provider/model", "provider/" (all of a provider), and a trailing '*' matches by prefix.
// Absent list = any, empty list = none, deny beats allow; the most specific override decides alone.
#pragma once

#include <string_view>

#include "dataplane/model/snapshot.h"

namespace aurora::policy {

// What a request wants to use. `asked` is the name the caller used (perhaps an alias), "" when it is the model.
struct Target {
  std::string_view provider;
  std::string_view model;
  std::string_view asked;
};

bool EntryMatches(std::string_view entry, std::string_view provider, std::string_view model);
// True for the path itself and everything below it: "/team" covers "/team/a", not "/teams".
bool PathCovers(std::string_view prefix, std::string_view path);

bool ProviderAllowed(const model::AuthKey& key, std::string_view provider);
// Allowed and denied lists only.
bool ModelAllowed(const model::AuthKey& key, const Target& target);
bool ModelDenied(const model::AuthKey& key, const Target& target);
// Overrides, for the key's user path.
bool OverridesAllow(const model::Catalog& catalog, std::string_view user_path, const Target& target);
// All of the above.
bool MayUse(const model::AuthKey& key, const model::Catalog& catalog, const Target& target);

// Whether judging this key needs the model: it has model lists, or there are overrides beyond whole providers.
bool RulesNeedModel(const model::AuthKey& key, const model::Catalog& catalog);

}  // namespace aurora::policy
