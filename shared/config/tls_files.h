// What can be told of the files of a certificate. Source: stat(2); the pair itself by shared/tls. Thread: any.
// Errors: none of TlsStamp, a file that is not there is part of it; TlsEnd: InvalidArgument for a pair that does not
// load. Invariant: equal stamps mean the same inodes, sizes and times of change.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "shared/config/config.h"

namespace aurora::config {

std::string TlsStamp(const TlsFiles& files);

// When the certificate ends, Unix seconds; only of a pair that fits.
absl::StatusOr<int64_t> TlsEnd(const TlsFiles& files);

}  // namespace aurora::config
