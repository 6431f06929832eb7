#include "controlplane/store/guard.h"

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace aurora::store {

absl::Status Guard::Check(Writer& writer) {
  if (!refusal_.ok()) {
    return refusal_;
  }
  absl::Status status = writer.db().CheckInPlace();
  if (absl::IsFailedPrecondition(status) || absl::IsDataLoss(status)) {
    Refuse(writer, status);
  } else if (status.ok() && !journal_.has_value()) {
    if (const auto journal = sqlite::FileIdentity::OfPath(writer.db().path() + "-wal"); journal.ok()) {
      journal_ = *journal;
    }
  }
  return status;
}

void Guard::Note(Writer& writer, const absl::Status& status) {
  if (refusal_.ok() && absl::IsDataLoss(status)) {
    Refuse(writer, status);
  }
}

void Guard::Refuse(Writer& writer, const absl::Status& status) {
  refusal_ = status;
  writer.db().SetCheckpointOnClose(false);
  if (absl::IsFailedPrecondition(status)) {
    SetJournalAside(writer);
  }
}

void Guard::SetJournalAside(const Writer& writer) const {
  const std::string& path = writer.db().path();
  const auto there = sqlite::FileIdentity::OfPath(path + "-wal");
  if (!journal_.has_value() || !there.ok() || *there != *journal_) {
    return;  // none, or the newcomer's own
  }
  // The start's epoch, so that no earlier one is written over. A reader that holds them open reads on.
  const std::string mark = absl::StrCat(".", absl::Hex(writer.origin().epoch));
  for (const char* const name : {"-wal", "-shm"}) {
    (void)std::rename((path + name).c_str(), (path + name + mark).c_str());
  }
}

}  // namespace aurora::store
