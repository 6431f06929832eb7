#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/rolepage/control_page.h"
#include "shared/rolepage/data_page.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

namespace aurora::rolepage {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr BootId kBoot = {11, 22};
constexpr BootId kOtherBoot = {11, 23};

std::unique_ptr<ControlPage> Control(const testing::TempDir& dir, const BootId& boot = kBoot) {
  auto page = ControlPage::Open(dir.Path("role.page"), boot);
  REQUIRE(page.ok());
  return *std::move(page);
}

std::unique_ptr<DataPage> Data(const testing::TempDir& dir, uint64_t nonce = 5,
                               const BootId& boot = kBoot, size_t loops = 2) {
  auto page = DataPage::Open(dir.Path("role.page"), loops, nonce, boot);
  REQUIRE(page.ok());
  return *std::move(page);
}

void CopyAll(DataPage& page) {
  page.CopyCloseSeq(0);
  page.CopyCloseSeq(1);
}

TEST_CASE("the gate admits strictly inside the deadline less its margin and never far ahead") {
  const testing::TempDir dir;
  auto control = Control(dir);
  auto data = Data(dir);
  CHECK_FALSE(data->GateOpen(kSecond));
  control->SetActiveUntil(2 * kSecond);
  CHECK(data->GateOpen(kSecond));
  CHECK(data->GateOpen(2 * kSecond - kGateMarginNs - 1));
  CHECK_FALSE(data->GateOpen(2 * kSecond - kGateMarginNs));
  CHECK_FALSE(data->GateOpen(3 * kSecond));
  control->SetActiveUntil(12 * kSecond);
  CHECK_FALSE(data->GateOpen(2 * kSecond));  // exactly 10 s ahead: a broken clock, not a lease
  CHECK(data->GateOpen(2 * kSecond + 1));
}

TEST_CASE("a close is acknowledged only when every loop has copied it") {
  const testing::TempDir dir;
  auto control = Control(dir);
  auto data = Data(dir);
  control->SetActiveUntil(2 * kSecond);
  const uint64_t first = control->Close();
  CHECK_FALSE(data->GateOpen(kSecond));
  CHECK_FALSE(control->CloseAcknowledged(first));
  data->CopyCloseSeq(0);
  CHECK_FALSE(control->CloseAcknowledged(first));
  data->CopyCloseSeq(1);
  CHECK(control->CloseAcknowledged(first));
  const uint64_t second = control->Close();
  CHECK(second > first);
  CHECK_FALSE(control->CloseAcknowledged(second));
  data.reset();
  CHECK_FALSE(control->CloseAcknowledged(first));  // a dead data plane acknowledges nothing
}

TEST_CASE("the gate is read together with the term it is open in") {
  const testing::TempDir dir;
  auto control = Control(dir);
  auto data = Data(dir);
  CHECK(!data->ReadGate(kSecond).open);
  const uint64_t version = data->leader_version();
  control->SetLeader({7, "n", "127.0.0.1:1"});
  CHECK(data->leader_version() != version);
  CHECK(data->term() == 7);
  control->SetActiveUntil(3 * kSecond);
  const GateReading reading = data->ReadGate(kSecond);
  CHECK(reading.open);
  CHECK(reading.term == 7);
  // A writer that keeps the order (cleared, new term, opened) never shows a term with another's lease.
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (uint64_t term = 8; !stop; ++term) {
      control->SetActiveUntil(0);
      control->SetLeader({term, "n", ""});
      control->SetActiveUntil(kSecond + term);
    }
  });
  for (int i = 0; i < 20000; ++i) {
    const GateReading seen = data->ReadGate(0);
    const uint64_t until = data->active_until();
    if (seen.open && until != 0) {
      CHECK(kSecond + seen.term <= until);
    }
  }
  stop = true;
  writer.join();
}

TEST_CASE("a restarted control plane begins closed and counts on") {
  const testing::TempDir dir;
  auto control = Control(dir);
  auto data = Data(dir);
  control->SetActiveUntil(2 * kSecond);
  control->SetSynced(data->start_nonce());
  control->SetSyncOkUntil(9 * kSecond);
  const uint64_t before = control->Close();
  control->SetActiveUntil(2 * kSecond);
  control.reset();
  CHECK(data->GateOpen(kSecond));  // dead control plane: the lease it gave lasts
  CHECK_FALSE(data->ControlPlaneAlive());
  control = Control(dir);
  CHECK(control->rewritten().empty());
  CHECK_FALSE(data->GateOpen(kSecond));
  CHECK(data->synced());  // the data plane lived through it
  CHECK(data->sync_ok_until() == 9 * kSecond);
  CHECK(control->Close() > before);
  data.reset();
  control.reset();
  control = Control(dir);
  data = Data(dir, control ? 5 : 0);
  CHECK_FALSE(data->synced());  // no data plane held its lock: cleared
  CHECK(data->sync_ok_until() == 0);
}

TEST_CASE("the nonce is drawn anew only when no control plane is alive") {
  const testing::TempDir dir;
  auto data = Data(dir, 5);
  CHECK(data->start_nonce() == 5);
  auto control = Control(dir);
  CHECK(control->Data()->start_nonce == 5);
  data.reset();
  data = Data(dir, 6);
  CHECK(data->start_nonce() == 5);
  data.reset();
  control.reset();
  data = Data(dir, 7);
  CHECK(data->start_nonce() == 7);
}

