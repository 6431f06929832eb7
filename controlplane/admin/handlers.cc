#include "controlplane/admin/handlers.h"

#include "controlplane/admin/handlers_impl.h"
#include "controlplane/admin/usage_queries.h"
#include "shared/schema/kinds.h"

namespace aurora::admin {

absl::StatusOr<Page> PageOf(int page_size, const std::string& page_token) {
  if (page_size < 0) {
    return InvalidArgument("page_size: " + std::to_string(page_size) +
                           " is negative; allowed are 0 to " + std::to_string(kPageMax));
  }
  if (page_token.size() > 512) {
    return InvalidArgument(
        "page_token: is longer than 512 bytes; use next_page_token of the page before");
  }
  return Page{static_cast<size_t>(page_size == 0 ? kPageDefault : std::min(page_size, kPageMax)),
              page_token};
}

Handlers::Handlers(Deps deps) : deps_(std::move(deps)) {}
Handlers::~Handlers() = default;

void Handlers::Handle(const Caller&, const v1::GetNodeStatusRequest&,
                      Reply<v1::GetNodeStatusResponse> reply) {
  v1::GetNodeStatusResponse base;
  const NodeFacts facts = deps_.facts();
  base.set_node_id(deps_.config->cluster.node_id);
  base.set_node_name(deps_.config->cluster.node_name);
  base.set_version(facts.version);
  base.set_data_plane(facts.data_plane);
  base.set_applied_seq(facts.applied_seq);
  base.set_uptime_seconds(facts.uptime_seconds);
  base.set_cluster_enabled(deps_.config->cluster.enabled);
  base.set_encryption_key(!deps_.config->storage.encryption_key.empty());
  if (facts.data_plane != "up") {
    base.add_reasons("data plane is " + facts.data_plane);
  }
  const store::StoreState state = deps_.store->state();
  base.set_store_state(state.state == store::State::kOpen ? "ok" : state.reason);
  if (state.state != store::State::kOpen) {
    base.add_reasons("policy store: " + state.reason);
    reply(std::move(base));  // status must answer even when nothing can be read
    return;
  }
  const auto environment_providers = static_cast<int32_t>(deps_.config->providers.size());
  ReplyFromStore<v1::GetNodeStatusResponse>(
      *deps_.store, std::move(reply),
      [base, environment_providers](store::Reader& reader,
                                    v1::GetNodeStatusResponse* out) -> absl::Status {
        *out = base;
        AURORA_ASSIGN_OR_RETURN(schema::Position head, reader.Head());
        out->set_committed_seq(static_cast<int64_t>(head.seq));
        out->set_config_revision(std::to_string(head.seq));
        const auto count = [&](std::string_view kind) -> absl::StatusOr<int32_t> {
          AURORA_ASSIGN_OR_RETURN(auto entries, reader.List(kind, "", store::kListMax));
          return static_cast<int32_t>(entries.size());
        };
        AURORA_ASSIGN_OR_RETURN(int32_t keys, count(schema::kAuthKey));
        AURORA_ASSIGN_OR_RETURN(int32_t providers, count(schema::kProvider));
        AURORA_ASSIGN_OR_RETURN(int32_t models, count(schema::kModel));
        AURORA_ASSIGN_OR_RETURN(int32_t aliases, count(schema::kAlias));
        out->set_auth_keys(keys);
        out->set_providers(providers + environment_providers);
        out->set_models(models);
        out->set_aliases(aliases);
        return absl::OkStatus();
      });
}

void Handlers::Handle(const Caller&, const v1::GetEffectiveConfigRequest&,
                      Reply<v1::GetEffectiveConfigResponse> reply) {
  v1::GetEffectiveConfigResponse response;
  for (const config::EffectiveValue& v : deps_.config->values) {
    v1::ConfigValue* out = response.add_values();
    out->set_key(v.key);
    out->set_value(v.value);
    out->set_source(v.source);
  }
  reply(std::move(response));
}

void Handlers::Handle(const Caller&, const v1::ListEventsRequest& r,
                      Reply<v1::ListEventsResponse> reply) {
  const auto page = PageOf(r.page_size(), "");
  if (!page.ok() || r.after_seq() < 0) {
    reply(page.ok() ? InvalidArgument("after_seq: is negative") : page.status());
    return;
  }
  ReplyFromStore<v1::ListEventsResponse>(
      *deps_.store, std::move(reply),
      [size = page->size, after = r.after_seq()](store::Reader& reader,
                                                 v1::ListEventsResponse* out) -> absl::Status {
        AURORA_ASSIGN_OR_RETURN(auto events, reader.Events(after, size));
        for (store::Event& e : events) {
          v1::Event* event = out->add_events();
          event->set_seq(e.seq);
          SetMillis(e.at_ms, event->mutable_at());
          event->set_severity(std::move(e.severity));
          event->set_type(std::move(e.type));
          event->set_message(std::move(e.message));
        }
        return absl::OkStatus();
      });
}

// The three that read traffic.db open it themselves: no connection is kept while nobody asks.
void Handlers::Handle(const Caller&, const v1::GetUsageSummaryRequest& r,
                      Reply<v1::GetUsageSummaryResponse> reply) {
  reply(UsageSummary(deps_.traffic_path, r, deps_.unix_ms()));
}

void Handlers::Handle(const Caller&, const v1::ListUsageRequest& r,
                      Reply<v1::ListUsageResponse> reply) {
  const auto page = PageOf(r.page_size(), r.page_token());
  if (!page.ok()) {
    reply(page.status());
    return;
  }
  reply(UsageLog(deps_.traffic_path, page->size, page->after));
}

void Handlers::Handle(const Caller&, const v1::GetProviderStatusRequest&,
                      Reply<v1::GetProviderStatusResponse> reply) {
  ReplyFromStore<v1::GetProviderStatusResponse>(
      *deps_.store, std::move(reply),
      [this](store::Reader& reader, v1::GetProviderStatusResponse* out) -> absl::Status {
        for (const config::ProviderConfig& p : deps_.config->providers) {
          v1::ProviderStatus* s = out->add_providers();
          s->set_name(p.name);
          s->set_source("environment");
          s->set_enabled(true);
          s->set_credentials(p.api_key.empty() ? 0 : 1);
        }
        AURORA_ASSIGN_OR_RETURN(auto entries, reader.List(schema::kProvider, "", store::kListMax));
        for (const store::Entry& e : entries) {
          AURORA_ASSIGN_OR_RETURN(auto spec, DecodeStored<v1::ProviderSpec>(*e.resolved));
          v1::ProviderStatus* s = out->add_providers();
          s->set_name(spec.name());
          s->set_source("stored");
          s->set_enabled(spec.enabled());
          s->set_credentials(spec.credentials_size());
        }
        return FillDiscovered(deps_.traffic_path, out);
      });
}

}  // namespace aurora::admin
