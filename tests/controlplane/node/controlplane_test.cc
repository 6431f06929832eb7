// The real binary: it starts, serves, refuses a second of its kind, survives a broken store and
// ends on SIGTERM.
#include <chrono>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/controlplane/admin/face_fixture.h"

namespace aurora::node {
namespace {

using admin::testing::Http;
using admin::testing::HttpAnswer;

template <class F>
bool Eventually(const F& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// One process; its settings and files live in `dir`.
class ControlPlane {
 public:
  ControlPlane(const testing::TempDir& dir, const std::string& name, const std::string& extra = "",
               const std::string& ops = "127.0.0.1:0")
      : err_(dir.Path(name + ".err")) {
    const std::string config = dir.Path(name + ".toml");
    std::ofstream(config)
        << "[admin]\ngrpc_listen = \"127.0.0.1:0\"\nrest_listen = \"127.0.0.1:0\"\n"
        << "[metrics]\ncontrolplane_listen = \"" << ops << "\"\n"
        << "[storage]\nmin_free_bytes = 1048576\nstate_dir = \"" << dir.Path("state")
        << "\"\nruntime_dir = \"" << dir.Path("run") << "\"\n"
        << extra;
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      const int err = ::open(err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      ::dup2(err, 2);
      ::setenv("AURORA_MASTER_KEY", std::string(admin::testing::kMasterKey).c_str(), 1);
      ::execl(AURORA_CONTROLPLANE, AURORA_CONTROLPLANE, "--config", config.c_str(), nullptr);
      ::_exit(127);
    }
  }
  ~ControlPlane() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      Wait();
    }
  }

  // The number behind "key": in its log.
  uint16_t Port(const std::string& key) const {
    std::string text;
    const std::string mark = "\"" + key + "\":";
    REQUIRE(Eventually([&] {
      return (text = ReadAll(err_)).find(mark) != std::string::npos && text.back() == '\n';
    }));
    return static_cast<uint16_t>(std::stoi(text.substr(text.find(mark) + mark.size())));
  }
  void Signal(int signum) const { ::kill(pid_, signum); }
  int Wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string Err() const { return ReadAll(err_); }

