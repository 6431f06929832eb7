// LastGood: what facts make of the last good value of a row whose newest one this program cannot read.
// Source: replication.md section 1, rule A7. Thread: stateless. Always: the answer admits nothing that `value` did not.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "controlplane/replication/row.h"

namespace aurora::kinds {

// `value`: an aurora.v1.AuthKeyResolved. Revoked secrets go, an ended or disabled key is not active. Nothing: the value
// does not parse.
std::optional<std::string> AuthKeyLastGood(std::string_view value, const replication::Facts& facts);

}  // namespace aurora::kinds
