// Sum: tells a value of aurora.db that is as it was written from one whose bytes changed on the disk. SQLite notices a
// damaged page only where it breaks its structure: a changed byte inside a value reads like any other.
// Source: ours; FNV-1a's step on words of 8 bytes: every change inside one word is told and 1 - 2^-64 of the others; no
// proof against somebody who makes values to collide. Thread: any.
// Layout: behind the value, as a field of protobuf's that no message has (number 2^29 - 1, fixed64), so that a program
// that does not know of it reads the value all the same. Bounds: kSumBytes more a value. Errors: DataLoss, with the
// row's name. Always: a value without a sum (written before there were any) is taken as it is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace aurora::schema {

inline constexpr size_t kSumBytes = 13;

// Which column: a value of one is none of the other.
inline constexpr std::string_view kRowColumn = "row";
inline constexpr std::string_view kSpecColumn = "spec";

std::string WithSum(std::string_view column, std::string_view kind, std::string_view id, std::string_view value);
// The value; it lives as long as `stored`.
absl::StatusOr<std::string_view> WithoutSum(std::string_view column, std::string_view kind, std::string_view id,
                                            std::string_view stored);

}  // namespace aurora::schema
