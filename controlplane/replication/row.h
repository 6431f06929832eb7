// Row: siblings + version vector + facts, and the one merge that every kind of policy uses.
// Source: replication.md section 1 and its reference model (rows, merge, facts). Thread: values.
// Pure. Invariants: `siblings` is sorted by dot without duplicates, and `version` covers each
// sibling's dot. Merge is commutative, associative and idempotent. Facts only grow. A spec is
// opaque bytes, never changed after its write.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace aurora::replication {

// Who made a write: a node, and the random epoch of one control-plane start.
struct Origin {
  std::string node_uid;
  uint64_t epoch = 0;
  auto operator<=>(const Origin&) const = default;
};

// One write: the counter-th of an origin, counted from 1.
struct Dot {
  Origin origin;
  uint64_t counter = 0;
  auto operator<=>(const Dot&) const = default;
};

// A set of dots closed downwards: per origin every counter up to the one named.
struct VersionVector {
  std::map<Origin, uint64_t> counters;

  bool Covers(const Dot& dot) const;
  bool LessOrEqual(const VersionVector& other) const;
  void Add(const Dot& dot);
  void Join(const VersionVector& other);
  bool empty() const { return counters.empty(); }
  bool operator==(const VersionVector&) const = default;
};

// A hybrid logical time: 48 bit of Unix milliseconds, 16 bit counter.
struct Hlc {
  uint64_t unix_ms = 0;
  uint32_t counter = 0;
  auto operator<=>(const Hlc&) const = default;
};

struct Sibling {
  Dot dot;
  std::string spec;
  Hlc hlc;
  bool deleted = false;
  bool operator==(const Sibling&) const = default;
};

struct Facts {
  std::optional<Hlc> ended_at;    // the first deactivation or deletion; merges by minimum
  std::set<std::string> revoked;  // SHA-256 of secrets that never work again (raw bytes)
  VersionVector disables;         // disables made, per origin
  VersionVector undone;           // the disables that some enable saw and undid

  bool empty() const;
  void Join(const Facts& other);
  // True iff some disable has not been undone.
  bool Disabled() const { return !disables.LessOrEqual(undone); }
  bool operator==(const Facts&) const = default;
};

struct Row {
  std::vector<Sibling> siblings;
  VersionVector version;
  Facts facts;

  // Of the siblings the one with the greatest (hlc, dot); null when there is none.
  const Sibling* Newest() const;
  // Belongs to the REVOKE lane.
  bool Urgent() const { return !facts.empty(); }
  bool empty() const { return siblings.empty() && version.empty() && facts.empty(); }
  bool operator==(const Row&) const = default;
};

Row Merge(const Row& a, const Row& b);

// What a local write adds. No spec: facts only; it takes a dot and leaves the siblings, so it forks
// nothing.
struct Write {
  std::optional<std::string> spec;
  bool deleted = false;  // with a spec (may be empty): a tombstone
  Facts facts;
};

// The writer saw the whole row inside its transaction, so exactly the row's siblings are replaced.
Row WriteRow(const Row& row, const Dot& dot, const Hlc& hlc, const Write& write);

}  // namespace aurora::replication