 private:
  const std::string err_;
  pid_t pid_ = -1;
};

bool Ready(uint16_t port) {
  return Http(port, "GET", "/readyz", "").status == 200;
}

TEST_CASE(
    "the control plane starts, is ready, serves metrics and the admin API, and ends on SIGTERM") {
  const testing::TempDir dir;
  ControlPlane process(dir, "a");
  const uint16_t ops = process.Port("metrics_port");
  REQUIRE(Eventually([&] { return Ready(ops); }));
  CHECK(Http(ops, "GET", "/livez", "").status == 200);
  CHECK(Http(ops, "POST", "/livez", "").status == 405);
  CHECK(Http(ops, "GET", "/other", "").status == 404);

  const std::string token =
      "Authorization: Bearer " + std::string(admin::testing::kMasterKey) + "\r\n";
  const uint16_t rest = process.Port("rest_port");
  CHECK(Http(rest, "GET", "/admin/api/v1/cluster/status", token).body == R"({"enabled":false})");
  CHECK(Http(rest, "POST", "/admin/api/v1/auth-keys", token + "Content-Type: application/json\r\n",
             R"({"name":"ci"})")
            .status == 201);

  const HttpAnswer metrics = Http(ops, "GET", "/metrics", "");
  for (const char* line :
       {"aurora_build_info{", "aurora_store_writable 1", "aurora_data_plane_up 0",
        "aurora_audit_events_total 1", "aurora_rolepage_rewrites_total 1", "aurora_db_size_bytes ",
        "aurora_db_wal_size_bytes "}) {
    INFO(line);
    CHECK(metrics.body.find(line) != std::string::npos);
  }
  process.Signal(SIGTERM);
  CHECK(process.Wait() == 0);
  CHECK(process.Err().find("drained") != std::string::npos);
  CHECK(process.Err().find(admin::testing::kMasterKey) == std::string::npos);
}

TEST_CASE("what was written is there after kill -9") {
  const testing::TempDir dir;
  const std::string token =
      "Authorization: Bearer " + std::string(admin::testing::kMasterKey) + "\r\n";
  {
    ControlPlane first(dir, "a");
    REQUIRE(Eventually([&] { return Ready(first.Port("metrics_port")); }));
    REQUIRE(Http(first.Port("rest_port"), "POST", "/admin/api/v1/auth-keys",
                 token + "Content-Type: application/json\r\n", R"({"id":"k1","name":"ci"})")
                .status == 201);
  }
  ControlPlane second(dir, "b");
  REQUIRE(Eventually([&] { return Ready(second.Port("metrics_port")); }));
  CHECK(Http(second.Port("rest_port"), "GET", "/admin/api/v1/auth-keys/k1", token).status == 200);
}

TEST_CASE("a second control plane on one state directory exits with 2 and names the first") {
  const testing::TempDir dir;
  const ControlPlane first(dir, "a");
  REQUIRE(Eventually([&] { return Ready(first.Port("metrics_port")); }));
  ControlPlane second(dir, "b");
  CHECK(second.Wait() == 2);
  CHECK(second.Err().find("is held by process") != std::string::npos);
}

TEST_CASE("a taken port is waited for, then named: exit 2") {
  const testing::TempDir dir;
  const testing::TempDir other;
  const ControlPlane first(dir, "a");
  const uint16_t taken = first.Port("metrics_port");
  const std::string address = "127.0.0.1:" + std::to_string(taken);
  ControlPlane second(other, "b", "", address);
  CHECK(second.Wait() == 2);
  CHECK(second.Err().find("metrics.controlplane_listen " + address) != std::string::npos);
}

TEST_CASE("both databases are made at the first start, and files of two nodes refuse it with exit 2") {
  const testing::TempDir dir;
  const testing::TempDir other;
  for (const testing::TempDir* each : {&dir, &other}) {
    ControlPlane process(*each, "a");
    REQUIRE(Eventually([&] { return Ready(process.Port("metrics_port")); }));
    process.Signal(SIGTERM);
    CHECK(process.Wait() == 0);
    CHECK(std::filesystem::exists(each->Path("state/election.db")));
    CHECK(process.Err().find("missing") == std::string::npos);
  }
  std::filesystem::copy_file(other.Path("state/election.db"), dir.Path("state/election.db"),
                             std::filesystem::copy_options::overwrite_existing);
  ControlPlane mixed(dir, "b");
  CHECK(mixed.Wait() == 2);
  CHECK(mixed.Err().find("election.db has node uid") != std::string::npos);

  // Without it the node goes on under a new uid, and says so.
  std::filesystem::remove(dir.Path("state/election.db"));
  ControlPlane renewed(dir, "c");
  REQUIRE(Eventually([&] { return Ready(renewed.Port("metrics_port")); }));
  CHECK(renewed.Err().find("election.db was missing") != std::string::npos);
}

TEST_CASE("a setting that is wrong is one line and exit 2") {
  const testing::TempDir dir;
  ControlPlane process(dir, "a", "[log]\nlevel = \"loud\"\n");
  CHECK(process.Wait() == 2);
  CHECK(process.Err().find("log.level") != std::string::npos);
}

TEST_CASE(
    "a store that is no database keeps the process up and unready, and refuses writes with 503") {
  const testing::TempDir dir;
  std::filesystem::create_directory(dir.Path("state"));
  std::ofstream(dir.Path("state/aurora.db")) << std::string(8192, 'x');
  const ControlPlane process(dir, "a");
  const uint16_t ops = process.Port("metrics_port");
  HttpAnswer ready;
  REQUIRE(Eventually([&] {
    ready = Http(ops, "GET", "/readyz", "");
    return ready.status == 503 && ready.body.find("opening") == std::string::npos;
  }));
  INFO(ready.body);
  CHECK(ready.body.find("store corrupt") != std::string::npos);
  CHECK(Http(ops, "GET", "/livez", "").status == 200);
  CHECK(Http(process.Port("rest_port"), "POST", "/admin/api/v1/auth-keys",
             "Authorization: Bearer " + std::string(admin::testing::kMasterKey) +
                 "\r\nContent-Type: application/json\r\n",
             R"({"name":"ci"})")
            .status == 503);
}

}  // namespace
}  // namespace aurora::node
