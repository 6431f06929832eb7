// Random bytes for secrets and ids.
// Source: OpenSSL RAND_bytes (seeded by the kernel); UUID v4 per RFC 9562 section 5.4. Thread: any.
// Errors: a generator that cannot produce bytes ends the process: no caller has a safe way on.
// A core that needs randomness for anything but secrets takes shared/base/rng.h instead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace aurora::crypto {

// `n` raw bytes.
std::string RandomBytes(size_t n);
uint64_t RandomU64();

// "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx", lower case.
std::string UuidV4();

}  // namespace aurora::crypto
