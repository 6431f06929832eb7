#include "controlplane/store/digest.h"

#include "shared/crypto/sha256.h"

namespace aurora::store {
namespace {

constexpr std::string_view kFormat = "aurora row digest 1";
constexpr std::string_view kContentFormat = "aurora row content 1";

void PutNumber(uint64_t value, std::string& out) {
  char bytes[8];
  for (size_t i = 0; i < sizeof bytes; ++i) {
    bytes[i] = static_cast<char>((value >> (8 * i)) & 0xff);
  }
  out.append(bytes, sizeof bytes);
}

// The length first, so that no two lists of fields spell the same bytes.
void PutBytes(std::string_view bytes, std::string& out) {
  PutNumber(bytes.size(), out);
  out += bytes;
}

void PutDot(const replication::Origin& origin, uint64_t counter, std::string& out) {
  PutBytes(origin.node_uid, out);
  PutNumber(origin.epoch, out);
  PutNumber(counter, out);
}

void PutVersion(const replication::VersionVector& version, std::string& out) {
  PutNumber(version.counters.size(), out);
  for (const auto& [origin, counter] : version.counters) {
    PutDot(origin, counter, out);
  }
}

uint64_t WordAt(const uint8_t* bytes) {
  uint64_t word = 0;
  for (int i = 7; i >= 0; --i) {
    word = (word << 8) | bytes[i];
  }
  return word;
}

// What decides a merge.
void PutRow(std::string_view id, const replication::Row& row, std::string& text) {
  PutBytes(id, text);
  PutVersion(row.version, text);
  PutNumber(row.siblings.size(), text);
  for (const replication::Sibling& sibling : row.siblings) {
    PutDot(sibling.dot.origin, sibling.dot.counter, text);
  }
  const replication::Facts& facts = row.facts;
  PutNumber(facts.ended_at.has_value() ? 1 : 0, text);
  if (facts.ended_at.has_value()) {
    PutNumber(facts.ended_at->unix_ms, text);
    PutNumber(facts.ended_at->counter, text);
  }
  PutNumber(facts.revoked.size(), text);
  for (const std::string& hash : facts.revoked) {
    PutBytes(hash, text);
  }
  PutVersion(facts.disables, text);
  PutVersion(facts.undone, text);
}

RowDigest Hashed(std::string_view text) {
  const crypto::Digest hash = crypto::Sha256Of(text);
  return {WordAt(hash.data()), WordAt(hash.data() + 8)};
}

}  // namespace

RowDigest DigestOf(std::string_view id, const replication::Row& row) {
  std::string text;
  text.reserve(512);
  text += kFormat;
  PutRow(id, row, text);
  return Hashed(text);
}

RowDigest ContentDigestOf(std::string_view id, const replication::Row& row) {
  std::string text;
  text.reserve(1024);
  text += kContentFormat;
  PutRow(id, row, text);
  for (const replication::Sibling& sibling : row.siblings) {
    PutNumber(sibling.hlc.unix_ms, text);
    PutNumber(sibling.hlc.counter, text);
    PutNumber(sibling.deleted ? 1 : 0, text);
    PutBytes(sibling.spec, text);
  }
  return Hashed(text);
}

uint32_t BucketOf(std::string_view id) {
  constexpr uint64_t kBasis = 0xcbf29ce484222325U;
  constexpr uint64_t kPrime = 0x100000001b3U;
  uint64_t hash = kBasis;
  for (const char c : id) {
    hash = (hash ^ static_cast<uint8_t>(c)) * kPrime;
  }
  hash ^= hash >> 32;
  hash ^= hash >> 16;
  hash ^= hash >> 8;
  return static_cast<uint32_t>(hash % kBuckets);
}

std::string DigestBytes(const RowDigest& digest) {
  std::string out;
  PutNumber(digest[0], out);
  PutNumber(digest[1], out);
  return out;
}

RowDigest DigestFrom(std::string_view bytes) {
  if (bytes.size() != 16) {
    return {};
  }
  const auto* at = reinterpret_cast<const uint8_t*>(bytes.data());
  return {WordAt(at), WordAt(at + 8)};
}

// ---- SetDigest ----

void SetDigest::Add(const RowDigest& row) {
  ++count;
  sum[0] += row[0];
  sum[1] += row[1];
}

void SetDigest::Remove(const RowDigest& row) {
  --count;
  sum[0] -= row[0];
  sum[1] -= row[1];
}

void SetDigest::Join(const SetDigest& other) {
  count += other.count;
  sum[0] += other.sum[0];
  sum[1] += other.sum[1];
}

// ---- DigestTree ----

void DigestTree::Join(std::string_view kind, uint32_t bucket, const SetDigest& rows) {
  auto it = kinds_.find(kind);
  if (it == kinds_.end()) {
    it = kinds_.emplace(kind, Buckets{}).first;
  }
  it->second[bucket % kBuckets].Join(rows);
}

void DigestTree::Add(std::string_view kind, uint32_t bucket, const RowDigest& row) {
  Join(kind, bucket, {1, row});
}

void DigestTree::Remove(std::string_view kind, uint32_t bucket, const RowDigest& row) {
  Join(kind, bucket, SetDigest{1, row}.Negated());
}

SetDigest DigestTree::Root(std::string_view kind) const {
  SetDigest root;
  if (const Buckets* buckets = Of(kind); buckets != nullptr) {
    for (const SetDigest& bucket : *buckets) {
      root.Join(bucket);
    }
  }
  return root;
}

const DigestTree::Buckets* DigestTree::Of(std::string_view kind) const {
  const auto it = kinds_.find(kind);
  return it == kinds_.end() ? nullptr : &it->second;
}

bool DigestTree::operator==(const DigestTree& other) const {
  static constexpr Buckets kNone{};
  for (const auto& [kind, buckets] : kinds_) {
    const Buckets* theirs = other.Of(kind);
    if (buckets != (theirs == nullptr ? kNone : *theirs)) {
      return false;
    }
  }
  for (const auto& [kind, buckets] : other.kinds_) {
    if (Of(kind) == nullptr && buckets != kNone) {
      return false;
    }
  }
  return true;
}

}  // namespace aurora::store
