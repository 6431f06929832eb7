// A node's meta: what parses is within its bounds and encodes to the beginning of what it came from.
#include <cstdint>
#include <string>

#include "controlplane/membership/meta.h"
#include "shared/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aurora::membership;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto meta = ParseMeta(bytes)) {
    AURORA_CHECK(meta->uid.size() <= kMaxMetaText && meta->cluster_id.size() <= kMaxMetaText);
    const std::string encoded = EncodeMeta(*meta);
    AURORA_CHECK(encoded.size() <= kMaxMeta && bytes.substr(0, encoded.size()) == encoded);
  }
  return 0;
}
