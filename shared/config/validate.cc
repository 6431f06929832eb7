// Checks over several keys, or over what a key's text means. Each adds one line per mistake.
#include <array>
#include <utility>

#include <arpa/inet.h>

#include "shared/base/status.h"
#include "shared/config/loading.h"
#include "shared/crypto/encoding.h"
#include "shared/tls/context.h"

namespace aurora::config {
namespace {

struct Listener {
  std::string_view key;
  HostPort at;
};

std::string Normal(const std::string& host) {
  return host == "localhost" ? "127.0.0.1" : host;
}

bool Clash(const HostPort& a, const HostPort& b) {
  if (a.port != b.port || a.port == 0) {
    return false;
  }
  return Normal(a.host) == Normal(b.host) || IsWildcardHost(a.host) || IsWildcardHost(b.host);
}

void CheckPorts(Loading& loading) {
  const Config& c = loading.config;
  std::vector<Listener> all = {{"server.listen", c.server.listen},
                               {"admin.grpc_listen", c.admin.grpc_listen},
                               {"admin.rest_listen", c.admin.rest_listen},
                               {"metrics.dataplane_listen", c.metrics.dataplane_listen},
                               {"metrics.controlplane_listen", c.metrics.controlplane_listen}};
  if (c.cluster.enabled) {
    all.push_back({"cluster.bind_port", {c.cluster.bind_addr, c.cluster.bind_port}});
    all.push_back({"cluster.sync_bind_port", {c.cluster.sync_bind_addr, c.cluster.sync_bind_port}});
    all.push_back({"cluster.peer_listen", c.cluster.peer_listen});
  }
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t j = i + 1; j < all.size(); ++j) {
      if (Clash(all[i].at, all[j].at)) {
        loading.Refuse(all[i].key, all[i].at.ToString(),
                       "clashes with " + std::string(all[j].key) + " " +
                           Quoted(all[j].at.ToString()) + " of " + loading.SourceOf(all[j].key) +
                           ", want different ports");
      }
    }
  }
}

// As inet_pton reads it, with the zone of a link-local one.
bool IsIp(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, host.substr(0, host.find('%')).c_str(), bytes.data()) == 1;
}

// The listeners that resolve no names.
void CheckListeners(Loading& loading) {
  const Config& c = loading.config;
  const std::array<Listener, 4> listeners = {{{"admin.grpc_listen", c.admin.grpc_listen},
                                              {"admin.rest_listen", c.admin.rest_listen},
                                              {"metrics.dataplane_listen", c.metrics.dataplane_listen},
                                              {"metrics.controlplane_listen", c.metrics.controlplane_listen}}};
  for (const Listener& listener : listeners) {
    if (listener.at.host != "localhost" && !IsIp(listener.at.host)) {
      loading.Refuse(listener.key, listener.at.ToString(), "is not allowed, want an IP address or localhost");
    }
  }
}

bool CheckFile(Loading& loading, std::string_view key, const std::string& path) {
  if (path.empty()) {
    return true;
  }
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxConfigBytes);
  if (!text.ok()) {
    loading.Refuse(key, path,
                   "cannot be read: " + std::string(Std(text.status().message())) +
                       ", want a readable PEM file");
  }
  return text.ok();
}

void CheckTls(Loading& loading, const std::string& prefix, const TlsFiles& tls, bool read) {
  const std::string cert = prefix + ".cert";
  const std::string key = prefix + ".key";
  if (tls.cert.empty() != tls.key.empty()) {
    loading.Refuse(tls.cert.empty() ? key : cert, tls.cert.empty() ? tls.key : tls.cert,
                   "stands alone, want " + cert + " and " + key + " together");
    return;
  }
  // The other process may be the only one that can see these files.
  if (read) {
    const bool cert_read = CheckFile(loading, cert, tls.cert);
    const bool key_read = CheckFile(loading, key, tls.key);
    if (!tls.ca.empty()) {
      CheckTrust(loading, prefix + ".ca", tls.ca);
    }
    if (tls.enabled() && cert_read && key_read) {
      const auto pair = tls::ServerContext::Load({.certificate_file = tls.cert, .key_file = tls.key});
      if (!pair.ok()) {
        loading.Refuse(cert, tls.cert,
                       "is no certificate of " + key + ": " + std::string(Std(pair.status().message())) +
                           ", want a PEM chain and its private key");
      }
    }
  }
}

