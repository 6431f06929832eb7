// Config: the settings of one node, validated, as both processes read them.
// Source: docs product contract, settings; keys, environment names, defaults and bounds live in one
// table (shared/config/registry.h) that drives parsing, --check-config and --print-config. Thread:
// a value; Load reads files and belongs to process start. Units: Duration, bytes. Errors: Load
// answers InvalidArgument whose message is one line per mistake (key, value, what is allowed, where
// it came from); the caller prints it and exits 2.
// Precedence: environment > file > default. An environment variable set to "" counts as unset.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "shared/base/time.h"
#include "shared/config/hostport.h"
#include "shared/config/provider.h"
#include "shared/crypto/secret.h"

namespace aurora::config {

enum class FailoverMode { kSingleNode, kActivePassive, kActiveActive };
enum class ClusterRole { kMember, kWitness };
enum class PassiveBehavior { kForward, kReject };
enum class ElectionProfile { kLan, kAggressive };
enum class StalePolicy { kServe, kRefuse };
enum class OnProxyPort { kAuto, kTrue, kFalse };
enum class LogLevel { kDebug, kInfo, kWarn, kError };
enum class LogFormat { kJson, kText };

// PEM paths; both empty = no TLS. Files are re-read by who serves them, so only the paths are
// settings.
struct TlsFiles {
  std::string cert;
  std::string key;
  std::string ca;  // cluster.tls only
  bool enabled() const { return !cert.empty(); }
};

struct Cluster {
  bool enabled = false;
  std::string node_id = "local";
  std::string node_name = "local";
  std::string region;
  std::string zone;
  std::string bind_addr = "0.0.0.0";
  uint16_t bind_port = 7946;
  std::string sync_bind_addr = "0.0.0.0";
  uint16_t sync_bind_port = 7947;
  std::vector<HostPort> seed_nodes;
  std::string advertise_url;
  Duration heartbeat_interval = Duration::Seconds(30);
  FailoverMode failover_mode = FailoverMode::kSingleNode;

  std::string advertise_addr;  // "" = derive
  std::string label;
  std::vector<crypto::Secret> gossip_keys;  // raw bytes (16, 24 or 32), first is primary
  ClusterRole role = ClusterRole::kMember;
  int bootstrap_expect = 0;
  int priority = 100;
  PassiveBehavior passive_behavior = PassiveBehavior::kForward;
  ElectionProfile election_profile = ElectionProfile::kLan;
  Duration max_staleness = Duration::Seconds(300);
  StalePolicy stale_policy = StalePolicy::kServe;
  Duration join_sync_timeout = Duration::Seconds(5);
  TlsFiles tls;
  HostPort peer_listen;  // default: sync_bind_addr:7950
};

struct ServerLimits {
  int64_t body_max_bytes = 33554432;
  Duration head_timeout = Duration::Seconds(10);
  Duration body_timeout = Duration::Seconds(60);
  Duration idle_timeout = Duration::Seconds(75);
  int connections_max = 100000;
};

struct Server {
  HostPort listen;
  int loops = 0;  // 0 = one per core
  Duration drain_grace = Duration::Seconds(5);
  Duration drain_timeout = Duration::Seconds(120);
  TlsFiles tls;
  ServerLimits limits;
  bool revoke_running_streams = true;
  Duration keepalive_interval = Duration::Seconds(15);
  int64_t slow_client_watermark_bytes = 262144;
};

struct Admin {
  HostPort grpc_listen;
  HostPort rest_listen;
  std::string socket;         // default: RUNTIME_DIR/admin/control.sock
  crypto::Secret master_key;  // empty = no token is accepted over TCP
  TlsFiles tls;
  bool allow_insecure = false;
  OnProxyPort on_proxy_port = OnProxyPort::kAuto;
  bool allow_private_networks = true;  // provider base URLs on private addresses

  // Whether the data plane forwards /admin/* given its own listener (auto: only on loopback).
  bool ForwardOn(const HostPort& server_listen) const;
};

struct Metrics {
  HostPort dataplane_listen;
  HostPort controlplane_listen;
};

struct Storage {
  std::string state_dir = "/var/lib/aurora";
  std::string runtime_dir = "/run/aurora";
  crypto::Secret encryption_key;  // raw 32 bytes; empty = credentials cannot be stored or opened
  crypto::Secret encryption_key_previous;  // opens what it sealed, seals nothing; raw 32 bytes or empty
  int64_t min_free_bytes = 536870912;
  Duration traffic_max_age = Duration::Seconds(30LL * 86400);
  int64_t traffic_max_bytes = 2147483648;
};

struct Log {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kJson;
};

// HTTPS_PROXY, HTTP_PROXY, NO_PROXY (or lower case), verbatim. Only for connections to providers.
struct OutboundProxy {
  std::string https_proxy;
  std::string http_proxy;
  std::string no_proxy;
};

// One line of --print-config and `aurora-ctl config view`.
struct EffectiveValue {
  std::string key;
  std::string value;   // secrets "****", unset ones ""
  std::string source;  // "default", "file /etc/aurora/aurora.toml:12", "environment SERVER_X"
};

struct Config {
  Cluster cluster;
  Server server;
  Admin admin;
  Metrics metrics;
  Storage storage;
  Log log;
  OutboundProxy proxy;
  std::vector<ProviderConfig> providers;  // by name
  std::vector<EffectiveValue> values;     // every key, in table order, then providers
  std::vector<std::string> warnings;      // one line each: likely misspelt variables and the like
};

enum class Process { kDataPlane, kControlPlane };

using Environment = std::map<std::string, std::string>;

struct LoadOptions {
  // From --config or AURORA_CONFIG: must exist. Empty: /etc/aurora/aurora.toml if present.
  std::string config_path;
  Environment environment;
  // Whose listeners' credentials and files are checked; the rest is common.
  Process process = Process::kDataPlane;
};

absl::StatusOr<Config> Load(const LoadOptions& options);

// The same from TOML text that is already in memory (tests, fuzzing); `origin` names it in
// messages.
absl::StatusOr<Config> LoadText(std::string_view toml, std::string_view origin,
                                const LoadOptions& options);

// What --print-config prints: "key = value  # source" lines.
std::string PrintConfig(const Config& config);

// Driver: the process's environment. The only getenv in the product.
Environment ProcessEnvironment();

std::string_view ToString(FailoverMode mode);
std::string_view ToString(LogLevel level);

}  // namespace aurora::config
