// The kinds that share their calls: an entity is JSON here and on the wire, so a new kind needs
// nothing but columns, and does without them.
#include <algorithm>

#include "shared/base/status.h"
#include "shared/schema/kinds.h"
#include "tools/aurora-ctl/apply.h"
#include "tools/aurora-ctl/commands.h"

namespace aurora::ctl {
namespace {

using Stub = Client::Stub;
using Json = nlohmann::ordered_json;

std::vector<Column> SharedColumns(std::string_view kind) {
  if (kind == schema::kGuardrail) {
    return {{"NAME", "name"},         {"TYPE", "type"},           {"DIRECTION", "direction"},
            {"ENABLED", "enabled"},   {"ORDER", "order"},         {"ON-ERROR", "on_error"},
            {"PATH", "user_path", true}, {"UPDATED", "updated_at", true}};
  }
  if (kind == schema::kWorkflow) {
    return {{"SCOPE", "scope"}, {"ACTIVE", "active"}, {"NAME", "name"}, {"ID", "id"},
            {"CREATED", "created_at", true}};
  }
  if (kind == schema::kPricing) {
    return {{"SELECTOR", "selector"},
            {"FROM", "effective_from"},
            {"INPUT", "input_per_mtok"},
            {"OUTPUT", "output_per_mtok"},
            {"CACHED", "cached_input_per_mtok"},
            {"CACHE-WRITE", "cache_write_per_mtok", true},
            {"REASONING", "reasoning_output_per_mtok", true},
            {"REQUEST", "per_request", true}};
  }
  if (kind == schema::kBudget) {
    return {{"SCOPE", "scope"}, {"PERIOD", "period"}, {"LIMIT-USD", "limit_usd"}, {"ENABLED", "enabled"},
            {"UPDATED", "updated_at", true}};
  }
  return {{"NAME", "name"}, {"UPDATED", "updated_at"}};
}

Json Parsed(const std::string& entity) {
  Json json = Json::parse(entity, nullptr, false);
  return json.is_object() ? json : Json::object();
}

}  // namespace

bool IsShared(const std::string& kind) {
  return std::any_of(schema::kShared.begin(), schema::kShared.end(),
                     [&](const schema::KindNames& names) { return names.kind == kind; });
}

Step SharedPut(Session& session, const Document& document, const WriteFlags& write, bool send) {
  v1::PutEntityRequest request;
  request.set_kind(document.kind);
  request.set_name(document.name);
  request.set_entity(document.spec.dump(-1, ' ', false, Json::error_handler_t::replace));
  request.set_dry_run(!send);
  Apply(write, request.mutable_options());
  v1::PutEntityResponse response;
  Step step;
  step.call = session.Call(&Stub::PutEntity, request, &response);
  if (!send && step.call.error_code() == grpc::StatusCode::INVALID_ARGUMENT) {
    step.mistake = InvalidArgument(step.call.error_message());
    return step;
  }
  step.name = response.name();
  step.result = response.created() ? "created" : response.changed() ? "changed" : "unchanged";
  step.warnings.assign(response.warnings().begin(), response.warnings().end());
  step.partial = !response.propagation().pending().empty() || !response.propagation().unreachable().empty();
  return step;
}

int SharedList(Session& session, const std::string& kind) {
  auto rows = Json::array();
  v1::ListEntitiesRequest request;
  v1::ListEntitiesResponse page;
  request.set_kind(kind);
  request.set_page_size(1000);
  do {
    page.Clear();
    if (const grpc::Status status = session.Call(&Stub::ListEntities, request, &page); !status.ok()) {
      return session.Fail(status);
    }
    for (const std::string& entity : page.entities()) {
      rows.push_back(Parsed(entity));
    }
    request.set_page_token(page.next_page_token());
  } while (!page.next_page_token().empty());
  Json body;
  for (const schema::KindNames& names : schema::kShared) {
    if (names.kind == kind) {
      body[std::string(names.list)] = rows;
    }
  }
  Print(session.out, session.format, body, rows, SharedColumns(kind));
  return kOk;
}

int SharedGet(Session& session, const std::string& kind, const std::string& id) {
  v1::GetEntityRequest request;
  request.set_kind(kind);
  request.set_name(id);
  v1::GetEntityResponse response;
  if (const grpc::Status status = session.Call(&Stub::GetEntity, request, &response); !status.ok()) {
    return session.Fail(status);
  }
  PrintEntity(session.out, session.format, Parsed(response.entity()));
  return kOk;
}

int SharedDelete(Session& session, const std::string& kind, const std::string& id, const WriteFlags& write) {
  v1::DeleteEntityRequest request;
  request.set_kind(kind);
  request.set_name(id);
  Apply(write, request.mutable_options());
  v1::DeleteEntityResponse response;
  if (const grpc::Status status = session.Call(&Stub::DeleteEntity, request, &response); !status.ok()) {
    return session.Fail(status);
  }
  return session.PrintWrite(Json::object(), response.propagation(), write.wait == "all");
}

int WorkflowDeactivate(Session& session, const std::string& id, const WriteFlags& write) {
  v1::DeactivateEntityRequest request;
  request.set_kind(std::string(schema::kWorkflow));
  request.set_name(id);
  Apply(write, request.mutable_options());
  v1::DeactivateEntityResponse response;
  if (const grpc::Status status = session.Call(&Stub::DeactivateEntity, request, &response); !status.ok()) {
    return session.Fail(status);
  }
  return session.PrintWrite(Parsed(response.entity()), response.propagation(), write.wait != "local");
}

}  // namespace aurora::ctl