void CheckAdmin(Loading& loading) {
  const Admin& admin = loading.config.admin;
  if (loading.options.process == Process::kControlPlane && !admin.tls.enabled() &&
      !admin.allow_insecure) {
    const std::array<Listener, 2> both = {
        {{"admin.grpc_listen", admin.grpc_listen}, {"admin.rest_listen", admin.rest_listen}}};
    for (const Listener& listener : both) {
      if (!IsLoopbackHost(listener.at.host)) {
        loading.Refuse(
            listener.key, listener.at.ToString(),
            "would send the admin token in clear, want a loopback address, admin.tls.cert with "
            "admin.tls.key, or admin.allow_insecure = true");
      }
    }
  }
  if (admin.tls.enabled() && admin.on_proxy_port == OnProxyPort::kTrue) {
    loading.Refuse("admin.on_proxy_port", "true",
                   "is not allowed with admin.tls, the proxy speaks to the admin API in clear: want "
                   "false, and admin.rest_listen for who needs it");
  }
  if (admin.rest_listen.port == 0 && admin.on_proxy_port == OnProxyPort::kTrue) {
    loading.Refuse("admin.on_proxy_port", "true",
                   "is not allowed with admin.rest_listen on a port that the kernel picks: want a port of its own");
  }
  for (const char c : admin.master_key.Reveal()) {
    if (c <= ' ' || c > '~') {
      loading.RefuseSecret("admin.master_key",
                           "is not allowed, want printable ASCII without spaces");
      break;
    }
  }
  // sun_path holds 108 bytes with its terminator.
  if (admin.socket.size() > 107) {
    loading.Refuse("admin.socket", admin.socket,
                   "is too long for a unix socket, want at most 107 bytes");
  }
}

void CheckStorage(Loading& loading) {
  const Storage& storage = loading.config.storage;
  for (const auto& [key, value] : {std::pair("storage.encryption_key", &storage.encryption_key),
                                   {"storage.encryption_key_previous", &storage.encryption_key_previous}}) {
    const auto raw = loading.raws.find(key);
    if (value->size() != 32 && raw != loading.raws.end() && !raw->second.text.empty()) {
      loading.RefuseSecret(key, "is not allowed, want base64 of 32 bytes (openssl rand -base64 32)");
    }
  }
  if (!storage.encryption_key_previous.empty()) {
    if (storage.encryption_key.empty()) {
      loading.RefuseSecret("storage.encryption_key_previous", "is not allowed without storage.encryption_key");
    } else if (storage.encryption_key_previous.Reveal() == storage.encryption_key.Reveal()) {
      loading.RefuseSecret("storage.encryption_key_previous",
                           "is not allowed, want another key than storage.encryption_key");
    }
  }
  const std::array<std::pair<std::string_view, const std::string*>, 2> directories = {
      {{"storage.state_dir", &storage.state_dir}, {"storage.runtime_dir", &storage.runtime_dir}}};
  for (const auto& [key, path] : directories) {
    if (path->empty()) {
      loading.Refuse(key, *path, "is not allowed, want a directory");
    }
  }
}

bool ValidId(std::string_view id) {
  if (id.empty() || id.size() > 128) {
    return false;
  }
  for (const char c : id) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
    if (!good) {
      return false;
    }
  }
  return true;
}

void CheckGossipKeys(Loading& loading) {
  const auto raw = loading.raws.find("cluster.gossip_keys");
  size_t given = 0;
  if (raw != loading.raws.end()) {
    std::string text = raw->second.text;
    for (char& c : text) {
      c = c == '\n' ? ',' : c;
    }
    given =
        raw->second.shape == Raw::Shape::kList ? raw->second.list.size() : SplitList(text).size();
  }
  bool good =
      given == loading.config.cluster.gossip_keys.size() || raw->second.shape == Raw::Shape::kOther;
  for (const crypto::Secret& key : loading.config.cluster.gossip_keys) {
    good = good && (key.size() == 16 || key.size() == 24 || key.size() == 32);
  }
  if (!good) {
    loading.RefuseSecret("cluster.gossip_keys",
                         "is not allowed, want base64 of 16, 24 or 32 bytes each");
  }
}

