// What the calls that kinds share are made of: entities as JSON, looked up by kind. Internal to
// controlplane/admin.
// Source: ours (docs/adding-a-kind.md). Thread and errors: as handlers.h.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/message.h>

#include "controlplane/admin/handlers_impl.h"
#include "controlplane/kinds/resolve.h"

namespace aurora::admin {

using Entity = std::unique_ptr<google::protobuf::Message>;

// InvalidArgument naming the kinds there are.
absl::StatusOr<const kinds::Kind*> SharedKind(std::span<const kinds::Kind> kinds, std::string_view name);
// From a request: parsed, named, completed and valid.
absl::StatusOr<Entity> ReadEntity(const kinds::Kind& kind, std::string_view name, std::string_view json,
                                  int64_t now_s);
absl::StatusOr<Entity> DecodeEntity(const kinds::Kind& kind, std::string_view bytes);
std::string EntityJson(const google::protobuf::Message& entity);

// Sets, copies or clears a time by its name; nothing where there is none of it.
void SetTime(const char* field, int64_t unix_ms, google::protobuf::Message* entity);
void CopyTime(const char* field, const google::protobuf::Message& from, google::protobuf::Message* to);
void ClearField(const char* field, google::protobuf::Message* entity);

// What a put leaves behind for its answer; shared with the store's thread.
struct PutState {
  const kinds::Kind* kind = nullptr;
  Entity entity;
  std::optional<store::Entry> same;  // holds the value already, under another id than the write's
  std::vector<std::string> warnings;
};

inline constexpr std::string_view kNotEnforced = "stored, not enforced by this version";

// ---- kVersions (handlers_workflows.cc) ----

void PutVersion(const Deps& deps, const Caller& caller, const v1::PutEntityRequest& r,
                std::shared_ptr<PutState> state, Reply<v1::PutEntityResponse> reply);
void DeactivateVersion(const Deps& deps, const Caller& caller, const v1::DeactivateEntityRequest& r,
                       Reply<v1::DeactivateEntityResponse> reply);
void DeleteVersion(const Deps& deps, const Caller& caller, const v1::DeleteEntityRequest& r,
                   Reply<v1::DeleteEntityResponse> reply);
// By its id or, of the active one, its scope.
absl::StatusOr<store::Entry> FindVersion(store::Reader& reader, std::string_view name);
// With what only answers show: id, scope, active.
absl::StatusOr<std::string> VersionJson(store::Reader& reader, const store::Entry& entry);

}  // namespace aurora::admin
