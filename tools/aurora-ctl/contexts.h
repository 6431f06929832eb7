// Contexts: named addresses in $XDG_CONFIG_HOME/aurora/ctl.toml (~/.config when it is not set).
// Source: docs product contract, aurora-ctl. Thread: one. Errors: InvalidArgument naming the file; a
// file that others may read is refused: it says where tokens lie. Invariant: the file is written
// 0600 and whole (a new one takes the old one's place); no token is in it, only paths of files.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "tools/aurora-ctl/session.h"

namespace aurora::ctl {

struct Context {
  std::string addr;
  std::string token_file;
  std::string ca_cert;
};

struct Contexts {
  std::string path;
  std::string current;  // "" = none
  std::map<std::string, Context> all;
};

// A file that is not there is no contexts.
absl::StatusOr<Contexts> LoadContexts(const std::map<std::string, std::string>& environment);

int ContextList(Session& session);
int ContextCurrent(Session& session);
int ContextAdd(Session& session, const std::string& name, const Context& context);
int ContextUse(Session& session, const std::string& name);
int ContextRemove(Session& session, const std::string& name);

}  // namespace aurora::ctl
