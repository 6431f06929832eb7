// Every kind of mistake, with the line it makes.
#include "tests/shared/config/support.h"
#include "tests/support/certs.h"
#include "tests/support/test.h"

namespace aurora::config {
namespace {

using Want = std::vector<std::string>;

TEST_CASE("a key nobody knows is named with the nearest one") {
  CHECK(MistakesOf("[server]\nlisen = \"x\"\n") ==
        Want{"server.lisen: no such key, did you mean server.listen? (file t.toml:2)"});
  CHECK(MistakesOf("zzzzzzzzzzzzzzzz = 1\n") ==
        Want{"zzzzzzzzzzzzzzzz: no such key (file t.toml:1)"});
  CHECK(MistakesOf("server = 1\n") ==
        Want{"server: is a table, want [server] with keys below it (file t.toml:1)"});
}

TEST_CASE("a wrong type says what is wanted") {
  CHECK(
      MistakesOf("server.loops = \"two\"\n") ==
      Want{"server.loops: \"two\" is not allowed, want an integer from 0 to 128 (file t.toml:1)"});
  CHECK(MistakesOf("server.loops = \"2\"\n").size() == 1);
  CHECK(MistakesOf("server.revoke_running_streams = \"yes\"\n") ==
        Want{"server.revoke_running_streams: \"yes\" is not allowed, want true or false (file "
             "t.toml:1)"});
  CHECK(MistakesOf("server.drain_grace = 5\n") ==
        Want{"server.drain_grace: 5 is not allowed, want a duration from 0s to 1h, such as \"5s\", "
             "\"100ms\" or \"2m\" "
             "(file t.toml:1)"});
  CHECK(MistakesOf("cluster.region = 3.5\n") ==
        Want{"cluster.region: 3.5 is not allowed, want text in quotes (file t.toml:1)"});
  CHECK(MistakesOf("cluster.seed_nodes = [1]\n").at(0).find("want an array of texts") !=
        std::string::npos);
}

TEST_CASE("a number out of range says the range") {
  CHECK(MistakesOf("", {{"CLUSTER_BIND_PORT", "65536"}}) ==
        Want{"cluster.bind_port: \"65536\" is not allowed, want an integer from 0 to 65535 "
             "(environment "
             "CLUSTER_BIND_PORT)"});
  CHECK(MistakesOf("cluster.heartbeat_interval_seconds = 0\n").size() == 1);
  CHECK(MistakesOf("server.limits.body_max_bytes = 5\n").at(0).find("want bytes from 1024") !=
        std::string::npos);
  CHECK(MistakesOf("server.limits.head_timeout = \"2d\"\n").size() == 1);
  CHECK(MistakesOf("server.limits.head_timeout = \"99999999999999d\"\n").size() == 1);
}

TEST_CASE("a choice that is none says the choices") {
  CHECK(MistakesOf("", {{"CLUSTER_FAILOVER_MODE", "both"}}) ==
        Want{"cluster.failover_mode: \"both\" is not allowed, want one of single_node, "
             "active_passive, active_active "
             "(environment CLUSTER_FAILOVER_MODE)"});
}

TEST_CASE("an address that is none says the forms") {
  CHECK(MistakesOf("server.listen = \"8080\"\n") ==
        Want{"server.listen: \"8080\" is not allowed, want host:port, [ipv6]:port or :port with a "
             "port from 0 to 65535 "
             "(file t.toml:1)"});
  CHECK(MistakesOf("", {{"CLUSTER_SEED_NODES", "good:1,bad"}}) ==
        Want{"cluster.seed_nodes: \"bad\" is not allowed, want host:port (environment "
             "CLUSTER_SEED_NODES)"});
}

TEST_CASE("two listeners on one port are both named") {
  CHECK(MistakesOf("server.listen = \"0.0.0.0:9091\"\n") ==
        Want{"server.listen: \"0.0.0.0:9091\" clashes with metrics.dataplane_listen "
             "\"0.0.0.0:9091\" of default, want "
             "different ports (file t.toml:1)"});
  CHECK(MistakesOf("server.listen = \"localhost:7949\"\n").size() == 1);
  CHECK(MistakesOf("server.listen = \"127.0.0.2:7949\"\n").empty());
  CHECK(MistakesOf("server.listen = \":0\"\nmetrics.dataplane_listen = \":0\"\n").empty());
}

TEST_CASE("cluster ports clash only when clustering is on") {
  CHECK(MistakesOf("server.listen = \":7946\"\n").empty());
  CHECK(MistakesOf("server.listen = \":7946\"\ncluster.enabled = true\n").size() == 1);
}

TEST_CASE("every failover mode and role may be asked for, with clustering or before it") {
  for (const char* mode : {"single_node", "active_passive", "active_active"}) {
    CHECK(MistakesOf("", {{"CLUSTER_ENABLED", "true"}, {"CLUSTER_FAILOVER_MODE", mode}}).empty());
    CHECK(MistakesOf("", {{"CLUSTER_FAILOVER_MODE", mode}}).empty());
  }
  CHECK(MistakesOf("", {{"CLUSTER_ENABLED", "true"}, {"CLUSTER_ROLE", "witness"}}).empty());
  CHECK(MistakesOf("", {{"CLUSTER_ENABLED", "true"}, {"CLUSTER_ELECTION_PROFILE", "wan"}}).size() == 1);
}

TEST_CASE("clustering with seeds needs an id of the node's own") {
  const Want lines = MistakesOf("", {{"CLUSTER_ENABLED", "true"}, {"CLUSTER_SEED_NODES", "a:1"}});
  CHECK(lines.at(0) ==
        "cluster.node_id: \"local\" is not allowed with cluster.enabled and cluster.seed_nodes, "
        "want an id of this "
        "node's own (default)");
  CHECK(MistakesOf("cluster.node_id = \"a b\"\n").size() == 1);
}

TEST_CASE("a secret's value is not in its mistake") {
  const Want lines = MistakesOf("", {{"AURORA_ENCRYPTION_KEY", "c2hvcnQ="},
                                     {"AURORA_MASTER_KEY", "with space"},
                                     {"CLUSTER_GOSSIP_KEYS", "!!!"},
                                     {"OPENAI_API_KEY", "line\nbreak"}});
  CHECK(lines.size() == 4);
  for (const std::string& line : lines) {
    INFO(line);
    CHECK(line.find("****") != std::string::npos);
    CHECK(line.find("c2hv") == std::string::npos);
    CHECK(line.find("with space") == std::string::npos);
    CHECK(line.find("break") == std::string::npos);
  }
}

TEST_CASE("a second encryption key is 32 bytes, another one, and not alone") {
  const std::string zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  const std::string ones = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
  CHECK(MistakesOf("", {{"AURORA_ENCRYPTION_KEY", zeros}, {"AURORA_ENCRYPTION_KEY_PREVIOUS", ones}}).empty());
  const std::pair<std::vector<std::pair<std::string, std::string>>, std::string> cases[] = {
      {{{"AURORA_ENCRYPTION_KEY", zeros}, {"AURORA_ENCRYPTION_KEY_PREVIOUS", zeros}}, "want another key"},
      {{{"AURORA_ENCRYPTION_KEY_PREVIOUS", ones}}, "not allowed without storage.encryption_key"},
      {{{"AURORA_ENCRYPTION_KEY", zeros}, {"AURORA_ENCRYPTION_KEY_PREVIOUS", "c2hvcnQ="}}, "want base64 of 32 bytes"}};
  for (const auto& [environment, why] : cases) {
    const Want lines = MistakesOf("", {environment.begin(), environment.end()});
    INFO(why);
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].starts_with("storage.encryption_key_previous: "));
    CHECK(lines[0].find(why) != std::string::npos);
    CHECK(lines[0].find("c2hv") == std::string::npos);
  }
}

