// Guard: may the store go on with its file? A file that was deleted, replaced or damaged underneath takes no more
// writes: what would be acknowledged could be found nowhere. Source: replication.md, I12 and the corrupted page.
// Thread: one, the writer's. Use: Check before each transaction and read, and after each commit before anything is
// answered; Note what statements and reads said. Errors: FailedPrecondition = deleted or replaced, DataLoss = damaged;
// both stay until the file is opened anew. Always: once it has refused, closing the file writes nothing into it, and
// the journal of a file that is gone is set aside: SQLite would play it into whatever lies under that name next.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "controlplane/store/writer.h"
#include "shared/sqlite/file_identity.h"

namespace aurora::store {

class Guard {
 public:
  absl::Status Check(Writer& writer);
  void Note(Writer& writer, const absl::Status& status);
  const absl::Status& refusal() const { return refusal_; }

 private:
  void Refuse(Writer& writer, const absl::Status& status);
  // What lies under the journal's name, if it is ours, goes out of the way.
  void SetJournalAside(const Writer& writer) const;

  absl::Status refusal_;
  std::optional<sqlite::FileIdentity> journal_;  // ours, since it is there
};

}  // namespace aurora::store
