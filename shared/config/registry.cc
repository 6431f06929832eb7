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

void StoreEncryptionKey(Config& c, Value& v) {
  if (auto bytes = crypto::Base64Decode(Trim(v.text)); bytes.has_value()) {
    c.storage.encryption_key = crypto::Secret::Take(*bytes);
  }
}

const Setting kSettings[] = {
    {"cluster.enabled", Bool(), "false", BOOL(cluster.enabled)},
    {"cluster.node_id", Text(), "local", TEXT(cluster.node_id)},
    {"cluster.node_name", Text(), "local", TEXT(cluster.node_name)},
    {"cluster.region", Text(), "", TEXT(cluster.region)},
    {"cluster.zone", Text(), "", TEXT(cluster.zone)},
    {"cluster.bind_addr", Text(), "0.0.0.0", TEXT(cluster.bind_addr)},
    {"cluster.bind_port", Int(0, 65535), "7946", INT(cluster.bind_port)},
    {"cluster.sync_bind_addr", Text(), "0.0.0.0", TEXT(cluster.sync_bind_addr)},
    {"cluster.sync_bind_port", Int(0, 65535), "7947", INT(cluster.sync_bind_port)},
    {"cluster.seed_nodes", {kStrings, 0, 0, {}}, "", StoreSeeds},
    {"cluster.advertise_url", Text(), "", TEXT(cluster.advertise_url)},
    {"cluster.heartbeat_interval_seconds", Int(1, 3600), "30",
     STORE(cluster.heartbeat_interval, Duration::Seconds(v.integer))},
    {"cluster.failover_mode", Enum("single_node|active_passive|active_active"), "single_node",
     INT(cluster.failover_mode)},
    {"cluster.advertise_addr", Text(), "", TEXT(cluster.advertise_addr)},
    {"cluster.label", Text(), "", TEXT(cluster.label)},
    {"cluster.gossip_keys", {kSecretList, 0, 0, {}}, "", StoreGossipKeys},
    {"cluster.role", Enum("member|witness"), "member", INT(cluster.role)},
    {"cluster.bootstrap_expect", Int(0, 1000), "0", INT(cluster.bootstrap_expect)},
    {"cluster.priority", Int(0, 1000), "100", INT(cluster.priority)},
    {"cluster.passive_behavior", Enum("forward|reject"), "forward", INT(cluster.passive_behavior)},
    {"cluster.election_profile", Enum("lan|aggressive"), "lan", INT(cluster.election_profile)},
    {"cluster.max_staleness", Time(kS, 365 * kDay), "5m", TIME(cluster.max_staleness)},
    {"cluster.stale_policy", Enum("serve|refuse"), "serve", INT(cluster.stale_policy)},
    {"cluster.join_sync_timeout", Time(0, kH), "5s", TIME(cluster.join_sync_timeout)},
    {"cluster.tls.cert", Text(), "", TEXT(cluster.tls.cert)},
    {"cluster.tls.key", Text(), "", TEXT(cluster.tls.key)},
    {"cluster.tls.ca", Text(), "", TEXT(cluster.tls.ca)},
    {"cluster.peer_listen", Address(), "", ADDRESS(cluster.peer_listen)},

    {"server.listen", Address(), "0.0.0.0:8080", ADDRESS(server.listen)},
    {"server.loops", Int(0, 256), "0", INT(server.loops)},
    {"server.drain_grace", Time(0, kH), "5s", TIME(server.drain_grace)},
    {"server.drain_timeout", Time(0, kDay), "120s", TIME(server.drain_timeout)},
    {"server.tls.cert", Text(), "", TEXT(server.tls.cert)},
    {"server.tls.key", Text(), "", TEXT(server.tls.key)},
    {"server.limits.body_max_bytes", Bytes(1024, 1LL << 32), "33554432",
     INT(server.limits.body_max_bytes)},
    {"server.limits.head_timeout", Time(100 * kMs, kH), "10s", TIME(server.limits.head_timeout)},
    {"server.limits.body_timeout", Time(100 * kMs, kH), "60s", TIME(server.limits.body_timeout)},
    {"server.limits.idle_timeout", Time(100 * kMs, kDay), "75s", TIME(server.limits.idle_timeout)},
    {"server.limits.connections_max", Int(1, 10'000'000), "100000",
     INT(server.limits.connections_max)},
    {"server.revoke_running_streams", Bool(), "true", BOOL(server.revoke_running_streams)},
    {"server.keepalive_interval", Time(100 * kMs, kH), "15s", TIME(server.keepalive_interval)},
    {"server.slow_client_watermark_bytes", Bytes(16384, 1LL << 30), "262144",
     INT(server.slow_client_watermark_bytes)},

    {"admin.grpc_listen", Address(), "127.0.0.1:7948", ADDRESS(admin.grpc_listen)},
    {"admin.rest_listen", Address(), "127.0.0.1:7949", ADDRESS(admin.rest_listen)},
    {"admin.socket", Text(), "", TEXT(admin.socket)},
    {"admin.master_key", Hidden(), "", STORE(admin.master_key, crypto::Secret::Take(v.text))},
    {"admin.tls.cert", Text(), "", TEXT(admin.tls.cert)},
    {"admin.tls.key", Text(), "", TEXT(admin.tls.key)},
    {"admin.allow_insecure", Bool(), "false", BOOL(admin.allow_insecure)},
    {"admin.on_proxy_port", Enum("auto|true|false"), "auto", INT(admin.on_proxy_port)},
    {"admin.allow_private_networks", Bool(), "true", BOOL(admin.allow_private_networks)},

    {"metrics.dataplane_listen", Address(), "0.0.0.0:9091", ADDRESS(metrics.dataplane_listen)},
    {"metrics.controlplane_listen", Address(), "0.0.0.0:9092",
     ADDRESS(metrics.controlplane_listen)},

    {"storage.state_dir", Text(), "/var/lib/aurora", TEXT(storage.state_dir)},
    {"storage.runtime_dir", Text(), "/run/aurora", TEXT(storage.runtime_dir)},
    {"storage.encryption_key", Hidden(), "", StoreEncryptionKey},
    {"storage.min_free_bytes", Bytes(0, kHuge), "536870912", INT(storage.min_free_bytes)},
    {"storage.traffic_max_age", Time(kH, 3650 * kDay), "30d", TIME(storage.traffic_max_age)},
    {"storage.traffic_max_bytes", Bytes(1 << 20, kHuge), "2147483648",
     INT(storage.traffic_max_bytes)},

    {"log.level", Enum("debug|info|warn|error"), "info", INT(log.level)},
    {"log.format", Enum("json|text"), "json", INT(log.format)},
};
#undef STORE

