// What needs traffic.db: it is asked on the worker's thread, never on the control loop's or the
// store's, and opened for each question: no connection is kept while nobody asks.
#include <map>
#include <set>

#include "controlplane/admin/handlers_impl.h"
#include "controlplane/admin/usage_queries.h"
#include "controlplane/admin/worker.h"
#include "shared/schema/kinds.h"

namespace aurora::admin {
namespace {

using Names = std::map<std::string, std::string>;  // of auth keys, by id

// Looks the names up on the store thread, then `then` sees them; a store that cannot be read has none.
void FindKeyNames(store::Store& store, const std::set<std::string>& ids,
                  std::function<void(const Names&)> then) {
  auto names = std::make_shared<Names>();
  store.Read(
      [ids, names](store::Reader& reader) -> absl::Status {
        for (const std::string& id : ids) {
          const auto entry = reader.Get(schema::kAuthKey, id);
          if (entry.ok() && entry->resolved.has_value()) {
            AURORA_ASSIGN_OR_RETURN(const auto key,
                                    DecodeStored<v1::AuthKeyResolved>(*entry->resolved));
            names->emplace(id, key.spec().name());
          }
        }
        return absl::OkStatus();
      },
      [names, then = std::move(then)](absl::Status) { then(*names); });
}

std::string NameOf(const Names& names, const std::string& id) {
  const auto found = names.find(id);
  return found == names.end() ? "" : found->second;
}

}  // namespace

// `then`: void(Response, Reply<Response>), on the worker's thread.
template <class Response, class Ask, class Then>
void Handlers::AskTraffic(Reply<Response> reply, Ask ask, Then then) {
  auto shared = std::make_shared<Reply<Response>>(std::move(reply));
  Worker::Task task = [shared, ask = std::move(ask), then = std::move(then)](bool run) mutable {
    absl::StatusOr<Response> answer =
        run ? ask() : absl::StatusOr<Response>(Unavailable("this node is stopping"));
    if (absl::IsDeadlineExceeded(answer.status())) {
      answer = ResourceExhausted("usage: the question takes too long to answer; ask for a shorter time");
    }
    if (!answer.ok() || !run) {
      (*shared)(answer.status());
      return;
    }
    then(*std::move(answer), std::move(*shared));
  };
  if (!worker_->Post(task)) {
    (*shared)(ResourceExhausted("usage: too many questions wait for their answer; try again"));
  }
}

void Handlers::Handle(const Caller&, const v1::GetUsageSummaryRequest& r,
                      Reply<v1::GetUsageSummaryResponse> reply) {
  using Response = v1::GetUsageSummaryResponse;
  AskTraffic<Response>(
      std::move(reply),
      [path = deps_.traffic_path, r, now = deps_.unix_ms()] { return UsageSummary(path, r, now); },
      [store = deps_.store, by_key = r.group_by() == "auth_key"](Response answer,
                                                                 Reply<Response> done) {
        std::set<std::string> ids;
        for (const v1::UsageGroup& group : answer.groups()) {
          ids.insert(group.group());
        }
        if (!by_key || ids.empty()) {
          done(std::move(answer));
          return;
        }
        auto both = std::make_shared<std::pair<Response, Reply<Response>>>(std::move(answer),
                                                                           std::move(done));
        FindKeyNames(*store, ids, [both](const Names& names) {
          for (v1::UsageGroup& group : *both->first.mutable_groups()) {
            group.set_name(NameOf(names, group.group()));
          }
          both->second(std::move(both->first));
        });
      });
}

void Handlers::Handle(const Caller&, const v1::ListUsageRequest& r,
                      Reply<v1::ListUsageResponse> reply) {
  using Response = v1::ListUsageResponse;
  const auto page = PageOf(r.page_size(), r.page_token());
  if (!page.ok()) {
    reply(page.status());
    return;
  }
  AskTraffic<Response>(
      std::move(reply),
      [path = deps_.traffic_path, page = *page] { return UsageLog(path, page.size, page.after); },
      [store = deps_.store](Response answer, Reply<Response> done) {
        std::set<std::string> ids;
        for (const v1::UsageEntry& entry : answer.entries()) {
          ids.insert(entry.auth_key_id());
        }
        if (ids.empty()) {
          done(std::move(answer));
          return;
        }
        auto both = std::make_shared<std::pair<Response, Reply<Response>>>(std::move(answer),
                                                                           std::move(done));
        FindKeyNames(*store, ids, [both](const Names& names) {
          for (v1::UsageEntry& entry : *both->first.mutable_entries()) {
            entry.set_auth_key_name(NameOf(names, entry.auth_key_id()));
          }
          both->second(std::move(both->first));
        });
      });
}

void Handlers::Handle(const Caller&, const v1::GetProviderStatusRequest&,
                      Reply<v1::GetProviderStatusResponse> reply) {
  using Response = v1::GetProviderStatusResponse;
  auto shared = std::make_shared<Reply<Response>>(std::move(reply));
  // First the store's thread, then the worker's.
  ReplyFromStore<Response>(
      *deps_.store,
      [this, shared](absl::StatusOr<Response> stored) {
        if (!stored.ok()) {
          (*shared)(stored.status());
          return;
        }
        AskTraffic<Response>(
            std::move(*shared),
            [path = deps_.traffic_path, out = *std::move(stored)]() mutable -> absl::StatusOr<Response> {
              AURORA_RETURN_IF_ERROR(FillDiscovered(path, &out));
              return std::move(out);
            },
            [](Response answer, Reply<Response> done) { done(std::move(answer)); });
      },
      [config = deps_.config](store::Reader& reader, Response* out) -> absl::Status {
        std::set<std::string> shadowing;
        for (const config::ProviderConfig& p : config->providers) {
          v1::ProviderStatus* s = out->add_providers();
          s->set_name(p.name);
          s->set_source("environment");
          s->set_enabled(true);
          s->set_credentials(p.api_key.empty() ? 0 : 1);
          shadowing.insert(p.name);
        }
        AURORA_ASSIGN_OR_RETURN(auto entries, reader.List(schema::kProvider, "", store::kListMax));
        for (const store::Entry& e : entries) {
          if (shadowing.count(e.id) > 0) {
            continue;
          }
          AURORA_ASSIGN_OR_RETURN(auto spec, DecodeStored<v1::ProviderSpec>(*e.resolved));
          v1::ProviderStatus* s = out->add_providers();
          s->set_name(spec.name());
          s->set_source("stored");
          s->set_enabled(spec.enabled());
          s->set_credentials(spec.credentials_size());
        }
        return absl::OkStatus();
      });
}

}  // namespace aurora::admin
