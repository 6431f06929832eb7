// UsageRing: the way of finished requests from one event loop to the metering writer.
// Source: ours; single producer, single consumer. Thread: Push from the loop only; Readable, At and
// Consume from the writer only; dropped from anywhere. Bounds: 4096 records (about 2 MiB), taken
// once. Errors: a full ring drops the new record and counts it; Push never blocks or allocates.
// Invariant: records come out in the order they went in; At(i) stays valid until Consume.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "dataplane/model/usage_record.h"
#include "shared/base/check.h"

namespace aurora::metering {

class UsageRing {
 public:
  static constexpr size_t kCapacity = 4096;

  UsageRing() : slots_(std::make_unique<model::UsageRecord[]>(kCapacity)) {}
  UsageRing(const UsageRing&) = delete;
  UsageRing& operator=(const UsageRing&) = delete;

  // False: full, the record is lost and counted.
  bool Push(const model::UsageRecord& record) {
    const uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) == kCapacity) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    slots_[tail % kCapacity] = record;
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  size_t Readable() const {
    return static_cast<size_t>(tail_.load(std::memory_order_acquire) -
                               head_.load(std::memory_order_relaxed));
  }
  // The i-th oldest; i < a Readable() seen before.
  const model::UsageRecord& At(size_t i) const {
    return slots_[(head_.load(std::memory_order_relaxed) + i) % kCapacity];
  }
  void Consume(size_t n) {
    AURORA_DCHECK(n <= Readable());
    head_.store(head_.load(std::memory_order_relaxed) + n, std::memory_order_release);
  }

  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  const std::unique_ptr<model::UsageRecord[]> slots_;
  // Apart, so that the two threads do not share a cache line.
  alignas(64) std::atomic<uint64_t> head_{0};
  alignas(64) std::atomic<uint64_t> tail_{0};
  std::atomic<uint64_t> dropped_{0};
};

}  // namespace aurora::metering
