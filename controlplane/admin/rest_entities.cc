// The routes of the kinds that share their calls, made from the table of kinds.
#include <utility>

#include <nlohmann/json.hpp>

#include "controlplane/admin/rest_routes.h"
#include "controlplane/kinds/kind.h"

namespace aurora::admin::rest {
namespace {

using http::Method;
using Json = nlohmann::ordered_json;

// `text` is a handler's: JSON for certain.
Json EntityOf(const std::string& text) {
  return Json::parse(text, nullptr, false);
}

template <class Response>
Json Written(const Response& answer) {
  Json body = EntityOf(answer.entity());
  if constexpr (requires { answer.warnings(); }) {
    if (!answer.warnings().empty()) {
      body["warnings"] = std::vector<std::string>(answer.warnings().begin(), answer.warnings().end());
    }
  }
  body["propagation"] = protojson::ToJson(answer.propagation());
  return body;
}

void ListEntities(Call call) {
  v1::ListEntitiesRequest request;
  request.set_kind(std::string(call.kind->name));
  if (const absl::Status status = Page(call, &request); !status.ok()) {
    Fail(call, status);
    return;
  }
  using Response = v1::ListEntitiesResponse;
  Run<v1::ListEntitiesRequest, Response>(call, request, [list = std::string(call.kind->list)](const Response& r) {
    Json rows = Json::array();
    for (const std::string& entity : r.entities()) {
      rows.push_back(EntityOf(entity));
    }
    Json body;
    body[list] = std::move(rows);
    body["next_page_token"] = r.next_page_token();
    return JsonResponse(200, body);
  });
}

void GetEntity(Call call) {
  v1::GetEntityRequest request;
  request.set_kind(std::string(call.kind->name));
  request.set_name(call.id);
  using Response = v1::GetEntityResponse;
  Run<v1::GetEntityRequest, Response>(
      call, request, [](const Response& r) { return JsonResponse(200, EntityOf(r.entity())); });
}

void PutEntity(Call call) {
  v1::PutEntityRequest request;
  request.set_kind(std::string(call.kind->name));
  request.set_name(call.id);
  request.set_entity(call.body);
  if (const absl::Status status = Options(call, request.mutable_options()); !status.ok()) {
    Fail(call, status);
    return;
  }
  using Response = v1::PutEntityResponse;
  Run<v1::PutEntityRequest, Response>(
      call, request, [](const Response& r) { return JsonResponse(r.created() ? 201 : 200, Written(r)); });
}

// Whole requests that name a row and say how to wait.
template <class Request>
bool NameEntity(const Call& call, Request* request) {
  request->set_kind(std::string(call.kind->name));
  request->set_name(call.id);
  const absl::Status status = Options(call, request->mutable_options());
  if (!status.ok()) {
    Fail(call, status);
  }
  return status.ok();
}

void DeactivateEntity(Call call) {
  using Response = v1::DeactivateEntityResponse;
  v1::DeactivateEntityRequest request;
  if (NameEntity(call, &request)) {
    Run<v1::DeactivateEntityRequest, Response>(
        call, request, [](const Response& r) { return JsonResponse(200, Written(r)); });
  }
}

void DeleteEntity(Call call) {
  using Response = v1::DeleteEntityResponse;
  v1::DeleteEntityRequest request;
  if (NameEntity(call, &request)) {
    Run<v1::DeleteEntityRequest, Response>(
        call, request, [](const Response& r) { return JsonResponse(200, protojson::ToJson(r)); });
  }
}

}  // namespace

EntityRoutes::EntityRoutes(std::span<const kinds::Kind> kinds) {
  for (const kinds::Kind& kind : kinds) {
    if (kind.prototype != nullptr) {
      Add(kind);
    }
  }
}

void EntityRoutes::Add(const kinds::Kind& kind) {
  const std::string_view all = patterns_.emplace_back(kind.rest);
  const std::string_view one = patterns_.emplace_back(std::string(kind.rest) + "/*name");
  routes_.push_back({Method::kGet, all, kPageParameters, ListEntities, &kind});
  routes_.push_back({Method::kPost, all, kWriteParameters, PutEntity, &kind});
  if (kind.writes == kinds::Writes::kVersions) {
    const std::string_view deactivate = patterns_.emplace_back(std::string(one) + "/deactivate");
    routes_.push_back({Method::kPost, deactivate, kWriteParameters, DeactivateEntity, &kind});
  }
  routes_.push_back({Method::kGet, one, "", GetEntity, &kind});
  routes_.push_back({Method::kPut, one, kWriteParameters, PutEntity, &kind});
  routes_.push_back({Method::kDelete, one, kWriteParameters, DeleteEntity, &kind});
}

}  // namespace aurora::admin::rest
