// demo-provider: a local upstream that speaks OpenAI, Anthropic and Gemini, for demos, tests and benchmarks.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "shared/http/url.h"
#include "shared/uv/loop.h"
#include "shared/uv/timer.h"
#include "tools/demo-provider/server.h"

int main(int argc, char** argv) {
  std::string listen = "127.0.0.1:9400";
  CLI::App app("A local provider in three dialects: OpenAI, Anthropic, Gemini.");
  app.add_option("--listen", listen, "IP:PORT to listen on (port 0: any, printed)")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  const absl::StatusOr<aurora::http::HostPort> at = aurora::http::ParseHostPort(listen);
  if (!at.ok()) {
    std::fprintf(stderr, "demo-provider: --listen %s is not IP:PORT\n", listen.c_str());
    return 2;
  }
  aurora::uv::Loop loop;
  {
    auto server = aurora::demo::Server::Open(loop, at->host, at->port);
    if (!server.ok()) {
      std::fprintf(stderr, "demo-provider: cannot listen on %s: %s\n", listen.c_str(),
                   std::string(server.status().message()).c_str());
      return 2;
    }
    aurora::uv::Signal term(loop, SIGTERM, [&loop] { loop.Stop(); });
    aurora::uv::Signal interrupt(loop, SIGINT, [&loop] { loop.Stop(); });
    std::printf("demo-provider: listening on %s:%d\n", at->host.c_str(), (*server)->port());
    std::fflush(stdout);
    loop.Run();
  }
  return 0;
}
