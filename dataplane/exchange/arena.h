// Arena: scratch memory of one step, where heads, chunk frames and error bodies are rendered.
// Source: ours. Thread: one loop. Bounds: 64 KiB without malloc; a step that needs more takes overflow blocks, which
// Reset() frees. Lifetime: everything is valid until Reset(), which the driver calls once the Outbox is drained.
// Invariant: 64 readable bytes follow every allocation (what simdjson needs).
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace aurora::exchange {

inline constexpr size_t kPaddingBytes = 64;

class Arena {
 public:
  explicit Arena(size_t bytes = 64 * 1024) : block_(new char[bytes + kPaddingBytes]()), bytes_(bytes) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Uninitialised bytes; alignment 1.
  char* Allocate(size_t n) {
    if (n > bytes_ - used_) [[unlikely]] {
      overflow_.push_back(std::make_unique<char[]>(n + kPaddingBytes));
      return overflow_.back().get();
    }
    char* p = block_.get() + used_;
    used_ += n;
    return p;
  }
  // Gives back the unused tail of the latest Allocate: the bytes from `end` on. Does nothing for an overflow block.
  void ShrinkTo(const char* end) {
    if (end >= block_.get() && end <= block_.get() + used_) {
      used_ = static_cast<size_t>(end - block_.get());
    }
  }
  // True when the next Allocate(n) starts exactly at `end`, so that two pieces can become one.
  bool Continues(const char* end, size_t n) const {
    return end == block_.get() + used_ && n <= bytes_ - used_;
  }
  std::string_view Copy(std::string_view s) {
    char* p = Allocate(s.size());
    if (!s.empty()) {
      std::memcpy(p, s.data(), s.size());
    }
    return {p, s.size()};
  }

  void Reset() {
    used_ = 0;
    if (!overflow_.empty()) [[unlikely]] {
      overflow_.clear();
    }
  }
  size_t used() const { return used_; }

 private:
  std::unique_ptr<char[]> block_;
  size_t bytes_;
  size_t used_ = 0;
  std::vector<std::unique_ptr<char[]>> overflow_;
};

}  // namespace aurora::exchange
