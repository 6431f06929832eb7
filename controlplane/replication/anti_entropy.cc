// PeerSession, anti-entropy: one node of a pair sends the hash of each kind; the other answers, for one that differs,
// with the hashes of its buckets; the first answers with the rows of a bucket that differs; the second asks for what
// it lacks and sends what the first lacks. Each step is answered with as much as kDigestReadsMax allows; the rest is
// found by the next round. Rows travel outside the feed and are merged like any other.
#include <algorithm>
#include <charconv>

#include "controlplane/replication/peer_session.h"

namespace aurora::replication {
namespace {

constexpr size_t kRowEntriesMax = 4096;
constexpr size_t kRowEntriesBytes = 512U << 10;
constexpr size_t kEntryOverhead = 48;

size_t Bytes(const DigestEntry& entry) {
  return entry.key.size() + kEntryOverhead;
}

// As many as go into one frame.
void Cut(std::vector<DigestEntry>& entries) {
  size_t bytes = 0;
  size_t n = 0;
  while (n < entries.size() && n < kRowEntriesMax && bytes + Bytes(entries[n]) <= kRowEntriesBytes) {
    bytes += Bytes(entries[n++]);
  }
  entries.resize(n);
}

// Whether Cut may have taken something away.
bool MaybeCut(const std::vector<DigestEntry>& entries) {
  size_t bytes = 0;
  for (const DigestEntry& entry : entries) {
    bytes += Bytes(entry);
  }
  return entries.size() >= kRowEntriesMax || bytes + kRowIdMax + kEntryOverhead > kRowEntriesBytes;
}

struct Difference {
  std::vector<std::string> ours;    // they lack it or have another
  std::vector<std::string> theirs;  // we lack it or have another
};

// Both sorted by key.
Difference Compare(const std::vector<DigestEntry>& ours, const std::vector<DigestEntry>& theirs) {
  Difference out;
  auto a = ours.begin();
  auto b = theirs.begin();
  while (a != ours.end() || b != theirs.end()) {
    if (b == theirs.end() || (a != ours.end() && a->key < b->key)) {
      out.ours.push_back((a++)->key);
    } else if (a == ours.end() || b->key < a->key) {
      out.theirs.push_back((b++)->key);
    } else {
      if (a->count != b->count || a->hash != b->hash) {
        out.ours.push_back(a->key);
        out.theirs.push_back(a->key);
      }
      ++a;
      ++b;
    }
  }
  return out;
}

// Which keys differ, each once.
std::vector<std::string> Union(const Difference& d) {
  std::vector<std::string> out;
  std::set_union(d.ours.begin(), d.ours.end(), d.theirs.begin(), d.theirs.end(), std::back_inserter(out));
  return out;
}

}  // namespace

bool PeerSession::Quiet() const {
  return streaming_ && !stalled_ && Synced() && out_[Lane::kBulk].acked >= owner_.head() && digest_reads_.empty() &&
         row_reads_.empty();
}

void PeerSession::ReadOwnDigest(DigestRead read, Outbox& out) {
  if (digest_reads_.size() + row_reads_.size() >= kDigestReadsMax || stalled_) {
    return;
  }
  const uint64_t token = owner_.Token(Replicator::Pending::Kind::kDigest, *this);
  out.digest_reads.push_back({token, member_.uid, read.level, read.kind, read.bucket});
  digest_reads_.emplace(token, std::move(read));
}

void PeerSession::BeginRound(uint64_t round, Outbox& out) {
  ReadOwnDigest({DigestLevel::kKinds, "", 0, round, std::nullopt}, out);
}

std::string PeerSession::OnDigestFrame(Digest digest, Outbox& out) {
  DigestRead read{digest.level, digest.kind, digest.bucket, digest.round, std::nullopt};
  read.theirs = std::move(digest);
  ReadOwnDigest(std::move(read), out);
  return "";
}

void PeerSession::OnDigest(uint64_t token, absl::StatusOr<std::vector<DigestEntry>> entries, Outbox& out) {
  auto node = digest_reads_.extract(token);
  if (node.empty() || !entries.ok()) {
    return;
  }
  const DigestRead& read = node.mapped();
  std::vector<DigestEntry> ours = *std::move(entries);
  if (!read.theirs.has_value()) {
    Cut(ours);
    SendFrame(Digest{read.level, read.kind, read.bucket, std::move(ours), read.round}, out);
  } else if (read.level == DigestLevel::kRows) {
    CompareRows(read, ours, out);
  } else {
    Descend(read, ours, out);
  }
}

// One level finer for what differs, for the other side to compare.
void PeerSession::Descend(const DigestRead& read, const std::vector<DigestEntry>& ours, Outbox& out) {
  for (const std::string& key : Union(Compare(ours, read.theirs->entries))) {
    if (read.level == DigestLevel::kKinds) {
      if (key.size() <= kKindMax) {
        ReadOwnDigest({DigestLevel::kBuckets, key, 0, read.round, std::nullopt}, out);
      }
      continue;
    }
    uint32_t bucket = kDigestBuckets;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), bucket);
    if (error == std::errc() && end == key.data() + key.size() && bucket < kDigestBuckets) {
      ReadOwnDigest({DigestLevel::kRows, read.kind, bucket, read.round, std::nullopt}, out);
    }
  }
}

void PeerSession::CompareRows(const DigestRead& read, const std::vector<DigestEntry>& ours, Outbox& out) {
  Difference d = Compare(ours, read.theirs->entries);
  if (MaybeCut(read.theirs->entries)) {
    const std::string& last = read.theirs->entries.back().key;
    std::erase_if(d.ours, [&](const std::string& id) { return id > last; });
  }
  owner_.counters_.digest_differences += Union(d).size();
  d.ours.resize(std::min(d.ours.size(), kRequestRowsMax));
  d.theirs.resize(std::min(d.theirs.size(), kRequestRowsMax));
  if (!d.theirs.empty()) {
    RowRequest request;
    for (std::string& id : d.theirs) {
      request.rows.push_back({read.kind, std::move(id)});
    }
    SendFrame(std::move(request), out);
  }
  if (!d.ours.empty()) {
    RowRequest mine;
    for (std::string& id : d.ours) {
      mine.rows.push_back({read.kind, std::move(id)});
    }
    OnRowRequest(std::move(mine), out);  // as if they had asked
  }
}

std::string PeerSession::OnRowRequest(RowRequest request, Outbox& out) {
  if (request.rows.empty() || digest_reads_.size() + row_reads_.size() >= kDigestReadsMax || stalled_) {
    return "";
  }
  const uint64_t token = owner_.Token(Replicator::Pending::Kind::kRows, *this);
  row_reads_.insert(token);
  out.row_reads.push_back({token, member_.uid, std::move(request.rows)});
  return "";
}

void PeerSession::OnRows(uint64_t token, absl::StatusOr<std::vector<WireRow>> rows, Outbox& out) {
  if (row_reads_.erase(token) == 0 || !rows.ok() || stalled_) {
    return;
  }
  Rows frame;
  frame.epoch = owner_.epoch();
  size_t bytes = 0;
  for (WireRow& row : *rows) {
    if (row.bytes() > kRowBytesMax || (!frame.rows.empty() && bytes + row.bytes() > kBulkBytesMax) ||
        frame.rows.size() >= kFrameRowsMax) {
      continue;
    }
    bytes += row.bytes();
    frame.rows.push_back(std::move(row));
  }
  if (!frame.rows.empty()) {
    owner_.counters_.rows_out += frame.rows.size();
    SendFrame(std::move(frame), out);
  }
}

}  // namespace aurora::replication
