// SHA-256 and constant-time comparison.
// Source: FIPS 180-4 through OpenSSL. Thread: a Sha256 is owned by one thread; the free functions
// are stateless to the caller (one hasher per thread inside). Units: bytes. Errors: none (input of
// any length). Invariant: hashing allocates nothing after a Sha256's construction.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

struct SHA256state_st;

namespace aurora::crypto {

using Digest = std::array<uint8_t, 32>;

// One reusable context: for a loop that hashes a key per request.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  Sha256& Update(std::string_view bytes);
  // Ends the message and starts the next one.
  Digest Finish();
  // Update + Finish; anything updated before belongs to this message too.
  Digest Hash(std::string_view bytes) { return Update(bytes).Finish(); }

 private:
  SHA256state_st* ctx_;
};

Digest Sha256Of(std::string_view bytes);

// Takes as long for a mismatch in the first byte as in the last; different lengths are unequal at
// once (lengths of our secrets are public).
bool ConstantTimeEqual(std::string_view a, std::string_view b);
bool ConstantTimeEqual(const Digest& a, const Digest& b);

}  // namespace aurora::crypto
