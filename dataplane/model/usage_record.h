// UsageRecord: what one finished exchange cost; becomes one row of traffic.db and the metrics.
// Source: ours. Thread: a value. Bounds: strings are cut to the sizes below, so a record is fixed-size and the
// per-loop ring needs no allocation.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "dataplane/model/types.h"

namespace aurora::model {

template <size_t N>
class FixedString {
 public:
  FixedString() = default;
  FixedString& operator=(std::string_view s) {
    size_ = static_cast<uint16_t>(std::min(s.size(), N));
    if (size_ > 0) {
      std::memcpy(data_.data(), s.data(), size_);
    }
    return *this;
  }
  std::string_view view() const { return {data_.data(), size_}; }

 private:
  uint16_t size_ = 0;
  std::array<char, N> data_;
};

struct TokenCounts {
  int64_t input = 0;
  int64_t output = 0;
  int64_t cached_input = 0;
  int64_t cache_creation_input = 0;
  int64_t reasoning = 0;
};

enum class Outcome : uint8_t {
  kSuccess, kClientError, kRateLimited, kServerError, kTimeout, kConnectError, kCancelled, kRejected,
};

enum class Endpoint : uint8_t {
  kChatCompletions, kMessages, kCountTokens, kResponses, kCompletions, kEmbeddings, kModerations, kRerank,
  kImages, kAudio, kFiles, kBatches, kModels, kModel, kPassthrough, kAdmin, kHealth, kOther,
};

struct UsageRecord {
  FixedString<64> request_id;
  FixedString<40> auth_key_id;
  FixedString<128> user_path;
  FixedString<64> provider;
  FixedString<128> model;
  Slot provider_slot = kNoSlot;
  Slot model_slot = kNoSlot;
  Endpoint endpoint = Endpoint::kOther;
  Outcome outcome = Outcome::kSuccess;
  bool stream = false;
  bool metered = false;  // a usage row is written only for requests that reached policy with a key
  uint16_t status = 0;
  uint16_t attempts = 0;
  uint64_t term = 0;  // of the leader when the request was admitted; 0 = there are no leaders
  int64_t started_unix_us = 0;
  int64_t latency_us = 0;
  int64_t upstream_us = 0;
  int64_t time_to_first_token_us = 0;  // 0 = no upstream byte
  TokenCounts tokens;
  int64_t cost_nano_usd = 0;  // by the prices in force when the request began; 0 = none
  uint64_t request_bytes = 0;
  uint64_t response_bytes = 0;
};

}  // namespace aurora::model
