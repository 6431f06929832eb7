// Writer, the part that looks at what is kept beside the rows (check.h).
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/store/row_codec.h"
#include "controlplane/store/writer.h"
#include "shared/base/status.h"
#include "shared/schema/sum.h"

namespace aurora::store {
namespace {

constexpr std::string_view kSets = "SELECT DISTINCT kind, bucket FROM row";
constexpr std::string_view kSetRows =
    "SELECT r.kind, r.id, r.row, r.seq, r.parked, v.spec, r.hlc, r.siblings, r.dead, r.bucket, r.digest, c.urgent, "
    "c.kind IS r.kind AND c.id IS r.id FROM row r LEFT JOIN resolved v ON v.kind = r.kind AND v.id = r.id "
    "LEFT JOIN change c ON c.seq = r.seq WHERE r.kind = ?1 AND r.bucket = ?2";
constexpr std::string_view kSetDigests = "SELECT digest FROM row WHERE kind = ?1 AND bucket = ?2";
constexpr std::string_view kOrphans =
    "SELECT v.kind, v.id FROM resolved v LEFT JOIN row r ON r.kind = v.kind AND r.id = v.id WHERE r.id IS NULL";
constexpr size_t kTextMax = 200;

void Append(std::string& list, std::string_view item) {
  list += list.empty() ? "" : ", ";
  list += item;
}

}  // namespace

// A row and what is kept of it.
struct Writer::Kept {
  Entry entry;
  std::string unreadable;
  int64_t hlc = 0;
  int64_t siblings = 0;
  int64_t dead = 0;
  int64_t bucket = 0;
  RowDigest digest{};
  bool placed = false;  // `seq` is its entry in the feed
  bool urgent = false;
};

absl::StatusOr<std::vector<RowSet>> Writer::RowSets() {
  std::vector<RowSet> sets;
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement s, db_.Prepare(kSets));
  while (true) {
    absl::StatusOr<bool> there = s.Step();
    AURORA_RETURN_IF_ERROR(Note(there.status()));
    if (!*there) {
      break;
    }
    sets.push_back({std::string(s.Text(0)), s.Int64(1)});
  }
  // Sums that are kept of rows which are not there.
  const size_t stored = sets.size();
  for (const auto& [kind, buckets] : digests_.kinds()) {
    for (uint32_t bucket = 0; bucket < kBuckets; ++bucket) {
      const auto same = [&, &k = kind](const RowSet& set) { return set.kind == k && set.bucket == int64_t{bucket}; };
      if (buckets[bucket] != SetDigest() &&
          std::none_of(sets.begin(), sets.begin() + static_cast<std::ptrdiff_t>(stored), same)) {
        sets.push_back({kind, int64_t{bucket}});
      }
    }
  }
  return sets;
}

absl::StatusOr<std::vector<Writer::Kept>> Writer::KeptOf(const RowSet& set) {
  if (!set_rows_.prepared()) {
    AURORA_ASSIGN_OR_RETURN(set_rows_, db_.Prepare(kSetRows));
    AURORA_ASSIGN_OR_RETURN(set_digests_, db_.Prepare(kSetDigests));
  }
  sqlite::Statement& s = set_rows_;
  const sqlite::ResetGuard reset(s);
  s.BindText(1, set.kind).Bind(2, set.bucket);
  std::vector<Kept> out;
  while (true) {
    absl::StatusOr<bool> there = s.Step();
    AURORA_RETURN_IF_ERROR(Note(there.status()));
    if (!*there) {
      return out;
    }
    Kept kept;
    kept.entry.kind = s.Text(0);
    kept.entry.id = s.Text(1);
    absl::StatusOr<replication::Row> row = DecodeStored(kept.entry.kind, kept.entry.id, s.Blob(2));
    if (row.ok()) {
      kept.entry.row = *std::move(row);
    } else {
      kept.unreadable = std::string(Std(row.status().message()));
    }
    kept.entry.seq = static_cast<uint64_t>(s.Int64(3));
    if (!s.IsNull(4)) {
      kept.entry.parked = std::string(s.Text(4));
    }
    if (!s.IsNull(5)) {
      // One whose bytes changed, sum and all, is no value that a row says.
      kept.entry.resolved = schema::WithoutSum(schema::kSpecColumn, kept.entry.kind, kept.entry.id, s.Blob(5))
                                .value_or(s.Blob(5));
    }
    kept.hlc = s.Int64(6);
    kept.siblings = s.Int64(7);
    kept.dead = s.Int64(8);
    kept.bucket = s.Int64(9);
    kept.digest = DigestFrom(s.Blob(10));
    kept.urgent = s.Int64(11) != 0;
    kept.placed = s.Int64(12) != 0;
    out.push_back(std::move(kept));
  }
}

