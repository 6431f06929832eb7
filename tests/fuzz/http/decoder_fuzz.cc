// Any chunking of the same bytes gives the same events. Input: one byte of flags, one that seeds the cuts, a message.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/rng.h"
#include "tests/shared/http/trace.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using aurora::http::Decoder;
  using aurora::http::Trace;
  if (size < 2) {
    return 0;
  }
  const auto kind = (data[0] & 1) != 0 ? Decoder::Kind::kResponse : Decoder::Kind::kRequest;
  const bool eof = (data[0] & 2) != 0;
  aurora::Rng rng(data[1]);
  const std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);

  const std::string whole = Trace(kind, {bytes}, eof);
  std::vector<std::string_view> parts;
  const uint64_t part_max = 1 + rng.Below(40);
  for (size_t at = 0; at < bytes.size();) {
    const size_t part = std::min<size_t>(bytes.size() - at, 1 + rng.Below(part_max));
    parts.push_back(bytes.substr(at, part));
    at += part;
  }
  const std::string cut = Trace(kind, parts, eof);
  if (cut != whole) {
    std::fprintf(stderr, "whole:\n%s\ncut:\n%s\n", whole.c_str(), cut.c_str());
    std::abort();
  }
  return 0;
}
