// Bounded decompression of a gzip or zlib body held in memory.
// Source: RFC 1950, RFC 1952, through zlib.
// Thread: pure.   Bounds: the output never exceeds output_bytes_max.
// Errors: ResourceExhausted when the output would be larger; InvalidArgument for malformed or
// truncated input.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "shared/base/status.h"

namespace aurora::http {

absl::StatusOr<std::string> Inflate(std::string_view compressed, size_t output_bytes_max);

}  // namespace aurora::http
