// Providers, models, aliases and overrides differ only in names, so each is a row of traits; the kinds
// that share their calls are commands_shared.cc's.
#include "shared/base/status.h"
#include "shared/config/value.h"
#include "shared/protojson/protojson.h"
#include "shared/schema/kinds.h"
#include "tools/aurora-ctl/apply.h"
#include "tools/aurora-ctl/commands.h"
#include "tools/aurora-ctl/documents.h"

namespace aurora::ctl {
namespace {

using Stub = Client::Stub;
using Json = nlohmann::ordered_json;

// NOLINTBEGIN: one macro per kind keeps the four in step; the generated names leave no other way.
#define TRAITS(Kind, Plural, list_field, entity_field, id_setter)                \
  struct Kind##Traits {                                                          \
    using Entity = v1::Kind;                                                     \
    using ListRequest = v1::List##Plural##Request;                               \
    using ListResponse = v1::List##Plural##Response;                             \
    using GetRequest = v1::Get##Kind##Request;                                   \
    using GetResponse = v1::Get##Kind##Response;                                 \
    using PutRequest = v1::Put##Kind##Request;                                   \
    using PutResponse = v1::Put##Kind##Response;                                 \
    using DeleteRequest = v1::Delete##Kind##Request;                             \
    using DeleteResponse = v1::Delete##Kind##Response;                           \
    static constexpr auto kList = &Stub::List##Plural;                           \
    static constexpr auto kGet = &Stub::Get##Kind;                               \
    static constexpr auto kPut = &Stub::Put##Kind;                               \
    static constexpr auto kDelete = &Stub::Delete##Kind;                         \
    static constexpr std::string_view kListName = #list_field;                   \
    static const auto& Rows(const ListResponse& r) { return r.list_field(); }    \
    static const Entity& Get(const GetResponse& r) { return r.entity_field(); }  \
    static Entity* Mutable(PutRequest& r) { return r.mutable_##entity_field(); } \
    template <class R>                                                           \
    static void SetId(R& r, const std::string& id) {                             \
      r.set_##id_setter(id);                                                     \
    }                                                                            \
  }
TRAITS(Provider, Providers, providers, provider, name);
TRAITS(Model, Models, models, model, id);
TRAITS(Alias, Aliases, aliases, alias, name);
TRAITS(ModelOverride, ModelOverrides, model_overrides, model_override, selector);
#undef TRAITS
// NOLINTEND

std::vector<Column> Columns(std::string_view kind) {
  if (kind == "Provider") {
    return {{"NAME", "name"},
            {"TYPE", "type"},
            {"BASE-URL", "base_url"},
            {"ENABLED", "enabled"},
            {"SOURCE", "source"},
            {"MODELS", "models", true},
            {"UPDATED", "updated_at", true}};
  }
  if (kind == "Model") {
    return {{"PROVIDER", "provider"},
            {"ID", "id"},
            {"UPSTREAM", "upstream_id"},
            {"ENABLED", "enabled"},
            {"CONTEXT", "context_window"},
            {"MAX-OUTPUT", "max_output_tokens", true},
            {"CAPABILITIES", "capabilities", true},
            {"UPDATED", "updated_at", true}};
  }
  if (kind == "Alias") {
    return {{"NAME", "name"}, {"TARGETS", "targets"}, {"UPDATED", "updated_at", true}};
  }
  return {{"SELECTOR", "selector"},
          {"ENABLED", "enabled"},
          {"USER-PATHS", "user_paths"},
          {"UPDATED", "updated_at", true}};
}

// Fields that name the entity come from the document's name unless the spec repeats them.
void SetName(const std::string& name, v1::Provider* out) {
  out->set_name(name);
}
void SetName(const std::string& name, v1::Alias* out) {
  out->set_name(name);
}
void SetName(const std::string& name, v1::ModelOverride* out) {
  out->set_selector(name);
}
void SetName(const std::string& name, v1::Model* out) {
  const size_t slash = name.find('/');
  out->set_provider(name.substr(0, slash));
  out->set_id(slash == std::string::npos ? "" : name.substr(slash + 1));
}
std::string NameOf(const v1::Provider& e) {
  return e.name();
}
std::string NameOf(const v1::Alias& e) {
  return e.name();
}
std::string NameOf(const v1::ModelOverride& e) {
  return e.selector();
}
std::string NameOf(const v1::Model& e) {
  return e.provider() + "/" + e.id();
}

template <class Entity>
absl::Status FillNames(const Document& document, Entity* out) {
  Entity named;
  SetName(document.name, &named);
  // What the spec says of the name must agree with it.
  Entity merged = named;
  merged.MergeFrom(*out);
  if (NameOf(merged) != document.name) {
    return InvalidArgument("name: " + config::Quoted(document.name) + " and the spec's " +
                           config::Quoted(NameOf(merged)) +
                           " differ, want one name (a model's is provider/id)");
  }
  *out = std::move(merged);
  return absl::OkStatus();
}

template <class Entity>
absl::Status FillEntity(const Document& document, Entity* out) {
  const auto present = protojson::FromJson(document.spec, out, "spec");
  if (!present.ok()) {
    return present.status();
  }
  // Leaving `enabled` out must not switch the entity off.
  if constexpr (!std::is_same_v<Entity, v1::Alias>) {
    if (!document.spec.contains("enabled")) {
      out->set_enabled(true);
    }
  }
  return FillNames(document, out);
}

template <class T, class EachRow>
grpc::Status ForEach(Session& session, const EachRow& each) {
  typename T::ListRequest request;
  typename T::ListResponse page;
  request.set_page_size(1000);
  do {
    page.Clear();
    if (grpc::Status status = session.Call(T::kList, request, &page); !status.ok()) {
      return status;
    }
    for (const auto& row : T::Rows(page)) {
      each(row);
    }
    request.set_page_token(page.next_page_token());
  } while (!page.next_page_token().empty());
  return grpc::Status::OK;
}

template <class T>
int List(Session& session, const std::string& kind) {
  auto rows = Json::array();
  const grpc::Status status =
      ForEach<T>(session, [&](const typename T::Entity& row) { rows.push_back(protojson::ToJson(row)); });
  if (!status.ok()) {
    return session.Fail(status);
  }
  Json body;
  body[std::string(T::kListName)] = rows;
  Print(session.out, session.format, body, rows, Columns(kind));
  return kOk;
}

template <class T>
int GetOne(Session& session, const std::string& id) {
  typename T::GetRequest request;
  T::SetId(request, id);
  typename T::GetResponse response;
  if (const grpc::Status status = session.Call(T::kGet, request, &response); !status.ok()) {
    return session.Fail(status);
  }
  PrintEntity(session.out, session.format, protojson::ToJson(T::Get(response)));
  return kOk;
}

template <class T>
int DeleteOne(Session& session, const std::string& id, const WriteFlags& write) {
  typename T::DeleteRequest request;
  T::SetId(request, id);
  Apply(write, request.mutable_options());
  typename T::DeleteResponse response;
  if (const grpc::Status status = session.Call(T::kDelete, request, &response); !status.ok()) {
    return session.Fail(status);
  }
  return session.PrintWrite(nullptr, response.propagation(), write.wait == "all");
}

template <class T>
Step PutOne(Session& session, const Document& document, const WriteFlags& write, bool send) {
  typename T::PutRequest request;
  Step step;
  step.mistake = FillEntity(document, T::Mutable(request));
  if (!step.mistake.ok() || !send) {
    return step;
  }
  Apply(write, request.mutable_options());
  typename T::PutResponse response;
  step.call = session.Call(T::kPut, request, &response);
  step.result = response.created() ? "created" : response.changed() ? "changed" : "unchanged";
  step.partial =
      !response.propagation().pending().empty() || !response.propagation().unreachable().empty();
  return step;
}

Step Put(Session& session, const Document& document, const WriteFlags& write, bool send) {
  if (document.kind == "Provider") {
    return PutOne<ProviderTraits>(session, document, write, send);
  }
  if (document.kind == "Model") {
    return PutOne<ModelTraits>(session, document, write, send);
  }
  if (document.kind == "Alias") {
    return PutOne<AliasTraits>(session, document, write, send);
  }
  if (document.kind == "ModelOverride") {
    return PutOne<ModelOverrideTraits>(session, document, write, send);
  }
  if (IsShared(document.kind)) {
    return SharedPut(session, document, write, send);
  }
  std::string want = "Provider, Model, Alias, ModelOverride";
  for (const schema::KindNames& names : schema::kShared) {
    want += ", " + std::string(names.kind);
  }
  Step step;
  step.mistake = InvalidArgument("kind: " + config::Quoted(document.kind) + " cannot be applied, want one of " + want +
                                 " (keys: see aurora-ctl keys create)");
  return step;
}

std::string Title(const Document& document) {
  return document.kind + " " + document.name;
}

}  // namespace

int EntityList(Session& session, const std::string& kind) {
  if (IsShared(kind)) {
    return SharedList(session, kind);
  }
  return kind == "Provider" ? List<ProviderTraits>(session, kind)
         : kind == "Model"  ? List<ModelTraits>(session, kind)
         : kind == "Alias"  ? List<AliasTraits>(session, kind)
                            : List<ModelOverrideTraits>(session, kind);
}

int EntityGet(Session& session, const std::string& kind, const std::string& id) {
  if (IsShared(kind)) {
    return SharedGet(session, kind, id);
  }
  return kind == "Provider" ? GetOne<ProviderTraits>(session, id)
         : kind == "Model"  ? GetOne<ModelTraits>(session, id)
         : kind == "Alias"  ? GetOne<AliasTraits>(session, id)
                            : GetOne<ModelOverrideTraits>(session, id);
}

int EntityDelete(Session& session, const std::string& kind, const std::string& id,
                 const WriteFlags& write) {
  if (IsShared(kind)) {
    return SharedDelete(session, kind, id, write);
  }
  return kind == "Provider" ? DeleteOne<ProviderTraits>(session, id, write)
         : kind == "Model"  ? DeleteOne<ModelTraits>(session, id, write)
         : kind == "Alias"  ? DeleteOne<AliasTraits>(session, id, write)
                            : DeleteOne<ModelOverrideTraits>(session, id, write);
}

int ProvidersReseal(Session& session, const WriteFlags& write) {
  std::vector<std::string> stored;
  const grpc::Status listed = ForEach<ProviderTraits>(session, [&](const v1::Provider& p) {
    if (p.source() != "environment") {
      stored.push_back(p.name());
    }
  });
  if (!listed.ok()) {
    return session.Fail(listed);
  }
  auto rows = Json::array();
  int code = kOk;
  for (const std::string& name : stored) {
    v1::PutProviderRequest request;
    request.mutable_provider()->set_name(name);
    request.set_reseal_only(true);  // by the node, in one step: what somebody else changes meanwhile stays
    Apply(write, request.mutable_options());
    v1::PutProviderResponse response;
    const grpc::Status status = session.Call(&Stub::PutProvider, request, &response);
    if (status.error_code() == grpc::StatusCode::NOT_FOUND) {
      continue;  // deleted meanwhile
    }
    if (!status.ok()) {
      session.err << "aurora-ctl: Provider " << name << " was not sealed anew\n";
      code = session.Fail(status);
      break;
    }
    Json row;
    row["name"] = name;
    row["result"] = response.changed() ? "resealed" : "unchanged";
    rows.push_back(std::move(row));
    const bool partial = !response.propagation().pending().empty() || !response.propagation().unreachable().empty();
    code = partial && write.wait == "all" ? kPartial : code;
  }
  Json body;
  body["providers"] = rows;
  Print(session.out, session.format, body, rows, {{"NAME", "name"}, {"RESULT", "result"}});
  return code;
}

int ApplyFile(Session& session, const std::string& kind, const std::string& path,
              const WriteFlags& write) {
  const absl::StatusOr<std::string> text = session.ReadInput(path);
  if (!text.ok()) {
    return session.Fail(kError, Std(text.status().message()));
  }
  const auto documents = ParseDocuments(*text, kind);
  if (!documents.ok()) {
    return session.Fail(kUsage, path + ": " + std::string(Std(documents.status().message())));
  }
  // All are checked before the first is sent: a typo in the last leaves nothing half done.
  for (const Document& document : *documents) {
    const Step step = Put(session, document, write, false);
    if (!step.mistake.ok()) {
      return session.Fail(
          kUsage, path + ": " + Title(document) + ": " + std::string(Std(step.mistake.message())));
    }
    if (!step.call.ok()) {
      return session.Fail(step.call);
    }
  }
  auto applied = Json::array();
  int code = kOk;
  for (const Document& document : *documents) {
    const Step step = Put(session, document, write, true);
    if (!step.call.ok()) {
      session.err << "aurora-ctl: " << Title(document) << " was not applied\n";
      code = session.Fail(step.call);
      break;
    }
    Json row;
    row["kind"] = document.kind;
    row["name"] = step.name.empty() ? document.name : step.name;
    row["result"] = step.result;
    if (!step.warnings.empty()) {
      row["warnings"] = step.warnings;
    }
    for (const std::string& warning : step.warnings) {
      session.err << "aurora-ctl: " << Title(document) << ": " << warning << "\n";
    }
    applied.push_back(std::move(row));
    code = step.partial && write.wait == "all" ? kPartial : code;
  }
  Json body;
  body["applied"] = applied;
  Print(session.out, session.format, body, applied,
        {{"KIND", "kind"}, {"NAME", "name"}, {"RESULT", "result"}});
  return code;
}

}  // namespace aurora::ctl
