#include "controlplane/replication/row.h"

#include <algorithm>

namespace aurora::replication {

// ---- VersionVector ----

bool VersionVector::Covers(const Dot& dot) const {
  const auto it = counters.find(dot.origin);
  return it != counters.end() && it->second >= dot.counter;
}

bool VersionVector::LessOrEqual(const VersionVector& other) const {
  return std::all_of(counters.begin(), counters.end(), [&](const auto& entry) {
    return entry.second == 0 || other.Covers(Dot{entry.first, entry.second});
  });
}

void VersionVector::Add(const Dot& dot) {
  if (dot.counter == 0) {
    return;
  }
  uint64_t& mine = counters[dot.origin];
  mine = std::max(mine, dot.counter);
}

void VersionVector::Join(const VersionVector& other) {
  for (const auto& [origin, counter] : other.counters) {
    Add(Dot{origin, counter});
  }
}

// ---- Facts ----

bool Facts::empty() const {
  return !ended_at.has_value() && revoked.empty() && disables.empty() && undone.empty();
}

void Facts::Join(const Facts& other) {
  if (other.ended_at.has_value()) {
    ended_at = ended_at.has_value() ? std::min(*ended_at, *other.ended_at) : *other.ended_at;
  }
  revoked.insert(other.revoked.begin(), other.revoked.end());
  disables.Join(other.disables);
  undone.Join(other.undone);
}

// ---- Row ----

const Sibling* Row::Newest() const {
  const auto it =
      std::max_element(siblings.begin(), siblings.end(), [](const Sibling& a, const Sibling& b) {
        return a.hlc != b.hlc ? a.hlc < b.hlc : a.dot < b.dot;
      });
  return it == siblings.end() ? nullptr : &*it;
}

Row Merge(const Row& a, const Row& b) {
  Row out;
  // Both lists are sorted by dot: one pass keeps what both have, or what the other side has never
  // seen.
  auto x = a.siblings.begin();
  auto y = b.siblings.begin();
  while (x != a.siblings.end() || y != b.siblings.end()) {
    if (y == b.siblings.end() || (x != a.siblings.end() && x->dot < y->dot)) {
      if (!b.version.Covers(x->dot)) {
        out.siblings.push_back(*x);
      }
      ++x;
    } else if (x == a.siblings.end() || y->dot < x->dot) {
      if (!a.version.Covers(y->dot)) {
        out.siblings.push_back(*y);
      }
      ++y;
    } else {
      out.siblings.push_back(*x);
      ++x;
      ++y;
    }
  }
  out.version = a.version;
  out.version.Join(b.version);
  out.facts = a.facts;
  out.facts.Join(b.facts);
  return out;
}

Row WriteRow(const Row& row, const Dot& dot, const Hlc& hlc, const Write& write) {
  Row out = row;
  if (write.spec.has_value()) {
    out.siblings = {Sibling{dot, *write.spec, hlc, write.deleted}};
  }
  out.version.Add(dot);
  out.facts.Join(write.facts);
  return out;
}

}  // namespace aurora::replication
