#include <thread>

#include "dataplane/metering/names.h"
#include "dataplane/metering/usage_ring.h"
#include "tests/support/test.h"

namespace aurora::metering {
namespace {

TEST_CASE("a full ring drops the new record, counts it and keeps the old ones") {
  UsageRing ring;
  model::UsageRecord record;
  for (size_t i = 0; i < UsageRing::kCapacity + 10; ++i) {
    record.latency_us = static_cast<int64_t>(i);
    CHECK(ring.Push(record) == (i < UsageRing::kCapacity));
  }
  CHECK(ring.dropped() == 10);
  REQUIRE(ring.Readable() == UsageRing::kCapacity);
  CHECK(ring.At(0).latency_us == 0);
  CHECK(ring.At(UsageRing::kCapacity - 1).latency_us == UsageRing::kCapacity - 1);
  ring.Consume(1);
  CHECK(ring.Push(record));
  CHECK(ring.At(0).latency_us == 1);
}

TEST_CASE("two threads pass every record through the ring whole and in order") {
  constexpr int64_t kRecords = 100'000;
  UsageRing ring;
  std::thread producer([&ring] {
    model::UsageRecord record;
    for (int64_t i = 0; i < kRecords; ++i) {
      record.started_unix_us = i;
      record.request_id = std::to_string(i);
      record.response_bytes = static_cast<uint64_t>(i);
      while (ring.Readable() == UsageRing::kCapacity) {
        std::this_thread::yield();
      }
      ring.Push(record);
    }
  });
  int64_t seen = 0;
  bool whole = true;
  while (seen < kRecords) {
    const size_t n = ring.Readable();
    for (size_t i = 0; i < n; ++i, ++seen) {
      const model::UsageRecord& r = ring.At(i);
      whole = whole && r.started_unix_us == seen && r.request_id.view() == std::to_string(seen) &&
              r.response_bytes == static_cast<uint64_t>(seen);
    }
    ring.Consume(n);
    if (n == 0) {
      std::this_thread::yield();
    }
  }
  producer.join();
  CHECK(whole);
  CHECK(ring.dropped() == 0);
}

TEST_CASE("endpoints and outcomes have the names that traffic.db documents") {
  CHECK(Name(model::Endpoint::kChatCompletions) == "chat_completions");
  CHECK(Name(model::Endpoint::kCountTokens) == "count_tokens");
  CHECK(Name(model::Endpoint::kOther) == "other");
  CHECK(Name(model::Outcome::kSuccess) == "success");
  CHECK(Name(model::Outcome::kConnectError) == "connect_error");
  CHECK(Name(model::Outcome::kRejected) == "rejected");
}

}  // namespace
}  // namespace aurora::metering
