// Field-level validation: one sentence per mistake that names the field, the value and what is
// allowed. Source: ours. Thread: stateless. Errors: InvalidArgument "field: …"; the part before the
// first ':' is the field.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace aurora::kinds {

inline constexpr size_t kNameBytesMax = 128;
inline constexpr size_t kDescriptionBytesMax = 1024;
inline constexpr size_t kPathBytesMax = 256;
inline constexpr size_t kListMax = 1000;
inline constexpr size_t kUrlBytesMax = 2048;

// In quotes, printable, and cut, so that a huge value does not fill the answer.
std::string Quote(std::string_view value);
// "field: what is wrong".
absl::Status Bad(std::string_view field, std::string_view what);
// The field a Bad status is about; "" when there is none.
std::string FieldOf(const absl::Status& status);

// 1..128 bytes of [A-Za-z0-9._:/@+-], starting with a letter or digit.
absl::Status CheckName(std::string_view field, std::string_view value);
// The same without '/': what is one segment of a URL.
absl::Status CheckSegment(std::string_view field, std::string_view value);
// UTF-8 text without control characters.
absl::Status CheckText(std::string_view field, std::string_view value, size_t bytes_max);
// The same with line breaks and tabs.
absl::Status CheckProse(std::string_view field, std::string_view value, size_t bytes_max);
// A finite amount of US dollars.
absl::Status CheckUsd(std::string_view field, double value, double max);
absl::Status CheckRange(std::string_view field, int64_t value, int64_t min, int64_t max);
// What RFC 3339 can write and is not before 1970.
absl::Status CheckTime(std::string_view field, int64_t seconds, int32_t nanos);
// "/a/b": starts with '/', no empty or dot segments; "" is allowed.
absl::Status CheckUserPath(std::string_view field, std::string_view value);
// A model pattern: a name, "provider/", or either with a trailing '*'.
absl::Status CheckPattern(std::string_view field, std::string_view value);
// "/" (everything), "provider/", "provider/model" or "model".
absl::Status CheckSelector(std::string_view field, std::string_view value);
absl::Status CheckCount(std::string_view field, int count, size_t max);

// Takes over into `field` what a name or path says of it; the entity may repeat it, not contradict it.
absl::Status TakeName(std::string_view field, std::string_view name, std::string* value);

std::string Indexed(std::string_view field, int index);

}  // namespace aurora::kinds