// What is kept of it and does not follow from it; `right`: the entry as it should be. Empty: nothing.
std::string Writer::WrongWith(const Kept& kept, Entry& right) const {
  right = kept.entry;
  const replication::Row& row = right.row;
  std::string wrong;
  const auto resolve = options_.resolve.find(right.kind);
  absl::StatusOr<std::optional<std::string>> value = InvalidArgument("unknown kind");
  if (resolve != options_.resolve.end()) {
    value = resolve->second(right.kind, right.id, row);
  }
  if (value.ok()) {
    right.resolved = *std::move(value);
    right.parked.reset();
  } else {  // parked: which value was the last good one the row does not say, only what may be left of it
    right.resolved = LastGood(kept.entry, row.facts);
    if (!right.parked.has_value()) {
      right.parked = std::string(Std(value.status().message()));
    }
  }
  if (right.resolved != kept.entry.resolved) {
    Append(wrong, "the value in force is not what the row says");
  }
  if (right.parked.has_value() != kept.entry.parked.has_value()) {
    Append(wrong, right.parked.has_value() ? "its newest value is not in force, and it is not said to be parked"
                                           : "it is said to be parked, and is not");
  }
  if (kept.digest != DigestOf(right.id, row)) {
    Append(wrong, "the kept digest is not the row's");
  }
  if (kept.bucket != int64_t{BucketOf(right.id)}) {
    Append(wrong, "it is kept under another bucket than its own");
  }
  if (kept.siblings != static_cast<int64_t>(row.siblings.size()) || kept.dead != (IsTombstone(row) ? 1 : 0) ||
      kept.hlc != HlcColumn(row)) {
    Append(wrong, "the kept time or number of values is not the row's");
  }
  if (!kept.placed) {
    Append(wrong, "the change feed does not hold it");
  } else if (kept.urgent != row.Urgent()) {
    Append(wrong, "the change feed has it in the wrong lane");
  }
  return wrong;
}

// All of it anew, under a new place in the feed: the data plane and the peers look again.
absl::Status Writer::PutRight(const Kept& kept, Entry right) {
  Entry before = kept.entry;
  if (!kept.placed) {
    before.seq = 0;  // what is there, if anything, is another row's
  }
  if (!right.resolved.has_value()) {
    AURORA_RETURN_IF_ERROR(Note(drop_resolved_.BindText(1, right.kind).BindText(2, right.id).Run()));
  }
  replication::Row row = std::move(right.row);
  return Put(before, std::move(row), std::move(right.resolved), std::move(right.parked));
}

absl::Status Writer::CheckSet(const RowSet& set, bool repair, CheckReport& report) {
  AURORA_ASSIGN_OR_RETURN(const std::vector<Kept> rows, KeptOf(set));
  const uint64_t wrong_before = report.wrong;
  std::vector<uint32_t> elsewhere;
  for (const Kept& kept : rows) {
    ++report.rows;
    const Entry& entry = kept.entry;
    if (!kept.unreadable.empty()) {
      ++report.unreadable;
      report.Add(entry.kind, entry.id, "does not decode: " + kept.unreadable.substr(0, kTextMax));
      continue;
    }
    report.content.Add(entry.kind, BucketOf(entry.id), ContentDigestOf(entry.id, entry.row));
    Entry right;
    std::string wrong = WrongWith(kept, right);
    if (wrong.empty()) {
      continue;
    }
    report.Add(entry.kind, entry.id, std::move(wrong));
    if (repair) {
      AURORA_RETURN_IF_ERROR(PutRight(kept, std::move(right)));
      ++report.repaired;
      if (int64_t{BucketOf(entry.id)} != set.bucket) {
        elsewhere.push_back(BucketOf(entry.id));
      }
    }
  }
  AURORA_RETURN_IF_ERROR(CheckSum(set, repair, report.wrong == wrong_before, report));
  for (const uint32_t bucket : elsewhere) {  // their sum is put right with the rows that moved there
    CheckReport moved;
    AURORA_RETURN_IF_ERROR(CheckSum({set.kind, int64_t{bucket}}, true, false, moved));
  }
  return absl::OkStatus();
}

