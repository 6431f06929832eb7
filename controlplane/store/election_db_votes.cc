// What election.db keeps of the election: term, vote, who votes.
#include <charconv>
#include <string>
#include <system_error>

#include "controlplane/store/election_db.h"
#include "shared/base/status.h"

namespace aurora::store {
namespace {

constexpr std::string_view kTerm = "election_term";
constexpr std::string_view kVotedFor = "election_voted_for";
constexpr std::string_view kConfigTerm = "election_config_term";
constexpr std::string_view kConfigVersion = "election_config_version";

}  // namespace

// Absent: 0.
absl::StatusOr<uint64_t> ElectionDb::Number(std::string_view key) {
  AURORA_ASSIGN_OR_RETURN(const std::string text, Meta(key));
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!text.empty() && (error != std::errc() || end != text.data() + text.size())) {
    return DataLoss(options_.path + ": meta." + std::string(key) + " = \"" + text + "\" is no number");
  }
  return value;
}

absl::Status ElectionDb::LoadElection(election::Durable& out) {
  AURORA_ASSIGN_OR_RETURN(out.term, Number(kTerm));
  AURORA_ASSIGN_OR_RETURN(out.voted_for, Meta(kVotedFor));
  AURORA_ASSIGN_OR_RETURN(out.config.id.term, Number(kConfigTerm));
  AURORA_ASSIGN_OR_RETURN(out.config.id.version, Number(kConfigVersion));
  out.config.slots.clear();
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement s,
                          db_.Prepare("SELECT node_id, node_uid, leaving FROM voter ORDER BY position"));
  while (true) {
    AURORA_ASSIGN_OR_RETURN(const bool row, s.Step());
    if (!row) {
      break;
    }
    out.config.slots.push_back(
        {.node_id = std::string(s.Text(0)), .uid = std::string(s.Text(1)), .leaving = s.Int64(2) != 0});
  }
  return absl::OkStatus();
}

absl::Status ElectionDb::SetElection(const election::Durable& durable) {
  election::Durable before;
  AURORA_RETURN_IF_ERROR(LoadElection(before));
  const bool again = durable.term == before.term && !before.voted_for.empty() && !durable.voted_for.empty() &&
                     durable.voted_for != before.voted_for;
  if (durable.term < before.term || durable.config.id < before.config.id || again) {
    return Internal(options_.path + ": a term, vote or config older than the stored one is not written");
  }
  return Write([&]() -> absl::Status {
    AURORA_RETURN_IF_ERROR(SetMeta(kTerm, std::to_string(durable.term)));
    AURORA_RETURN_IF_ERROR(durable.voted_for.empty() ? DropMeta(kVotedFor) : SetMeta(kVotedFor, durable.voted_for));
    AURORA_RETURN_IF_ERROR(SetMeta(kConfigTerm, std::to_string(durable.config.id.term)));
    AURORA_RETURN_IF_ERROR(SetMeta(kConfigVersion, std::to_string(durable.config.id.version)));
    AURORA_RETURN_IF_ERROR(db_.Execute("DELETE FROM voter"));
    AURORA_ASSIGN_OR_RETURN(
        sqlite::Statement s,
        db_.Prepare("INSERT INTO voter (position, node_id, node_uid, leaving) VALUES (?1, ?2, ?3, ?4)"));
    for (size_t i = 0; i < durable.config.slots.size(); ++i) {
      const election::Slot& slot = durable.config.slots[i];
      s.Bind(1, static_cast<int64_t>(i)).BindText(2, slot.node_id).BindText(3, slot.uid);
      AURORA_RETURN_IF_ERROR(s.Bind(4, slot.leaving ? 1 : 0).Run());
    }
    return absl::OkStatus();
  });
}

}  // namespace aurora::store
