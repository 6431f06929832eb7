// BufferPool and BodyBuffer: bytes that outlive a step (request bodies kept for a retry, SSE carries).
// Source: ours. Thread: one loop. Bounds: free lists of 1, 4, 16, 64 and 256 KiB, at most kIdleBytesMax idle per class;
// larger ones come from malloc and go back to it. `bytes_in_use` lets the driver shed load.
// Invariant: kPaddingBytes readable bytes follow `capacity`, as simdjson needs; a BodyBuffer never outlives its pool.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "dataplane/exchange/arena.h"
#include "shared/base/check.h"

namespace aurora::exchange {

class BufferPool {
 public:
  // The smallest is what a short request on its way to a stream holds: with thousands at once it counts.
  static constexpr std::array<size_t, 5> kClasses = {1u << 10, 4u << 10, 16u << 10, 64u << 10, 256u << 10};
  static constexpr size_t kIdleBytesMax = 4u << 20;

  BufferPool() {
    for (auto& list : free_) {
      list.reserve(64);
    }
  }
  ~BufferPool() {
    for (auto& list : free_) {
      for (char* p : list) {
        std::free(p);
      }
    }
  }
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  size_t bytes_in_use() const { return bytes_in_use_; }

 private:
  friend class BodyBuffer;

  static size_t ClassOf(size_t n) {
    for (size_t i = 0; i < kClasses.size(); ++i) {
      if (n <= kClasses[i]) {
        return i;
      }
    }
    return kClasses.size();
  }
  // The capacity a request for n bytes gets.
  static size_t CapacityFor(size_t n) {
    const size_t c = ClassOf(n);
    return c < kClasses.size() ? kClasses[c] : n;
  }
  char* Take(size_t capacity) {
    bytes_in_use_ += capacity;
    const size_t c = ClassOf(capacity);
    if (c < kClasses.size() && !free_[c].empty()) {
      char* p = free_[c].back();
      free_[c].pop_back();
      return p;
    }
    char* p = static_cast<char*>(std::malloc(capacity + kPaddingBytes));
    AURORA_CHECK(p != nullptr);
    std::memset(p + capacity, 0, kPaddingBytes);
    return p;
  }
  void Give(char* p, size_t capacity) {
    bytes_in_use_ -= capacity;
    const size_t c = ClassOf(capacity);
    if (c < kClasses.size() && (free_[c].size() + 1) * capacity <= kIdleBytesMax) {
      free_[c].push_back(p);
    } else {
      std::free(p);
    }
  }

  std::array<std::vector<char*>, kClasses.size()> free_;
  size_t bytes_in_use_ = 0;
};

// A growing byte string in pooled memory; empty ones hold none.
class BodyBuffer {
 public:
  BodyBuffer() = default;
  ~BodyBuffer() { Release(); }
  BodyBuffer(const BodyBuffer&) = delete;
  BodyBuffer& operator=(const BodyBuffer&) = delete;

  void Reserve(BufferPool& pool, size_t n) {
    if (n <= capacity_) {
      return;
    }
    const size_t capacity = BufferPool::CapacityFor(n);
    char* p = pool.Take(capacity);
    if (size_ > 0) {
      std::memcpy(p, data_, size_);
    }
    const size_t size = size_;
    Release();
    pool_ = &pool;
    data_ = p;
    capacity_ = capacity;
    size_ = size;
  }
  // The free bytes behind what is held: bytes written to its front and then given to Append stay where they are.
  std::span<char> Room() { return {data_ + size_, capacity_ - size_}; }
  void Append(BufferPool& pool, std::string_view s) {
    if (data_ != nullptr && s.data() == data_ + size_ && s.size() <= capacity_ - size_) {
      size_ += s.size();
      return;
    }
    if (s.size() > capacity_ - size_) {
      // Doubling keeps appends linear; the first growth takes just what is needed.
      Reserve(pool, size_ == 0 ? s.size() : std::max(size_ + s.size(), capacity_ * 2));
    }
    if (!s.empty()) {
      std::memcpy(data_ + size_, s.data(), s.size());
      size_ += s.size();
    }
  }
  // Forgets the first n bytes.
  void ConsumeFront(size_t n) {
    AURORA_DCHECK(n <= size_);
    std::memmove(data_, data_ + n, size_ - n);
    size_ -= n;
  }
  void Clear() { size_ = 0; }
  void Release() {
    if (data_ != nullptr) {
      pool_->Give(data_, capacity_);
      data_ = nullptr;
    }
    size_ = capacity_ = 0;
  }

  std::string_view view() const { return {data_, size_}; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool holds_memory() const { return data_ != nullptr; }

 private:
  BufferPool* pool_ = nullptr;
  char* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace aurora::exchange
