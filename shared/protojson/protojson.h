// protojson: policy messages as the admin API's JSON, both ways.
// Source: ours (docs product contract, Admin REST); not protobuf's own mapping.
//   out  proto field names; primitives and empty arrays always present; integers are JSON numbers;
//   enums are
//        lower-case names without their prefix (PROVIDER_TYPE_OPENAI -> "openai", ..._UNSPECIFIED
//        -> ""); bytes base64; Timestamp RFC 3339 UTC or null; StringList an array or null; unset
//        message null; unset `optional` field left out. A oneof is one member under the oneof's
//        name, null when unset; the string "type" beside it says which of its fields it is.
//   in   strict: an unknown field, a duplicate key, a wrong type, a number out of range and a text
//   that is not
//        UTF-8 are InvalidArgument naming the path ("rate_limits.tokens_per_day") and, for an
//        unknown field, the nearest known one. null clears a field.
// Thread: stateless. Bounds: Limits; beyond them InvalidArgument.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "absl/status/statusor.h"

namespace google::protobuf {
class Message;
}

namespace aurora::protojson {

struct Limits {
  size_t max_bytes = 1 << 20;
  int max_depth = 32;
};

nlohmann::ordered_json ToJson(const google::protobuf::Message& message);
// indent < 0: one line.
std::string ToJsonText(const google::protobuf::Message& message, int indent = -1);

// Fills `out` (cleared first); answers the top-level fields present in the text, in order (for
// PATCH).
absl::StatusOr<std::vector<std::string>> FromJsonText(std::string_view json,
                                                      google::protobuf::Message* out,
                                                      const Limits& limits = {});
// The same from a parsed object; `path` prefixes names in messages.
absl::StatusOr<std::vector<std::string>> FromJson(const nlohmann::ordered_json& json,
                                                  google::protobuf::Message* out,
                                                  std::string_view path = "");

// Text -> JSON value with the limits, duplicate keys refused.
absl::StatusOr<nlohmann::ordered_json> Parse(std::string_view json, const Limits& limits = {});

// RFC 3339 UTC, "2026-07-28T10:00:00Z", with a fraction only when there is one (3, 6 or 9 digits).
std::string FormatTime(int64_t seconds, int32_t nanos);
struct Time {
  int64_t seconds = 0;
  int32_t nanos = 0;
};
// Any offset is accepted and turned to UTC.
absl::StatusOr<Time> ParseTime(std::string_view text);

}  // namespace aurora::protojson
