// Resolve: a row's siblings and facts to the value in force, one pure function per kind; and the
// table of all kinds.
// Source: replication.md section 1 (resolve table), rules A2-A5. Thread: stateless. Order-free: any
// order of siblings gives the same value. The value of AuthKey is an aurora.v1.AuthKeyResolved; of
// the others their spec. Errors: InvalidArgument for a sibling that does not parse or validate:
// refuses a local write, parks a remote row.
#pragma once

#include <span>
#include <string_view>

#include "controlplane/kinds/kind.h"

namespace aurora::kinds {

std::span<const Kind> All();
// Null when there is none of that name.
const Kind* Find(std::span<const Kind> kinds, std::string_view name);

// The two rules that most kinds need. `check`: whether a spec parses and is valid.
using CheckFunction = absl::Status (*)(std::string_view spec);
// The newest write; a delete beats an older edit.
Value ResolveNewest(const replication::Row& row, CheckFunction check);
// The newest that is no delete: for what is written once, and so only ever deleted after.
Value ResolveOnce(const replication::Row& row, CheckFunction check);

}  // namespace aurora::kinds
