#include "shared/uv/loop.h"

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/uv/timer.h"
#include "tests/shared/uv/run.h"
#include "tests/support/test.h"

namespace aurora::uv {
namespace {

TEST_CASE("a timer fires once, never early, and can be moved or stopped", "[uv]") {
  Loop loop;
  int fired = 0;
  Timer timer(loop, [&] { ++fired; });
  Timer stopped(loop, [&] { fired += 100; });
  const Instant start = Loop::Now();
  timer.Start(Duration::Seconds(60));
  timer.Start(Duration::Micros(2500));
  stopped.Start(Duration::Millis(1));
  stopped.Stop();
  CHECK(timer.active());
  CHECK(!stopped.active());
  loop.Run();
  CHECK(fired == 1);
  CHECK(Loop::Now() - start >= Duration::Micros(2500));
}

TEST_CASE("a repeating timer fires until it is stopped from its own callback", "[uv]") {
  Loop loop;
  int fired = 0;
  Timer timer(loop, [&] {
    if (++fired == 3) {
      timer.Stop();
    }
  });
  timer.StartRepeating(Duration::Millis(1));
  loop.Run();
  CHECK(fired == 3);
}

TEST_CASE("a deadline in the past fires at once and never stays quiet", "[uv]") {
  Loop loop;
  int fired = 0;
  Timer past(loop, [&] { ++fired; });
  Timer never(loop, [&] { fired += 100; });
  past.StartAt(Loop::Now() - Duration::Seconds(5));
  never.StartAt(Instant::Never());
  loop.Run();
  CHECK(fired == 1);
}

struct Counted {
  explicit Counted(int* count) : count_(count) {}
  ~Counted() { ++*count_; }
  int* count_;
};

TEST_CASE("a retired object outlives the callback that retires it and no more", "[uv]") {
  Loop loop;
  int destroyed = 0;
  bool alive_in_callback = false;
  auto object = std::make_unique<Counted>(&destroyed);
  Timer far(loop, [] {});
  far.Start(Duration::Seconds(3600));  // the poll would wait an hour but for the retired object
  Timer timer(loop, [&] {
    loop.Retire(std::move(object));
    alive_in_callback = destroyed == 0;
  });
  timer.Start(Duration::Micros(0));
  REQUIRE(RunUntil(loop, [&] { return destroyed == 1; }));
  CHECK(alive_in_callback);
}

TEST_CASE("an object retired when its loop dies is destroyed with it", "[uv]") {
  int destroyed = 0;
  {
    Loop loop;
    loop.Retire(std::make_unique<Counted>(&destroyed));
  }
  CHECK(destroyed == 1);
}

TEST_CASE("a signal reaches its watcher on the loop", "[uv]") {
  Loop loop;
  int received = 0;
  const Signal watcher(loop, SIGUSR1, [&] { ++received; });
  REQUIRE(kill(getpid(), SIGUSR1) == 0);
  CHECK(RunUntil(loop, [&] { return received == 1; }));
}

TEST_CASE("a file that appears in a watched directory is reported by name", "[uv]") {
  std::string directory = "/tmp/aurora-watch-XXXXXX";
  REQUIRE(mkdtemp(directory.data()) != nullptr);
  {
    Loop loop;
    std::vector<std::string> names;
    auto watch =
        FsWatch::Open(loop, directory, [&](std::string_view name) { names.emplace_back(name); });
    REQUIRE(watch.ok());
    std::ofstream(directory + "/x.toml") << "a";
    CHECK(RunUntil(loop, [&] { return !names.empty(); }));
    CHECK(names.front() == "x.toml");
    CHECK(FsWatch::Open(loop, directory + "/none", [](std::string_view) {}).status().code() ==
          absl::StatusCode::kNotFound);
  }
  unlink((directory + "/x.toml").c_str());
  rmdir(directory.c_str());
}

}  // namespace
}  // namespace aurora::uv
