// aurora-controlplane: the admin API and the store of one node. Flags, limits of the process, then
// Node.
#include <csignal>
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "controlplane/node/node.h"
#include "shared/log/log.h"

namespace {

void SetProcessLimits() {
  std::signal(SIGPIPE, SIG_IGN);  // libuv writes without MSG_NOSIGNAL
  // Everything this process makes holds keys or their digests.
  umask(0077);
  // A core, or a debugger of the same user, would see the master key and every credential.
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

aurora::log::Options LogOptions(const aurora::config::Config& config) {
  aurora::log::Options options;
  options.level = static_cast<aurora::log::Level>(config.log.level);
  options.format = config.log.format == aurora::config::LogFormat::kText
                       ? aurora::log::Format::kText
                       : aurora::log::Format::kJson;
  options.component = "controlplane";
  options.node_id = config.cluster.node_id;
  return options;
}

int Fail(std::string_view message) {
  std::fprintf(stderr, "aurora-controlplane: %.*s\n", static_cast<int>(message.size()),
               message.data());
  return 2;
}

constexpr int kGoOn = -1;

// CLI11 reports by exception; its macro holds the one catch.
int ParseArguments(CLI::App& app, int argc, char** argv) {
  CLI11_PARSE(app, argc, argv);
  return kGoOn;
}

int Serve(aurora::config::Config config) {
  aurora::log::Start(LogOptions(config));
  for (const std::string& warning : config.warnings) {
    aurora::log::Warn(warning);
  }
  int code = 2;
  {
    auto node = aurora::node::Node::Open(std::move(config), AURORA_VERSION);
    if (node.ok()) {
      code = (*node)->Run();
    } else {
      aurora::log::Flush();
      Fail(aurora::Std(node.status().message()));
    }
  }
  aurora::log::Stop();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  SetProcessLimits();
  CLI::App app("Aurora control plane: the admin API and the policy store of one node.",
               "aurora-controlplane");
  aurora::config::LoadOptions load;
  bool check = false;
  bool print = false;
  app.add_option("--config", load.config_path,
                 "Settings file (default /etc/aurora/aurora.toml if present)")
      ->envname("AURORA_CONFIG");
  app.add_flag("--check-config", check, "Validate the settings and exit");
  app.add_flag("--print-config", print, "Print the settings in force, secrets hidden, and exit");
  app.set_version_flag("--version", std::string("aurora-controlplane ") + AURORA_VERSION);
  if (const int code = ParseArguments(app, argc, argv); code != kGoOn) {
    return code == 0 ? 0 : 2;
  }
  load.environment = aurora::config::ProcessEnvironment();
  load.process = aurora::config::Process::kControlPlane;
  auto config = aurora::config::Load(load);
  if (!config.ok()) {
    return Fail(aurora::Std(config.status().message()));
  }
  if (print) {
    std::fputs(aurora::config::PrintConfig(*config).c_str(), stdout);
    return 0;
  }
  if (check) {
    std::puts("configuration is valid");
    return 0;
  }
  return Serve(*std::move(config));
}
