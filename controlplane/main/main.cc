// aurora-controlplane: the admin API, the policy store and the cluster side of one node.
#include "controlplane/node/node.h"
#include "shared/process/process.h"

int main(int argc, char** argv) {
  return aurora::process::Run(
      {"controlplane", "Aurora control plane: the admin API and the policy store of one node.",
       AURORA_VERSION, aurora::config::Process::kControlPlane},
      argc, argv, [](aurora::config::Config config) -> absl::StatusOr<int> {
        AURORA_ASSIGN_OR_RETURN(auto node,
                                aurora::node::Node::Open(std::move(config), AURORA_VERSION));
        return node->Run();
      });
}
