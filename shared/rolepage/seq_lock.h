// A sequence lock over atomic words: one writer, readers that retry a bounded number of times.
// Source: Boehm, "Can seqlocks get along with programming language memory models?" (2012). Thread:
// as stated. Invariant: Read returns false rather than a torn value, also when the writer died half
// way (odd for ever).
#pragma once

#include "shared/rolepage/layout.h"

namespace aurora::rolepage {

inline constexpr int kSeqLockTries = 64;

template <class F>
void SeqWrite(Word& version, const F& write) {
  // Even-ness is forced: a predecessor may have died while it wrote.
  const uint64_t start = version.load(std::memory_order_relaxed) | 1;
  version.store(start, std::memory_order_seq_cst);
  write();  // stores with release
  version.store(start + 1, std::memory_order_release);
}

template <class F>
bool SeqRead(const Word& version, const F& read) {
  for (int i = 0; i < kSeqLockTries; ++i) {
    const uint64_t before = version.load(std::memory_order_acquire);
    if ((before & 1) != 0) {
      continue;
    }
    read();  // loads with acquire: the check below cannot move before them
    if (version.load(std::memory_order_acquire) == before) {
      return true;
    }
  }
  return false;
}

}  // namespace aurora::rolepage
