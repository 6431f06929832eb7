#include "shared/schema/sum.h"

#include <cstdint>

#include "shared/base/status.h"

namespace aurora::schema {
namespace {

constexpr std::string_view kTag("\xf9\xff\xff\xff\x0f", 5);  // (2^29 - 1) << 3 | 1
// So much of the tag makes it a damaged one and not the end of a value without a sum.
constexpr size_t kTagLike = 3;

uint64_t SumOf(std::string_view column, std::string_view kind, std::string_view id, std::string_view value) {
  uint64_t sum = 14'695'981'039'346'656'037U;
  for (const std::string_view part : {column, kind, id, value}) {
    for (const char c : part) {
      sum = (sum ^ static_cast<unsigned char>(c)) * 1'099'511'628'211U;
    }
    sum = (sum ^ part.size()) * 1'099'511'628'211U;
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
