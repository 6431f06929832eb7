#include "controlplane/store/check.h"

#include <chrono>
#include <memory>
#include <utility>

#include "aurora/v1/row.pb.h"
#include "controlplane/store/store.h"
#include "controlplane/store/writer.h"
#include "shared/base/status.h"

namespace aurora::store {
namespace {

using SteadyClock = std::chrono::steady_clock;

// One slice after the other, each a transaction of its own.
struct Pass {
  Store& store;
  const bool repair;
  std::function<void(absl::StatusOr<CheckReport>)> done;
  std::optional<std::vector<RowSet>> sets;
  size_t next = 0;
  bool complete = false;
  CheckReport report;
};

absl::Status Slice(Pass& pass, Writer& writer, uint64_t wall_ms) {
  const auto until = SteadyClock::now() + std::chrono::microseconds(kCheckSlice.micros());
  if (!pass.sets.has_value()) {
    AURORA_ASSIGN_OR_RETURN(pass.sets, writer.RowSets());
  }
  while (pass.next < pass.sets->size()) {
    AURORA_RETURN_IF_ERROR(writer.CheckSet((*pass.sets)[pass.next++], pass.repair, pass.report));
    if (SteadyClock::now() >= until) {
      return absl::OkStatus();
    }
  }
  AURORA_RETURN_IF_ERROR(writer.CheckRest(pass.repair, wall_ms, pass.report));
  pass.complete = true;
  return absl::OkStatus();
}

void Continue(std::shared_ptr<Pass> pass) {
  Store& store = pass->store;
  store.Background([pass](Writer& writer, uint64_t wall_ms) { return Slice(*pass, writer, wall_ms); },
                   [pass](absl::Status status) {
                     if (!status.ok()) {
                       pass->done(std::move(status));
                     } else if (pass->complete) {
                       pass->done(std::move(pass->report));
                     } else {
                       Continue(pass);
                     }
                   });
}

}  // namespace

void CheckReport::Add(std::string_view kind, std::string_view id, std::string what) {
  ++wrong;
  if (findings.size() < kFindingsMax) {
    findings.push_back({{std::string(kind), std::string(id)}, std::move(what)});
  }
}

void Check(Store& store, bool repair, std::function<void(absl::StatusOr<CheckReport>)> done) {
  Continue(std::shared_ptr<Pass>(new Pass{store, repair, std::move(done), std::nullopt, 0, false, {}}));
}

void ToProto(const CheckReport& report, v1::CheckReport* out) {
  out->set_rows(static_cast<int64_t>(report.rows));
  out->set_wrong(static_cast<int64_t>(report.wrong));
  out->set_repaired(static_cast<int64_t>(report.repaired));
  out->set_unreadable(static_cast<int64_t>(report.unreadable));
  for (const CheckFinding& finding : report.findings) {
    v1::CheckFinding* to = out->add_findings();
    to->set_kind(finding.row.kind);
    to->set_id(finding.row.id);
    to->set_what(finding.what);
  }
}

}  // namespace aurora::store
