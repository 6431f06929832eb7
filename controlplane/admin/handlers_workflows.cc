// Kinds of versions: a put adds one and makes it the active one of its scope, in one transaction. The version comes
// first in the change feed, so no scope ever names one that is not there.
#include "controlplane/admin/entities_impl.h"
#include "controlplane/kinds/rules.h"
#include "shared/schema/kinds.h"

namespace aurora::admin {
namespace {

using kinds::WorkflowRules;
using MaybeWrite = absl::StatusOr<std::optional<replication::Write>>;

// Which version is active in `scope`; "" = none.
absl::StatusOr<std::string> ActiveId(store::Reader& reader, std::string_view scope) {
  const auto entry = reader.Get(schema::kWorkflowScope, scope);
  if (absl::IsNotFound(entry.status()) || (entry.ok() && !entry->resolved)) {
    return "";
  }
  AURORA_RETURN_IF_ERROR(entry.status());
  AURORA_ASSIGN_OR_RETURN(auto spec, DecodeStored<v1::WorkflowScopeSpec>(*entry->resolved));
  return spec.active_id();
}

// Guardrails that are not there: such a workflow refuses its requests.
absl::Status AddMissing(store::Reader& reader, const v1::WorkflowSpec& spec, PutState& state) {
  for (int i = 0; i < spec.guardrails_size(); ++i) {
    const auto found = GetLive(reader, schema::kGuardrail, spec.guardrails(i).ref());
    if (absl::IsNotFound(found.status())) {
      state.warnings.push_back("guardrails[" + std::to_string(i) + "].ref: no guardrail \"" + spec.guardrails(i).ref() +
                               "\" here; a workflow whose guardrail is missing fails closed");
    } else {
      AURORA_RETURN_IF_ERROR(found.status());
    }
  }
  return absl::OkStatus();
}

MaybeWrite VersionEdit(const store::EditContext& ctx, PutState& state, const std::string& scope, int64_t now_ms) {
  auto& spec = static_cast<v1::WorkflowSpec&>(*state.entity);
  AURORA_RETURN_IF_ERROR(AddMissing(ctx.reader, spec, state));
  AURORA_ASSIGN_OR_RETURN(const std::string active, ActiveId(ctx.reader, scope));
  if (!active.empty()) {
    auto entry = GetLive(ctx.reader, schema::kWorkflow, active);
    if (entry.ok()) {
      AURORA_ASSIGN_OR_RETURN(auto old, DecodeStored<v1::WorkflowSpec>(*entry->resolved));
      old.clear_created_at();
      if (old.SerializeAsString() == spec.SerializeAsString()) {
        state.same = *std::move(entry);
        return std::nullopt;
      }
    }
  }
  SetMillis(now_ms, spec.mutable_created_at());
  replication::Write write;
  write.spec = spec.SerializeAsString();
  return write;
}

store::WriteRequest Activate(const Caller& caller, const std::string& scope, const std::string& id, int64_t now_ms) {
  return {std::string(schema::kWorkflowScope), scope,
          [scope, id, now_ms](const store::EditContext&) -> MaybeWrite {
            v1::WorkflowScopeSpec spec;
            spec.set_scope(scope);
            spec.set_active_id(id);
            SetMillis(now_ms, spec.mutable_updated_at());
            replication::Write write;
            write.spec = spec.SerializeAsString();
            return write;
          },
          AuditOf(caller, "put")};
}

// Nothing to do when another version took over.
store::WriteRequest Deactivate(const Caller& caller, const std::string& scope, const std::string& id) {
  return {std::string(schema::kWorkflowScope), scope,
          [id](const store::EditContext& ctx) -> MaybeWrite {
            if (!ctx.current.resolved) {
              return std::nullopt;
            }
            AURORA_ASSIGN_OR_RETURN(auto spec, DecodeStored<v1::WorkflowScopeSpec>(*ctx.current.resolved));
            if (spec.active_id() != id) {
              return std::nullopt;
            }
            replication::Write write;
            write.spec = "";
            write.deleted = true;
            return write;
          },
          AuditOf(caller, "deactivate")};
}

v1::WorkflowSpec Shown(v1::WorkflowSpec spec, const std::string& id, bool active) {
  spec.set_id(id);
  spec.set_scope(WorkflowRules::Id(spec));
  spec.set_active(active);
  return spec;
}

struct Version {
  std::string id;
  v1::WorkflowSpec spec;
};

// Finds `name` on the store thread, then deactivates it; `then` gets both and the write's result.
template <class Response, class Then>
void FindAndDeactivate(const Deps& deps, const Caller& caller, const std::string& name,
                       std::shared_ptr<Reply<Response>> reply, Then then) {
  auto version = std::make_shared<Version>();
  deps.store->Read(
      [name, version](store::Reader& reader) -> absl::Status {
        AURORA_ASSIGN_OR_RETURN(const store::Entry entry, FindVersion(reader, name));
        version->id = entry.id;
        AURORA_ASSIGN_OR_RETURN(version->spec, DecodeStored<v1::WorkflowSpec>(*entry.resolved));
        return absl::OkStatus();
      },
      [&deps, caller, version, reply, then](absl::Status found) {
        if (!found.ok()) {
          (*reply)(std::move(found));
          return;
        }
        deps.store->Submit(Deactivate(caller, WorkflowRules::Id(version->spec), version->id),
                           [version, reply, then](absl::StatusOr<store::WriteResult> result) {
                             if (!result.ok()) {
                               (*reply)(result.status());
                               return;
                             }
                             then(*version, *result);
                           });
      });
}

}  // namespace

absl::StatusOr<store::Entry> FindVersion(store::Reader& reader, std::string_view name) {
  if (name.find('/') == std::string_view::npos) {  // every scope has one, no id has
    return GetLive(reader, schema::kWorkflow, name);
  }
  AURORA_ASSIGN_OR_RETURN(const std::string active, ActiveId(reader, name));
  if (active.empty()) {
    return NotFound("no Workflow is active in \"" + std::string(name.substr(0, 200)) + "\"");
  }
  return GetLive(reader, schema::kWorkflow, active);
}

absl::StatusOr<std::string> VersionJson(store::Reader& reader, const store::Entry& entry) {
  AURORA_ASSIGN_OR_RETURN(auto spec, DecodeStored<v1::WorkflowSpec>(*entry.resolved));
  AURORA_ASSIGN_OR_RETURN(const std::string active, ActiveId(reader, WorkflowRules::Id(spec)));
  return EntityJson(Shown(std::move(spec), entry.id, active == entry.id));
}

void PutVersion(const Deps& deps, const Caller& caller, const v1::PutEntityRequest& r,
                std::shared_ptr<PutState> state, Reply<v1::PutEntityResponse> reply) {
  using Response = v1::PutEntityResponse;
  const std::string scope = state->kind->id(*state->entity);
  const int64_t now_ms = deps.unix_ms();
  auto shared = std::make_shared<Reply<Response>>(std::move(reply));
  store::WriteRequest request{r.kind(), "",  // its dot
                              [state, scope, now_ms](const store::EditContext& ctx) {
                                return VersionEdit(ctx, *state, scope, now_ms);
                              },
                              AuditOf(caller, "put"),
                              [caller, scope, now_ms](const std::string& id) {
                                return Activate(caller, scope, id, now_ms);
                              }};
  const auto answer = [state](const store::Entry& entry, bool changed, Response* out) -> absl::Status {
    AURORA_ASSIGN_OR_RETURN(auto spec, DecodeStored<v1::WorkflowSpec>(*entry.resolved));
    out->set_entity(EntityJson(Shown(std::move(spec), entry.id, true)));
    out->set_name(entry.id);
    out->set_created(changed);
    out->set_changed(changed);
    for (const std::string& warning : state->warnings) {
      out->add_warnings(warning);
    }
    return absl::OkStatus();
  };
  deps.store->Submit(std::move(request), [&deps, r, state, shared,
                                          answer](absl::StatusOr<store::WriteResult> written) {
    if (!written.ok()) {
      (*shared)(written.status());
      return;
    }
    const store::Entry& entry = state->same ? *state->same : written->entry;
    Response response;
    if (absl::Status status = answer(entry, written->changed, &response); !status.ok()) {
      (*shared)(std::move(status));
      return;
    }
    const store::Entry& last = written->followed.has_value() ? *written->followed : entry;
    ReplyEnforced(deps.enforcement, last, r.options(), v1::WAIT_FOR_LOCAL, std::move(response), shared);
  });
}

void DeactivateVersion(const Deps& deps, const Caller& caller, const v1::DeactivateEntityRequest& r,
                       Reply<v1::DeactivateEntityResponse> reply) {
  using Response = v1::DeactivateEntityResponse;
  auto shared = std::make_shared<Reply<Response>>(std::move(reply));
  FindAndDeactivate(deps, caller, r.name(), shared,
                    [&deps, options = r.options(), shared](const Version& v, const store::WriteResult& result) {
                      Response response;
                      response.set_entity(EntityJson(Shown(v.spec, v.id, false)));
                      ReplyEnforced(deps.enforcement, result.entry, options, v1::WAIT_FOR_ALL,
                                    std::move(response), shared);
                    });
}

void DeleteVersion(const Deps& deps, const Caller& caller, const v1::DeleteEntityRequest& r,
                   Reply<v1::DeleteEntityResponse> reply) {
  using Response = v1::DeleteEntityResponse;
  auto shared = std::make_shared<Reply<Response>>(std::move(reply));
  FindAndDeactivate(deps, caller, r.name(), shared,
                    [&deps, caller, r, shared](const Version& v, const store::WriteResult&) {
                      DeleteRow<Response>(deps, caller, r.kind(), v.id, r.options(), std::move(*shared));
                    });
}

}  // namespace aurora::admin
