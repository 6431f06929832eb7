// The gossip keyring: configured keys plus what operators changed at run time.
#include "controlplane/node/gossip_ring.h"

#include <algorithm>
#include <tuple>

#include "shared/crypto/encoding.h"
#include "tests/support/test.h"

namespace aurora::node {
namespace {

const std::string kA(16, 'a');
const std::string kB(16, 'b');
const std::string kC(32, 'c');

std::string Print(const std::string& key) {
  return gossipwire::Keyring::Fingerprint(key);
}

GossipRing RingOf(std::vector<std::string> keys, const std::vector<RingChange>& stored = {}) {
  std::vector<crypto::Secret> configured;
  for (const std::string& key : keys) {
    configured.emplace_back(key);
  }
  return GossipRing(std::move(configured), stored);
}

RingChange Installed(const std::string& key, int64_t at, const std::string& uid = "u1") {
  return {RingChange::Action::kInstall, Print(key), crypto::Secret(key), at, uid};
}

using Prints = std::vector<std::string>;

TEST_CASE("the configured keys are the ring, the first seals") {
  const GossipRing ring = RingOf({kA, kB});
  CHECK(ring.Fingerprints() == Prints{Print(kA), Print(kB)});
  CHECK(ring.Keys()[0].Reveal() == kA);
  CHECK(ring.IsConfigured(Print(kB)));
}

TEST_CASE("install, use and remove rotate the key, and the result outlives a restart") {
  GossipRing ring = RingOf({kA});
  const auto install = ring.Install(crypto::Base64Encode(kC), 10, "u1");
  REQUIRE(install.ok());
  REQUIRE(ring.Apply(*install));
  CHECK(ring.Fingerprints() == Prints{Print(kA), Print(kC)});
  CHECK_FALSE(ring.Remove(Print(kA), 11, "u1").ok());  // it seals
  const auto use = ring.Use(Print(kC), 12, "u1");
  REQUIRE(use.ok());
  REQUIRE(ring.Apply(*use));
  CHECK(ring.Fingerprints() == Prints{Print(kC), Print(kA)});
  const auto remove = ring.Remove(Print(kA), 13, "u1");
  REQUIRE(remove.ok());
  REQUIRE(ring.Apply(*remove));
  CHECK(ring.Fingerprints() == Prints{Print(kC)});
  CHECK(RingOf({kA}, ring.Records()).Fingerprints() == Prints{Print(kC)});
}

TEST_CASE("changes give the same ring in any order, and a known one is no news") {
  std::vector<RingChange> changes = {Installed(kB, 10), Installed(kC, 11),
                                     {RingChange::Action::kUse, Print(kC), {}, 12, "u2"},
                                     {RingChange::Action::kUse, Print(kB), {}, 12, "u1"},
                                     {RingChange::Action::kRemove, Print(kA), {}, 13, "u1"},
                                     Installed(kA, 9)};
  std::sort(changes.begin(), changes.end(),
            [](const auto& a, const auto& b) {
              return std::tie(a.fingerprint, a.unix_ms) < std::tie(b.fingerprint, b.unix_ms);
            });
  std::vector<size_t> order = {0, 1, 2, 3, 4, 5};
  do {
    GossipRing ring = RingOf({kA});
    for (const size_t i : order) {
      ring.Apply(changes[i]);
    }
    CHECK(ring.Fingerprints().front() == Print(kC));
    CHECK(ring.keyring().size() == 2);
    for (const RingChange& change : changes) {
      CHECK_FALSE(ring.Apply(change));
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("what a ring refuses says why") {
  const GossipRing open = RingOf({});
  CHECK(absl::IsFailedPrecondition(open.Install(crypto::Base64Encode(kA), 1, "u").status()));
  const GossipRing ring = RingOf({kA});
  CHECK(absl::IsInvalidArgument(ring.Install("!!!", 1, "u").status()));
  CHECK(absl::IsInvalidArgument(ring.Install(crypto::Base64Encode("short"), 1, "u").status()));
  CHECK(absl::IsNotFound(ring.Use("ffffffff", 1, "u").status()));
  CHECK(absl::IsNotFound(ring.Remove("ffffffff", 1, "u").status()));
}

TEST_CASE("a key that is not the one its fingerprint names is not taken from a peer") {
  GossipRing ring = RingOf({kA});
  RingChange forged = Installed(kB, 10);
  forged.fingerprint = Print(kC);
  CHECK_FALSE(ring.Apply(forged));
  CHECK(ring.keyring().size() == 1);
}

TEST_CASE("peers cannot grow the remembered changes without end, nor take the last key away") {
  GossipRing ring = RingOf({kA});
  for (int i = 0; i < 1000; ++i) {
    ring.Apply({RingChange::Action::kRemove, "0000" + std::to_string(i), {}, i, "u"});
  }
  CHECK(ring.Records().size() == GossipRing::kRecordsMax);
  GossipRing last = RingOf({kA});
  last.Apply({RingChange::Action::kRemove, Print(kA), {}, 5, "u"});
  CHECK(last.Fingerprints() == Prints{Print(kA)});
}

}  // namespace
}  // namespace aurora::node
