#include "shared/config/registry.h"

#include <array>
#include <limits>

#include "shared/crypto/encoding.h"

namespace aurora::config {
namespace {

using Kind::kBool;
using Kind::kBytes;
using Kind::kDuration;
using Kind::kEnum;
using Kind::kHostPort;
using Kind::kInt;
using Kind::kSecret;
using Kind::kSecretList;
using Kind::kString;
using Kind::kStrings;

constexpr int64_t kMs = 1000;
constexpr int64_t kS = 1'000'000;
constexpr int64_t kH = 3600 * kS;
constexpr int64_t kDay = 24 * kH;
constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();

constexpr Rule Text() {
  return {kString, 0, 0, {}};
}
constexpr Rule Bool() {
  return {kBool, 0, 0, {}};
}
constexpr Rule Int(int64_t min, int64_t max) {
  return {kInt, min, max, {}};
}
constexpr Rule Bytes(int64_t min, int64_t max) {
  return {kBytes, min, max, {}};
}
constexpr Rule Time(int64_t min, int64_t max) {
  return {kDuration, min, max, {}};
}
constexpr Rule Enum(std::string_view allowed) {
  return {kEnum, 0, 0, allowed};
}
constexpr Rule Address() {
  return {kHostPort, 0, 0, {}};
}
constexpr Rule Hidden() {
  return {kSecret, 0, 0, {}};
}

#define STORE(field, from) +[](Config& c, Value& v) { c.field = from; }
#define TEXT(field) STORE(field, std::move(v.text))
#define BOOL(field) STORE(field, v.boolean)
#define INT(field) STORE(field, static_cast<decltype(c.field)>(v.integer))
#define TIME(field) STORE(field, v.duration)
#define ADDRESS(field) STORE(field, std::move(v.host_port))

// Seeds are checked in validate.cc, which can name the bad one.
void StoreSeeds(Config& c, Value& v) {
  for (const std::string& seed : v.list) {
    if (auto parsed = ParseHostPort(seed, ""); parsed.ok()) {
      c.cluster.seed_nodes.push_back(*std::move(parsed));
    }
  }
}

void StoreGossipKeys(Config& c, Value& v) {
  for (std::string& key : v.list) {
    if (auto bytes = crypto::Base64Decode(key); bytes.has_value()) {
      c.cluster.gossip_keys.push_back(crypto::Secret::Take(*bytes));
    }
    crypto::Wipe(key);
  }
}

template <crypto::Secret Storage::* kMember>
void StoreKey(Config& c, Value& v) {
  if (auto bytes = crypto::Base64Decode(Trim(v.text)); bytes.has_value()) {
    c.storage.*kMember = crypto::Secret::Take(*bytes);
  }
}

constexpr Setting kSettings[] = {
    {"cluster.enabled", Bool(), "false", BOOL(cluster.enabled),
     "Gossip, sync and, by `cluster.failover_mode`, failover with other nodes; off: this node is alone"},
    {"cluster.node_id", Text(), "local", TEXT(cluster.node_id),
     "Who this node is, different on every node: 1 to 128 of `A-Z a-z 0-9 - _ .`; `local` is refused once "
     "there are seeds"},
    {"cluster.node_name", Text(), "local", TEXT(cluster.node_name),
     "A name for people, shown in status"},
    {"cluster.region", Text(), "", TEXT(cluster.region),
     "Shown in status and metrics; decides nothing"},
    {"cluster.zone", Text(), "", TEXT(cluster.zone),
     "Shown in status and metrics; decides nothing"},
    {"cluster.bind_addr", Text(), "0.0.0.0", TEXT(cluster.bind_addr),
     "Where gossip listens, an IP address"},
    {"cluster.bind_port", Int(0, 65535), "7946", INT(cluster.bind_port),
     "Gossip, UDP and TCP"},
    {"cluster.sync_bind_addr", Text(), "0.0.0.0", TEXT(cluster.sync_bind_addr),
     "Where Control and Replicate streams are taken, an IP address"},
    {"cluster.sync_bind_port", Int(0, 65535), "7947", INT(cluster.sync_bind_port),
     "Control and Replicate streams, TCP"},
    {"cluster.seed_nodes", {kStrings, 0, 0, {}}, "", StoreSeeds,
     "Gossip addresses, `host:port`, to find the cluster by; the same list on every node"},
    {"cluster.advertise_url", Text(), "", TEXT(cluster.advertise_url),
     "This node's client API as others reach it, http or https; shown in status"},
    {"cluster.heartbeat_interval_seconds", Int(1, 3600), "30",
     STORE(cluster.heartbeat_interval, Duration::Seconds(v.integer)),
     "Between two heartbeats on a Control stream, in seconds; changes are told at once"},
    {"cluster.failover_mode", Enum("single_node|active_passive|active_active"), "single_node",
     INT(cluster.failover_mode),
     "`active_passive`: the one node that holds the lease sends requests to providers; `active_active`: every "
     "node does; `single_node`: every node does and none tells who leads"},
    {"cluster.advertise_addr", Text(), "", TEXT(cluster.advertise_addr),
     "The IP address that peers reach this node at; unset: `cluster.bind_addr`, or this machine's first "
     "address where that is a wildcard"},
    {"cluster.label", Text(), "", TEXT(cluster.label),
     "Keeps clusters apart that share addresses, at most 255 bytes; the same on every node"},
    {"cluster.gossip_keys", {kSecretList, 0, 0, {}}, "", StoreGossipKeys,
     "Seal gossip: base64 of 16, 24 or 32 bytes each, the first one seals, all open; unset: gossip is plain "
     "text"},
    {"cluster.role", Enum("member|witness"), "member", INT(cluster.role),
     "`witness`: votes and never leads; it is a control plane alone, without a data plane beside it"},
    {"cluster.bootstrap_expect", Int(0, 1000), "0", INT(cluster.bootstrap_expect),
     "How many fresh nodes found a cluster together; 0: the first seed founds alone, if its name has one "
     "address"},
    {"cluster.priority", Int(0, 1000), "100", INT(cluster.priority),
     "active_passive: of the voters that could lead, the highest is preferred"},
    {"cluster.passive_behavior", Enum("forward|reject"), "forward", INT(cluster.passive_behavior),
     "active_passive, a node that is not active: forward requests to the one that is, or answer 503"},
    {"cluster.election_profile", Enum("lan|aggressive"), "lan", INT(cluster.election_profile),
     "active_passive: `aggressive` takes over sooner and starts a needless election sooner; the same on every "
     "node"},
    // A member with nothing to tell is heard every ten seconds (replication::Config::keepalive).
    {"cluster.max_staleness", Time(15 * kS, 365 * kDay), "5m", TIME(cluster.max_staleness),
     "After so long without any member, policy counts as stale"},
    {"cluster.stale_policy", Enum("serve|refuse"), "serve", INT(cluster.stale_policy),
     "Stale, or no member at the start: serve by the policy at hand, or answer 503"},
    {"cluster.join_sync_timeout", Time(0, kH), "5s", TIME(cluster.join_sync_timeout),
     "How long a start waits for a first member to catch up with"},
    {"cluster.tls.cert", Text(), "", TEXT(cluster.tls.cert),
     "PEM chain for ports 7947 and 7950; set, and both are mutual TLS"},
    {"cluster.tls.key", Text(), "", TEXT(cluster.tls.key),
     "Its private key, PEM"},
    {"cluster.tls.ca", Text(), "", TEXT(cluster.tls.ca),
     "PEM: whose certificates are nodes of this cluster; it is to sign for nothing else"},
    {"cluster.peer_listen", Address(), "", ADDRESS(cluster.peer_listen),
     "Where other nodes forward requests to; unset: `cluster.sync_bind_addr`, port 7950"},

    {"server.listen", Address(), "0.0.0.0:8080", ADDRESS(server.listen),
     "The client API and health"},
    // As many as the role page has places for (rolepage::kMaxLoops).
    {"server.loops", Int(0, 128), "0", INT(server.loops),
     "Event loops, one thread each; 0: one for each core the process may use"},
    {"server.drain_grace", Time(0, kH), "5s", TIME(server.drain_grace),
     "After SIGTERM `/readyz` says 503 for so long while connections are still taken"},
    {"server.drain_timeout", Time(0, kDay), "120s", TIME(server.drain_timeout),
     "Then running requests have so long"},
    {"server.tls.cert", Text(), "", TEXT(server.tls.cert),
     "PEM chain for `server.listen`; renewed files serve the next connections"},
    {"server.tls.key", Text(), "", TEXT(server.tls.key),
     "Its private key, PEM"},
    // A request counts its body in 32 bits (exchange/request_state.h).
    {"server.limits.body_max_bytes", Bytes(1024, 1LL << 31), "33554432",
     INT(server.limits.body_max_bytes),
     "A longer request body is answered 413"},
    {"server.limits.head_timeout", Time(100 * kMs, kH), "10s", TIME(server.limits.head_timeout),
     "For a whole request head"},
    {"server.limits.body_timeout", Time(100 * kMs, kH), "60s", TIME(server.limits.body_timeout),
     "Between two pieces of a request body, which has five times that in all; also for a client that takes "
     "nothing of its answer"},
    {"server.limits.idle_timeout", Time(100 * kMs, kDay), "75s", TIME(server.limits.idle_timeout),
     "A kept connection without a request is closed after"},
    {"server.limits.connections_max", Int(1, 10'000'000), "100000",
     INT(server.limits.connections_max),
     "Client connections; each loop takes its share"},
    {"server.revoke_running_streams", Bool(), "true", BOOL(server.revoke_running_streams),
     "Cut a running request when its key is revoked or its model denied"},
    {"server.keepalive_interval", Time(100 * kMs, kH), "15s", TIME(server.keepalive_interval),
     "An SSE comment goes to the client this often until the first bytes of the answer's body come"},
    {"server.slow_client_watermark_bytes", Bytes(16384, 1LL << 30), "262144",
     INT(server.slow_client_watermark_bytes),
     "With so much unsent to a client its provider is paused, until a quarter of it is left"},

    {"admin.grpc_listen", Address(), "127.0.0.1:7948", ADDRESS(admin.grpc_listen),
     "Admin API over gRPC"},
    {"admin.rest_listen", Address(), "127.0.0.1:7949", ADDRESS(admin.rest_listen),
     "Admin API over REST, and the dashboard"},
    {"admin.socket", Text(), "", TEXT(admin.socket),
     "Unix socket of the admin API, for its owner and root without a token; unset: "
     "`RUNTIME_DIR/admin/control.sock`; at most 107 bytes"},
    {"admin.master_key", Hidden(), "", STORE(admin.master_key, crypto::Secret::Take(v.text)),
     "The admin token; the same on every node, a random one (`openssl rand -hex 32`); unset: nobody gets in "
     "over TCP"},
    {"admin.tls.cert", Text(), "", TEXT(admin.tls.cert),
     "PEM chain for both admin listeners; renewed files serve the next connections"},
    {"admin.tls.key", Text(), "", TEXT(admin.tls.key),
     "Its private key, PEM"},
    {"admin.allow_insecure", Bool(), "false", BOOL(admin.allow_insecure),
     "Take the token in clear on addresses other than loopback"},
    {"admin.on_proxy_port", Enum("auto|true|false"), "auto", INT(admin.on_proxy_port),
     "`/admin` on `server.listen` as well; `auto`: only where that is loopback; never with `admin.tls`"},
    {"admin.allow_private_networks", Bool(), "true", BOOL(admin.allow_private_networks),
     "`false`: a stored provider is reached at public addresses alone, whatever its name resolves to; those of the "
     "environment and the file, and an outbound proxy, may be anywhere"},

    {"metrics.dataplane_listen", Address(), "0.0.0.0:9091", ADDRESS(metrics.dataplane_listen),
     "`/metrics` and health of the data plane, plain HTTP"},
    {"metrics.controlplane_listen", Address(), "0.0.0.0:9092",
     ADDRESS(metrics.controlplane_listen),
     "`/metrics` and health of the control plane, plain HTTP"},

    {"storage.state_dir", Text(), "/var/lib/aurora", TEXT(storage.state_dir),
     "`aurora.db`, `traffic.db`, `election.db` and backups; local disk, never a network file system"},
    {"storage.runtime_dir", Text(), "/run/aurora", TEXT(storage.runtime_dir),
     "Role page, locks and socket; need not outlive a restart of the machine"},
    {"storage.encryption_key", Hidden(), "", StoreKey<&Storage::encryption_key>,
     "Seals stored provider credentials: base64 of 32 bytes (`openssl rand -base64 32`), the same on every "
     "node; unset: none can be stored"},
    {"storage.encryption_key_previous", Hidden(), "", StoreKey<&Storage::encryption_key_previous>,
     "Opens what it sealed and seals nothing: the other of two keys while the encryption key is changed; "
     "base64 of 32 bytes, the same on every node"},
    {"storage.min_free_bytes", Bytes(0, kHuge), "536870912", INT(storage.min_free_bytes),
     "With less free disk no usage rows are written; policy still is"},
    {"storage.traffic_max_age", Time(kH, 3650 * kDay), "30d", TIME(storage.traffic_max_age),
     "Usage rows that began longer ago are deleted"},
    {"storage.traffic_max_bytes", Bytes(1 << 20, kHuge), "2147483648",
     INT(storage.traffic_max_bytes),
     "Above it the oldest usage rows of `traffic.db` are deleted"},

    {"log.level", Enum("debug|info|warn|error"), "info", INT(log.level),
     "The least that is logged"},
    {"log.format", Enum("json|text"), "json", INT(log.format),
     "One JSON object a line, or text; always to stderr"},
};
#undef STORE

#define STORE(field, from) +[](ProviderConfig& c, Value& v) { c.field = from; }

constexpr ProviderSetting kProviderSettings[] = {
    {"type",
     Enum("openai|anthropic|gemini|azure|groq|deepseek|openrouter|xai|mistral|together|fireworks|"
          "ollama|vllm"),
     "", STORE(type, static_cast<ProviderType>(v.integer + 1)),
     "Dialect and default address; unset: the first word of the provider's name"},
    {"base_url", Text(), "", TEXT(base_url),
     "http or https, with the path before the endpoints; unset: the type's own (below)"},
    {"api_key", Hidden(), "", STORE(api_key, crypto::Secret::Take(v.text)),
     "The credential; unset: none is sent"},
    {"models", {kStrings, 0, 0, {}}, "", STORE(models, std::move(v.list)),
     "What it serves; unset: the provider is asked, at the start and hourly"},
    {"api_version", Text(), "", TEXT(api_version),
     "Azure's `api-version`; unset: 2024-10-21"},
    {"ca_file", Text(), "", TEXT(ca_file),
     "PEM: trusted for this provider instead of the system's store"},
    {"stamp", Bool(), "false", BOOL(stamp),
     "Tell the provider node, term, time of admission and request id in `x-aurora-*` and `x-request-id` "
     "headers"},
    {"timeouts.connect", Time(10 * kMs, 300 * kS), "5s", TIME(timeouts.connect),
     "Look-up, TCP and TLS"},
    {"timeouts.first_byte", Time(10 * kMs, kDay), "120s", TIME(timeouts.first_byte),
     "From the request sent until the answer's head, and from there until its first piece"},
    {"timeouts.idle", Time(10 * kMs, kDay), "120s", TIME(timeouts.idle),
     "Between two pieces of an answer"},
    {"timeouts.total", Time(10 * kMs, kDay), "900s", TIME(timeouts.total),
     "From the first attempt to the end of the answer, streams included"},
    {"resilience.max_retries", Int(0, 10), "2", INT(resilience.max_retries),
     "Further attempts, on any target, before the first byte went to the client"},
    {"resilience.breaker_failures", Int(0, 10000), "5", INT(resilience.breaker_failures),
     "Failures in a row that open the circuit; 0: never"},
    {"resilience.breaker_open", Time(10 * kMs, kH), "10s", TIME(resilience.breaker_open),
     "How long an open circuit waits for its first probe"},
    {"resilience.cooldown", Time(0, kDay), "30s", TIME(resilience.cooldown),
     "How long a credential rests after a 429 without `Retry-After`"},
};

}  // namespace

std::string Setting::Variable() const {
  if (key == "admin.master_key") {
    return "AURORA_MASTER_KEY";
  }
  if (key == "storage.encryption_key") {
    return "AURORA_ENCRYPTION_KEY";
  }
  if (key == "storage.encryption_key_previous") {
    return "AURORA_ENCRYPTION_KEY_PREVIOUS";
  }
  std::string out = key.starts_with("cluster.") ? "" : "AURORA_";
  for (const char c : key) {
    out += c == '.' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return out;
}

std::span<const Setting> Settings() {
  return kSettings;
}
std::span<const ProviderSetting> ProviderSettings() {
  return kProviderSettings;
}

}  // namespace aurora::config
