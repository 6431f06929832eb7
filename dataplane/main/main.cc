// aurora-dataplane: the proxy in the request path.
#include "dataplane/main/process.h"
#include "shared/process/process.h"

int main(int argc, char** argv) {
  return aurora::process::Run(
      {"dataplane", "Aurora data plane: serves the client API and forwards to providers.",
       AURORA_VERSION, aurora::config::Process::kDataPlane},
      argc, argv, [](aurora::config::Config config) -> absl::StatusOr<int> {
        AURORA_ASSIGN_OR_RETURN(auto process, aurora::server::Process::Create(std::move(config),
                                                                              AURORA_VERSION));
        return process->Run();
      });
}
