// Connect: which node to talk to, with what token and for how long: flags, then the environment, then a context.
// Source: docs product contract, aurora-ctl. Thread: one. Errors: InvalidArgument names the flag, its value and what is
// allowed. Always: a token goes only to the address that it came with.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "tools/aurora-ctl/client.h"
#include "tools/aurora-ctl/session.h"

namespace aurora::ctl {

struct Globals {
  std::string addr;
  std::string token;
  std::string token_file;
  std::string ca_cert;
  std::string context;
  std::string output = "table";
  std::string timeout;
};

std::string Variable(const Session& session, const std::string& name);
// `slow`: the command reads or writes much; without a --timeout it has longer.
absl::StatusOr<ClientOptions> Connect(const Session& session, Globals globals, bool slow);

}  // namespace aurora::ctl
