#include <iostream>

#include "shared/config/config.h"
#include "tools/aurora-ctl/app.h"

int main(int argc, char** argv) {
  return aurora::ctl::Run({argv + (argc > 0 ? 1 : 0), argv + argc},
                          aurora::config::ProcessEnvironment(), std::cin, std::cout, std::cerr);
}
