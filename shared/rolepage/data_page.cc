#include "shared/rolepage/data_page.h"

#include <cstring>

#include "shared/base/check.h"
#include "shared/base/status.h"
#include "shared/rolepage/seq_lock.h"

namespace aurora::rolepage {
namespace {

std::string LoadText(const std::array<Word, kTextBytes / 8>& from) {
  std::array<char, kTextBytes> bytes{};
  for (size_t i = 0; i < from.size(); ++i) {
    const uint64_t word = from[i].load(std::memory_order_acquire);
    std::memcpy(bytes.data() + i * 8, &word, 8);
  }
  return std::string(bytes.data(), ::strnlen(bytes.data(), bytes.size()));
}

}  // namespace

std::string_view HeaderProblem(const Header& header, const BootId& boot_id) {
  const uint64_t magic = header.magic.load(std::memory_order_acquire);
  if (magic == 0) {
    return "no control plane has written the page yet";
  }
  if (magic != kMagic) {
    return "not a role page (wrong magic)";
  }
  if (header.layout_version.load(std::memory_order_relaxed) != kLayoutVersion) {
    return "written by a program with another page layout";
  }
  if (header.boot_id[0].load(std::memory_order_relaxed) != boot_id[0] ||
      header.boot_id[1].load(std::memory_order_relaxed) != boot_id[1]) {
    return "left over from another boot";
  }
  return {};
}

absl::StatusOr<std::unique_ptr<DataPage>> DataPage::Open(std::string_view path, size_t loops,
                                                         uint64_t fresh_nonce,
                                                         std::optional<BootId> boot_id) {
  AURORA_CHECK(loops > 0 && loops <= kMaxLoops && fresh_nonce != 0);
  if (!boot_id.has_value()) {
    AURORA_ASSIGN_OR_RETURN(boot_id, ReadBootId());
  }
  AURORA_ASSIGN_OR_RETURN(MappedPage mapped, MappedPage::Open(path, kDataLockByte));
  std::unique_ptr<DataPage> page(new DataPage(std::move(mapped), *boot_id));
  DataHalf& data = page->mapped_.page().data;
  const bool keep = page->ControlPlaneAlive() && page->problem().empty() &&
                    data.start_nonce.load(std::memory_order_acquire) != 0;
  if (!keep) {
    data.start_nonce.store(fresh_nonce, std::memory_order_release);
  }
  data.tick_ns.store(0, std::memory_order_relaxed);
  data.draining.store(0, std::memory_order_relaxed);
  data.ready.store(0, std::memory_order_relaxed);
  data.in_flight.store(0, std::memory_order_relaxed);
  page->SetApplied(Applied{});
  if (!page->problem().empty()) {
    for (Word& slot : data.close_seq) {
      slot.store(0, std::memory_order_relaxed);  // whatever they hold was not written by one of us
    }
  }
  data.loops.store(loops, std::memory_order_release);
  return page;
}

bool DataPage::ControlPlaneAlive() const {
  return mapped_.Held(kControlLockByte);
}

bool DataPage::GateOpen(uint64_t now_ns) const {
  const uint64_t until = active_until();
  return until > now_ns && until - now_ns > kGateMarginNs && until - now_ns < kGateHorizonNs;
}

GateReading DataPage::ReadGate(uint64_t now_ns) const {
  for (uint64_t before = term();;) {
    const bool open = GateOpen(now_ns);
    const uint64_t after = term();  // behind the word's acquire
    if (!open || before == after) {
      return {open, after};
    }
    before = after;  // a new term began meanwhile, with the word cleared in between
  }
}

uint64_t DataPage::active_until() const {
  const uint64_t until = mapped_.page().control.active_until_ns.load(std::memory_order_acquire);
  return problem().empty() ? until : 0;
}

uint64_t DataPage::sync_ok_until() const {
  return problem().empty() ? mapped_.page().control.sync_ok_until_ns.load(std::memory_order_acquire)
                           : 0;
}

bool DataPage::synced() const {
  return problem().empty() &&
         mapped_.page().control.synced.load(std::memory_order_acquire) == start_nonce();
}

std::optional<Leader> DataPage::leader() const {
  if (!problem().empty()) {
    return std::nullopt;
  }
  const ControlHalf& control = mapped_.page().control;
  Leader leader;
  const bool whole = SeqRead(control.leader_version, [&] {
    leader.term = control.term.load(std::memory_order_acquire);
    leader.node_id = LoadText(control.leader_id);
    leader.address = LoadText(control.leader_address);
  });
  return whole ? std::optional(leader) : std::nullopt;
}

uint64_t DataPage::term() const {
  return problem().empty() ? mapped_.page().control.term.load(std::memory_order_acquire) : 0;
}

uint64_t DataPage::leader_version() const {
  return problem().empty() ? mapped_.page().control.leader_version.load(std::memory_order_acquire) : 0;
}

uint64_t DataPage::start_nonce() const {
  return mapped_.page().data.start_nonce.load(std::memory_order_relaxed);
}

void DataPage::CopyCloseSeq(size_t i) {
  AURORA_DCHECK(i < kMaxLoops);
  Page& page = mapped_.page();
  if (!problem().empty()) {
    return;  // that number is not a control plane's
  }
  // Acquire: whoever sees the number reads the zeroed deadline afterwards.
  page.data.close_seq[i].store(page.control.close_seq.load(std::memory_order_acquire),
                               std::memory_order_release);
}

void DataPage::SetTick(uint64_t now_ns) {
  mapped_.page().data.tick_ns.store(now_ns, std::memory_order_release);
}

void DataPage::SetApplied(const Applied& applied) {
  DataHalf& data = mapped_.page().data;
  SeqWrite(data.applied_version, [&] {
    data.applied_epoch.store(applied.epoch, std::memory_order_release);
    data.applied_seq.store(applied.seq, std::memory_order_release);
  });
}

void DataPage::SetDraining(bool draining) {
  mapped_.page().data.draining.store(draining ? 1 : 0, std::memory_order_release);
}

void DataPage::SetReady(bool ready) {
  mapped_.page().data.ready.store(ready ? 1 : 0, std::memory_order_release);
}

void DataPage::SetInFlight(uint64_t n) {
  mapped_.page().data.in_flight.store(n, std::memory_order_release);
}

}  // namespace aurora::rolepage
