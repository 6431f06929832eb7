#include "dataplane/server/loop_metrics.h"

#include <algorithm>

namespace aurora::server {
namespace {

constexpr std::array<double, 20> kFirstTokenSeconds = {
    .001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 15, 20, 30, 60};

// The buckets the OpenTelemetry conventions name for gen_ai.server.time_per_output_token.
constexpr std::array<double, 13> kPerTokenSeconds = {.01, .025, .05, .075, .1, .15, .2,
                                                     .3,  .4,   .5,  .75,  1,  2.5};
constexpr std::array<double, 9> kSizeBytes = {256,       1024,      4096,      16384,   65536,
                                              262144,    1048576,   4194304,   16777216};

constexpr std::array<uint16_t, kCodes - 1> kStatusCodes = {
    200, 201, 202, 204, 206, 301, 302, 304, 400, 401, 402, 403, 404, 405, 408, 409,
    410, 411, 413, 414, 415, 422, 424, 429, 431, 499, 500, 501, 502, 503, 504};

constexpr size_t StatusIndex(int status) {
  for (size_t i = 0; i < kStatusCodes.size(); ++i) {
    if (kStatusCodes[i] == status) {
      return i;
    }
  }
  return kStatusCodes.size();
}

// One byte per status, so that a count is an index and not a search.
constexpr std::array<uint8_t, 600> MakeStatusTable() {
  std::array<uint8_t, 600> table{};
  for (size_t i = 0; i < table.size(); ++i) {
    table[i] = static_cast<uint8_t>(StatusIndex(static_cast<int>(i)));
  }
  return table;
}
constexpr std::array<uint8_t, 600> kStatusTable = MakeStatusTable();

constexpr std::array<std::string_view, kTokenTypes> kTokenNames = {
    "input", "output", "cached_input", "cache_creation_input", "reasoning"};
constexpr std::array<std::string_view, kOutcomes> kOutcomeNames = {
    "success", "client_error",  "rate_limited", "server_error",
    "timeout", "connect_error", "cancelled",    "rejected"};
constexpr std::array<std::string_view, kConnectionErrors> kConnectionErrorNames = {
    "header_timeout", "body_timeout", "idle_timeout", "too_large", "bad_framing", "tls", "reset", "over_limit"};
constexpr std::array<std::string_view, kAuthResults> kAuthNames = {"accepted", "unauthenticated",
                                                                   "forbidden"};

std::string CodeName(size_t index) {
  return index < kStatusCodes.size() ? std::to_string(kStatusCodes[index]) : "other";
}

std::string MethodLabel(size_t index) {
  const auto method = static_cast<http::Method>(index);
  return method == http::Method::kOther ? "other" : std::string(http::MethodName(method));
}

double Seconds(int64_t us) {
  return static_cast<double>(us) / 1e6;
}

metrics::Histogram& DurationOf(ModelMetrics& m, model::Endpoint endpoint) {
  std::atomic<metrics::Histogram*>& slot = m.duration[static_cast<size_t>(endpoint)];
  if (metrics::Histogram* known = slot.load(std::memory_order_relaxed); known != nullptr) {
    return *known;
  }
  m.owned.push_back(std::make_unique<metrics::Histogram>(metrics::kRequestSeconds));
  slot.store(m.owned.back().get(), std::memory_order_release);
  return *m.owned.back();
}

}  // namespace

std::string_view RouteName(model::Endpoint endpoint) {
  static constexpr std::array<std::string_view, kEndpoints> kNames = {"/v1/chat/completions",
                                                                      "/v1/messages",
                                                                      "/v1/messages/count_tokens",
                                                                      "/v1/responses",
                                                                      "/v1/completions",
                                                                      "/v1/embeddings",
                                                                      "/v1/moderations",
                                                                      "/v1/rerank",
                                                                      "/v1/images",
                                                                      "/v1/audio",
                                                                      "/v1/files",
                                                                      "/v1/batches",
                                                                      "/v1/models",
                                                                      "/v1/models/{id}",
                                                                      "/p/{provider}",
                                                                      "/admin",
                                                                      "health",
                                                                      "other"};
  return kNames[static_cast<size_t>(endpoint)];
}

std::string_view FailureName(exchange::UpstreamFailure failure) {
  static constexpr std::array<std::string_view, kFailures> kNames = {
      "resolve", "connect", "tls", "proxy", "reset", "timeout", "bad_response", "shutdown"};
  return kNames[static_cast<size_t>(failure)];
}

namespace {

std::string RetryReason(size_t i) {
  return std::string(i < kFailures ? FailureName(static_cast<exchange::UpstreamFailure>(i))
                                   : "status");
}

void CollectRoute(const RouteMetrics& route, const std::string& name,
                  metrics::Families& families) {
  for (size_t m = 0; m < kMethods; ++m) {
    const auto begin = route.requests.begin() + static_cast<std::ptrdiff_t>(m * kCodes);
    if (std::any_of(begin, begin + kCodes, [](const auto& n) { return n.value() > 0; })) {
      families.Histogram("aurora_http_request_duration_seconds",
                         "From the request's head to the end of its answer.",
                         {{"route", name}, {"method", MethodLabel(m)}}, *route.duration[m]);
    }
  }
  families.Histogram("aurora_http_request_size_bytes", "Bodies of requests.", {{"route", name}},
                     route.request_bytes);
  families.Histogram("aurora_http_response_size_bytes", "Bodies of answers.", {{"route", name}},
                     route.response_bytes);
}

}  // namespace

RouteMetrics::RouteMetrics() : request_bytes(kSizeBytes), response_bytes(kSizeBytes) {
  for (auto& histogram : duration) {
    histogram = std::make_unique<metrics::Histogram>(metrics::kRequestSeconds);
  }
}
ModelMetrics::ModelMetrics()
    : first_token(kFirstTokenSeconds), per_output_token(kPerTokenSeconds) {}
LoopMetrics::LoopMetrics() : lag(metrics::kLagSeconds), overhead(metrics::kOverheadSeconds) {}

int64_t LoopMetrics::InFlight() const {
  int64_t sum = 0;
  for (const RouteMetrics& route : routes_) {
    sum += route.in_flight.value();
  }
  return sum;
}

void LoopMetrics::Local(model::Endpoint endpoint, http::Method method, int status) {
  const size_t code =
      status >= 0 && status < 600 ? kStatusTable[static_cast<size_t>(status)] : kCodes - 1;
  routes_[static_cast<size_t>(endpoint)]
      .requests[static_cast<size_t>(method) * kCodes + code]
      .Add();
}

void LoopMetrics::Finish(model::Endpoint begun, http::Method method,
                         const model::UsageRecord& record) {
  routes_[static_cast<size_t>(begun)].in_flight.Add(-1);
  Local(record.endpoint, method, record.status);
  RouteMetrics& route = routes_[static_cast<size_t>(record.endpoint)];
  route.duration[static_cast<size_t>(method)]->Observe(Seconds(record.latency_us));
  route.request_bytes.Observe(static_cast<double>(record.request_bytes));
  route.response_bytes.Observe(static_cast<double>(record.response_bytes));
  if (record.status == 408 && record.metered) {  // a head that does not come in time has no key yet
    connection_errors[static_cast<size_t>(ConnectionError::kBodyTimeout)].Add();
  }
  if (!record.auth_key_id.view().empty()) {
    auth[static_cast<size_t>(record.status == 403 ? AuthResult::kForbidden : AuthResult::kAccepted)]
        .Add();
  } else if (record.status == 401) {
    auth[static_cast<size_t>(AuthResult::kMissingOrUnknown)].Add();
  }
  if (record.attempts == 0) {
    return;
  }
  ModelMetrics& m = ModelOf(record);
  m.requests[static_cast<size_t>(record.endpoint) * kOutcomes + static_cast<size_t>(record.outcome)]
      .Add();
  DurationOf(m, record.endpoint).Observe(Seconds(record.upstream_us));
  if (record.time_to_first_token_us > 0) {
    m.first_token.Observe(Seconds(record.time_to_first_token_us));
    if (record.stream && record.tokens.output > 1) {
      m.per_output_token.Observe(Seconds(record.latency_us - record.time_to_first_token_us) /
                                 static_cast<double>(record.tokens.output - 1));
    }
  }
  const std::array<int64_t, kTokenTypes> counts = {
      record.tokens.input, record.tokens.output, record.tokens.cached_input,
      record.tokens.cache_creation_input, record.tokens.reasoning};
  for (size_t i = 0; i < kTokenTypes; ++i) {
    if (counts[i] > 0) {
      m.tokens[i].Add(static_cast<uint64_t>(counts[i]));
    }
  }
}

ModelMetrics& LoopMetrics::ModelOf(const model::UsageRecord& record) {
  const size_t index = std::min<size_t>(record.model_slot, kModelsMax);
  if (ModelMetrics* known = models_[index].load(std::memory_order_relaxed); known != nullptr) {
    return *known;
  }
  auto made = std::make_unique<ModelMetrics>();
  made->provider = index == kModelsMax ? "other" : std::string(record.provider.view());
  made->model = index == kModelsMax ? "other" : std::string(record.model.view());
  owned_models_.push_back(std::move(made));
  models_[index].store(owned_models_.back().get(), std::memory_order_release);
  return *owned_models_.back();
}

ProviderMetrics& LoopMetrics::Provider(const model::Provider& provider) {
  const size_t index = std::min<size_t>(provider.slot, kProvidersMax);
  if (ProviderMetrics* known = providers_[index].load(std::memory_order_relaxed);
      known != nullptr) {
    return *known;
  }
  auto made = std::make_unique<ProviderMetrics>();
  made->provider = index == kProvidersMax ? "other" : provider.name;
  owned_providers_.push_back(std::move(made));
  providers_[index].store(owned_providers_.back().get(), std::memory_order_release);
  return *owned_providers_.back();
}

void LoopMetrics::Fallback(const model::Provider& from, const model::Provider& to,
                           size_t reason) {
  size_t i = 0;
  for (; i < kFallbacksMax; ++i) {
    const FallbackMetrics* known = fallbacks_[i].load(std::memory_order_relaxed);
    if (known == nullptr || (known->from == from.name && known->to == to.name)) {
      break;
    }
  }
  if (fallbacks_[i].load(std::memory_order_relaxed) == nullptr) {
    auto made = std::make_unique<FallbackMetrics>();
    made->from = i == kFallbacksMax ? "other" : from.name;
    made->to = i == kFallbacksMax ? "other" : to.name;
    owned_fallbacks_.push_back(std::move(made));
    fallbacks_[i].store(owned_fallbacks_.back().get(), std::memory_order_release);
  }
  fallbacks_[i].load(std::memory_order_relaxed)->count[reason].Add();
}

void MetricsSource::SetCatalog(std::shared_ptr<const model::Catalog> catalog) {
  std::lock_guard lock(mutex_);
  catalog_ = std::move(catalog);
}

void MetricsSource::SetRevision(std::string_view revision) {
  std::lock_guard lock(mutex_);
  revision_ = revision;
}

void MetricsSource::CollectInto(metrics::Families& families) const {
  for (size_t i = 0; i < loops_.size(); ++i) {
    CollectLoop(i, families);
    CollectModels(*loops_[i], families);
    CollectProviders(*loops_[i], families);
    CollectConnections(*loops_[i], families);
  }
  families.Gauge("aurora_control_plane_connected", "Whether this node's control plane is alive.",
                 {}, control_plane_connected_ ? 1 : 0);
  families.Gauge("aurora_config_last_reload_timestamp_seconds", "When policy was last loaded.", {},
                 static_cast<double>(loaded_unix_s_.load()));
  std::lock_guard lock(mutex_);
  if (!revision_.empty()) {
    families.Gauge("aurora_config_revision_info", "The revision of policy in force.",
                   {{"revision", revision_}}, 1);
  }
  if (catalog_ != nullptr) {
    CollectUp(*catalog_, families);
  }
}

// A provider or key is up where no loop has learnt otherwise.
void MetricsSource::CollectUp(const model::Catalog& catalog, metrics::Families& families) const {
  for (const model::Provider& provider : catalog.providers) {
    bool up = true;
    uint64_t resting = 0;
    for (const auto& loop : loops_) {
      const ProviderMetrics* p =
          provider.slot < kProvidersMax
              ? loop->providers_[provider.slot].load(std::memory_order_acquire)
              : nullptr;
      up = up && (p == nullptr || p->circuit_state.value() != 2);
      resting |= p == nullptr ? 0 : static_cast<uint64_t>(p->resting.value());
    }
    families.Gauge("aurora_provider_up", "0 while a loop's circuit to the provider is open.",
                   {{"provider", provider.name}}, up ? 1 : 0);
    for (size_t i = 0; i < std::min<size_t>(provider.credentials.size(), 32); ++i) {
      families.Gauge("aurora_provider_key_up", "0 while the credential rests after a 429.",
                     {{"provider", provider.name}, {"key_id", provider.credentials[i].id}},
                     (resting >> i & 1) == 0 ? 1 : 0);
    }
  }
}

void MetricsSource::CollectLoop(size_t index, metrics::Families& families) const {
  const LoopMetrics& loop = *loops_[index];
  for (size_t r = 0; r < kEndpoints; ++r) {
    const RouteMetrics& route = loop.routes_[r];
    const std::string name(RouteName(static_cast<model::Endpoint>(r)));
    bool any = false;
    for (size_t m = 0; m < kMethods; ++m) {
      for (size_t c = 0; c < kCodes; ++c) {
        if (const uint64_t n = route.requests[m * kCodes + c].value(); n > 0) {
          any = true;
          families.Counter(
              "aurora_http_requests_total", "Requests answered, by route, method and status.",
              {{"route", name},
               {"method", MethodLabel(m)},
               {"code", CodeName(c)}},
              static_cast<double>(n));
        }
      }
    }
    if (any || route.in_flight.value() != 0) {
      families.Gauge("aurora_http_requests_in_flight", "Requests being served.", {{"route", name}},
                     static_cast<double>(route.in_flight.value()));
      CollectRoute(route, name, families);
    }
  }
  families.Histogram("aurora_request_overhead_duration_seconds",
                     "The gateway's own time, from a request's last bytes to the provider's "
                     "connection being asked for.",
                     {{"stage", "total"}}, loop.overhead);
  families.Histogram("aurora_event_loop_lag_seconds", "How late the loop's timer fires.",
                     {{"loop", std::to_string(index)}}, loop.lag);
}

void MetricsSource::CollectConnections(const LoopMetrics& loop,
                                       metrics::Families& families) const {
  const int64_t active = std::min(loop.InFlight(), loop.connections.value());
  const auto refused = static_cast<size_t>(ConnectionError::kOverLimit);
  families.Gauge("aurora_connections", "Open client connections.",
                 {{"listener", "client"}, {"state", "active"}}, static_cast<double>(active));
  families.Gauge("aurora_connections", "Open client connections.",
                 {{"listener", "client"}, {"state", "idle"}},
                 static_cast<double>(loop.connections.value() - active));
  families.Counter("aurora_connections_total", "Client connections that came.",
                   {{"listener", "client"}, {"state", "accepted"}},
                   static_cast<double>(loop.connections_total.value()));
  families.Counter("aurora_connections_total", "Client connections that came.",
                   {{"listener", "client"}, {"state", "refused"}},
                   static_cast<double>(loop.connection_errors[refused].value()));
  for (size_t i = 0; i < kConnectionErrors; ++i) {
    families.Counter("aurora_connection_errors_total",
                     "Client connections ended by the gateway or lost.",
                     {{"listener", "client"}, {"reason", std::string(kConnectionErrorNames[i])}},
                     static_cast<double>(loop.connection_errors[i].value()));
  }
  for (size_t i = 0; i < kAuthResults; ++i) {
    families.Counter("aurora_auth_attempts_total", "Key checks, by result.",
                     {{"result", std::string(kAuthNames[i])}},
                     static_cast<double>(loop.auth[i].value()));
  }
  families.Counter("aurora_usage_records_dropped_total", "Usage records lost, by where.",
                   {{"reason", "ring"}}, static_cast<double>(loop.usage_dropped.value()));
}

void MetricsSource::CollectModels(const LoopMetrics& loop, metrics::Families& families) const {
  for (const auto& slot : loop.models_) {
    const ModelMetrics* m = slot.load(std::memory_order_acquire);
    if (m == nullptr) {
      continue;
    }
    for (size_t i = 0; i < m->requests.size(); ++i) {
      if (const uint64_t n = m->requests[i].value(); n > 0) {
        families.Counter(
            "aurora_upstream_requests_total", "Requests sent to a provider, by outcome.",
            {{"provider", m->provider},
             {"model", m->model},
             {"operation", std::string(RouteName(static_cast<model::Endpoint>(i / kOutcomes)))},
             {"outcome", std::string(kOutcomeNames[i % kOutcomes])}},
            static_cast<double>(n));
      }
    }
    const metrics::Labels labels = {{"provider", m->provider}, {"model", m->model}};
    for (size_t i = 0; i < kEndpoints; ++i) {
      if (const auto* h = m->duration[i].load(std::memory_order_acquire); h != nullptr) {
        families.Histogram(
            "aurora_upstream_request_duration_seconds", "Time a provider took for a request.",
            {{"provider", m->provider},
             {"model", m->model},
             {"operation", std::string(RouteName(static_cast<model::Endpoint>(i)))}},
            *h);
      }
    }
    families.Histogram("aurora_upstream_time_per_output_token_seconds",
                       "Of a streamed answer: its time after the first byte, by output token.",
                       labels, m->per_output_token);
    families.Histogram("aurora_upstream_time_to_first_token_seconds",
                       "From the request to the first byte of its answer.", labels, m->first_token);
    for (size_t i = 0; i < kTokenTypes; ++i) {
      if (const uint64_t n = m->tokens[i].value(); n > 0) {
        families.Counter(
            "aurora_tokens_total", "Tokens, as the provider counted them.",
            {{"provider", m->provider}, {"model", m->model}, {"type", std::string(kTokenNames[i])}},
            static_cast<double>(n));
      }
    }
  }
}

void MetricsSource::CollectProviders(const LoopMetrics& loop, metrics::Families& families) const {
  for (const auto& slot : loop.fallbacks_) {
    const FallbackMetrics* f = slot.load(std::memory_order_acquire);
    for (size_t i = 0; f != nullptr && i < kRetryReasons; ++i) {
      if (const uint64_t n = f->count[i].value(); n > 0) {
        families.Counter("aurora_fallbacks_total",
                         "Requests that moved on to another provider, by what went wrong before.",
                         {{"from_provider", f->from}, {"to_provider", f->to}, {"reason", RetryReason(i)}},
                         static_cast<double>(n));
      }
    }
  }
  for (const auto& slot : loop.providers_) {
    const ProviderMetrics* p = slot.load(std::memory_order_acquire);
    if (p == nullptr) {
      continue;
    }
    for (size_t i = 0; i < kRetryReasons; ++i) {
      const std::string reason = RetryReason(i);
      if (const uint64_t n = p->retries[i].value(); n > 0) {
        families.Counter("aurora_retries_total", "Requests sent again, by what went wrong before.",
                         {{"provider", p->provider}, {"reason", reason}}, static_cast<double>(n));
      }
      if (i < kFailures && p->connect_failures[i].value() > 0) {
        families.Counter("aurora_upstream_connection_errors_total",
                         "Provider connections that failed.",
                         {{"provider", p->provider}, {"reason", reason}},
                         static_cast<double>(p->connect_failures[i].value()));
      }
    }
    families.Counter("aurora_upstream_connections_total", "Connections taken for a request.",
                     {{"provider", p->provider}, {"state", "opened"}},
                     static_cast<double>(p->connections_opened.value()));
    families.Counter("aurora_upstream_connections_total", "Connections taken for a request.",
                     {{"provider", p->provider}, {"state", "reused"}},
                     static_cast<double>(p->connections_reused.value()));
    static constexpr std::array<std::string_view, 3> kStates = {"closed", "half_open", "open"};
    for (size_t i = 0; i < kStates.size(); ++i) {
      families.Gauge("aurora_provider_circuit_state",
                     "Loops whose circuit to the provider is in that state.",
                     {{"provider", p->provider}, {"state", std::string(kStates[i])}},
                     p->circuit_state.value() == static_cast<int64_t>(i) ? 1 : 0);
    }
  }
}

}  // namespace aurora::server
