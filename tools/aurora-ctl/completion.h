// Completion scripts for bash, zsh and fish.
// Source: ours, from the command tree itself. Thread: stateless. Errors: "" for another shell.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace aurora::ctl {

// Group -> its verbs; a command without verbs has none.
using CommandTree = std::map<std::string, std::vector<std::string>>;

std::string Completion(std::string_view shell, const CommandTree& tree);

}  // namespace aurora::ctl