TEST_CASE("a page of another boot counts as absent until the control plane rewrites it") {
  const testing::TempDir dir;
  {
    auto old = Control(dir, kOtherBoot);
    old->SetActiveUntil(2 * kSecond);
    old->SetLeader({3, "node-a", "10.0.0.1:7950"});
  }
  auto data = Data(dir);
  CHECK(data->problem() == "left over from another boot");
  CHECK_FALSE(data->GateOpen(kSecond));
  CHECK(data->active_until() == 0);
  CHECK_FALSE(data->leader().has_value());
  CHECK_FALSE(data->synced());
  auto control = Control(dir);
  CHECK(control->rewritten() == "left over from another boot");
  CHECK(data->problem().empty());
  CHECK_FALSE(data->GateOpen(kSecond));  // the old deadline did not come back
  control->SetActiveUntil(2 * kSecond);
  CHECK(data->GateOpen(kSecond));
}

TEST_CASE("a forged page neither opens the gate nor poisons the close count") {
  const testing::TempDir dir;
  { std::ofstream(dir.Path("role.page"), std::ios::binary) << std::string(kPageBytes, '\xff'); }
  auto data = Data(dir);
  CHECK(data->problem() == "not a role page (wrong magic)");
  CHECK_FALSE(data->GateOpen(kSecond));
  CopyAll(*data);
  auto control = Control(dir);
  CHECK_FALSE(control->rewritten().empty());
  const uint64_t seq = control->Close();
  CHECK(seq < 10);
  CHECK_FALSE(control->CloseAcknowledged(seq));
  CopyAll(*data);
  CHECK(control->CloseAcknowledged(seq));
}

TEST_CASE("a shorter file is grown and the one the data plane made first is taken over") {
  const testing::TempDir dir;
  { std::ofstream(dir.Path("role.page")) << "x"; }
  auto data = Data(dir);
  CHECK_FALSE(data->problem().empty());
  auto control = Control(dir);
  CHECK(data->problem().empty());
}

TEST_CASE("each half has one owner") {
  const testing::TempDir dir;
  auto control = Control(dir);
  auto data = Data(dir);
  CHECK(absl::IsUnavailable(ControlPage::Open(dir.Path("role.page"), kBoot).status()));
  CHECK(absl::IsUnavailable(DataPage::Open(dir.Path("role.page"), 1, 9, kBoot).status()));
  CHECK(data->start_nonce() == 5);  // the refused one wrote nothing
}

TEST_CASE("what the data plane publishes is read back, and nothing once it is gone") {
  const testing::TempDir dir;
  auto control = Control(dir);
  CHECK_FALSE(control->Data().has_value());
  auto data = Data(dir);
  data->SetTick(77);
  data->SetApplied({4, 9});
  data->SetDraining(true);
  data->SetReady(true);
  data->SetInFlight(3);
  const auto state = control->Data();
  REQUIRE(state.has_value());
  CHECK(state->tick_ns == 77);
  CHECK(state->applied == Applied{4, 9});
  CHECK((state->draining && state->ready && state->in_flight == 3));
  control->SetLeader({7, "node-b", "[::1]:7950"});
  CHECK(data->leader() == Leader{7, "node-b", "[::1]:7950"});
  data.reset();
  CHECK_FALSE(control->Data().has_value());
}

TEST_CASE("a position is never read half written") {
  const testing::TempDir dir;
  auto control = Control(dir);
  auto data = Data(dir);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (uint64_t i = 1; !stop.load(); ++i) {
      data->SetApplied({i, i});
    }
  });
  bool torn = false;
  uint64_t last = 0;
  // Long enough to meet the writer at work, however late its thread starts.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (int i = 0; i < 20'000 || (last == 0 && std::chrono::steady_clock::now() < deadline); ++i) {
    const Applied applied = control->Data()->applied;
    torn = torn || applied.epoch != applied.seq;
    last = std::max(last, applied.seq);
  }
  stop = true;
  writer.join();
  CHECK_FALSE(torn);
  CHECK(last > 0);
}

TEST_CASE("the other process's death is seen through its lock") {
  const testing::TempDir dir;
  auto control = Control(dir);
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto page = DataPage::Open(dir.Path("role.page"), 1, 42, kBoot);
    const char answer = page.ok() && (*page)->ControlPlaneAlive() ? 'y' : 'n';
    (void)!::write(ready[1], &answer, 1);
    ::pause();
    ::_exit(0);
  }
  char answer = 0;
  REQUIRE(::read(ready[0], &answer, 1) == 1);
  CHECK(answer == 'y');
  CHECK(control->DataPlaneAlive());
  CHECK(control->Data()->start_nonce == 42);
  ::kill(child, SIGKILL);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  CHECK_FALSE(control->DataPlaneAlive());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("the kernel's boot id is read and is the same twice") {
  const auto a = ReadBootId();
  const auto b = ReadBootId();
  REQUIRE((a.ok() && b.ok()));
  CHECK(*a == *b);
  CHECK(*a != BootId{});
}

}  // namespace
}  // namespace aurora::rolepage
