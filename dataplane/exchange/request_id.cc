#include "dataplane/exchange/request_id.h"

#include <algorithm>
#include <array>

namespace aurora::exchange {
namespace {

bool IsSaneRequestId(std::string_view id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

// Eight hexadecimal digits of 32 bits at once, the lowest nibble first.
uint64_t HexDigits(uint32_t bits) {
  uint64_t x = bits;
  x = (x | x << 16) & 0x0000ffff0000ffff;
  x = (x | x << 8) & 0x00ff00ff00ff00ff;
  x = (x | x << 4) & 0x0f0f0f0f0f0f0f0f;
  const uint64_t letters = ((x + 0x0606060606060606) >> 4) & 0x0101010101010101;
  return x + 0x3030303030303030 + letters * ('a' - '9' - 1);
}

void WriteRequestId(Rng& rng, model::FixedString<64>& out) {
  std::array<uint64_t, 4> text;
  for (size_t i = 0; i < text.size(); i += 2) {
    const uint64_t word = rng.Next();
    text[i] = HexDigits(static_cast<uint32_t>(word));
    text[i + 1] = HexDigits(static_cast<uint32_t>(word >> 32));
  }
  out = std::string_view(reinterpret_cast<const char*>(text.data()), sizeof text);
}

}  // namespace

void ChooseRequestId(const http::Head& head, Rng& rng, model::FixedString<64>& out) {
  const http::Header* id = head.Find(http::HeaderId::kXRequestId);
  if (id != nullptr && IsSaneRequestId(id->value)) {
    out = id->value;
  } else {
    WriteRequestId(rng, out);
  }
}

}  // namespace aurora::exchange
