#include <iostream>
#include <map>
#include <mutex>
#include <semaphore>

#include "shared/base/rng.h"
#include "tests/controlplane/store/store_fixture.h"
#include "tests/support/faulty_vfs.h"
#include "tests/support/sanitized.h"

namespace aurora::store::testing {
namespace {

using aurora::testing::FaultyVfs;

struct Tally {
  std::map<std::string, int> submitted;
  std::map<std::string, int> acknowledged;  // the largest value an answer named
};

// Increments random counters, at most eight waiting, until the power goes or `writes` are done.
void WriteUntilCut(const TempDir& dir, FaultyVfs& vfs, Rng& rng, uint64_t epoch, int writes,
                   Tally& tally) {
  std::mutex mutex;
  std::counting_semaphore<8> slots(8);
  Store store(Options(dir, epoch, vfs.name()));
  for (int i = 0; i < writes && !vfs.off(); ++i) {
    const std::string id = "k" + std::to_string(rng.Below(20));
    ++tally.submitted[id];
    slots.acquire();
    store.Submit(Increment(id), [&, id](absl::StatusOr<WriteResult> r) {
      if (r.ok()) {
        const std::lock_guard<std::mutex> lock(mutex);
        int& value = tally.acknowledged[id];
        value = std::max(value, std::stoi(r->entry.row.siblings[0].spec));
      }
      slots.release();
    });
  }
}

// Every acknowledged increment is there; nothing is there that was not submitted; the tables agree.
void CheckAgainst(const TempDir& dir, const Tally& tally) {
  CheckConsistent(dir.Path("aurora.db"));
  auto reader = Reader::Open(dir.Path("aurora.db"));
  REQUIRE(reader.ok());
  std::map<std::string, int> audited;
  const auto audit = (*reader)->Audit(0, kListMax);
  REQUIRE(audit.ok());
  for (const AuditEntry& entry : *audit) {
    ++audited[entry.id];
  }
  for (const auto& [id, submitted] : tally.submitted) {
    const auto entry = (*reader)->Get(schema::kAlias, id);
    const int value = entry.ok() ? std::stoi(entry->row.siblings[0].spec) : 0;
    const auto acked = tally.acknowledged.find(id);
    REQUIRE(value >= (acked == tally.acknowledged.end() ? 0 : acked->second));
    REQUIRE(value <= submitted);
    REQUIRE(audited[id] == value);
  }
}

TEST_CASE(
    "whatever moment the power goes, every acknowledged write is there and none is half applied") {
  uint64_t cuts = 0;
  uint64_t lost = 0;
  int acknowledged = 0;
  constexpr uint64_t kSeeds = aurora::testing::kSanitized ? 40 : 120;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    INFO("seed " << seed);
    Rng rng(seed);
    const TempDir dir;
    FaultyVfs vfs("power" + std::to_string(seed));
    Tally tally;
    {
      Store founding(Options(dir, 1, vfs.name()));
      REQUIRE(founding.WaitOpened().state == State::kOpen);
    }
    for (uint64_t round = 0; round < 3; ++round) {
      vfs.CutPowerAfter(1 + rng.Below(rng.OneIn(4) ? 6'000 : 300));
      WriteUntilCut(dir, vfs, rng, seed * 10 + round + 2, 600, tally);
      cuts += vfs.off() ? 1U : 0U;
      vfs.Restore(rng.Next());
      CheckAgainst(dir, tally);
    }
    lost += vfs.lost_writes();
    for (const auto& [id, value] : tally.acknowledged) {
      acknowledged += value;
    }
  }
  std::cout << "power cuts: " << cuts << ", acknowledged writes: " << acknowledged
            << ", lost disk writes: " << lost << "\n";
  CHECK(cuts > kSeeds * 5 / 3);
  CHECK(lost > kSeeds * 5 / 6);  // the cuts do hit unsynced data
  CHECK(acknowledged > static_cast<int>(kSeeds) * 8);
}

}  // namespace
}  // namespace aurora::store::testing