#define STORE(field, from) +[](ProviderConfig& c, Value& v) { c.field = from; }

const ProviderSetting kProviderSettings[] = {
    {"type",
     Enum("openai|anthropic|gemini|azure|groq|deepseek|openrouter|xai|mistral|together|fireworks|"
          "ollama|vllm"),
     "", STORE(type, static_cast<ProviderType>(v.integer + 1))},
    {"base_url", Text(), "", TEXT(base_url)},
    {"api_key", Hidden(), "", STORE(api_key, crypto::Secret::Take(v.text))},
    {"models", {kStrings, 0, 0, {}}, "", STORE(models, std::move(v.list))},
    {"api_version", Text(), "", TEXT(api_version)},
    {"ca_file", Text(), "", TEXT(ca_file)},
    {"stamp", Bool(), "false", BOOL(stamp)},
    {"timeouts.connect", Time(10 * kMs, 300 * kS), "5s", TIME(timeouts.connect)},
    {"timeouts.first_byte", Time(10 * kMs, kDay), "120s", TIME(timeouts.first_byte)},
    {"timeouts.idle", Time(10 * kMs, kDay), "120s", TIME(timeouts.idle)},
    {"timeouts.total", Time(10 * kMs, kDay), "900s", TIME(timeouts.total)},
    {"resilience.max_retries", Int(0, 10), "2", INT(resilience.max_retries)},
    {"resilience.breaker_failures", Int(0, 10000), "5", INT(resilience.breaker_failures)},
    {"resilience.breaker_open", Time(10 * kMs, kH), "10s", TIME(resilience.breaker_open)},
    {"resilience.cooldown", Time(0, kDay), "30s", TIME(resilience.cooldown)},
};

}  // namespace

std::string Setting::Variable() const {
  if (key == "admin.master_key") {
    return "AURORA_MASTER_KEY";
  }
  if (key == "storage.encryption_key") {
    return "AURORA_ENCRYPTION_KEY";
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