// The sum in memory against the digests of the rows on disk. `untold`: no wrong row has been told of that explains it.
absl::Status Writer::CheckSum(const RowSet& set, bool repair, bool untold, CheckReport& report) {
  if (set.bucket < 0 || set.bucket >= int64_t{kBuckets}) {
    return absl::OkStatus();
  }
  SetDigest right;
  {
    const sqlite::ResetGuard reset(set_digests_);
    set_digests_.BindText(1, set.kind).Bind(2, set.bucket);
    while (true) {
      absl::StatusOr<bool> there = set_digests_.Step();
      AURORA_RETURN_IF_ERROR(Note(there.status()));
      if (!*there) {
        break;
      }
      right.Add(DigestFrom(set_digests_.Blob(0)));
    }
  }
  const DigestTree::Buckets* const buckets = digests_.Of(set.kind);
  const SetDigest kept = buckets == nullptr ? SetDigest() : (*buckets)[static_cast<uint32_t>(set.bucket)];
  if (kept == right) {
    return absl::OkStatus();
  }
  if (!repair || untold) {
    report.Add(set.kind, "", "the kept digest of bucket " + std::to_string(set.bucket) + " is not that of its rows");
  }
  if (!repair) {
    return absl::OkStatus();
  }
  report.repaired += untold ? 1 : 0;
  Step step{set.kind, static_cast<uint32_t>(set.bucket), right};
  step.delta.Join(kept.Negated());
  digests_.Join(step.kind, step.bucket, step.delta);
  steps_.push_back(std::move(step));
  return absl::OkStatus();
}

absl::Status Writer::CheckRest(bool repair, uint64_t wall_ms, CheckReport& report) {
  std::vector<RowRef> orphans;
  {
    AURORA_ASSIGN_OR_RETURN(sqlite::Statement s, db_.Prepare(kOrphans));
    while (true) {
      absl::StatusOr<bool> there = s.Step();
      AURORA_RETURN_IF_ERROR(Note(there.status()));
      if (!*there) {
        break;
      }
      orphans.push_back({std::string(s.Text(0)), std::string(s.Text(1))});
    }
  }
  for (const RowRef& orphan : orphans) {
    report.Add(orphan.kind, orphan.id, "a value is in force, and there is no row");
    if (repair) {
      AURORA_RETURN_IF_ERROR(Note(drop_resolved_.BindText(1, orphan.kind).BindText(2, orphan.id).Run()));
      ++report.repaired;
    }
  }
  absl::StatusOr<RowCounts> counts = reader_.Counts();
  AURORA_RETURN_IF_ERROR(Note(counts.status()));
  if (*counts != counts_) {
    if (repair) {
      counts_ = *counts;
    } else {
      report.Add("", "", "the numbers kept of all rows are not those of the rows");
    }
  }
  if (report.wrong == 0) {
    return absl::OkStatus();
  }
  std::string text = std::to_string(report.wrong) + " things kept beside the policy rows did not follow from them";
  text += repair ? ", " + std::to_string(report.repaired) + " were put right"
                 : "; `sync verify --repair` puts them right";
  if (!report.findings.empty() && !report.findings.front().row.kind.empty()) {
    const CheckFinding& first = report.findings.front();
    text += "; the first: " + first.row.kind + " " + first.row.id + ": " + first.what;
  }
  return AppendEvent(wall_ms, report.repaired == report.wrong ? "warning" : "critical",
                     repair ? "policy_repaired" : "policy_check_failed", text);
}

}  // namespace aurora::store
