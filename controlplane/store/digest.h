// Digests of rows, for anti-entropy: equal rows have equal digests on every node.
// Source: replication.md section 2 (anti-entropy). A row's digest is the first 16 bytes of SHA-256 over id, version
// vector, sibling dots and facts in one fixed encoding (digest.cc): what decides a merge; specs follow from the dots.
// A set's digest is its rows' digests added up as two 64-bit words, so one row's change costs one row's hash and the
// order does not show; it finds accidents, it is no proof against somebody who makes rows to collide. Thread: values.
// Bounds: kBuckets per kind, 24 bytes each. Always: adding a row and taking it away again leaves the tree as it was.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "controlplane/replication/frame.h"
#include "controlplane/replication/row.h"

namespace aurora::store {

inline constexpr uint32_t kBuckets = replication::kDigestBuckets;

using RowDigest = replication::DigestHash;

RowDigest DigestOf(std::string_view id, const replication::Row& row);
// Of all that the row holds, specs included: what `sync verify` compares.
RowDigest ContentDigestOf(std::string_view id, const replication::Row& row);
// The same on every node: FNV-1a of the id, folded to 8 bits.
uint32_t BucketOf(std::string_view id);

// 16 bytes, both words little-endian: what is stored and sent.
std::string DigestBytes(const RowDigest& digest);
// All zero for bytes of another length.
RowDigest DigestFrom(std::string_view bytes);

struct SetDigest {
  uint64_t count = 0;
  RowDigest sum{};

  void Add(const RowDigest& row);
  void Remove(const RowDigest& row);
  void Join(const SetDigest& other);
  // What Join of it takes away again.
  SetDigest Negated() const { return {uint64_t{0} - count, {uint64_t{0} - sum[0], uint64_t{0} - sum[1]}}; }
  bool operator==(const SetDigest&) const = default;
};

class DigestTree {
 public:
  using Buckets = std::array<SetDigest, kBuckets>;

  void Add(std::string_view kind, uint32_t bucket, const RowDigest& row);
  void Remove(std::string_view kind, uint32_t bucket, const RowDigest& row);
  void Join(std::string_view kind, uint32_t bucket, const SetDigest& rows);

  SetDigest Root(std::string_view kind) const;
  // Null for a kind without rows.
  const Buckets* Of(std::string_view kind) const;
  const std::map<std::string, Buckets, std::less<>>& kinds() const { return kinds_; }

  // Kinds without rows do not count.
  bool operator==(const DigestTree& other) const;

 private:
  std::map<std::string, Buckets, std::less<>> kinds_;
};

}  // namespace aurora::store
