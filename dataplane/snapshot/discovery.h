// Discovery: asks each provider that has no configured list which models it serves, on a thread of
// its own. Source: product contract (model resolution): at start, then hourly; failures keep the
// last good list. Thread: starts its own; the callbacks run on it. SetCatalog and state may be
// called from any thread. Units: first round bounded to 5 s for readiness; a failed provider is
// asked again after 5, 30, 60 s, then each 60 s. Errors: reported per provider in state(), never
// fatal.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/model/snapshot.h"
#include "dataplane/snapshot/builder.h"
#include "dataplane/snapshot/discovery_http.h"
#include "shared/base/time.h"

namespace aurora::snapshot {

// Azure lists deployments elsewhere; everybody else has a list.
bool CanDiscover(const model::Provider& provider);
std::string_view ModelListPath(const model::Provider& provider);
// OpenAI and Anthropic: {"data":[{"id","created"}]}; Gemini: {"models":[{"name":"models/…"}]}. At
// most kModelsMax models.
inline constexpr size_t kModelsMax = 10'000;
struct ModelPage {
  std::vector<DiscoveredModel> models;
  std::string next;  // the query parameter that asks for the next page; "" = this was the last
};
absl::StatusOr<ModelPage> ParseModelList(model::Dialect dialect, std::string_view json);

// Every page of the provider's list, at most kPagesMax; `via` null = directly.
inline constexpr size_t kPagesMax = 20;
absl::StatusOr<std::vector<DiscoveredModel>> FetchModels(const model::Provider& provider,
                                                         const Via* via = nullptr);

struct DiscoveryOptions {
  Duration refresh_every = Duration::Seconds(3600);
  Duration first_round_max = Duration::Seconds(5);
  // The proxy a provider is reached through, if any. May be empty: always directly.
  std::function<std::optional<Via>(const model::Provider&)> via;
  // A fresh list: give it to Reader::SetDiscovered and to traffic.db.
  std::function<void(const std::string& provider, const std::vector<DiscoveredModel>& models)>
      on_models;
};

struct ProviderDiscovery {
  std::string provider;
  size_t models = 0;
  int64_t fetched_unix_ms = 0;  // 0 = never
  std::string error;
};

class Discovery {
 public:
  explicit Discovery(DiscoveryOptions options);
  ~Discovery();  // joins; waits for a request under way (10 s at most)
  Discovery(const Discovery&) = delete;
  Discovery& operator=(const Discovery&) = delete;

  // The providers in force; new or changed ones are asked at once.
  void SetCatalog(std::shared_ptr<const model::Catalog> catalog);

  // Every provider of the first catalog has answered or failed, or the bound has passed.
  bool first_round_done() const;
  std::vector<ProviderDiscovery> state() const;

 private:
  class Thread;
  std::unique_ptr<Thread> thread_;
};

}  // namespace aurora::snapshot
