#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "shared/config/config.h"
#include "tools/aurora-ctl/app.h"

namespace {

// Everybody on the machine reads a process's arguments in /proc: once they are copied, a token is no longer among them.
void HideTokens(int argc, char** argv) {
  constexpr std::string_view kFlag = "--token";
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == kFlag && i + 1 < argc) {
      std::memset(argv[i + 1], '*', std::strlen(argv[i + 1]));
      ++i;
    } else if (argument.starts_with("--token=")) {
      std::memset(argv[i] + kFlag.size() + 1, '*', argument.size() - kFlag.size() - 1);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  HideTokens(argc, argv);
  setenv("GRPC_VERBOSITY", "NONE", 0);  // a failure is told once, in our words
  const int code = aurora::ctl::Run(arguments, aurora::config::ProcessEnvironment(), std::cin, std::cout, std::cerr);
  std::cout.flush();
  if (code == 0 && !std::cout) {  // a new key's value may have been in it
    std::cerr << "aurora-ctl: the command was carried out, but what it answered could not be written to stdout\n";
    return 1;
  }
  return code;
}