TEST_CASE("a secret and its twin file exclude each other") {
  CHECK(MistakesOf("", {{"AURORA_MASTER_KEY", "a"}, {"AURORA_MASTER_KEY_FILE", "/b"}}) ==
        Want{"admin.master_key: AURORA_MASTER_KEY and AURORA_MASTER_KEY_FILE are both set, want "
             "one of them "
             "(environment)"});
  CHECK(MistakesOf("admin.master_key = \"a\"\nadmin.master_key_file = \"/b\"\n").size() == 1);
}

TEST_CASE("a file that cannot be read is named with the reason") {
  CHECK(MistakesOf("", {{"AURORA_MASTER_KEY_FILE", "/nonexistent"}}) ==
        Want{"admin.master_key: \"/nonexistent\" cannot be read: No such file or directory, want a "
             "readable file "
             "(environment AURORA_MASTER_KEY_FILE)"});
  CHECK(MistakesOf("server.tls.cert = \"/nonexistent\"\nserver.tls.key = \"/dev/null\"\n") ==
        Want{"server.tls.cert: \"/nonexistent\" cannot be read: No such file or directory, want a "
             "readable PEM file "
             "(file t.toml:1)"});
  CHECK(MistakesOf("server.tls.cert = \"/nonexistent\"\nserver.tls.key = \"/dev/null\"\n", {},
                   Process::kControlPlane)
            .empty());
  CHECK(MistakesOf("", {{"AURORA_MASTER_KEY_FILE", "/dev/null"}}).at(0).find("is empty") !=
        std::string::npos);
}

TEST_CASE("half a TLS pair is refused") {
  CHECK(MistakesOf("server.tls.cert = \"/dev/null\"\n") ==
        Want{"server.tls.cert: \"/dev/null\" stands alone, want server.tls.cert and server.tls.key "
             "together "
             "(file t.toml:1)"});
}

