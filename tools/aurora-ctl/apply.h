// What one document of `apply -f` becomes; internal to the entity commands.
// Source: ours. Thread: one. Errors: `mistake` = the document is wrong, `call` = the node refused.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/aurora-ctl/documents.h"
#include "tools/aurora-ctl/session.h"

namespace aurora::ctl {

struct Step {
  absl::Status mistake;
  grpc::Status call;
  std::string name;  // what the node calls it
  std::string result;
  std::vector<std::string> warnings;
  bool partial = false;
};

// Kinds that share their calls (shared/schema/kinds.h); `send` false only checks the document.
bool IsShared(const std::string& kind);
Step SharedPut(Session& session, const Document& document, const WriteFlags& write, bool send);
int SharedList(Session& session, const std::string& kind);
int SharedGet(Session& session, const std::string& kind, const std::string& id);
int SharedDelete(Session& session, const std::string& kind, const std::string& id, const WriteFlags& write);

}  // namespace aurora::ctl
