// aurora-dataplane: the proxy in the request path. Flags, limits of the process, then Process.
#include <csignal>
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "dataplane/main/process.h"
#include "shared/log/log.h"

namespace {

void SetProcessLimits() {
  std::signal(SIGPIPE, SIG_IGN);  // libuv writes without MSG_NOSIGNAL
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  // A core would hold every key and prompt in memory.
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
}

aurora::log::Options LogOptions(const aurora::config::Config& config) {
  aurora::log::Options options;
  options.level = static_cast<aurora::log::Level>(config.log.level);
  options.format = config.log.format == aurora::config::LogFormat::kText
                       ? aurora::log::Format::kText
                       : aurora::log::Format::kJson;
  options.component = "dataplane";
  options.node_id = config.cluster.node_id;
  return options;
}

int Fail(std::string_view message) {
  std::fprintf(stderr, "aurora-dataplane: %.*s\n", static_cast<int>(message.size()),
               message.data());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  SetProcessLimits();
  CLI::App app("Aurora data plane: serves the client API and forwards to providers.",
               "aurora-dataplane");
  aurora::config::LoadOptions load;
  bool check = false;
  bool print = false;
  app.add_option("--config", load.config_path,
                 "Settings file (default /etc/aurora/aurora.toml if present)")
      ->envname("AURORA_CONFIG");
  app.add_flag("--check-config", check, "Validate the settings and exit");
  app.add_flag("--print-config", print, "Print the settings in force, secrets hidden, and exit");
  app.set_version_flag("--version", std::string("aurora-dataplane ") + AURORA_VERSION);
  // The library reports through exceptions; its macro turns them into an exit code.
  const int parsed = [&]() -> int {
    CLI11_PARSE(app, argc, argv);
    return -1;
  }();
  if (parsed >= 0) {
    return parsed == 0 ? 0 : 2;
  }
  load.environment = aurora::config::ProcessEnvironment();
  load.process = aurora::config::Process::kDataPlane;
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
  aurora::log::Start(LogOptions(*config));
  for (const std::string& warning : config->warnings) {
    aurora::log::Warn(warning);
  }
  int code = 2;
  {
    auto process = aurora::server::Process::Create(*std::move(config), AURORA_VERSION);
    if (process.ok()) {
      code = (*process)->Run();
    } else {
      aurora::log::Flush();
      Fail(aurora::Std(process.status().message()));
    }
  }
  aurora::log::Stop();
  return code;
}
