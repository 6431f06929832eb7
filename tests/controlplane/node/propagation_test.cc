// Who enforces a write, told from the role page of a temporary directory.
#include "controlplane/node/propagation.h"

#include <memory>

#include "shared/rolepage/data_page.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

namespace aurora::node {
namespace {

constexpr uint64_t kEpoch = 42;

struct Fixture {
  Fixture() {
    auto control = rolepage::ControlPage::Open(dir.Path("role.page"));
    REQUIRE(control.ok());
    page = *std::move(control);
    watch = std::make_unique<PropagationWatch>(loop, mailbox, *page, kEpoch, "n1");
  }
  void StartDataPlane() {
    auto opened = rolepage::DataPage::Open(dir.Path("role.page"), 1, 5);
    REQUIRE(opened.ok());
    data = *std::move(opened);
  }
  // Runs the loop until `done` or five seconds.
  void RunUntil(const bool& done) {
    const Instant until = uv::Loop::Now() + Duration::Seconds(5);
    while (!done && uv::Loop::Now() < until) {
      loop.RunOnce(false);
    }
  }

  testing::TempDir dir;
  uv::Loop loop;
  uv::Mailbox mailbox{loop, 16};
  std::unique_ptr<rolepage::ControlPage> page;
  std::unique_ptr<rolepage::DataPage> data;
  std::unique_ptr<PropagationWatch> watch;
};

TEST_CASE("a node whose data plane is down is not serving, and a wait for it is answered at once") {
  Fixture f;
  const v1::Propagation now = f.watch->Now(1);
  CHECK(now.members() == 1);
  CHECK(now.enforced() == 0);
  REQUIRE(now.not_serving_size() == 1);
  CHECK(now.not_serving(0) == "n1");
  bool done = false;
  f.watch->Wait(1, Duration::Seconds(60), [&](const v1::Propagation&) { done = true; });
  CHECK(done);
}

TEST_CASE(
    "a position is enforced when the data plane has applied it or a later one of this epoch") {
  Fixture f;
  f.StartDataPlane();
  CHECK(f.watch->Now(5).pending_size() == 1);
  f.data->SetApplied({kEpoch, 4});
  CHECK(f.watch->Now(5).pending_size() == 1);
  f.data->SetApplied({kEpoch, 5});
  CHECK(f.watch->Now(5).enforced() == 1);
  CHECK(f.watch->Now(5).pending_size() == 0);
  f.data->SetApplied({kEpoch + 1, 9});
  CHECK(f.watch->Now(5).enforced() == 0);
}

TEST_CASE("a wait is answered as soon as the data plane has applied the position") {
  Fixture f;
  f.StartDataPlane();
  bool done = false;
  int enforced = -1;
  f.watch->Wait(3, Duration::Seconds(60), [&](const v1::Propagation& p) {
    done = true;
    enforced = p.enforced();
  });
  CHECK_FALSE(done);
  f.loop.RunOnce(false);
  f.data->SetApplied({kEpoch, 3});
  f.RunUntil(done);
  CHECK(enforced == 1);
}

TEST_CASE("a wait that runs out says who is pending") {
  Fixture f;
  f.StartDataPlane();
  bool done = false;
  v1::Propagation last;
  const Instant start = uv::Loop::Now();
  f.watch->Wait(3, Duration::Millis(30), [&](v1::Propagation p) {
    done = true;
    last = std::move(p);
  });
  f.RunUntil(done);
  REQUIRE(done);
  CHECK(uv::Loop::Now() - start >= Duration::Millis(30));
  CHECK(last.pending_size() == 1);
}

TEST_CASE("a data plane that dies while someone waits ends the wait") {
  Fixture f;
  f.StartDataPlane();
  bool done = false;
  v1::Propagation last;
  f.watch->Wait(3, Duration::Seconds(60), [&](v1::Propagation p) {
    done = true;
    last = std::move(p);
  });
  f.loop.RunOnce(false);
  f.data.reset();
  f.RunUntil(done);
  CHECK(last.not_serving_size() == 1);
}

TEST_CASE("stopping answers everyone who waits, and later waits at once") {
  Fixture f;
  f.StartDataPlane();
  int answers = 0;
  f.watch->Wait(3, Duration::Seconds(60), [&](const v1::Propagation&) { ++answers; });
  f.loop.RunOnce(false);
  CHECK(answers == 0);
  f.watch->Stop();
  CHECK(answers == 1);
  f.watch->Wait(3, Duration::Seconds(60), [&](const v1::Propagation&) { ++answers; });
  CHECK(answers == 2);
}

}  // namespace
}  // namespace aurora::node
