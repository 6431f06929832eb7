#include "shared/rolepage/control_page.h"

#include <algorithm>
#include <cstring>

#include "shared/base/status.h"
#include "shared/rolepage/data_page.h"
#include "shared/rolepage/seq_lock.h"

namespace aurora::rolepage {
namespace {

void StoreText(std::array<Word, kTextBytes / 8>& to, std::string_view text) {
  std::array<char, kTextBytes> bytes{};
  std::memcpy(bytes.data(), text.data(), std::min(text.size(), kTextBytes));
  for (size_t i = 0; i < to.size(); ++i) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i * 8, 8);
    to[i].store(word, std::memory_order_release);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<ControlPage>> ControlPage::Open(std::string_view path,
                                                               std::optional<BootId> boot_id) {
  if (!boot_id.has_value()) {
    AURORA_ASSIGN_OR_RETURN(boot_id, ReadBootId());
  }
  AURORA_ASSIGN_OR_RETURN(MappedPage mapped, MappedPage::Open(path, kControlLockByte));
  std::unique_ptr<ControlPage> page(new ControlPage(std::move(mapped)));
  page->Adopt(*boot_id);
  return page;
}

// Closed first, then everything else: whatever the page said, nothing is admitted by a
// predecessor's word.
void ControlPage::Adopt(const BootId& boot_id) {
  Page& page = mapped_.page();
  ControlHalf& control = page.control;
  control.active_until_ns.store(0, std::memory_order_seq_cst);

  const bool alone = !mapped_.Held(kDataLockByte);
  rewritten_ = std::string(HeaderProblem(page.header, boot_id));
  if (!rewritten_.empty()) {
    page.header.magic.store(0, std::memory_order_release);
    control.close_seq.store(
        0, std::memory_order_relaxed);  // not ours: garbage must not become our count
    SetLeader(Leader{});
    if (alone) {
      for (Word& slot : page.data.close_seq) {
        slot.store(0, std::memory_order_relaxed);
      }
      page.data.start_nonce.store(0, std::memory_order_relaxed);
    }
  }
  if (alone || !rewritten_.empty()) {
    control.synced.store(0, std::memory_order_release);
    control.sync_ok_until_ns.store(0, std::memory_order_release);
  }
  uint64_t largest = control.close_seq.load(std::memory_order_relaxed);
  for (const Word& slot : page.data.close_seq) {
    largest = std::max(largest, slot.load(std::memory_order_acquire));
  }
  control.close_seq.store(largest + 1, std::memory_order_release);
  if (!rewritten_.empty()) {
    page.header.layout_version.store(kLayoutVersion, std::memory_order_relaxed);
    page.header.boot_id[0].store(boot_id[0], std::memory_order_relaxed);
    page.header.boot_id[1].store(boot_id[1], std::memory_order_relaxed);
    page.header.magic.store(kMagic, std::memory_order_release);
  }
}

void ControlPage::SetActiveUntil(uint64_t ns) {
  mapped_.page().control.active_until_ns.store(ns, std::memory_order_seq_cst);
}

uint64_t ControlPage::active_until() const {
  return mapped_.page().control.active_until_ns.load(std::memory_order_acquire);
}

uint64_t ControlPage::Close() {
  ControlHalf& control = mapped_.page().control;
  control.active_until_ns.store(0, std::memory_order_seq_cst);
  // Release: a loop that sees the number sees the zero.
  return control.close_seq.fetch_add(1, std::memory_order_acq_rel) + 1;
}

bool ControlPage::CloseAcknowledged(uint64_t close_seq) const {
  if (!DataPlaneAlive()) {
    return false;  // its death is another proof, for the caller to use as such
  }
  const DataHalf& data = mapped_.page().data;
  const uint64_t loops = data.loops.load(std::memory_order_acquire);
  if (loops == 0 || loops > kMaxLoops) {
    return false;
  }
  const uint64_t newest = mapped_.page().control.close_seq.load(std::memory_order_acquire);
  for (size_t i = 0; i < loops; ++i) {
    const uint64_t slot = data.close_seq[i].load(std::memory_order_acquire);
    if (slot < close_seq || slot > newest) {  // a number we have not given out proves nothing
      return false;
    }
  }
  return true;
}

void ControlPage::SetSyncOkUntil(uint64_t ns) {
  mapped_.page().control.sync_ok_until_ns.store(ns, std::memory_order_release);
}

void ControlPage::SetSynced(uint64_t start_nonce) {
  mapped_.page().control.synced.store(start_nonce, std::memory_order_release);
}

uint64_t ControlPage::synced() const {
  return mapped_.page().control.synced.load(std::memory_order_acquire);
}

void ControlPage::SetLeader(const Leader& leader) {
  ControlHalf& control = mapped_.page().control;
  SeqWrite(control.leader_version, [&] {
    control.term.store(leader.term, std::memory_order_release);
    StoreText(control.leader_id, leader.node_id);
    StoreText(control.leader_address, leader.address);
  });
}

bool ControlPage::DataPlaneAlive() const {
  return mapped_.Held(kDataLockByte);
}

std::optional<DataState> ControlPage::Data() const {
  if (!DataPlaneAlive()) {
    return std::nullopt;
  }
  const DataHalf& data = mapped_.page().data;
  DataState state;
  state.start_nonce = data.start_nonce.load(std::memory_order_acquire);
  state.tick_ns = data.tick_ns.load(std::memory_order_acquire);
  state.draining = data.draining.load(std::memory_order_acquire) != 0;
  state.ready = data.ready.load(std::memory_order_acquire) != 0;
  state.in_flight = data.in_flight.load(std::memory_order_acquire);
  Applied applied;
  const bool whole = SeqRead(data.applied_version, [&] {
    applied.epoch = data.applied_epoch.load(std::memory_order_acquire);
    applied.seq = data.applied_seq.load(std::memory_order_acquire);
  });
  state.applied = whole ? applied : Applied{};
  return state;
}

}  // namespace aurora::rolepage
