// The table of the admin REST: which call each method and path is. Nothing here decides anything;
// Handlers do.
#include <array>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <google/protobuf/descriptor.h>
#include <nlohmann/json.hpp>

#include "controlplane/admin/entities_impl.h"
#include "controlplane/admin/rest_routes.h"

namespace aurora::admin::rest {
namespace {

using http::Method;
using Json = nlohmann::ordered_json;

// ---- What comes in ----

// A field the path names: the body may only repeat it.
template <class Entity>
absl::Status SetFromPath(const char* name, const std::string& value, Entity* entity) {
  const google::protobuf::FieldDescriptor* field = Entity::descriptor()->FindFieldByName(name);
  const std::string given = entity->GetReflection()->GetString(*entity, field);
  if (!given.empty() && given != value) {
    return InvalidArgument(std::string(name) + ": differs from the one in the path");
  }
  entity->GetReflection()->SetString(entity, field, value);
  return absl::OkStatus();
}

// The body as an entity, named by the path. Answers the fields that the body holds.
template <class Entity>
absl::StatusOr<std::vector<std::string>> Body(const Call& call, const char* id_field,
                                              Entity* entity) {
  AURORA_ASSIGN_OR_RETURN(std::vector<std::string> fields,
                          protojson::FromJsonText(call.body, entity));
  if (id_field == nullptr) {
    return fields;
  }
  std::erase(fields, id_field);
  if constexpr (std::is_same_v<Entity, v1::Model>) {
    // A model's path is "provider/id"; the id may hold further slashes.
    const size_t slash = call.id.find('/');
    if (slash == std::string::npos) {
      return InvalidArgument("id: the path must be models/PROVIDER/ID");
    }
    AURORA_RETURN_IF_ERROR(SetFromPath("provider", call.id.substr(0, slash), entity));
    AURORA_RETURN_IF_ERROR(SetFromPath(id_field, call.id.substr(slash + 1), entity));
  } else {
    AURORA_RETURN_IF_ERROR(SetFromPath(id_field, call.id, entity));
  }
  return fields;
}

// ---- What goes out ----

// One entity out of the message.
template <class Request, class Response, auto entity>
void ShowEntity(const Call& call, const Request& request) {
  call.handlers->Handle(
      call.caller, request, Reply<Response>([call](absl::StatusOr<Response> answer) {
        call.finish(answer.ok() ? JsonResponse(200, protojson::ToJson(((*answer).*entity)()))
                                : call.error(answer.status()));
      }));
}

template <class Response>
int WrittenStatus(const Response& response) {
  if constexpr (requires { response.created(); }) {
    return response.created() ? 201 : 200;
  } else {
    return std::is_same_v<Response, v1::CreateAuthKeyResponse> ? 201 : 200;
  }
}

// An entity with "propagation" beside its own fields, and what a write ought to be warned of.
template <class Request, class Response, auto entity>
void Write(const Call& call, const Request& request) {
  call.handlers->Handle(call.caller, request,
                        Reply<Response>([call](absl::StatusOr<Response> answer) {
                          if (!answer.ok()) {
                            Fail(call, answer.status());
                            return;
                          }
                          Json body = protojson::ToJson(((*answer).*entity)());
                          if constexpr (requires { answer->auth_key().rate_limits(); }) {
                            if (answer->auth_key().rate_limits().ByteSizeLong() > 0) {  // any
                              body["warnings"] = {kNotEnforced};
                            }
                          }
                          body["propagation"] = protojson::ToJson(answer->propagation());
                          call.finish(JsonResponse(WrittenStatus(*answer), body));
                        }));
}

// ---- The shapes of calls ----

template <class Request, class Response>
void List(Call call) {
  Request request;
  if (const absl::Status status = Page(call, &request); !status.ok()) {
    Fail(call, status);
    return;
  }
  Show<Request, Response>(call, request);
}

template <class Request, class Response>
void Plain(Call call) {
  Show<Request, Response>(call, Request());
}

// `set_id`: the request's setter of whatever names the entity.
template <class Request, class Response, auto entity>
void Get(Call call) {
  Request request;
  if constexpr (requires { request.set_id(call.id); }) {
    request.set_id(call.id);
  } else if constexpr (requires { request.set_name(call.id); }) {
    request.set_name(call.id);
  } else {
    request.set_selector(call.id);
  }
  ShowEntity<Request, Response, entity>(call, request);
}

template <class Request>
absl::Status NameWrite(const Call& call, Request* request) {
  if constexpr (requires { request->set_id(call.id); }) {
    request->set_id(call.id);
  } else if constexpr (requires { request->set_name(call.id); }) {
    request->set_name(call.id);
  } else {
    request->set_selector(call.id);
  }
  return Options(call, request->mutable_options());
}

template <class Request, class Response>
void Delete(Call call) {
  Request request;
  if (const absl::Status status = NameWrite(call, &request); !status.ok()) {
    Fail(call, status);
    return;
  }
  Show<Request, Response>(call, request);
}

template <class Request, class Response, auto in, auto out, const char* id_field>
void Put(Call call) {
  Request request;
  absl::Status status = Options(call, request.mutable_options());
  if (status.ok()) {
    status = Body(call, id_field, (request.*in)()).status();
  }
  if (!status.ok()) {
    Fail(call, status);
    return;
  }
  Write<Request, Response, out>(call, request);
}

constexpr char kId[] = "id";
constexpr char kName[] = "name";
constexpr char kSelector[] = "selector";

// ---- Keys ----

void CreateKey(Call call) {
  v1::CreateAuthKeyRequest request;
  absl::Status status = Options(call, request.mutable_options());
  if (status.ok()) {
    status = Body(call, nullptr, request.mutable_auth_key()).status();
  }
  if (!status.ok()) {
    Fail(call, status);
    return;
  }
  Write<v1::CreateAuthKeyRequest, v1::CreateAuthKeyResponse, &v1::CreateAuthKeyResponse::auth_key>(
      call, request);
}

void UpdateKey(const Call& call, std::optional<std::vector<std::string>> all) {
  v1::UpdateAuthKeyRequest request;
  absl::Status status = Options(call, request.mutable_options());
  absl::StatusOr<std::vector<std::string>> fields = Body(call, kId, request.mutable_auth_key());
  if (status.ok()) {
    status = fields.status();
  }
  if (!status.ok()) {
    Fail(call, status);
    return;
  }
  for (std::string& field : all.has_value() ? *all : *fields) {
    request.add_update_fields(std::move(field));
  }
  Write<v1::UpdateAuthKeyRequest, v1::UpdateAuthKeyResponse, &v1::UpdateAuthKeyResponse::auth_key>(
      call, request);
}

// What the server says about a key is not the caller's to replace, and may stand in a body that was
// read before.
void PutKey(Call call) {
  UpdateKey(call, std::vector<std::string>{"name", "description", "user_path", "allowed_providers",
                                           "allowed_models", "denied_models", "rate_limits",
                                           "expires_at", "enabled"});
}

void PatchKey(Call call) {
  UpdateKey(call, std::nullopt);
}

void DeactivateKey(Call call) {
  v1::DeactivateAuthKeyRequest request;
  if (const absl::Status status = NameWrite(call, &request); !status.ok()) {
    Fail(call, status);
    return;
  }
  Write<v1::DeactivateAuthKeyRequest, v1::DeactivateAuthKeyResponse,
        &v1::DeactivateAuthKeyResponse::auth_key>(call, request);
}

void RotateKey(Call call) {
  v1::RotateAuthKeyRequest request;
  absl::Status status;
  if (!call.body.empty()) {
    const auto fields = protojson::FromJsonText(call.body, &request);
    status = fields.status();
    for (size_t i = 0; status.ok() && i < fields->size(); ++i) {
      if ((*fields)[i] != "overlap_seconds") {
        status =
            InvalidArgument((*fields)[i] + ": not a field of this body; it takes overlap_seconds");
      }
    }
  }
  if (status.ok()) {
    status = NameWrite(call, &request);
  }
  if (!status.ok()) {
    Fail(call, status);
    return;
  }
  Write<v1::RotateAuthKeyRequest, v1::RotateAuthKeyResponse, &v1::RotateAuthKeyResponse::auth_key>(
      call, request);
}

// ---- The cluster ----

void RemoveNode(Call call) {
  v1::RemoveNodeRequest request;
  request.set_node_id(call.id);
  Show<v1::RemoveNodeRequest, v1::RemoveNodeResponse>(call, request);
}

// The body is the request; none is an empty one.
template <class Request, class Response>
void Ask(Call call) {
  if (Request request; OptionalBody(call, &request)) {
    Show<Request, Response>(call, request);
  }
}

template <class Request, class Response>
void AskNode(Call call) {
  Request request;
  request.set_node_id(call.id);
  Show<Request, Response>(call, request);
}

// ---- The table ----

constexpr std::string_view kPage = kPageParameters;
constexpr std::string_view kWrite = kWriteParameters;

template <class Kind>
struct Entity;

#define AURORA_ENTITY(Kind, Plural, field, id_field)                                               \
  template <>                                                                                      \
  struct Entity<v1::Kind> {                                                                        \
    static constexpr auto kList = List<v1::List##Plural##Request, v1::List##Plural##Response>;     \
    static constexpr auto kGet =                                                                   \
        Get<v1::Get##Kind##Request, v1::Get##Kind##Response, &v1::Get##Kind##Response::field>;     \
    static constexpr auto kPut =                                                                   \
        Put<v1::Put##Kind##Request, v1::Put##Kind##Response,                                       \
            &v1::Put##Kind##Request::mutable_##field, &v1::Put##Kind##Response::field, id_field>;  \
    static constexpr auto kDelete = Delete<v1::Delete##Kind##Request, v1::Delete##Kind##Response>; \
  };
AURORA_ENTITY(Provider, Providers, provider, kName)
AURORA_ENTITY(Model, Models, model, kId)
AURORA_ENTITY(Alias, Aliases, alias, kName)
AURORA_ENTITY(ModelOverride, ModelOverrides, model_override, kSelector)
#undef AURORA_ENTITY

constexpr auto kListKeys = List<v1::ListAuthKeysRequest, v1::ListAuthKeysResponse>;
constexpr auto kGetKey =
    Get<v1::GetAuthKeyRequest, v1::GetAuthKeyResponse, &v1::GetAuthKeyResponse::auth_key>;
constexpr auto kDeleteKey = Delete<v1::DeleteAuthKeyRequest, v1::DeleteAuthKeyResponse>;

// The first that fits wins: "providers/status" stands before "providers/:name".
constexpr std::array kRoutes = {
    Route{Method::kGet, "cluster/status", "",
          ShowOrOff<v1::GetClusterStatusRequest, v1::GetClusterStatusResponse>},
    Route{Method::kGet, "cluster/nodes", "", Plain<v1::ListNodesRequest, v1::ListNodesResponse>},
    Route{Method::kDelete, "cluster/nodes/:node_id", "", RemoveNode},
    Route{Method::kPost, "cluster/nodes/:node_id/drain", "", AskNode<v1::DrainNodeRequest, v1::DrainNodeResponse>},
    Route{Method::kPost, "cluster/nodes/:node_id/undrain", "",
          AskNode<v1::UndrainNodeRequest, v1::UndrainNodeResponse>},
    Route{Method::kGet, "failover/status", "",
          ShowOrOff<v1::GetFailoverStatusRequest, v1::GetFailoverStatusResponse>},
    Route{Method::kPost, "failover/transfer", "",
          Ask<v1::TransferLeadershipRequest, v1::TransferLeadershipResponse>},
    Route{Method::kPost, "voters/add", "", Ask<v1::AddVotersRequest, v1::AddVotersResponse>},
    Route{Method::kPost, "voters/remove", "", Ask<v1::RemoveVotersRequest, v1::RemoveVotersResponse>},
    Route{Method::kPost, "voters/unsafe-recover", "", Ask<v1::UnsafeRecoverRequest, v1::UnsafeRecoverResponse>},
    Route{Method::kGet, "node/status", "",
          Plain<v1::GetNodeStatusRequest, v1::GetNodeStatusResponse>},
    Route{Method::kGet, "config", "",
          Plain<v1::GetEffectiveConfigRequest, v1::GetEffectiveConfigResponse>},
    // Before the routes of the kind itself (rest_entities.cc).
    Route{Method::kGet, "guardrails/types", "",
          Plain<v1::ListGuardrailTypesRequest, v1::ListGuardrailTypesResponse>},

    Route{Method::kGet, "auth-keys", kPage, kListKeys},
    Route{Method::kPost, "auth-keys", kWrite, CreateKey},
    Route{Method::kPost, "auth-keys/:id/deactivate", kWrite, DeactivateKey},
    Route{Method::kPost, "auth-keys/:id/rotate", kWrite, RotateKey},
    Route{Method::kGet, "auth-keys/:id", "", kGetKey},
    Route{Method::kPut, "auth-keys/:id", kWrite, PutKey},
    Route{Method::kPatch, "auth-keys/:id", kWrite, PatchKey},
    Route{Method::kDelete, "auth-keys/:id", kWrite, kDeleteKey},

    Route{Method::kGet, "providers", kPage, Entity<v1::Provider>::kList},
    Route{Method::kGet, "providers/status", "",
          Plain<v1::GetProviderStatusRequest, v1::GetProviderStatusResponse>},
    Route{Method::kGet, "providers/:name", "", Entity<v1::Provider>::kGet},
    Route{Method::kPut, "providers/:name", kWrite, Entity<v1::Provider>::kPut},
    Route{Method::kDelete, "providers/:name", kWrite, Entity<v1::Provider>::kDelete},

    // Model ids and selectors contain '/': encoded or not, both are one name.
    Route{Method::kGet, "models", kPage, Entity<v1::Model>::kList},
    Route{Method::kGet, "models/*id", "", Entity<v1::Model>::kGet},
    Route{Method::kPut, "models/*id", kWrite, Entity<v1::Model>::kPut},
    Route{Method::kDelete, "models/*id", kWrite, Entity<v1::Model>::kDelete},

    Route{Method::kGet, "aliases", kPage, Entity<v1::Alias>::kList},
    Route{Method::kGet, "aliases/*name", "", Entity<v1::Alias>::kGet},
    Route{Method::kPut, "aliases/*name", kWrite, Entity<v1::Alias>::kPut},
    Route{Method::kDelete, "aliases/*name", kWrite, Entity<v1::Alias>::kDelete},

    Route{Method::kGet, "model-overrides", kPage, Entity<v1::ModelOverride>::kList},
    Route{Method::kGet, "model-overrides/*selector", "", Entity<v1::ModelOverride>::kGet},
    Route{Method::kPut, "model-overrides/*selector", kWrite, Entity<v1::ModelOverride>::kPut},
    Route{Method::kDelete, "model-overrides/*selector", kWrite, Entity<v1::ModelOverride>::kDelete},
};

}  // namespace

absl::Status Number(const Call& call, const std::string& name, int64_t most, int64_t* out) {
  const auto found = call.query.find(name);
  if (found == call.query.end()) {
    return absl::OkStatus();
  }
  if (!absl::SimpleAtoi(Absl(found->second), out) || *out < 0 || *out > most) {
    return InvalidArgument(name + ": must be a whole number from 0 to " + std::to_string(most));
  }
  return absl::OkStatus();
}

absl::Status Options(const Call& call, v1::WriteOptions* options) {
  constexpr int64_t kTimeoutMaxMs = 60'000;
  int64_t timeout_ms = 0;
  AURORA_RETURN_IF_ERROR(Number(call, "timeout_ms", kTimeoutMaxMs, &timeout_ms));
  options->set_timeout_ms(timeout_ms);
  const auto wait = call.query.find("wait");
  if (wait == call.query.end()) {
    return absl::OkStatus();
  }
  if (wait->second != "local" && wait->second != "all") {
    return InvalidArgument("wait: must be local or all");
  }
  options->set_wait(wait->second == "all" ? v1::WAIT_FOR_ALL : v1::WAIT_FOR_LOCAL);
  return absl::OkStatus();
}

std::span<const Route> Routes() {
  return kRoutes;
}

}  // namespace aurora::admin::rest
