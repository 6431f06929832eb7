// Run: aurora-ctl's command line, apart from main so that tests call it.
// Source: docs product contract, aurora-ctl. Thread: one. Errors: exit codes of exit_codes.h.
#pragma once

#include <istream>
#include <map>
#include <ostream>
#include <string>
#include <vector>

namespace aurora::ctl {

// `arguments` without the program's name. Help and usage mistakes go to the process's own stdout
// and stderr.
int Run(const std::vector<std::string>& arguments,
        const std::map<std::string, std::string>& environment, std::istream& in, std::ostream& out,
        std::ostream& err);

}  // namespace aurora::ctl
