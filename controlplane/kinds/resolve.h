// Resolve: a row's siblings and facts to the value in force, one pure function per kind.
// Source: replication.md section 1 (resolve table), rules A2-A5. Thread: stateless. Order-free: any
// order of siblings gives the same value. The value of AuthKey is an aurora.v1.AuthKeyResolved; of
// the others their spec. Errors: InvalidArgument for a sibling that does not parse or validate:
// refuses a local write, parks a remote row.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "controlplane/replication/row.h"

namespace aurora::kinds {

using ResolveFunction = absl::StatusOr<std::optional<std::string>> (*)(const replication::Row& row);

struct Kind {
  std::string_view name;
  ResolveFunction resolve;
};

std::span<const Kind> All();

}  // namespace aurora::kinds