TEST_CASE("a certificate and a key that do not belong together are refused before the start") {
  aurora::testing::Certs certs;
  const auto a = certs.Issue("a", "DNS:a.test");
  const auto b = certs.Issue("b", "DNS:b.test");
  const auto tls = [](const std::string& cert, const std::string& key) {
    return "admin.tls.cert = \"" + cert + "\"\nadmin.tls.key = \"" + key + "\"\n";
  };
  const std::string open = "admin.rest_listen = \"0.0.0.0:7949\"\n";
  CHECK(MistakesOf(open + tls(a.certificate_file, a.key_file), {}, Process::kControlPlane).empty());
  CHECK(MistakesOf(open + tls(a.certificate_file, b.key_file), {}, Process::kControlPlane).size() == 1);
  CHECK(MistakesOf(tls(a.certificate_file, "/dev/null"), {}, Process::kControlPlane).size() == 1);
  // The proxy's own port cannot carry an admin API that speaks TLS.
  CHECK(MistakesOf("admin.on_proxy_port = true\n" + tls("/c", "/k"), {}, Process::kDataPlane).size() == 1);
}

TEST_CASE("certificates of the cluster are all there or none is") {
  const aurora::testing::Certs certs;
  const std::string ca = "cluster.tls.ca = \"" + certs.ca_file() + "\"\n";
  aurora::testing::Certs issuer;
  const auto leaf = issuer.Issue("a", "DNS:a.test");
  const std::string pair =
      "cluster.tls.cert = \"" + leaf.certificate_file + "\"\ncluster.tls.key = \"" + leaf.key_file + "\"\n";
  CHECK(MistakesOf(ca + pair).empty());
  // Else the ports of the cluster would speak in clear, or the start would fail after --check-config had praised it.
  CHECK(MistakesOf(ca).at(0).find("cluster.tls.ca: ") == 0);
  CHECK(MistakesOf(pair).at(0).find("cluster.tls.cert: ") == 0);
  CHECK(MistakesOf("cluster.tls.ca = \"/dev/null\"\n" + pair).size() == 1);
}

TEST_CASE("who listens or is told an IP address gets no name") {
  for (const char* key :
       {"admin.grpc_listen", "admin.rest_listen", "metrics.dataplane_listen", "metrics.controlplane_listen"}) {
    INFO(key);
    const std::string open = "admin.allow_insecure = true\n" + std::string(key) + " = \"";
    CHECK(MistakesOf(open + "a.test:1\"\n").size() == 1);
    for (const char* host : {"localhost", "127.0.0.1", "[::1]", "[fe80::1%2]"}) {
      CHECK(MistakesOf(open + host + ":1\"\n").empty());
    }
  }
  CHECK(MistakesOf("server.listen = \"a.test:1\"\ncluster.peer_listen = \"a.test:2\"\n").empty());
  CHECK(MistakesOf("cluster.enabled = true\ncluster.peer_listen = \":0\"\n").size() == 1);
  for (const char* key : {"cluster.bind_addr", "cluster.sync_bind_addr", "cluster.advertise_addr"}) {
    INFO(key);
    const std::string line = std::string(key) + " = ";
    CHECK(MistakesOf("cluster.enabled = true\n" + line + "\"a.test\"\n").size() == 1);
    CHECK(MistakesOf("cluster.enabled = true\n" + line + "\"::1\"\n").empty());
    CHECK(MistakesOf(line + "\"a.test\"\n").empty());
  }
}

TEST_CASE("a body's size is counted in 32 bits, and who is silent for ten seconds is not lost") {
  CHECK(MistakesOf("server.limits.body_max_bytes = \"2GiB\"\n").empty());
  CHECK(MistakesOf("server.limits.body_max_bytes = \"4GiB\"\n").size() == 1);
  CHECK(MistakesOf("cluster.max_staleness = \"15s\"\n").empty());
  CHECK(MistakesOf("cluster.max_staleness = \"14s\"\n").size() == 1);
}

TEST_CASE("an admin listener in the open needs TLS or a word") {
  const std::string open = "admin.grpc_listen = \"0.0.0.0:7948\"\n";
  CHECK(MistakesOf(open, {}, Process::kControlPlane).size() == 1);
  CHECK(MistakesOf(open, {}, Process::kDataPlane).empty());
  CHECK(MistakesOf(open + "admin.allow_insecure = true\n", {}, Process::kControlPlane).empty());
}

TEST_CASE("text that is not TOML is placed by line and column") {
  const Want lines = MistakesOf("[server\nlisten = 1\n");
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].starts_with("t.toml:1:"));
  CHECK(lines[0].find("not TOML") != std::string::npos);
  CHECK(MistakesOf("[,").size() == 1);
  CHECK(MistakesOf("\xcf\xbb").size() == 1);
}

TEST_CASE("several mistakes are several lines, each whole") {
  CHECK(MistakesOf("server.lisen = 1\nserver.loops = \"x\\ny\"\nlog.level = \"loud\"\n").size() ==
        3);
}

TEST_CASE("a socket path longer than the kernel takes is refused") {
  CHECK(MistakesOf("admin.socket = \"/" + std::string(107, 's') + "\"\n").size() == 1);
}

}  // namespace
}  // namespace aurora::config
