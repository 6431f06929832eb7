#include "controlplane/admin/handlers.h"

#include "absl/strings/str_cat.h"
#include "controlplane/admin/handlers_impl.h"
#include "controlplane/admin/worker.h"
#include "shared/schema/kinds.h"

namespace aurora::admin {

namespace {

constexpr size_t kQuestionsWaiting = 64;  // to traffic.db

}  // namespace

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

Handlers::Handlers(Deps deps)
    : deps_(std::move(deps)), worker_(std::make_unique<Worker>(kQuestionsWaiting)) {}
Handlers::~Handlers() = default;

void Handlers::Stop() {
  worker_->Stop();
}

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
  std::vector<std::string> environment;
  for (const config::ProviderConfig& p : deps_.config->providers) {
    environment.push_back(p.name);
  }
  ReplyFromStore<v1::GetNodeStatusResponse>(
      *deps_.store, std::move(reply),
      [base, environment](store::Reader& reader, v1::GetNodeStatusResponse* out) -> absl::Status {
        *out = base;
        AURORA_ASSIGN_OR_RETURN(schema::Position head, reader.Head());
        out->set_committed_seq(static_cast<int64_t>(head.seq));
        if (head.seq > 0) {  // as aurora_config_revision_info has it; a fresh node has none
          out->set_config_revision(absl::StrCat(absl::Hex(head.seq)));
        }
        const auto count = [&](std::string_view kind) -> absl::StatusOr<int32_t> {
          AURORA_ASSIGN_OR_RETURN(const int64_t n, reader.CountLive(kind));
          return static_cast<int32_t>(n);
        };
        AURORA_ASSIGN_OR_RETURN(int32_t keys, count(schema::kAuthKey));
        AURORA_ASSIGN_OR_RETURN(int32_t providers, count(schema::kProvider));
        for (const std::string& name : environment) {  // shadowed ones are in both
          providers += reader.Get(schema::kProvider, name).ok() ? 0 : 1;
        }
        AURORA_ASSIGN_OR_RETURN(int32_t models, count(schema::kModel));
        AURORA_ASSIGN_OR_RETURN(int32_t aliases, count(schema::kAlias));
        out->set_auth_keys(keys);
        out->set_providers(providers);
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
  if (!page.ok() || r.after_seq() < -kPageMax) {
    reply(page.ok() ? InvalidArgument("after_seq: is below -1000") : page.status());
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

void Handlers::Handle(const Caller&, const v1::ListAuditRequest& r, Reply<v1::ListAuditResponse> reply) {
  const auto page = PageOf(r.page_size(), "");
  if (!page.ok() || r.before_seq() < 0) {
    reply(page.ok() ? InvalidArgument("before_seq: is negative") : page.status());
    return;
  }
  ReplyFromStore<v1::ListAuditResponse>(
      *deps_.store, std::move(reply),
      [size = page->size, before = r.before_seq()](store::Reader& reader, v1::ListAuditResponse* out) -> absl::Status {
        AURORA_ASSIGN_OR_RETURN(auto entries, reader.Audit(before, size));
        for (store::AuditEntry& e : entries) {
          v1::AuditRecord* record = out->add_entries();
          record->set_seq(e.seq);
          SetMillis(e.at_ms, record->mutable_at());
          record->set_actor(std::move(e.actor));
          record->set_action(std::move(e.action));
          record->set_kind(std::move(e.kind));
          record->set_id(std::move(e.id));
          record->set_detail(std::move(e.detail));
        }
        return absl::OkStatus();
      });
}

}  // namespace aurora::admin
