#include "dataplane/policy/access.h"

#include <algorithm>
#include <cstring>

namespace aurora::policy {
namespace {

bool StartsWith(std::string_view s, std::string_view prefix) { return s.substr(0, prefix.size()) == prefix; }

// "provider/model" compared without building it.
bool IsQualified(std::string_view entry, std::string_view provider, std::string_view model) {
  return entry.size() == provider.size() + 1 + model.size() && StartsWith(entry, provider) &&
         entry[provider.size()] == '/' && entry.substr(provider.size() + 1) == model;
}

// Whether "provider/model" starts with prefix.
bool QualifiedStartsWith(std::string_view prefix, std::string_view provider, std::string_view model) {
  if (prefix.size() <= provider.size()) {
    return StartsWith(provider, prefix);
  }
  return StartsWith(prefix, provider) && prefix[provider.size()] == '/' &&
         StartsWith(model, prefix.substr(provider.size() + 1));
}

bool AnyMatches(const std::vector<std::string>& entries, const Target& target) {
  return std::any_of(entries.begin(), entries.end(), [&target](const std::string& entry) {
    return EntryMatches(entry, target.provider, target.model) ||
           (!target.asked.empty() && EntryMatches(entry, "", target.asked));
  });
}

const model::Override* FindOverride(const model::Catalog& catalog, const Target& target) {
  char qualified[512];
  const size_t size = target.provider.size() + 1 + target.model.size();
  if (size <= sizeof qualified) {
    std::memcpy(qualified, target.provider.data(), target.provider.size());
    qualified[target.provider.size()] = '/';
    std::memcpy(qualified + target.provider.size() + 1, target.model.data(), target.model.size());
    const auto exact = catalog.overrides.find(std::string_view(qualified, size));
    if (exact != catalog.overrides.end()) {
      return &exact->second;
    }
  }
  const auto by_model = catalog.overrides.find(target.model);
  if (by_model != catalog.overrides.end()) {
    return &by_model->second;
  }
  if (size <= sizeof qualified) {
    const auto by_provider = catalog.overrides.find(std::string_view(qualified, target.provider.size() + 1));
    if (by_provider != catalog.overrides.end()) {
      return &by_provider->second;
    }
  }
  const auto root = catalog.overrides.find(std::string_view("/"));
  return root == catalog.overrides.end() ? nullptr : &root->second;
}

}  // namespace

bool EntryMatches(std::string_view entry, std::string_view provider, std::string_view model) {
  if (entry.empty()) {
    return false;
  }
  if (entry.back() == '*') {
    entry.remove_suffix(1);
    return StartsWith(model, entry) || (!provider.empty() && QualifiedStartsWith(entry, provider, model));
  }
  if (entry == model) {
    return true;
  }
  if (provider.empty()) {
    return false;
  }
  if (entry.back() == '/') {
    return entry.substr(0, entry.size() - 1) == provider;
  }
  return IsQualified(entry, provider, model);
}

bool PathCovers(std::string_view prefix, std::string_view path) {
  while (!prefix.empty() && prefix.back() == '/') {
    prefix.remove_suffix(1);
  }
  return StartsWith(path, prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/' || prefix.empty());
}

bool ProviderAllowed(const model::AuthKey& key, std::string_view provider) {
  if (!key.allowed_providers) {
    return true;
  }
  const auto& allowed = *key.allowed_providers;
  return std::binary_search(allowed.begin(), allowed.end(), provider, std::less<>()) ||
         std::find(allowed.begin(), allowed.end(), "*") != allowed.end();
}

bool ModelDenied(const model::AuthKey& key, const Target& target) {
  return !key.denied_models.empty() && AnyMatches(key.denied_models, target);
}

bool ModelAllowed(const model::AuthKey& key, const Target& target) {
  return !ModelDenied(key, target) && (!key.allowed_models || AnyMatches(*key.allowed_models, target));
}

bool OverridesAllow(const model::Catalog& catalog, std::string_view user_path, const Target& target) {
  if (catalog.overrides.empty()) {
    return true;
  }
  const model::Override* found = FindOverride(catalog, target);
  if (found == nullptr) {
    return true;
  }
  if (!found->enabled) {
    return false;
  }
  return !found->user_paths || std::any_of(found->user_paths->begin(), found->user_paths->end(),
                                           [&](const std::string& p) { return PathCovers(p, user_path); });
}

bool MayUse(const model::AuthKey& key, const model::Catalog& catalog, const Target& target) {
  return ProviderAllowed(key, target.provider) && ModelAllowed(key, target) &&
         OverridesAllow(catalog, key.user_path, target);
}

bool RulesNeedModel(const model::AuthKey& key, const model::Catalog& catalog) {
  if (key.allowed_models || !key.denied_models.empty()) {
    return true;
  }
  return std::any_of(catalog.overrides.begin(), catalog.overrides.end(),
                     [](const auto& item) { return item.first.empty() || item.first.back() != '/'; });
}

}  // namespace aurora::policy
