#include "controlplane/replication/row.h"

#include <algorithm>
#include <array>

#include "shared/base/rng.h"
#include "tests/support/test.h"

namespace aurora::replication {
namespace {

Dot MakeDot(uint64_t origin, uint64_t counter) {
  return {{"n" + std::to_string(origin), origin * 7}, counter};
}

// Three nodes write one row and exchange it at random: the rows that can really meet.
struct World {
  explicit World(uint64_t seed) : rng(seed) {}

  void Step() {
    const size_t i = rng.Below(3);
    if (rng.OneIn(3)) {
      nodes[i] = Merge(nodes[i], nodes[rng.Below(3)]);
      return;
    }
    Write write;
    if (!rng.OneIn(4)) {
      write.spec = std::to_string(rng.Next());
      write.deleted = rng.OneIn(5);
    }
    const Dot dot = MakeDot(i + 1, ++counters[i]);
    const Hlc hlc{1'000 + rng.Below(20), static_cast<uint32_t>(rng.Below(3))};
    switch (rng.Below(6)) {
      case 0:
        write.facts.ended_at = hlc;
        break;
      case 1:
        write.facts.revoked.insert(std::to_string(rng.Below(5)));
        break;
      case 2:
        write.facts.disables.Add(dot);
        break;
      case 3:
        write.facts.undone = nodes[i].facts.disables;
        break;
      default:
        break;
    }
    nodes[i] = WriteRow(nodes[i], dot, hlc, write);
  }

  Rng rng;
  std::array<Row, 3> nodes;
  std::array<uint64_t, 3> counters{};
};

bool Grown(const Facts& before, const Facts& after) {
  Facts joined = before;
  joined.Join(after);
  return joined == after;
}

void CheckSound(const Row& row) {
  for (size_t i = 0; i < row.siblings.size(); ++i) {
    REQUIRE(row.version.Covers(row.siblings[i].dot));
    REQUIRE((i == 0 || row.siblings[i - 1].dot < row.siblings[i].dot));
  }
}

TEST_CASE("merge is commutative, associative and idempotent over causal histories") {
  size_t concurrent = 0;
  for (uint64_t seed = 1; seed <= 3'000; ++seed) {
    World world(seed);
    const uint64_t steps = 1 + world.rng.Below(14);
    for (uint64_t step = 0; step < steps; ++step) {
      world.Step();
    }
    const auto& [a, b, c] = world.nodes;
    INFO("seed " << seed);
    REQUIRE(Merge(a, b) == Merge(b, a));
    REQUIRE(Merge(Merge(a, b), c) == Merge(a, Merge(b, c)));
    REQUIRE(Merge(a, a) == a);
    REQUIRE(Merge(Merge(a, b), b) == Merge(a, b));
    const Row all = Merge(Merge(a, b), c);
    CheckSound(all);
    concurrent += all.siblings.size() > 1 ? 1U : 0U;
  }
  CHECK(concurrent > 300);  // the histories do fork
}

TEST_CASE("facts only grow, by writes and by merges") {
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    World world(seed);
    for (size_t step = 0; step < 30; ++step) {
      const std::array<Row, 3> before = world.nodes;
      world.Step();
      for (size_t i = 0; i < 3; ++i) {
        REQUIRE(Grown(before[i].facts, world.nodes[i].facts));
        REQUIRE(before[i].version.LessOrEqual(world.nodes[i].version));
      }
    }
  }
}

TEST_CASE("no write is lost unseen: each dot is a sibling or was replaced by a write that saw it") {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    World world(seed);
    for (int step = 0; step < 25; ++step) {
      world.Step();
    }
    const Row all = Merge(Merge(world.nodes[0], world.nodes[1]), world.nodes[2]);
    for (const Row& node : world.nodes) {
      REQUIRE(node.version.LessOrEqual(all.version));
      for (const Sibling& sibling : node.siblings) {
        const bool kept = std::count(all.siblings.begin(), all.siblings.end(), sibling) == 1;
        const bool replaced =
            std::any_of(world.nodes.begin(), world.nodes.end(), [&](const Row& other) {
              return other.version.Covers(sibling.dot) &&
                     std::count(other.siblings.begin(), other.siblings.end(), sibling) == 0;
            });
        REQUIRE(kept != replaced);
      }
    }
  }
}

TEST_CASE("a stale copy cannot bring a deleted value back") {
  const Row old = WriteRow({}, MakeDot(1, 1), {1, 0}, {"v", false, {}});
  const Row gone = WriteRow(old, MakeDot(2, 1), {2, 0}, {"", true, {}});
  CHECK(Merge(old, gone) == gone);
  CHECK(Merge(gone, old).Newest()->deleted);
}

TEST_CASE("a write replaces exactly what it saw and a facts-only write forks nothing") {
  const Row base = WriteRow({}, MakeDot(1, 1), {1, 0}, {"v", false, {}});
  const Row left = WriteRow(base, MakeDot(1, 2), {2, 0}, {"l", false, {}});
  const Row right = WriteRow(base, MakeDot(2, 1), {3, 0}, {"r", false, {}});
  const Row both = Merge(left, right);
  REQUIRE(both.siblings.size() == 2);
  CHECK(both.Newest()->spec == "r");
  Write disable;
  disable.facts.disables.Add(MakeDot(1, 3));
  const Row disabled = WriteRow(both, MakeDot(1, 3), {4, 0}, disable);
  CHECK(disabled.siblings == both.siblings);
  CHECK(disabled.facts.Disabled());
  CHECK(disabled.Urgent());
  CHECK(WriteRow(both, MakeDot(1, 3), {4, 0}, {"one", false, {}}).siblings.size() == 1);
}

TEST_CASE("an enable undoes only the disables it saw") {
  Facts a;
  a.disables.Add(MakeDot(1, 1));
  Facts enable = a;
  enable.undone = a.disables;
  CHECK_FALSE(enable.Disabled());
  Facts concurrent;
  concurrent.disables.Add(MakeDot(2, 1));
  enable.Join(concurrent);
  CHECK(enable.Disabled());
}

TEST_CASE("the earliest end wins") {
  Facts a;
  a.ended_at = Hlc{5, 0};
  Facts b;
  b.ended_at = Hlc{4, 9};
  a.Join(b);
  CHECK(a.ended_at == Hlc{4, 9});
  a.Join(Facts{});
  CHECK(a.ended_at == Hlc{4, 9});
}

}  // namespace
}  // namespace aurora::replication
