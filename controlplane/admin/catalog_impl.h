// List, get, put and delete of a kind whose value in force is the newest spec. Internal to
// controlplane/admin. Source: ours. A Traits names Spec, View, kKind, Id(view), ToSpec(view),
// ToView(spec, view); both have created_at and updated_at. Thread and errors: as handlers.h.
// Invariant: a put of what is there already writes nothing.
#pragma once

#include "controlplane/admin/handlers_impl.h"
#include "controlplane/kinds/validate.h"
#include "shared/schema/kinds.h"

namespace aurora::admin {

template <class Traits>
absl::Status EntryToView(const store::Entry& entry, typename Traits::View* view) {
  AURORA_ASSIGN_OR_RETURN(auto spec, DecodeStored<typename Traits::Spec>(*entry.resolved));
  Traits::ToView(spec, view);
  *view->mutable_created_at() = spec.created_at();
  *view->mutable_updated_at() = spec.updated_at();
  return absl::OkStatus();
}

template <class Traits, class Request, class Response, class Add>
void ListKind(const Deps& deps, const Request& r, Reply<Response> reply, Add add) {
  const auto page = PageOf(r.page_size(), r.page_token());
  if (!page.ok()) {
    reply(page.status());
    return;
  }
  ReplyFromStore<Response>(
      *deps.store, std::move(reply),
      [page = *page, add](store::Reader& reader, Response* out) -> absl::Status {
        return ListInto(
            reader, Traits::kKind, page, out,
            [add](const store::Entry& e, Response* o) { return EntryToView<Traits>(e, add(o)); });
      });
}

template <class Traits, class Response, class View>
void GetKind(const Deps& deps, const std::string& id, Reply<Response> reply, View view) {
  ReplyFromStore<Response>(*deps.store, std::move(reply),
                           [id, view](store::Reader& reader, Response* out) -> absl::Status {
                             AURORA_ASSIGN_OR_RETURN(store::Entry entry,
                                                     GetLive(reader, Traits::kKind, id));
                             return EntryToView<Traits>(entry, view(out));
                           });
}

// The edit of a put: keeps created_at, writes nothing when only the times would differ.
template <class Spec>
absl::StatusOr<std::optional<replication::Write>> PutEdit(const store::EditContext& ctx, Spec spec,
                                                          int64_t now_ms) {
  SetMillis(now_ms, spec.mutable_created_at());
  if (ctx.current.resolved) {
    AURORA_ASSIGN_OR_RETURN(Spec old, DecodeStored<Spec>(*ctx.current.resolved));
    *spec.mutable_created_at() = old.created_at();
    *spec.mutable_updated_at() = old.updated_at();
    if (spec.SerializeAsString() == old.SerializeAsString()) {
      return std::nullopt;
    }
  }
  SetMillis(now_ms, spec.mutable_updated_at());
  replication::Write write;
  write.spec = spec.SerializeAsString();
  return write;
}

template <class Traits, class Response, class View>
auto FillPut(View view) {
  return [view](const store::WriteResult& result, Response* out) -> absl::Status {
    AURORA_RETURN_IF_ERROR(EntryToView<Traits>(result.entry, view(out)));
    out->set_changed(result.changed);
    out->set_created(result.created);
    return absl::OkStatus();
  };
}

template <class Traits, class Response, class View>
void PutKind(const Deps& deps, const Caller& caller, const typename Traits::View& in,
             const v1::WriteOptions& options, Reply<Response> reply, View view) {
  typename Traits::Spec spec = Traits::ToSpec(in);
  if (absl::Status status = kinds::Validate(spec); !status.ok()) {
    reply(status);
    return;
  }
  store::WriteRequest request{std::string(Traits::kKind), Traits::Id(in),
                              [spec, now = deps.unix_ms()](const store::EditContext& ctx) {
                                return PutEdit(ctx, spec, now);
                              },
                              AuditOf(caller, "put")};
  ReplyToWrite<Response>(deps, std::move(request), options, v1::WAIT_FOR_LOCAL, std::move(reply),
                         FillPut<Traits, Response>(view));
}

}  // namespace aurora::admin
