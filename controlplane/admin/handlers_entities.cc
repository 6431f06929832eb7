// The calls that kinds share: list, get, put, delete. What differs between kinds is in kinds::Kind.
#include "controlplane/admin/entities_impl.h"

#include "controlplane/kinds/rules.h"
#include "shared/protojson/protojson.h"

namespace aurora::admin {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using kinds::Kind;
using kinds::Writes;
using MaybeWrite = absl::StatusOr<std::optional<replication::Write>>;

constexpr size_t kNameBytesMax = 1024;

const FieldDescriptor* FieldOf(const char* name, const Message& entity) {
  return entity.GetDescriptor()->FindFieldByName(name);
}

// An entity is in force unless it says otherwise.
void EnableByDefault(Message* entity) {
  const FieldDescriptor* field = FieldOf("enabled", *entity);
  if (field != nullptr && field->has_presence() && !entity->GetReflection()->HasField(*entity, field)) {
    entity->GetReflection()->SetBool(entity, field, true);
  }
}

MaybeWrite WriteOf(const Message& entity) {
  replication::Write write;
  write.spec = entity.SerializeAsString();
  return write;
}

// Keeps created_at, writes nothing when only the times would differ.
MaybeWrite ReplaceEdit(const store::EditContext& ctx, PutState& state, int64_t now_ms) {
  SetTime("created_at", now_ms, state.entity.get());
  if (ctx.current.resolved) {
    AURORA_ASSIGN_OR_RETURN(const Entity old, DecodeEntity(*state.kind, *ctx.current.resolved));
    CopyTime("created_at", *old, state.entity.get());
    CopyTime("updated_at", *old, state.entity.get());
    if (old->SerializeAsString() == state.entity->SerializeAsString()) {
      return std::nullopt;
    }
  }
  SetTime("updated_at", now_ms, state.entity.get());
  return WriteOf(*state.entity);
}

// The rows "name@time", in the order of time.
absl::StatusOr<std::vector<store::Entry>> ListDated(store::Reader& reader, const Kind& kind,
                                                    std::string_view name) {
  const std::string prefix = std::string(name) + "@";
  const size_t size = prefix.size() + kinds::TimeText(0).size();
  std::vector<store::Entry> out;
  std::string after = prefix;
  while (true) {
    AURORA_ASSIGN_OR_RETURN(auto page, reader.List(kind.name, after, kPageMax));
    for (store::Entry& entry : page) {
      if (!entry.id.starts_with(prefix)) {
        return out;
      }
      if (entry.id.size() == size) {  // else of a name that goes on with '@'
        out.push_back(entry);
      }
    }
    if (page.size() < kPageMax) {
      return out;
    }
    after = page.back().id;
  }
}

// The one of "name@time" that is in force at `now_s`.
absl::StatusOr<std::optional<store::Entry>> InForce(store::Reader& reader, const Kind& kind,
                                                    std::string_view name, int64_t now_s) {
  AURORA_ASSIGN_OR_RETURN(auto dated, ListDated(reader, kind, name));
  const std::string now = std::string(name) + "@" + kinds::TimeText(now_s);
  std::optional<store::Entry> best;
  for (store::Entry& entry : dated) {
    if (entry.id <= now) {
      best = std::move(entry);
    }
  }
  return best;
}

// Whether they say the same from whatever time on.
bool SameButForTimes(const Message& a, const Message& b) {
  const Entity x(a.New());
  const Entity y(b.New());
  x->CopyFrom(a);
  y->CopyFrom(b);
  for (Message* m : {x.get(), y.get()}) {
    ClearField("created_at", m);
    ClearField("effective_from", m);
  }
  return x->SerializeAsString() == y->SerializeAsString();
}

// `undated`: the time is that of the write, so saying again what is in force changes nothing.
MaybeWrite OnceEdit(const store::EditContext& ctx, PutState& state, bool undated, int64_t now_ms) {
  if (ctx.current.resolved) {
    AURORA_ASSIGN_OR_RETURN(const Entity old, DecodeEntity(*state.kind, *ctx.current.resolved));
    if (SameButForTimes(*old, *state.entity)) {
      return std::nullopt;
    }
    return AlreadyExists(ctx.current.kind + " " + ctx.current.id +
                         " stays as it was written; write one with a later effective_from, or delete it first");
  }
  if (undated) {
    const std::string_view name = std::string_view(ctx.current.id).substr(0, ctx.current.id.rfind('@'));
    AURORA_ASSIGN_OR_RETURN(state.same, InForce(ctx.reader, *state.kind, name, now_ms / 1000));
    if (state.same) {
      AURORA_ASSIGN_OR_RETURN(const Entity old, DecodeEntity(*state.kind, *state.same->resolved));
      if (SameButForTimes(*old, *state.entity)) {
        return std::nullopt;
      }
      state.same.reset();
    }
  }
  SetTime("created_at", now_ms, state.entity.get());
  return WriteOf(*state.entity);
}

absl::StatusOr<std::string> JsonOf(store::Reader& reader, const Kind& kind, const store::Entry& entry) {
  if (kind.writes == Writes::kVersions) {
    return VersionJson(reader, entry);
  }
  AURORA_ASSIGN_OR_RETURN(const Entity entity, DecodeEntity(kind, *entry.resolved));
  return EntityJson(*entity);
}

absl::StatusOr<store::Entry> FindEntity(store::Reader& reader, const Kind& kind, const std::string& name,
                                        int64_t now_s) {
  if (kind.writes == Writes::kVersions) {
    return FindVersion(reader, name);
  }
  absl::StatusOr<store::Entry> entry = GetLive(reader, kind.name, name);
  if (kind.writes == Writes::kOnce && absl::IsNotFound(entry.status())) {
    AURORA_ASSIGN_OR_RETURN(auto in_force, InForce(reader, kind, name, now_s));
    if (in_force) {
      return *std::move(in_force);
    }
  }
  return entry;
}

// The row that a delete of `name` means.
absl::StatusOr<std::string> IdToDelete(store::Reader& reader, const Kind& kind, const std::string& name) {
  const absl::StatusOr<store::Entry> entry = GetLive(reader, kind.name, name);
  if (entry.ok() || kind.writes != Writes::kOnce || !absl::IsNotFound(entry.status())) {
    AURORA_RETURN_IF_ERROR(entry.status());
    return name;
  }
  AURORA_ASSIGN_OR_RETURN(const auto dated, ListDated(reader, kind, name));
  if (dated.size() > 1) {
    return InvalidArgument("name: " + name + " has " + std::to_string(dated.size()) +
                           " versions; name one of them, such as " + dated.back().id);
  }
  if (dated.empty()) {
    return entry.status();
  }
  return dated.front().id;
}

absl::Status FillPut(const PutState& state, const store::WriteResult& result, v1::PutEntityResponse* out) {
  const store::Entry& entry = state.same ? *state.same : result.entry;
  AURORA_ASSIGN_OR_RETURN(const Entity entity, DecodeEntity(*state.kind, *entry.resolved));
  out->set_entity(EntityJson(*entity));
  out->set_name(entry.id);
  out->set_created(result.created);
  out->set_changed(result.changed);
  for (const std::string& warning : state.warnings) {
    out->add_warnings(warning);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<const Kind*> SharedKind(std::span<const Kind> kinds, std::string_view name) {
  const Kind* kind = kinds::Find(kinds, name);
  if (kind != nullptr && kind->prototype != nullptr) {
    return kind;
  }
  std::string known;
  for (const Kind& k : kinds) {
    if (k.prototype != nullptr) {
      known += (known.empty() ? "" : ", ") + std::string(k.name);
    }
  }
  return InvalidArgument("kind: \"" + std::string(name.substr(0, 60)) + "\" is unknown here; allowed are " + known);
}

void SetTime(const char* field, int64_t unix_ms, Message* entity) {
  if (const FieldDescriptor* f = FieldOf(field, *entity); f != nullptr) {
    SetMillis(unix_ms, static_cast<google::protobuf::Timestamp*>(entity->GetReflection()->MutableMessage(entity, f)));
  }
}

void CopyTime(const char* field, const Message& from, Message* to) {
  if (const FieldDescriptor* f = FieldOf(field, *to); f != nullptr) {
    to->GetReflection()->MutableMessage(to, f)->CopyFrom(from.GetReflection()->GetMessage(from, f));
  }
}

void ClearField(const char* field, Message* entity) {
  if (const FieldDescriptor* f = FieldOf(field, *entity); f != nullptr) {
    entity->GetReflection()->ClearField(entity, f);
  }
}

absl::StatusOr<Entity> ReadEntity(const Kind& kind, std::string_view name, std::string_view json, int64_t now_s) {
  if (name.size() > kNameBytesMax) {
    return InvalidArgument("name: is " + std::to_string(name.size()) + " bytes long; at most " +
                           std::to_string(kNameBytesMax) + " are allowed");
  }
  Entity entity(kind.prototype()->New());
  AURORA_RETURN_IF_ERROR(protojson::FromJsonText(json, entity.get()).status());
  ClearField("created_at", entity.get());
  ClearField("updated_at", entity.get());
  EnableByDefault(entity.get());
  AURORA_RETURN_IF_ERROR(kind.complete(name, now_s, entity.get()));
  AURORA_RETURN_IF_ERROR(kind.validate(*entity));
  return entity;
}

absl::StatusOr<Entity> DecodeEntity(const Kind& kind, std::string_view bytes) {
  Entity entity(kind.prototype()->New());
  if (!entity->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Internal("a stored value does not parse; restore a backup or write it again");
  }
  return entity;
}

std::string EntityJson(const Message& entity) {
  return protojson::ToJsonText(entity);
}

void Handlers::Handle(const Caller&, const v1::ListEntitiesRequest& r, Reply<v1::ListEntitiesResponse> reply) {
  const auto kind = SharedKind(deps_.entity_kinds, r.kind());
  const auto page = PageOf(r.page_size(), r.page_token());
  if (!kind.ok() || !page.ok()) {
    reply(kind.ok() ? page.status() : kind.status());
    return;
  }
  using Response = v1::ListEntitiesResponse;
  ReplyFromStore<Response>(
      *deps_.store, std::move(reply),
      [kind = *kind, page = *page](store::Reader& reader, Response* out) -> absl::Status {
        return ListInto(reader, kind->name, page, out,
                        [&reader, kind](const store::Entry& entry, Response* o) -> absl::Status {
                          AURORA_ASSIGN_OR_RETURN(*o->add_entities(), JsonOf(reader, *kind, entry));
                          return absl::OkStatus();
                        });
      });
}

void Handlers::Handle(const Caller&, const v1::GetEntityRequest& r, Reply<v1::GetEntityResponse> reply) {
  const auto kind = SharedKind(deps_.entity_kinds, r.kind());
  if (!kind.ok()) {
    reply(kind.status());
    return;
  }
  ReplyFromStore<v1::GetEntityResponse>(
      *deps_.store, std::move(reply),
      [kind = *kind, name = r.name(), now_s = deps_.unix_ms() / 1000](
          store::Reader& reader, v1::GetEntityResponse* out) -> absl::Status {
        AURORA_ASSIGN_OR_RETURN(const store::Entry entry, FindEntity(reader, *kind, name, now_s));
        AURORA_ASSIGN_OR_RETURN(*out->mutable_entity(), JsonOf(reader, *kind, entry));
        return absl::OkStatus();
      });
}

void Handlers::Handle(const Caller& c, const v1::PutEntityRequest& r, Reply<v1::PutEntityResponse> reply) {
  const int64_t now_ms = deps_.unix_ms();
  const auto kind = SharedKind(deps_.entity_kinds, r.kind());
  auto entity = kind.ok() ? ReadEntity(**kind, r.name(), r.entity(), now_ms / 1000)
                          : absl::StatusOr<Entity>(kind.status());
  absl::Status status = entity.ok() ? CheckOptions(r.options()) : entity.status();
  if (!status.ok()) {
    reply(std::move(status));
    return;
  }
  auto state = std::make_shared<PutState>();
  state->kind = *kind;
  state->entity = *std::move(entity);
  if (!state->kind->enforced) {
    state->warnings.emplace_back(kNotEnforced);
  }
  const std::string id = state->kind->id(*state->entity);
  if (r.dry_run()) {
    v1::PutEntityResponse response;
    response.set_entity(EntityJson(*state->entity));
    response.set_name(id);
    reply(std::move(response));
    return;
  }
  if (state->kind->writes == Writes::kVersions) {
    PutVersion(deps_, c, r, std::move(state), std::move(reply));
    return;
  }
  // A moment later it would get another id: then nobody said the time.
  const auto later = ReadEntity(*state->kind, r.name(), r.entity(), now_ms / 1000 + 1);
  const bool undated = later.ok() && state->kind->id(**later) != id;
  store::WriteRequest request{r.kind(), id,
                              [state, undated, now_ms](const store::EditContext& ctx) {
                                return state->kind->writes == Writes::kOnce ? OnceEdit(ctx, *state, undated, now_ms)
                                                                            : ReplaceEdit(ctx, *state, now_ms);
                              },
                              AuditOf(c, "put")};
  ReplyToWrite<v1::PutEntityResponse>(
      deps_, std::move(request), r.options(), v1::WAIT_FOR_LOCAL, std::move(reply),
      [state](const store::WriteResult& result, v1::PutEntityResponse* out) { return FillPut(*state, result, out); });
}

void Handlers::Handle(const Caller& c, const v1::DeactivateEntityRequest& r,
                      Reply<v1::DeactivateEntityResponse> reply) {
  const auto kind = SharedKind(deps_.entity_kinds, r.kind());
  absl::Status status = kind.ok() ? CheckOptions(r.options()) : kind.status();
  if (status.ok() && (*kind)->writes != Writes::kVersions) {
    status = InvalidArgument("kind: " + r.kind() + " has no versions; delete it, or put it with enabled = false");
  }
  if (!status.ok()) {
    reply(std::move(status));
    return;
  }
  DeactivateVersion(deps_, c, r, std::move(reply));
}

void Handlers::Handle(const Caller& c, const v1::DeleteEntityRequest& r, Reply<v1::DeleteEntityResponse> reply) {
  const auto kind = SharedKind(deps_.entity_kinds, r.kind());
  absl::Status status = kind.ok() ? CheckOptions(r.options()) : kind.status();
  if (!status.ok()) {
    reply(std::move(status));
    return;
  }
  if ((*kind)->writes == Writes::kVersions) {
    DeleteVersion(deps_, c, r, std::move(reply));
    return;
  }
  auto shared = std::make_shared<Reply<v1::DeleteEntityResponse>>(std::move(reply));
  auto id = std::make_shared<std::string>();
  deps_.store->Read(
      [kind = *kind, name = r.name(), id](store::Reader& reader) -> absl::Status {
        AURORA_ASSIGN_OR_RETURN(*id, IdToDelete(reader, *kind, name));
        return absl::OkStatus();
      },
      [this, c, r, shared, id](absl::Status found) {
        if (!found.ok()) {
          (*shared)(std::move(found));
          return;
        }
        DeleteRow<v1::DeleteEntityResponse>(deps_, c, r.kind(), *id, r.options(), std::move(*shared));
      });
}

}  // namespace aurora::admin
