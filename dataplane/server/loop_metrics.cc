#include "dataplane/server/loop_metrics.h"

#include <algorithm>

namespace aurora::server {
namespace {

constexpr std::array<double, 20> kFirstTokenSeconds = {
    .001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 15, 20, 30, 60};

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
    "header_timeout", "idle_timeout", "too_large", "bad_framing", "tls", "reset", "over_limit"};
constexpr std::array<std::string_view, kAuthResults> kAuthNames = {"accepted", "unauthenticated",
                                                                   "forbidden"};

std::string CodeName(size_t index) {
  return index < kStatusCodes.size() ? std::to_string(kStatusCodes[index]) : "other";
}

double Seconds(int64_t us) {
  return static_cast<double>(us) / 1e6;
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

RouteMetrics::RouteMetrics() : duration(metrics::kRequestSeconds) {}
ModelMetrics::ModelMetrics()
    : duration(metrics::kRequestSeconds), first_token(kFirstTokenSeconds) {}
LoopMetrics::LoopMetrics() : lag(metrics::kLagSeconds) {}

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
  routes_[static_cast<size_t>(record.endpoint)].duration.Observe(Seconds(record.latency_us));
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
  m.duration.Observe(Seconds(record.upstream_us));
  if (record.time_to_first_token_us > 0) {
    m.first_token.Observe(Seconds(record.time_to_first_token_us));
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

void MetricsSource::SetRevision(std::string_view revision) {
  std::lock_guard lock(mutex_);
  revision_ = revision;
}

void MetricsSource::CollectInto(metrics::Families& families) const {
  for (size_t i = 0; i < loops_.size(); ++i) {
    CollectLoop(i, families);
    CollectModels(*loops_[i], families);
    CollectProviders(*loops_[i], families);
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
          const auto method = static_cast<http::Method>(m);
          families.Counter(
              "aurora_http_requests_total", "Requests answered, by route, method and status.",
              {{"route", name},
               {"method",
                method == http::Method::kOther ? "other" : std::string(http::MethodName(method))},
               {"code", CodeName(c)}},
              static_cast<double>(n));
        }
      }
    }
    if (any || route.in_flight.value() != 0) {
      families.Gauge("aurora_http_requests_in_flight", "Requests being served.", {{"route", name}},
                     static_cast<double>(route.in_flight.value()));
      families.Histogram("aurora_http_request_duration_seconds",
                         "From the request's head to the end of its answer.", {{"route", name}},
                         route.duration);
    }
  }
  families.Gauge("aurora_connections", "Open client connections.", {{"listener", "client"}},
                 static_cast<double>(loop.connections.value()));
  families.Counter("aurora_connections_total", "Client connections accepted.",
                   {{"listener", "client"}}, static_cast<double>(loop.connections_total.value()));
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
  families.Counter("aurora_usage_records_dropped_total",
                   "Usage records lost because the ring was full.", {},
                   static_cast<double>(loop.usage_dropped.value()));
  families.Histogram("aurora_event_loop_lag_seconds", "How late the loop's timer fires.",
                     {{"loop", std::to_string(index)}}, loop.lag);
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
    families.Histogram("aurora_upstream_request_duration_seconds",
                       "Time a provider took for a request.", labels, m->duration);
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
  for (const auto& slot : loop.providers_) {
    const ProviderMetrics* p = slot.load(std::memory_order_acquire);
    if (p == nullptr) {
      continue;
    }
    for (size_t i = 0; i < kRetryReasons; ++i) {
      const std::string reason(
          i < kFailures ? FailureName(static_cast<exchange::UpstreamFailure>(i)) : "status");
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
