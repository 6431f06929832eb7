#include "controlplane/peers/control_tls.h"

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "shared/tls/context.h"

namespace aurora::peers {
namespace {

namespace tls_api = grpc::experimental;

// gRPC would only log it, at the first connection.
absl::Status Check(const config::TlsFiles& files) {
  if (files.key.empty() || files.ca.empty()) {
    return InvalidArgument("cluster.tls: cert, key and ca belong together");
  }
  AURORA_RETURN_IF_ERROR(WithContext("cluster.tls.cert, cluster.tls.key",
                                     tls::ServerContext::Load({files.cert, files.key}).status()));
  tls::ClientContext::Options trust;
  trust.ca_file = files.ca;
  return WithContext("cluster.tls.ca", tls::ClientContext::Create(trust).status());
}

void Common(tls_api::TlsCredentialsOptions& options) {
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  // The chain is checked in the handshake; this leaves out the name.
  options.set_certificate_verifier(std::make_shared<tls_api::NoOpCertificateVerifier>());
  options.set_check_call_host(false);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ControlTls>> ControlTls::Load(const config::TlsFiles& files) {
  std::shared_ptr<ControlTls> tls(new ControlTls());
  if (!files.enabled()) {
    tls->server_ = grpc::InsecureServerCredentials();
    tls->client_ = grpc::InsecureChannelCredentials();
    return tls;
  }
  AURORA_RETURN_IF_ERROR(Check(files));
  const auto provider = std::make_shared<tls_api::FileWatcherCertificateProvider>(
      files.key, files.cert, files.ca, static_cast<unsigned>(kTlsReload.millis() / 1000));
  tls_api::TlsServerCredentialsOptions server(provider);
  Common(server);
  server.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  tls->server_ = tls_api::TlsServerCredentials(server);
  tls_api::TlsChannelCredentialsOptions client;
  client.set_certificate_provider(provider);
  Common(client);
  client.set_verify_server_certs(true);
  tls->client_ = tls_api::TlsCredentials(client);
  return tls;
}

}  // namespace aurora::peers
