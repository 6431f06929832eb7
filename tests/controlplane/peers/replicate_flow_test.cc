// The Replicate streams under load and at rest: order, memory, latency and what an idle one costs.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "shared/base/rng.h"
#include "tests/controlplane/peers/replicate_nodes.h"
#include "tests/support/sanitized.h"

extern char** environ;

namespace aurora::peers {
namespace {

using testing::Bulk;
using testing::Join;
using testing::Percentile;
using testing::RNode;
using testing::RunFor;
using testing::RunUntil;
using testing::Small;
using testing::Uid;
using testing::Wiretap;

using aurora::testing::kSanitized;  // memory that is free stays with the sanitizer

size_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  size_t total = 0;
  size_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

void Say(const std::string& what, double value) {
  std::cerr << "measured: " << what << " = " << value << "\n";
}

// Sends 0, 1, 2, .. while there is room.
class Counting {
 public:
  Counting(RNode& from, const RNode& to, int64_t limit) : from_(from), to_(to), limit_(limit) {
    from_.on_writable = [this](std::string_view) { Pump(); };
  }
  void Pump() {
    while (next_ < limit_ && from_.replicate->Send(to_.uid, Small(next_)) == Sent::kQueued) {
      ++next_;
    }
  }

 private:
  RNode& from_;
  const RNode& to_;
  const int64_t limit_;
  int64_t next_ = 0;
};

TEST_CASE("a hundred thousand frames each way come in order and none is lost") {
  constexpr int64_t kFrames = kSanitized ? 20'000 : 100'000;
  uv::Loop loop;
  RNode a(loop, "a");
  RNode b(loop, "b");
  Join(loop, a, b);
  std::array<int64_t, 2> next{};
  bool ordered = true;
  a.on_frame = [&](std::string_view, v1::ReplicateFrame& frame) {
    ordered = ordered && frame.ack().bulk().enforced() == next[0]++;
  };
  b.on_frame = [&](std::string_view, v1::ReplicateFrame& frame) {
    ordered = ordered && frame.ack().bulk().enforced() == next[1]++;
  };
  Counting from_a(a, b, kFrames);
  Counting from_b(b, a, kFrames);
  const Instant start = uv::Loop::Now();
  from_a.Pump();
  from_b.Pump();
  REQUIRE(RunUntil(loop, [&] { return next[0] == kFrames && next[1] == kFrames; }, Duration::Seconds(120)));
  Say("small frames a second, both ways", static_cast<double>(2 * kFrames) / (uv::Loop::Now() - start).seconds());
  CHECK(ordered);
  CHECK(a.replicate->TrafficOf(b.uid).frames_in == static_cast<uint64_t>(kFrames) + 1);
  CHECK(a.replicate->Room(b.uid) == kReplicateQueueMax);
}

TEST_CASE("a slow reader sets the pace, costs bounded memory and delays no other peer") {
  constexpr size_t kFrame = 64 << 10;
  uv::Loop loop;
  RNode a(loop, "a");
  RNode b(loop, "b");
  RNode c(loop, "c");
  a.LinkTo({&b, &c});
  REQUIRE(RunUntil(loop, [&] { return a.replicate->up_count() == 2 && b.Joined(a) && c.Joined(a); }));
  uint64_t sent = 0;
  const auto pump = [&] {
    while (a.replicate->Send(b.uid, Bulk(kFrame)) == Sent::kQueued) {
      ++sent;
    }
  };
  // b takes a frame in 16 ms: 4 MiB a second.
  b.on_frame = [&](std::string_view uid, v1::ReplicateFrame&) { b.replicate->Pause(uid); };
  uv::Timer taker(loop, [&] { b.replicate->Resume(a.uid); });
  taker.StartRepeating(Duration::Millis(16));
  a.on_writable = [&](std::string_view uid) {
    if (uid == b.uid) {
      pump();
    }
  };
  const size_t before = ResidentBytes();
  size_t most = before;
  pump();
  std::vector<Duration> delays;
  c.on_frame = [&](std::string_view, v1::ReplicateFrame& frame) {
    delays.push_back(Duration::Micros(uv::Loop::Now().micros() - frame.ack().bulk().enforced()));
  };
  uv::Timer teller(loop, [&] {
    CHECK(a.replicate->Send(c.uid, Small(uv::Loop::Now().micros())) == Sent::kQueued);
    most = std::max(most, ResidentBytes());
  });
  teller.StartRepeating(Duration::Millis(20));
  RunFor(loop, Duration::Seconds(4));
  const double rate = static_cast<double>(b.replicate->TrafficOf(a.uid).bytes_in) / 4 / (1 << 20);
  Say("MiB a second taken by the slow reader", rate);
  Say("MiB more resident", static_cast<double>(most - before) / (1 << 20));
  Say("MiB on the way", static_cast<double>((sent - b.frames) * kFrame) / (1 << 20));
  Say("p99 ms to the other peer", Percentile(delays, 99).seconds() * 1000);
  CHECK(rate > 1);
  CHECK(rate < 4.5);
  // The queue of 2 MiB, a MiB or two in gRPC and the sockets' buffers.
  CHECK((sent - b.frames) * kFrame < (12U << 20));
  if (!kSanitized) {
    CHECK(most - before < (24U << 20));
  }
  CHECK(delays.size() > 100);
  CHECK(Percentile(delays, 95) < Duration::Millis(100));
  // Paused for good, nothing more is taken; resumed, all that was sent comes.
  taker.Stop();
  a.on_writable = nullptr;
  b.replicate->Pause(a.uid);
  const uint64_t taken = b.frames;
  RunFor(loop, Duration::Millis(200));
  CHECK(b.frames == taken);
  CHECK(b.StateOf(a).paused);
  b.on_frame = nullptr;
  b.replicate->Resume(a.uid);
  CHECK(RunUntil(loop, [&] { return b.frames == sent; }));
}

TEST_CASE("a small frame passes while bulk saturates the other direction") {
  uv::Loop loop;
  RNode a(loop, "a");
  RNode b(loop, "b");
  Join(loop, a, b);
  const auto pump = [&] {
    while (a.replicate->Send(b.uid, Bulk(200'000)) == Sent::kQueued) {
    }
  };
  a.on_writable = [&](std::string_view) { pump(); };
  pump();
  std::vector<Duration> delays;
  a.on_frame = [&](std::string_view, v1::ReplicateFrame& frame) {
    delays.push_back(Duration::Micros(uv::Loop::Now().micros() - frame.ack().bulk().enforced()));
  };
  uv::Timer teller(loop, [&] { (void)b.replicate->Send(a.uid, Small(uv::Loop::Now().micros())); });
  teller.StartRepeating(Duration::Millis(10));
  RunFor(loop, Duration::Seconds(3));
  Say("MiB a second of bulk", static_cast<double>(b.replicate->TrafficOf(a.uid).bytes_in) / 3 / (1 << 20));
  Say("p50 ms against bulk", Percentile(delays, 50).seconds() * 1000);
  Say("p99 ms against bulk", Percentile(delays, 99).seconds() * 1000);
  CHECK(b.frames > 100);
  CHECK(delays.size() > 100);
  CHECK(Percentile(delays, 95) < Duration::Millis(100));
}

TEST_CASE("an idle stream costs less than 200 bytes a second") {
  constexpr int kSeconds = 21;  // two pings of either side
  uv::Loop loop;
  RNode a(loop, "a");
  RNode b(loop, "b");
  Wiretap tap(loop, b.server->port());
  a.via = tap.address();
  Join(loop, a, b);
  RunFor(loop, Duration::Millis(500));
  const uint64_t bytes = tap.bytes;
  const uint64_t packets = tap.packets;
  RunFor(loop, Duration::Seconds(kSeconds));
  // Each with IP and TCP headers, and an ACK of its own at the worst.
  const uint64_t wire = tap.bytes - bytes + (tap.packets - packets) * 2 * 66;
  Say("bytes a second, idle, with headers and ACKs", static_cast<double>(wire) / kSeconds);
  CHECK(tap.packets > packets);
  CHECK(wire < 200 * kSeconds);
  CHECK(a.downs.empty());
}

// The other process of the test below: tells its port, then sends back what comes.
TEST_CASE("a process of its own that answers frames", "[.][answerer]") {
  if (fcntl(3, F_GETFD) < 0) {
    return;  // not started by that test
  }
  uv::Loop loop;
  RNode b(loop, "b");
  b.on_frame = [&](std::string_view uid, v1::ReplicateFrame& frame) {
    (void)b.replicate->Send(uid, std::move(frame));
  };
  const std::string port = std::to_string(b.server->port()) + "\n";
  REQUIRE(write(3, port.data(), port.size()) == static_cast<ssize_t>(port.size()));
  RunUntil(loop, [&] { return !b.downs.empty(); }, Duration::Seconds(120));
}

class Answerer {
 public:
  Answerer() {
    std::array<int, 2> pipe{};
    REQUIRE(pipe2(pipe.data(), O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe[1], 3);
    std::string self = "/proc/self/exe";
    std::string filter = "[answerer]";
    std::array<char*, 3> arguments = {self.data(), filter.data(), nullptr};
    REQUIRE(posix_spawn(&pid_, self.c_str(), &actions, nullptr, arguments.data(), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe[1]);
    std::array<char, 16> text{};
    REQUIRE(read(pipe[0], text.data(), text.size() - 1) > 1);
    close(pipe[0]);
    address = "127.0.0.1:" + std::to_string(std::atoi(text.data()));
  }
  ~Answerer() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::string address;

 private:
  pid_t pid_ = 0;
};

TEST_CASE("on an idle stream to another process a frame and its answer take less than 50 ms") {
  constexpr int kTries = 60;
  Answerer answerer;
  uv::Loop loop;
  RNode a(loop, "a");
  a.links->SetTargets({{"b", Uid("b"), answerer.address}});
  REQUIRE(RunUntil(loop, [&] { return a.replicate->up_count() == 1; }));
  Rng rng(7);
  std::vector<Duration> trips;
  bool back = false;
  a.on_frame = [&](std::string_view, v1::ReplicateFrame&) { back = true; };
  for (int i = 0; i < kTries; ++i) {
    RunFor(loop, Duration::Millis(static_cast<int64_t>(50 + rng.Below(900))));
    back = false;
    const Instant start = uv::Loop::Now();
    REQUIRE(a.replicate->Send(Uid("b"), Small(i)) == Sent::kQueued);
    while (!back) {
      loop.RunOnce(true);
    }
    trips.push_back(uv::Loop::Now() - start);
  }
  Say("p50 ms there and back, idle", Percentile(trips, 50).seconds() * 1000);
  Say("p99 ms there and back, idle", Percentile(trips, 99).seconds() * 1000);
  CHECK(Percentile(trips, 95) < Duration::Millis(50));
}

}  // namespace
}  // namespace aurora::peers