// One of the three forgotten must not mean ports in clear text.
void CheckClusterTls(Loading& loading) {
  const TlsFiles& tls = loading.config.cluster.tls;
  if (tls.cert.empty() != tls.ca.empty()) {
    loading.Refuse(tls.cert.empty() ? "cluster.tls.ca" : "cluster.tls.cert", tls.cert.empty() ? tls.ca : tls.cert,
                   "stands alone, want cluster.tls.cert, cluster.tls.key and cluster.tls.ca together");
  }
}

void CheckClusterAddresses(Loading& loading) {
  const Cluster& cluster = loading.config.cluster;
  const std::array<std::pair<std::string_view, const std::string*>, 3> addresses = {
      {{"cluster.bind_addr", &cluster.bind_addr},
       {"cluster.sync_bind_addr", &cluster.sync_bind_addr},
       {"cluster.advertise_addr", &cluster.advertise_addr}}};
  for (const auto& [key, address] : addresses) {
    const bool derived = key == "cluster.advertise_addr" && address->empty();
    if (!derived && !IsIp(*address)) {
      loading.Refuse(key, *address, "is not allowed, want an IP address");
    }
  }
  if (cluster.peer_listen.port == 0) {  // the control plane tells it to other nodes and cannot know what was picked
    loading.Refuse("cluster.peer_listen", cluster.peer_listen.ToString(), "is not allowed, want a port of its own");
  }
}

void CheckCluster(Loading& loading) {
  const Cluster& cluster = loading.config.cluster;
  if (!ValidId(cluster.node_id)) {
    loading.Refuse("cluster.node_id", cluster.node_id,
                   "is not allowed, want 1 to 128 of A-Z a-z 0-9 - _ .");
  }
  const auto seeds = loading.raws.find("cluster.seed_nodes");
  if (seeds != loading.raws.end()) {
    const std::vector<std::string> list = seeds->second.shape == Raw::Shape::kList
                                              ? seeds->second.list
                                              : SplitList(seeds->second.text);
    for (const std::string& seed : list) {
      const auto parsed = ParseHostPort(seed, "");
      if (!parsed.ok() || parsed->host.empty() || parsed->port == 0) {
        loading.Refuse("cluster.seed_nodes", seed, "is not allowed, want host:port");
      }
    }
  }
  CheckGossipKeys(loading);
  const std::string& url = cluster.advertise_url;
  if (!url.empty() && !url.starts_with("http://") && !url.starts_with("https://")) {
    loading.Refuse("cluster.advertise_url", url, "is not allowed, want an http:// or https:// URL");
  }
  CheckClusterTls(loading);
  if (!cluster.enabled) {
    return;
  }
  CheckClusterAddresses(loading);
  if (!cluster.seed_nodes.empty() && cluster.node_id == "local") {
    loading.Refuse("cluster.node_id", cluster.node_id,
                   "is not allowed with cluster.enabled and cluster.seed_nodes, want an id of this "
                   "node's own");
  }
  constexpr size_t kLabelMax = 255;  // one length byte on the wire
  if (cluster.label.size() > kLabelMax) {
    loading.Refuse("cluster.label", cluster.label.substr(0, 32) + "…",
                   "is too long, want at most 255 bytes");
  }
}

}  // namespace

void CheckTrust(Loading& loading, std::string_view key, const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxTrustBytes);
  const absl::Status status = text.ok() ? tls::ClientContext::Create({.ca_file = path}).status() : text.status();
  if (!text.ok()) {
    loading.Refuse(key, path, "cannot be read: " + std::string(Std(status.message())) + ", want a readable PEM file");
  } else if (!status.ok()) {
    loading.Refuse(key, path, "holds no certificates: " + std::string(Std(status.message())) + ", want a PEM file");
  }
}

void Validate(Loading& loading) {
  const Config& c = loading.config;
  const bool data_plane = loading.options.process == Process::kDataPlane;
  CheckPorts(loading);
  CheckListeners(loading);
  CheckTls(loading, "server.tls", c.server.tls, data_plane);
  CheckTls(loading, "admin.tls", c.admin.tls, !data_plane);
  CheckTls(loading, "cluster.tls", c.cluster.tls, true);
  CheckAdmin(loading);
  CheckStorage(loading);
  CheckCluster(loading);
}

}  // namespace aurora::config
