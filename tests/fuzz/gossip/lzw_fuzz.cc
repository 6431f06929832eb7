// LZW: everything encodes and comes back; everything decodes to at most its limit or is refused.
#include <cstdint>
#include <string>

#include "controlplane/gossipwire/lzw.h"
#include "shared/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aurora::gossipwire;
  constexpr size_t kLimit = 1u << 14;
  const std::string_view in(reinterpret_cast<const char*>(data), size);
  const auto back = LzwDecode(LzwEncode(in), in.size());
  AURORA_CHECK(back.ok() && *back == in);
  const auto plain = LzwDecode(in, kLimit);
  if (plain.ok()) {
    AURORA_CHECK(plain->size() <= kLimit);
    AURORA_CHECK(LzwDecode(LzwEncode(*plain), kLimit).value() == *plain);
    if (!plain->empty()) {
      AURORA_CHECK(LzwDecode(in, plain->size() - 1).status().code() == absl::StatusCode::kResourceExhausted);
    }
  }
  return 0;
}
