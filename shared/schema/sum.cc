#include "shared/schema/sum.h"

#include <bit>
#include <cstdint>
#include <cstring>

#include "shared/base/status.h"

namespace aurora::schema {
namespace {

constexpr std::string_view kTag("\xf9\xff\xff\xff\x0f", 5);  // (2^29 - 1) << 3 | 1
// So much of the tag makes it a damaged one and not the end of a value without a sum.
constexpr size_t kTagLike = 3;

// Each step is one to one in both arguments; the shift carries high bits down, where the product alone would not.
uint64_t Step(uint64_t sum, uint64_t word) {
  sum = (sum ^ word) * 0x9e37'79b9'7f4a'7c15U;
  return sum ^ sum >> 32;
}

uint64_t SumOf(std::string_view column, std::string_view kind, std::string_view id, std::string_view value) {
  uint64_t sum = 0;
  for (const std::string_view part : {column, kind, id, value}) {
    sum = Step(sum, part.size());
    for (size_t at = 0; at < part.size(); at += 8) {
      uint64_t word = 0;
      std::memcpy(&word, part.data() + at, part.size() - at < 8 ? part.size() - at : 8);
      if constexpr (std::endian::native == std::endian::big) {
        word = __builtin_bswap64(word);  // a file is the same on every machine
      }
      sum = Step(sum, word);
    }
  }
  return sum;
}

}  // namespace

std::string WithSum(std::string_view column, std::string_view kind, std::string_view id, std::string_view value) {
  std::string out;
  out.reserve(value.size() + kSumBytes);
  out += value;
  out += kTag;
  const uint64_t sum = SumOf(column, kind, id, value);
  for (int shift = 0; shift < 64; shift += 8) {
    out += static_cast<char>(static_cast<unsigned char>(sum >> shift));
  }
  return out;
}

absl::StatusOr<std::string_view> WithoutSum(std::string_view column, std::string_view kind, std::string_view id,
                                            std::string_view stored) {
  if (stored.size() < kSumBytes) {
    return stored;
  }
  const std::string_view end = stored.substr(stored.size() - kSumBytes);
  size_t alike = 0;
  for (size_t i = 0; i < kTag.size(); ++i) {
    alike += end[i] == kTag[i] ? 1U : 0U;
  }
  if (alike < kTagLike) {
    return stored;
  }
  uint64_t sum = 0;
  for (size_t i = kSumBytes; i > kTag.size(); --i) {
    sum = sum << 8 | static_cast<unsigned char>(end[i - 1]);
  }
  const std::string_view value = stored.substr(0, stored.size() - kSumBytes);
  if (alike != kTag.size() || sum != SumOf(column, kind, id, value)) {
    return DataLoss(std::string(kind) + " " + std::string(id) + ": the bytes of its " + std::string(column) +
                    " are not those that were written");
  }
  return value;
}

}  // namespace aurora::schema
