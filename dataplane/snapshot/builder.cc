#include "dataplane/snapshot/builder.h"

#include <algorithm>

#include "shared/base/status.h"
#include "shared/schema/kinds.h"

namespace aurora::snapshot {

Builder::Builder(const std::vector<config::ProviderConfig>& environment,
                 crypto::SealKeys keys, bool stored_public_only)
    : keys_(std::move(keys)), stored_public_only_(stored_public_only), environment_(environment) {
  std::sort(environment_.begin(), environment_.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
}

void Builder::Apply(std::string_view kind, std::string_view id,
                    std::optional<std::string_view> resolved) {
  if (kind == schema::kAuthKey) {
    ApplyKey(id, resolved);
    return;
  }
  auto* table = kind == schema::kProvider        ? &providers_
                : kind == schema::kModel         ? &models_
                : kind == schema::kAlias         ? &aliases_
                : kind == schema::kModelOverride ? &overrides_
                : kind == schema::kPricing       ? &prices_
                                                 : nullptr;
  if (table == nullptr) {
    return;
  }
  if (resolved) {
    table->insert_or_assign(std::string(id), std::string(*resolved));
  } else if (const auto it = table->find(id); it != table->end()) {
    table->erase(it);
  }
  catalog_stale_ = true;
}

model::KeyShard& Builder::MutableShard(uint8_t index) {
  auto& shard = shards_[index];
  if (shard == nullptr) {
    shard = std::make_shared<model::KeyShard>();
  } else if (!shard_private_[index]) {
    shard = std::make_shared<model::KeyShard>(*shard);  // the published one stays as it is
  }
  shard_private_[index] = true;
  return *shard;
}

void Builder::ApplyKey(std::string_view id, std::optional<std::string_view> resolved) {
  const auto old = secrets_of_key_.find(id);
  if (old != secrets_of_key_.end()) {
    for (const model::SecretHash& hash : old->second) {
      MutableShard(hash[0]).erase(hash);
    }
    secrets_of_key_.erase(old);
  }
  if (!problems_.empty()) {
    problems_.erase("key " + std::string(id));
  }
  if (!resolved) {
    return;
  }
  auto converted = ConvertAuthKey(id, *resolved);
  if (!converted.ok()) {
    problems_["key " + std::string(id)] = Std(converted.status().message());
    return;
  }
  auto& hashes = secrets_of_key_[std::string(id)];
  for (model::KeySecret& secret : converted->secrets) {
    hashes.push_back(secret.sha256);
    MutableShard(secret.sha256[0]).insert_or_assign(secret.sha256, std::move(secret));
  }
}

void Builder::Reserve(size_t keys) {
  secrets_of_key_.reserve(keys);
  // The hashes are uniform: a few standard deviations more than the mean fit all shards.
  const size_t mean = keys / shards_.size();
  for (size_t i = 0; i < shards_.size(); ++i) {
    MutableShard(static_cast<uint8_t>(i)).reserve(mean + mean / 4 + 1);
  }
}

void Builder::Clear() {
  for (auto& shard : shards_) {
    shard = nullptr;
  }
  shard_private_.fill(false);
  secrets_of_key_.clear();
  for (auto* table : {&providers_, &models_, &aliases_, &overrides_, &prices_}) {
    table->clear();
  }
  problems_.clear();
  catalog_stale_ = true;
}

void Builder::SetDiscovered(std::string_view provider, std::vector<DiscoveredModel> models) {
  discovered_.insert_or_assign(std::string(provider), std::move(models));
  catalog_stale_ = true;
}

std::shared_ptr<const model::Snapshot> Builder::Build(uint64_t seq, std::string revision,
                                                       uint64_t epoch) {
  if (catalog_stale_) {
    catalog_ = BuildCatalog();
    catalog_stale_ = false;
  }
  auto snapshot = std::make_shared<model::Snapshot>();
  snapshot->seq = seq;
  snapshot->epoch = epoch;
  snapshot->revision = std::move(revision);
  for (size_t i = 0; i < shards_.size(); ++i) {
    snapshot->key_shards[i] = shards_[i];
  }
  snapshot->catalog = catalog_;
  shard_private_.fill(false);
  return snapshot;
}

std::shared_ptr<const model::Catalog> Builder::BuildCatalog() {
  std::erase_if(problems_, [](const auto& p) { return !p.first.starts_with("key "); });
  auto catalog = std::make_shared<model::Catalog>();
  AddProviders(*catalog);
  AddModels(*catalog);
  for (const auto& [id, bytes] : aliases_) {
    if (auto alias = ConvertAlias(bytes); alias.ok()) {
      catalog->aliases.emplace(id, *std::move(alias));
    } else {
      problems_["alias " + id] = Std(alias.status().message());
    }
  }
  for (const auto& [id, bytes] : overrides_) {
    if (auto o = ConvertOverride(bytes); o.ok()) {
      catalog->overrides.emplace(id, *std::move(o));
    } else {
      problems_["override " + id] = Std(o.status().message());
    }
  }
  AddPrices(*catalog);
  return catalog;
}

void Builder::AddPrices(model::Catalog& catalog) {
  for (const auto& [id, bytes] : prices_) {
    if (auto price = ConvertPrice(bytes); price.ok()) {
      catalog.prices[price->selector].push_back(price->price);
    } else {
      problems_["price " + id] = Std(price.status().message());
    }
  }
  for (auto& [selector, versions] : catalog.prices) {
    std::sort(versions.begin(), versions.end(), [](const model::Price& a, const model::Price& b) {
      return a.effective_from_s < b.effective_from_s;
    });
  }
}

void Builder::AddProviders(model::Catalog& catalog) {
  const auto add = [&](std::string_view name, absl::StatusOr<model::Provider> provider) {
    if (provider.ok()) {
      catalog.provider_by_name.emplace(provider->name,
                                       static_cast<uint32_t>(catalog.providers.size()));
      catalog.providers.push_back(*std::move(provider));
    } else if (!absl::IsNotFound(provider.status())) {  // NotFound: disabled on purpose
      problems_["provider " + std::string(name)] = Std(provider.status().message());
      decrypt_errors_ += absl::IsFailedPrecondition(provider.status()) ? 1U : 0U;
    }
  };
  StringSet shadowed;
  for (const config::ProviderConfig& config : environment_) {
    shadowed.insert(config.name);
    add(config.name, ConvertProvider(config, slots_));
  }
  sealed_with_other_ = 0;
  for (const auto& [name, bytes] : providers_) {
    sealed_with_other_ += CountSealedWithOther(bytes, keys_.current.Reveal());
    if (!shadowed.contains(name)) {
      absl::StatusOr<model::Provider> provider = ConvertProvider(bytes, keys_, slots_);
      if (provider.ok()) {
        provider->public_only = stored_public_only_;
      }
      add(name, std::move(provider));
    }
  }
}

void Builder::AddModel(model::Catalog& catalog, uint32_t provider_index, model::Model m) {
  const std::string qualified = catalog.providers[provider_index].name + "/" + m.id;
  const auto index = static_cast<uint32_t>(catalog.models.size());
  if (!catalog.model_by_qualified_name.emplace(qualified, index).second) {
    return;  // registered comes first and wins over discovered
  }
  m.slot = slots_.models.Of(qualified);
  m.provider_index = provider_index;
  catalog.models_by_name[m.id].push_back(index);
  catalog.models.push_back(std::move(m));
}

void Builder::AddModels(model::Catalog& catalog) {
  for (const auto& [id, bytes] : models_) {
    auto registered = ConvertModel(bytes);
    if (!registered.ok()) {
      problems_["model " + id] = Std(registered.status().message());
      continue;
    }
    const auto provider = catalog.provider_by_name.find(registered->provider);
    if (provider == catalog.provider_by_name.end()) {
      problems_["model " + id] = "no provider of that name is in force on this node";
      continue;
    }
    AddModel(catalog, provider->second, std::move(registered->model));
  }
  for (uint32_t i = 0; i < catalog.providers.size(); ++i) {
    const model::Provider& provider = catalog.providers[i];
    for (const std::string& id : provider.models) {
      model::Model m;
      m.id = m.upstream_id = id;
      AddModel(catalog, i, std::move(m));
    }
    const auto discovered = discovered_.find(provider.name);
    if (provider.models.empty() && discovered != discovered_.end()) {
      for (const DiscoveredModel& d : discovered->second) {
        model::Model m;
        m.id = m.upstream_id = d.id;
        m.created_s = d.created_s;
        AddModel(catalog, i, std::move(m));
      }
    }
  }
  // By name: in provider order, the environment's before stored ones (model resolution).
  for (auto& [name, indices] : catalog.models_by_name) {
    std::stable_sort(indices.begin(), indices.end(), [&](uint32_t a, uint32_t b) {
      return catalog.models[a].provider_index < catalog.models[b].provider_index;
    });
  }
}

}  // namespace aurora::snapshot
