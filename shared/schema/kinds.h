// The kinds of policy rows, as the `kind` column spells them (docs/protocols/rows.md).
// Source: ours. A kind a program does not know is stored and relayed all the same.
#pragma once

#include <array>
#include <string_view>

namespace aurora::schema {

inline constexpr std::string_view kAuthKey = "AuthKey";
inline constexpr std::string_view kProvider = "Provider";
inline constexpr std::string_view kModel = "Model";
inline constexpr std::string_view kAlias = "Alias";
inline constexpr std::string_view kModelOverride = "ModelOverride";

inline constexpr std::array kKinds = {kAuthKey, kProvider, kModel, kAlias, kModelOverride};

}  // namespace aurora::schema
