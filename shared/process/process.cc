#include "shared/process/process.h"

#include <csignal>
#include <cstdio>

#include <CLI/CLI.hpp>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "shared/log/log.h"

namespace aurora::process {
namespace {

constexpr int kGoOn = -1;

void SetLimits() {
  std::signal(SIGPIPE, SIG_IGN);  // libuv writes without MSG_NOSIGNAL
  umask(0077);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

log::Options LogOptions(const config::Config& config, std::string_view component) {
  log::Options options;
  options.level = static_cast<log::Level>(config.log.level);
  options.format =
      config.log.format == config::LogFormat::kText ? log::Format::kText : log::Format::kJson;
  options.component = component;
  options.node_id = config.cluster.node_id;
  return options;
}

// CLI11 reports by exception; its macro holds the one catch.
int ParseArguments(CLI::App& app, int argc, char** argv) {
  CLI11_PARSE(app, argc, argv);
  return kGoOn;
}

int Fail(const std::string& name, std::string_view message) {
  std::fprintf(stderr, "%s: %.*s\n", name.c_str(), static_cast<int>(message.size()), message.data());
  return 2;
}

}  // namespace

int Run(const Description& description, int argc, char** argv,
        absl::FunctionRef<absl::StatusOr<int>(config::Config)> serve) {
  SetLimits();
  const std::string name = "aurora-" + std::string(description.component);
  CLI::App app(std::string(description.summary), name);
  config::LoadOptions load;
  bool check = false;
  bool print = false;
  app.add_option("--config", load.config_path,
                 "Settings file (else AURORA_CONFIG, else /etc/aurora/aurora.toml if present)");
  app.add_flag("--check-config", check, "Validate the settings and exit");
  app.add_flag("--print-config", print, "Print the settings in force, secrets hidden, and exit");
  app.set_version_flag("--version", name + " " + std::string(description.version));
  if (const int code = ParseArguments(app, argc, argv); code != kGoOn) {
    return code == 0 ? 0 : 2;
  }
  load.environment = config::ProcessEnvironment();
  load.process = description.settings;
  auto config = config::Load(load);
  if (!config.ok()) {
    return Fail(name, Std(config.status().message()));
  }
  if (print) {
    std::fputs(config::PrintConfig(*config).c_str(), stdout);
    return 0;
  }
  if (check) {
    for (const std::string& warning : config->warnings) {
      std::fprintf(stderr, "%s: warning: %s\n", name.c_str(), warning.c_str());
    }
    std::puts("configuration is valid");
    return 0;
  }
  log::Start(LogOptions(*config, description.component));
  for (const std::string& warning : config->warnings) {
    log::Warn(warning);
  }
  const absl::StatusOr<int> code = serve(*std::move(config));
  log::Flush();
  const int exit_code = code.ok() ? *code : Fail(name, Std(code.status().message()));
  log::Stop();
  return exit_code;
}

}  // namespace aurora::process
