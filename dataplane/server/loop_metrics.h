// LoopMetrics: what one loop counts; MetricsSource adds the loops up when Prometheus scrapes.
// Source: operations contract §3.2 (names, labels, buckets). Thread: each LoopMetrics has one
// writer, its loop; the scraper reads. Bounds: providers and models beyond kProvidersMax/kModelsMax
// count as "other". Invariant: on the warm path a count is array arithmetic: no look-up, no string,
// no allocation.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/exchange/exchange.h"
#include "dataplane/model/snapshot.h"
#include "dataplane/model/usage_record.h"
#include "shared/http/message.h"
#include "shared/metrics/metrics.h"

namespace aurora::server {

inline constexpr size_t kProvidersMax = 64;
inline constexpr size_t kModelsMax = 500;
inline constexpr size_t kFallbacksMax = 64;
inline constexpr size_t kEndpoints = static_cast<size_t>(model::Endpoint::kOther) + 1;
inline constexpr size_t kOutcomes = static_cast<size_t>(model::Outcome::kRejected) + 1;
inline constexpr size_t kFailures = static_cast<size_t>(exchange::UpstreamFailure::kShutdown) + 1;
inline constexpr size_t kMethods = static_cast<size_t>(http::Method::kOther) + 1;
inline constexpr size_t kCodes = 32;  // known status codes, then "other"

enum class ConnectionError : uint8_t {
  kHeaderTimeout,
  kBodyTimeout,
  kIdleTimeout,
  kTooLarge,
  kBadFraming,
  kTls,
  kReset,
  kOverLimit
};
inline constexpr size_t kConnectionErrors = static_cast<size_t>(ConnectionError::kOverLimit) + 1;
enum class AuthResult : uint8_t { kAccepted, kMissingOrUnknown, kForbidden };
inline constexpr size_t kAuthResults = 3;
inline constexpr size_t kTokenTypes = 5;
// A retry's reason: the failure before it, or that the answer was one to retry (429, 5xx).
inline constexpr size_t kRetryReasons = kFailures + 1;

struct RouteMetrics {
  RouteMetrics();
  std::array<metrics::Counter, kMethods * kCodes> requests;
  metrics::Gauge in_flight;
  std::array<std::unique_ptr<metrics::Histogram>, kMethods> duration;
  metrics::Histogram request_bytes;
  metrics::Histogram response_bytes;
};

// One provider's model. Made when the loop first meets it.
struct ModelMetrics {
  ModelMetrics();
  std::string provider;
  std::string model;
  std::array<metrics::Counter, kEndpoints * kOutcomes> requests;
  std::array<metrics::Counter, kTokenTypes> tokens;
  std::array<std::atomic<metrics::Histogram*>, kEndpoints> duration{};  // made at first use
  metrics::Histogram first_token;
  metrics::Histogram per_output_token;
  std::vector<std::unique_ptr<metrics::Histogram>> owned;
};

struct ProviderMetrics {
  std::string provider;
  std::array<metrics::Counter, kRetryReasons> retries;
  std::array<metrics::Counter, kFailures> connect_failures;
  metrics::Counter connections_opened;
  metrics::Counter connections_reused;
  metrics::Gauge circuit_state;  // 0 closed, 1 half-open, 2 open
  metrics::Gauge resting;        // bit i: the i-th credential rests after a 429
};

// A request that moved on to another provider. Made when the loop first sees the pair.
struct FallbackMetrics {
  std::string from;
  std::string to;
  std::array<metrics::Counter, kRetryReasons> count;
};

class LoopMetrics {
 public:
  LoopMetrics();

  void Begin(model::Endpoint endpoint) { routes_[static_cast<size_t>(endpoint)].in_flight.Add(1); }
  // A finished exchange. `begun` is what Begin was called with.
  void Finish(model::Endpoint begun, http::Method method, const model::UsageRecord& record);
  // An answer the driver gave itself (health, admin).
  void Local(model::Endpoint endpoint, http::Method method, int status);
  // Exchanges running now. Any thread.
  int64_t InFlight() const;
  ProviderMetrics& Provider(const model::Provider& provider);
  void Fallback(const model::Provider& from, const model::Provider& to, size_t reason);

  metrics::Gauge connections;
  metrics::Counter connections_total;
  std::array<metrics::Counter, kConnectionErrors> connection_errors;
  std::array<metrics::Counter, kAuthResults> auth;
  metrics::Counter usage_dropped;
  metrics::Histogram lag;
  metrics::Histogram overhead;  // from a request's last bytes to the provider's connection having them

 private:
  friend class MetricsSource;
  ModelMetrics& ModelOf(const model::UsageRecord& record);

  std::array<RouteMetrics, kEndpoints> routes_;
  std::array<std::atomic<ModelMetrics*>, kModelsMax + 1> models_{};  // owned by the two below
  std::array<std::atomic<ProviderMetrics*>, kProvidersMax + 1> providers_{};
  std::array<std::atomic<FallbackMetrics*>, kFallbacksMax + 1> fallbacks_{};
  std::vector<std::unique_ptr<ModelMetrics>> owned_models_;
  std::vector<std::unique_ptr<ProviderMetrics>> owned_providers_;
  std::vector<std::unique_ptr<FallbackMetrics>> owned_fallbacks_;
};

class MetricsSource final : public metrics::Source {
 public:
  explicit MetricsSource(std::vector<std::shared_ptr<LoopMetrics>> loops)
      : loops_(std::move(loops)) {}

  // Process-wide facts, from any thread.
  void SetRevision(std::string_view revision);
  void SetCatalog(std::shared_ptr<const model::Catalog> catalog);
  void SetControlPlaneConnected(bool connected) { control_plane_connected_ = connected; }
  void SetLoaded(int64_t unix_seconds) { loaded_unix_s_ = unix_seconds; }

 private:
  void CollectInto(metrics::Families& families) const override;
  void CollectLoop(size_t index, metrics::Families& families) const;
  void CollectModels(const LoopMetrics& loop, metrics::Families& families) const;
  void CollectProviders(const LoopMetrics& loop, metrics::Families& families) const;
  void CollectConnections(const LoopMetrics& loop, metrics::Families& families) const;
  void CollectUp(const model::Catalog& catalog, metrics::Families& families) const;

  const std::vector<std::shared_ptr<LoopMetrics>> loops_;
  std::atomic<bool> control_plane_connected_{false};
  std::atomic<int64_t> loaded_unix_s_{0};
  mutable std::mutex mutex_;
  std::string revision_;                            // guarded by mutex_
  std::shared_ptr<const model::Catalog> catalog_;  // guarded by mutex_
};

std::string_view RouteName(model::Endpoint endpoint);
std::string_view FailureName(exchange::UpstreamFailure failure);

}  // namespace aurora::server
