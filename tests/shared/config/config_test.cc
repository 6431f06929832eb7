#include "shared/config/config.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include <unistd.h>

#include "shared/config/registry.h"
#include "tests/shared/config/support.h"
#include "tests/support/test.h"

namespace aurora::config {
namespace {

const std::string kPrevious = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const std::string kKey32 = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

struct TempFile {
  std::string path;
  explicit TempFile(std::string_view text) {
    std::string name = (std::filesystem::temp_directory_path() / "aurora-config-XXXXXX").string();
    const int fd = ::mkstemp(name.data());
    REQUIRE(fd >= 0);
    ::close(fd);
    path = name;
    std::ofstream(path) << text;
  }
  ~TempFile() { std::filesystem::remove(path); }
};

TEST_CASE("an empty file and environment give the documented defaults") {
  const auto loaded = LoadWith("");
  REQUIRE(loaded.ok());
  const Config& c = *loaded;
  CHECK_FALSE(c.cluster.enabled);
  CHECK(c.cluster.node_id == "local");
  CHECK(c.cluster.bind_port == 7946);
  CHECK(c.cluster.sync_bind_port == 7947);
  CHECK(c.cluster.heartbeat_interval == Duration::Seconds(30));
  CHECK(c.cluster.failover_mode == FailoverMode::kSingleNode);
  CHECK(c.cluster.peer_listen.ToString() == "0.0.0.0:7950");
  CHECK(c.cluster.max_staleness == Duration::Seconds(300));
  CHECK(c.server.listen.ToString() == "0.0.0.0:8080");
  CHECK(c.server.loops == 0);
  CHECK(c.server.drain_grace == Duration::Seconds(5));
  CHECK(c.server.drain_timeout == Duration::Seconds(120));
  CHECK(c.server.limits.body_max_bytes == 33554432);
  CHECK(c.server.limits.head_timeout == Duration::Seconds(10));
  CHECK(c.server.limits.body_timeout == Duration::Seconds(60));
  CHECK(c.server.limits.idle_timeout == Duration::Seconds(75));
  CHECK(c.server.limits.connections_max == 100000);
  CHECK(c.server.revoke_running_streams);
  CHECK(c.server.keepalive_interval == Duration::Seconds(15));
  CHECK(c.server.slow_client_watermark_bytes == 262144);
  CHECK(c.admin.grpc_listen.ToString() == "127.0.0.1:7948");
  CHECK(c.admin.rest_listen.ToString() == "127.0.0.1:7949");
  CHECK(c.admin.socket == "/run/aurora/admin/control.sock");
  CHECK(c.admin.on_proxy_port == OnProxyPort::kAuto);
  CHECK(c.admin.allow_private_networks);
  CHECK(c.metrics.dataplane_listen.ToString() == "0.0.0.0:9091");
  CHECK(c.metrics.controlplane_listen.ToString() == "0.0.0.0:9092");
  CHECK(c.storage.state_dir == "/var/lib/aurora");
  CHECK(c.storage.min_free_bytes == 536870912);
  CHECK(c.storage.traffic_max_age == Duration::Seconds(2592000));
  CHECK(c.storage.traffic_max_bytes == 2147483648);
  CHECK(c.log.level == LogLevel::kInfo);
  CHECK(c.log.format == LogFormat::kJson);
  CHECK(c.providers.empty());
  CHECK(c.warnings.empty());
}

TEST_CASE("the structs' own defaults are the table's") {
  const Config loaded = *LoadWith("");
  const Config plain;
  CHECK(plain.server.limits.body_max_bytes == loaded.server.limits.body_max_bytes);
  CHECK(plain.server.drain_timeout == loaded.server.drain_timeout);
  CHECK(plain.server.keepalive_interval == loaded.server.keepalive_interval);
  CHECK(plain.cluster.max_staleness == loaded.cluster.max_staleness);
  CHECK(plain.cluster.priority == loaded.cluster.priority);
  CHECK(plain.storage.traffic_max_age == loaded.storage.traffic_max_age);
  CHECK(plain.storage.traffic_max_bytes == loaded.storage.traffic_max_bytes);
  CHECK(plain.storage.min_free_bytes == loaded.storage.min_free_bytes);
}

TEST_CASE("the environment beats the file and the file beats the default") {
  const std::string toml = "[cluster]\nregion = \"from-file\"\nzone = \"z-file\"\n";
  const auto loaded = LoadWith(toml, {{"CLUSTER_REGION", "from-env"}});
  REQUIRE(loaded.ok());
  CHECK(loaded->cluster.region == "from-env");
  CHECK(loaded->cluster.zone == "z-file");
  CHECK(Effective(*loaded, "cluster.region")->source == "environment CLUSTER_REGION");
  CHECK(Effective(*loaded, "cluster.zone")->source == "file t.toml:3");
  CHECK(Effective(*loaded, "cluster.label")->source == "default");
}

TEST_CASE("a variable set to nothing counts as unset") {
  const auto loaded = LoadWith("", {{"CLUSTER_BIND_PORT", ""}, {"AURORA_LOG_LEVEL", ""}});
  REQUIRE(loaded.ok());
  CHECK(loaded->cluster.bind_port == 7946);
}

TEST_CASE("every key can be set by its variable, and the variable's name is unique") {
  std::set<std::string> names;
  for (const Setting& setting : Settings()) {
    CHECK(names.insert(setting.Variable()).second);
  }
  CHECK(names.contains("CLUSTER_HEARTBEAT_INTERVAL_SECONDS"));
  CHECK(names.contains("AURORA_SERVER_LIMITS_BODY_MAX_BYTES"));
  CHECK(names.contains("AURORA_MASTER_KEY"));
  CHECK(names.contains("AURORA_ENCRYPTION_KEY"));
  CHECK(names.contains("CLUSTER_TLS_CERT"));
}

TEST_CASE("values of every kind are read from a file") {
  const auto loaded = LoadWith(R"(
cluster.seed_nodes = ["a:1", "[::1]:2"]
cluster.gossip_keys = ["AAAAAAAAAAAAAAAAAAAAAA=="]
[server]
listen = ":18080"
loops = 4
drain_grace = "1m30s"
revoke_running_streams = false
limits.body_max_bytes = "64MiB"
[admin]
on_proxy_port = true
[log]
level = "debug"
format = "text"
)");
  INFO(loaded.status().message().data());
  REQUIRE(loaded.ok());
  CHECK(loaded->cluster.seed_nodes == std::vector<HostPort>{{"a", 1}, {"::1", 2}});
  CHECK(loaded->cluster.gossip_keys.at(0).size() == 16);
  CHECK(loaded->server.listen == HostPort{"0.0.0.0", 18080});
  CHECK(loaded->server.loops == 4);
  CHECK(loaded->server.drain_grace == Duration::Seconds(90));
  CHECK_FALSE(loaded->server.revoke_running_streams);
  CHECK(loaded->server.limits.body_max_bytes == 64 << 20);
  CHECK(loaded->admin.on_proxy_port == OnProxyPort::kTrue);
  CHECK(loaded->log.level == LogLevel::kDebug);
  CHECK(loaded->log.format == LogFormat::kText);
}

TEST_CASE("a secret is read from its twin file without the line break") {
  const TempFile master("master-key\n");
  const TempFile seal(kKey32 + "\n");
  const auto loaded = LoadWith("[storage]\nencryption_key_file = \"" + seal.path + "\"\n",
                               {{"AURORA_MASTER_KEY_FILE", master.path}});
  REQUIRE(loaded.ok());
  CHECK(loaded->admin.master_key.Reveal() == "master-key");
  CHECK(loaded->storage.encryption_key.Reveal() == std::string(32, '\0'));
  CHECK(Effective(*loaded, "admin.master_key")->source == "environment AURORA_MASTER_KEY_FILE");
}

TEST_CASE("a second encryption key is read as the first one is") {
  const TempFile file(kPrevious + "\n");
  const auto loaded =
      LoadWith("", {{"AURORA_ENCRYPTION_KEY", kKey32}, {"AURORA_ENCRYPTION_KEY_PREVIOUS_FILE", file.path}});
  REQUIRE(loaded.ok());
  CHECK(loaded->storage.encryption_key.Reveal() == std::string(32, '\0'));
  CHECK(loaded->storage.encryption_key_previous.Reveal() == std::string(32, '\1'));
  CHECK(LoadWith("", {{"AURORA_ENCRYPTION_KEY", kKey32}})->storage.encryption_key_previous.empty());
}

TEST_CASE("no secret is ever printed") {
  const auto loaded = LoadWith("", {{"AURORA_MASTER_KEY", "hunter2-hunter2"},
                                    {"AURORA_ENCRYPTION_KEY", kKey32},
                                    {"AURORA_ENCRYPTION_KEY_PREVIOUS", kPrevious},
                                    {"CLUSTER_GOSSIP_KEYS", "AAAAAAAAAAAAAAAAAAAAAA=="},
                                    {"OPENAI_API_KEY", "sk-visible"}});
  REQUIRE(loaded.ok());
  const std::string text = PrintConfig(*loaded);
  for (const char* secret : {"hunter2", "AAAA", "AQEB", "sk-visible"}) {
    CHECK(text.find(secret) == std::string::npos);
  }
  CHECK(text.find("admin.master_key = \"****\"  # environment AURORA_MASTER_KEY") !=
        std::string::npos);
  CHECK(text.find("providers.openai.api_key = \"****\"") != std::string::npos);
  CHECK(text.find("server.drain_timeout = \"2m\"  # default") != std::string::npos);
}

TEST_CASE("the admin API is on the client port by default only when that port is loopback") {
  const Config c = *LoadWith("");
  CHECK(c.admin.ForwardOn({"127.0.0.3", 8080}));
  CHECK_FALSE(c.admin.ForwardOn({"0.0.0.0", 8080}));
  CHECK_FALSE(c.admin.ForwardOn({"127.example.com", 8080}));
  const std::string picked = "admin.rest_listen = \"127.0.0.1:0\"\n";  // nobody knows where to
  CHECK_FALSE(LoadWith(picked)->admin.ForwardOn({"127.0.0.3", 8080}));
  CHECK_FALSE(LoadWith(picked + "admin.on_proxy_port = true\n").ok());
}

TEST_CASE("a path that was named must exist") {
  LoadOptions options;
  options.config_path = "/nonexistent/aurora.toml";
  CHECK(Lines(Load(options).status()) ==
        std::vector<std::string>{
            "config: \"/nonexistent/aurora.toml\" cannot be read: No such file or directory, "
            "want a readable TOML file (--config)"});
  options.config_path.clear();
  options.environment = {{"AURORA_CONFIG", "/"}};
  CHECK(Lines(Load(options).status()) ==
        std::vector<std::string>{
            "config: \"/\" cannot be read: is a directory, want a readable TOML file "
            "(environment AURORA_CONFIG)"});
}

TEST_CASE("Load reads the file that was named") {
  const TempFile file("[cluster]\nnode_id = \"n7\"\n");
  LoadOptions options;
  options.config_path = file.path;
  const auto loaded = Load(options);
  REQUIRE(loaded.ok());
  CHECK(loaded->cluster.node_id == "n7");
}

TEST_CASE("a variable that almost names a setting is warned about") {
  const auto loaded = LoadWith("", {{"CLUSTER_SEED_NODE", "a:1"},
                                    {"AURORA_CTL_TOKEN", "x"},
                                    {"AURORA_SERVICE_HOST", "10.0.0.1"},
                                    {"AURORA_CONFIG", "/x"}});
  REQUIRE(loaded.ok());
  CHECK(loaded->warnings ==
        std::vector<std::string>{"environment CLUSTER_SEED_NODE is not a setting and is ignored, "
                                 "did you mean CLUSTER_SEED_NODES?"});
}

TEST_CASE("proxy variables are taken in either case") {
  const auto loaded = LoadWith("", {{"https_proxy", "http://p:1"}, {"NO_PROXY", "a,b"}});
  CHECK(loaded->proxy.https_proxy == "http://p:1");
  CHECK(loaded->proxy.no_proxy == "a,b");
}

TEST_CASE("the process's environment is the one it was started with") {
  CHECK(ProcessEnvironment().contains("PATH"));
}

}  // namespace
}  // namespace aurora::config
