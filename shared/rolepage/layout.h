// The bytes of the role page: 4096, mapped by both processes, every word atomic.
// Source: failover.md section 3. Units: ns on CLOCK_BOOTTIME. Each half has one writing process.
// Invariant: the layout never changes under one kLayoutVersion; never truncated, never renamed.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace aurora::rolepage {

inline constexpr size_t kPageBytes = 4096;
inline constexpr uint64_t kMagic = 0x61726f7261506731;  // "aroraPg1"
inline constexpr uint64_t kLayoutVersion = 1;
inline constexpr size_t kMaxLoops = 128;
inline constexpr size_t kTextBytes = 128;

// Lock bytes (OFD locks, held for life).
inline constexpr int64_t kControlLockByte = 0;
inline constexpr int64_t kDataLockByte = 1;

using Word = std::atomic<uint64_t>;
static_assert(Word::is_always_lock_free && sizeof(Word) == 8);

struct Header {
  Word magic;  // written last
  Word layout_version;
  std::array<Word, 2> boot_id;  // the kernel's boot id, 16 bytes
};

struct ControlHalf {
  Word active_until_ns;  // 0 = closed; the only word that carries safety
  Word close_seq;
  Word sync_ok_until_ns;
  Word synced;          // = start_nonce of the data plane that has caught up
  Word leader_version;  // sequence lock over the rest: odd while written
  Word term;
  std::array<Word, kTextBytes / 8> leader_id;
  std::array<Word, kTextBytes / 8> leader_address;
};

struct DataHalf {
  Word start_nonce;
  Word tick_ns;
  Word applied_version;  // sequence lock over the next two
  Word applied_epoch;
  Word applied_seq;
  Word draining;
  Word in_flight;
  Word ready;
  Word loops;
  std::array<Word, kMaxLoops> close_seq;  // one slot per loop
};

struct Page {
  Header header;
  std::array<std::byte, 512 - sizeof(Header)> pad0;
  ControlHalf control;
  std::array<std::byte, 1536 - sizeof(ControlHalf)> pad1;
  DataHalf data;
  std::array<std::byte, 2048 - sizeof(DataHalf)> pad2;
};
static_assert(sizeof(Page) == kPageBytes);
static_assert(offsetof(Page, control) == 512 && offsetof(Page, data) == 2048);

}  // namespace aurora::rolepage
