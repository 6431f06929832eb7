// SkipText: how far printable ASCII goes. What heads are made of, sixteen bytes at a time.
// Source: ours. Thread: pure. Bounds: never reads at or beyond `end`.
#pragma once

#include <bit>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace aurora::http {

// The first byte in [at, end) that is not 0x20..0x7e, or `end`.
inline const char* SkipText(const char* at, const char* end) {
#if defined(__SSE2__)
  const __m128i low = _mm_set1_epi8(0x1f);
  const __m128i high = _mm_set1_epi8(0x7f);
  for (; end - at >= 16; at += 16) {
    // Signed: bytes from 0x80 on are below 0x1f.
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i text = _mm_and_si128(_mm_cmpgt_epi8(bytes, low), _mm_cmplt_epi8(bytes, high));
    const auto mask = static_cast<uint32_t>(_mm_movemask_epi8(text));
    if (mask != 0xffff) {
      return at + std::countr_one(mask);
    }
  }
#endif
  while (at != end && *at >= 0x20 && *at < 0x7f) {
    ++at;
  }
  return at;
}

}  // namespace aurora::http
