#include "tools/aurora-ctl/completion.h"

namespace aurora::ctl {
namespace {

constexpr std::string_view kFlags =
    "--addr --context --token --token-file --ca-cert --timeout -o --output --help";

std::string Join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    out += (out.empty() ? "" : " ") + word;
  }
  return out;
}

std::string Groups(const CommandTree& tree) {
  std::string out;
  for (const auto& [group, verbs] : tree) {
    out += (out.empty() ? "" : " ") + group;
  }
  return out;
}

std::string Bash(const CommandTree& tree) {
  std::string out = "_aurora_ctl() {\n  local cur=${COMP_WORDS[COMP_CWORD]} words=\"" +
                    Groups(tree) +
                    "\" w\n  for w in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n    case $w in\n";
  for (const auto& [group, verbs] : tree) {
    out += "      " + group + ") words=\"" + Join(verbs) + "\"; break;;\n";
  }
  out += "    esac\n  done\n  COMPREPLY=($(compgen -W \"$words " + std::string(kFlags) +
         "\" -- \"$cur\"))\n}\ncomplete -o default -F _aurora_ctl aurora-ctl\n";
  return out;
}

std::string Fish(const CommandTree& tree) {
  std::string out =
      "complete -c aurora-ctl -n __fish_use_subcommand -f -a \"" + Groups(tree) + "\"\n";
  for (const auto& [group, verbs] : tree) {
    if (!verbs.empty()) {
      out += "complete -c aurora-ctl -n \"__fish_seen_subcommand_from " + group + "\" -f -a \"" +
             Join(verbs) + "\"\n";
    }
  }
  return out +
         "complete -c aurora-ctl -l addr -x\ncomplete -c aurora-ctl -l context -x\n"
         "complete -c aurora-ctl -l token-file -r\n"
         "complete -c aurora-ctl -s o -l output -x -a \"table wide json yaml\"\n";
}

}  // namespace

std::string Completion(std::string_view shell, const CommandTree& tree) {
  if (shell == "bash") {
    return Bash(tree);
  }
  if (shell == "zsh") {
    return "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n" +
           Bash(tree);
  }
  return shell == "fish" ? Fish(tree) : "";
}

}  // namespace aurora::ctl
