// The process's certificates: for clients and for peers, loaded anew when their files change.
#include <utility>

#include "dataplane/main/process.h"
#include "shared/config/tls_files.h"
#include "shared/log/log.h"

namespace aurora::server {

absl::Status Process::LoadCertificate() {
  if (!config_.server.tls.enabled()) {
    return absl::OkStatus();
  }
  certificate_stamp_ = config::TlsStamp(config_.server.tls);
  for (const auto& worker : workers_) {
    auto context = tls::ServerContext::Load(
        {.certificate_file = config_.server.tls.cert, .key_file = config_.server.tls.key});
    if (!context.ok()) {
      return WithContext("server.tls", context.status());
    }
    certificate_end_ = (*context)->not_after_unix_s();
    worker->SetCertificate(*std::move(context));
  }
  return absl::OkStatus();
}

absl::Status Process::LoadPeerTls() {
  const config::TlsFiles& files = config_.cluster.tls;
  if (!config_.cluster.enabled || !files.enabled()) {
    return absl::OkStatus();
  }
  if (files.key.empty() || files.ca.empty()) {
    return InvalidArgument("cluster.tls: cert, key and ca belong together");
  }
  peer_tls_stamp_ = config::TlsStamp(files);
  for (const auto& worker : workers_) {
    auto server = tls::ServerContext::Load(
        {.certificate_file = files.cert, .key_file = files.key, .client_ca_file = files.ca});
    AURORA_RETURN_IF_ERROR(WithContext("cluster.tls", server.status()));
    auto client =
        tls::ClientContext::Create({.ca_file = files.ca, .certificate_file = files.cert, .key_file = files.key});
    AURORA_RETURN_IF_ERROR(WithContext("cluster.tls", client.status()));
    peer_certificate_end_ = (*server)->not_after_unix_s();
    worker->SetPeerTls(*std::move(server), *std::move(client));
  }
  return absl::OkStatus();
}

void Process::TellCertificateEnds() {
  metrics_->SetCertificateEnd(certificate_end_);
  metrics_->SetPeerCertificateEnd(gated() ? peer_certificate_end_ : 0);  // else nobody forwards to the peers' port
}

void Process::ReloadPeerTls() {
  const config::TlsFiles& files = config_.cluster.tls;
  if (!config_.cluster.enabled || !files.enabled() ||
      config::TlsStamp(files) == peer_tls_stamp_) {
    return;
  }
  const absl::Status status = LoadPeerTls();
  TellCertificateEnds();
  if (status.ok()) {
    log::Info("the certificate for peers is reloaded", {{"file", files.cert}});
  } else {
    log::Error("the certificate for peers is not reloaded; the old one stays", {{"error", status}});
  }
}

void Process::ReloadCertificate() {
  if (!config_.server.tls.enabled() || config::TlsStamp(config_.server.tls) == certificate_stamp_) {
    return;
  }
  const absl::Status status = LoadCertificate();
  TellCertificateEnds();
  if (status.ok()) {
    log::Info("certificate reloaded", {{"file", config_.server.tls.cert}});
  } else {
    log::Error("certificate not reloaded; the old one stays", {{"error", status}});
  }
}

}  // namespace aurora::server
