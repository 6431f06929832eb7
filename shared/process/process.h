// RunProcess: what both of a node's processes do before they differ: limits, flags, settings, the log. Source: product
// contract, settings and security. Thread: main's, before any other exists.
// Exit codes: 0 done, 2 a mistake in flags, settings or start (one line on stderr says which), else what `serve` says.
// Always: no core dump and no debugger of the same user sees the process's memory (it holds keys and prompts); files it
// makes are its user's alone; SIGPIPE is ignored; descriptors up to the hard limit.
#pragma once

#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "shared/base/status.h"
#include "shared/config/config.h"

namespace aurora::process {

struct Description {
  std::string_view component;  // "dataplane": the log's name; the binary is aurora-<component>
  std::string_view summary;    // of --help
  std::string_view version;
  config::Process settings;    // whose settings are checked
};

// `serve` starts the process and runs it to its end: its exit code, or what kept it from starting.
int Run(const Description& description, int argc, char** argv,
        absl::FunctionRef<absl::StatusOr<int>(config::Config)> serve);

}  // namespace aurora::process
