#include "shared/uv/mailbox.h"

#include <array>
#include <memory>
#include <thread>
#include <vector>

#include "tests/shared/uv/run.h"
#include "tests/support/test.h"

namespace aurora::uv {
namespace {

TEST_CASE("posts of four threads all arrive, each thread's in its order", "[uv]") {
  constexpr int kThreads = 4;
  constexpr int kPosts = 5000;
  Loop loop;
  Mailbox mailbox(loop, 256);
  std::array<int, kThreads> next{};
  int disorder = 0;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        // Full: the poster tries again, as a caller with back-pressure would.
        while (!mailbox.Post([&next, &disorder, t, i] {
          disorder += next[t] == i ? 0 : 1;
          next[t] = i + 1;
        })) {
          std::this_thread::yield();
        }
      }
    });
  }
  const bool all = RunUntil(
      loop,
      [&] {
        for (const int count : next) {
          if (count != kPosts) {
            return false;
          }
        }
        return true;
      },
      Duration::Seconds(60));
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(all);
  CHECK(disorder == 0);
}

TEST_CASE("a full mailbox refuses and takes again after it was drained", "[uv]") {
  Loop loop;
  Mailbox mailbox(loop, 2);
  int ran = 0;
  CHECK(mailbox.Post([&] { ++ran; }));
  CHECK(mailbox.Post([&] { ++ran; }));
  CHECK(!mailbox.Post([&] { ++ran; }));
  REQUIRE(RunUntil(loop, [&] { return ran == 2; }));
  CHECK(mailbox.Post([&] { ++ran; }));
  REQUIRE(RunUntil(loop, [&] { return ran == 3; }));
}

TEST_CASE("after Close nothing is taken and nothing waiting runs", "[uv]") {
  Loop loop;
  Mailbox mailbox(loop, 8);
  const auto token = std::make_shared<int>(0);
  int ran = 0;
  REQUIRE(mailbox.Post([&] {
    ++ran;
    mailbox.Close();
  }));
  REQUIRE(mailbox.Post([&ran, token] { ++ran; }));
  loop.Run();  // returns: a closed mailbox holds no handle
  CHECK(ran == 1);
  CHECK(token.use_count() == 1);
  CHECK(!mailbox.Post([&] { ++ran; }));
}

TEST_CASE("closing while threads post loses no task's destructor", "[uv]") {
  Loop loop;
  Mailbox mailbox(loop, 64);
  const auto token = std::make_shared<int>(0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&mailbox, token] {
      for (int i = 0; i < 1000; ++i) {
        (void)mailbox.Post([token] {});
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    loop.RunOnce(false);
  }
  mailbox.Close();
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(token.use_count() == 1);
}

TEST_CASE("a task may post to its own mailbox and runs in a later batch", "[uv]") {
  Loop loop;
  Mailbox mailbox(loop, 1);
  int ran = 0;
  REQUIRE(mailbox.Post([&] {
    ++ran;
    CHECK(mailbox.Post([&] { ++ran; }));
    CHECK(ran == 1);
  }));
  REQUIRE(RunUntil(loop, [&] { return ran == 2; }));
}

}  // namespace
}  // namespace aurora::uv
