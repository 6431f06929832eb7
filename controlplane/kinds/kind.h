// Kind: all that the rest of the program knows of a kind of policy (docs/adding-a-kind.md). Rows,
// admin calls, REST routes and aurora-ctl commands follow from it.
// Source: ours. Thread: stateless; the functions are pure. Errors: InvalidArgument "field: …" (field.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "controlplane/replication/row.h"

namespace google::protobuf {
class Message;
}

namespace aurora::kinds {

using Value = absl::StatusOr<std::optional<std::string>>;  // what is in force; nothing = deleted
using ResolveFunction = Value (*)(const replication::Row& row);

enum class Writes : uint8_t {
  kReplace,   // a write replaces what was there
  kOnce,      // id = name "@" time; what is written stays as it is, a later one takes over
  kVersions,  // id = the dot of the write; a row of `pointer` says which version is active
};

struct Kind {
  std::string_view name;
  ResolveFunction resolve = nullptr;

  // Below: for the calls that kinds share. Null: this kind has calls of its own, or none.
  const google::protobuf::Message* (*prototype)() = nullptr;
  // Takes what `name` ("" = not given) says over into the entity, and fills in what may be left out.
  // `now_s`: Unix seconds. The entity may repeat the name, not contradict it.
  absl::Status (*complete)(std::string_view name, int64_t now_s, google::protobuf::Message* entity) = nullptr;
  absl::Status (*validate)(const google::protobuf::Message& entity) = nullptr;
  // Of a valid entity: its row's id; of kVersions: the id of its pointer's row.
  std::string (*id)(const google::protobuf::Message& entity) = nullptr;
  Writes writes = Writes::kReplace;
  std::string_view pointer = {};
  bool enforced = false;  // the data plane acts on it
  std::string_view rest = {};  // collection below /admin/api/v1/
  std::string_view list = {};  // the member of a list's body
};

}  // namespace aurora::kinds
