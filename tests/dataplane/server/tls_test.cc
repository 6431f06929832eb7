// TLS on both sides: trust is checked, names are checked, sessions work over the same pools.
#include <cstdio>
#include <filesystem>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "tests/dataplane/server/failover_node.h"
#include "tests/support/test.h"

namespace aurora::server::testing {
namespace {

// A self-signed certificate for 127.0.0.1 in two PEM files.
struct Certificate {
  Certificate() {
    directory = std::filesystem::temp_directory_path() / ("aurora-tls-" + std::to_string(getpid()));
    std::filesystem::create_directories(directory);
    certificate_file = directory / "cert.pem";
    key_file = directory / "key.pem";
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("aurora test"), -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509V3_CTX context;
    X509V3_set_ctx(&context, x, x, nullptr, nullptr, 0);
    X509_EXTENSION* names =
        X509V3_EXT_conf_nid(nullptr, &context, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(x, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(x, key, EVP_sha256());
    FILE* f = std::fopen(certificate_file.c_str(), "w");
    PEM_write_X509(f, x);
    std::fclose(f);
    f = std::fopen(key_file.c_str(), "w");
    PEM_write_PrivateKey(f, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(f);
    X509_free(x);
    EVP_PKEY_free(key);
  }
  ~Certificate() { std::filesystem::remove_all(directory); }
  std::filesystem::path directory;
  std::string certificate_file;
  std::string key_file;
};

// A provider behind TLS, blocking, one request after another.
Provider::Serve TlsProvider(const Certificate& certificate, std::atomic<int>& resumed) {
  auto context = std::shared_ptr<SSL_CTX>(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  SSL_CTX_use_certificate_chain_file(context.get(), certificate.certificate_file.c_str());
  SSL_CTX_use_PrivateKey_file(context.get(), certificate.key_file.c_str(), SSL_FILETYPE_PEM);
  return [context, &resumed](Socket& socket, int connection) {
    SSL* ssl = SSL_new(context.get());
    SSL_set_fd(ssl, socket.fd());
    if (SSL_accept(ssl) == 1) {
      resumed += SSL_session_reused(ssl);
      char bytes[65536];
      while (SSL_read(ssl, bytes, sizeof bytes) > 0) {
        const std::string response =
            Response(kAnswer, connection == 1 ? "Connection: close\r\n" : "");
        SSL_write(ssl, response.data(), static_cast<int>(response.size()));
        if (connection == 1) {
          SSL_shutdown(ssl);
          break;
        }
      }
    }
    SSL_free(ssl);
  };
}

}  // namespace

TEST_CASE("a provider behind a trusted certificate is served and its session resumed",
          "[server][tls]") {
  Certificate certificate;
  std::atomic<int> resumed{0};
  Provider provider(TlsProvider(certificate, resumed));
  GatewayOptions options;
  options.provider_tls = true;
  options.ca_file = certificate.certificate_file;
  Gateway gateway(provider.port(), options);
  Socket client = Socket::Connect(gateway.port());
  for (int i = 0; i < 3; ++i) {
    REQUIRE(client.Send(ChatRequest()));
    REQUIRE(client.ReadResponse().body == kAnswer);
  }
  CHECK(provider.connections() == 2);
  CHECK(resumed == 1);
}

TEST_CASE("a provider whose certificate is not trusted gets no request", "[server][tls]") {
  Certificate certificate;
  std::atomic<int> resumed{0};
  Provider provider(TlsProvider(certificate, resumed));
  GatewayOptions options;
  options.provider_tls = true;
  Gateway gateway(provider.port(), options);
  Socket client = Socket::Connect(gateway.port());
  REQUIRE(client.Send(ChatRequest()));
  const int status = client.ReadResponse().status;
  CHECK((status == 502 || status == 503));
  model::Provider up;
  up.slot = 0;
  CHECK(gateway.metrics()
            .Provider(up)
            .connect_failures[static_cast<size_t>(exchange::UpstreamFailure::kTls)]
            .value() >= 1);
}

TEST_CASE("clients are served over TLS and a client that speaks plain HTTP is dropped",
          "[server][tls]") {
  Certificate certificate;
  Provider provider(Provider::Always(std::string(kAnswer)));
  GatewayOptions options;
  auto context = tls::ServerContext::Load(
      {.certificate_file = certificate.certificate_file, .key_file = certificate.key_file});
  REQUIRE(context.ok());
  options.certificate = *context;
  Gateway gateway(provider.port(), options);
  SSL_CTX* trust = SSL_CTX_new(TLS_client_method());
  SSL_CTX_load_verify_locations(trust, certificate.certificate_file.c_str(), nullptr);
  SSL_CTX_set_verify(trust, SSL_VERIFY_PEER, nullptr);
  SSL* ssl = SSL_new(trust);
  Socket client = Socket::Connect(gateway.port());
  SSL_set_fd(ssl, client.fd());
  REQUIRE(SSL_connect(ssl) == 1);
  const std::string request = ChatRequest();
  REQUIRE(SSL_write(ssl, request.data(), static_cast<int>(request.size())) ==
          static_cast<int>(request.size()));
  std::string seen;
  char bytes[4096];
  while (seen.find(kAnswer) == std::string::npos) {
    const int n = SSL_read(ssl, bytes, sizeof bytes);
    REQUIRE(n > 0);
    seen.append(bytes, static_cast<size_t>(n));
  }
  CHECK(seen.find("HTTP/1.1 200") == 0);
  SSL_free(ssl);
  SSL_CTX_free(trust);
  Socket plain = Socket::Connect(gateway.port());
  REQUIRE(plain.Send(ChatRequest()));
  std::string reply;
  for (std::string more = plain.ReadSome(); !more.empty(); more = plain.ReadSome()) {
    reply += more;
  }
  CHECK(reply.find("HTTP/1.1") == std::string::npos);
  CHECK(Eventually([&] {
    return gateway.metrics()
               .connection_errors[static_cast<size_t>(ConnectionError::kTls)]
               .value() >= 1;
  }));
}

TEST_CASE("peers show each other certificates of the cluster's CA, and nobody else is let in", "[server][tls]") {
  Certificate certificate;
  Provider provider(Provider::Always(std::string(kAnswer)));
  GatewayOptions options;
  options.adjust = [](Worker::Options& worker) { worker.failover->peer_tls = true; };
  Node active("a", provider.port(), {}, options);
  Node passive("b", provider.port(), {}, options);
  for (Node* node : {&active, &passive}) {
    auto server = tls::ServerContext::Load({.certificate_file = certificate.certificate_file,
                                            .key_file = certificate.key_file,
                                            .client_ca_file = certificate.certificate_file});
    auto client = tls::ClientContext::Create({.ca_file = certificate.certificate_file,
                                              .certificate_file = certificate.certificate_file,
                                              .key_file = certificate.key_file});
    REQUIRE(server.ok());
    REQUIRE(client.ok());
    node->gateway().worker().SetPeerTls(*server, *client);
  }
  active.Open();
  passive.Follow(active, 1);
  Socket client = Socket::Connect(passive.port());
  for (const size_t bytes : {size_t{900}, size_t{3} << 20}) {
    REQUIRE(client.Send(ChatRequest({}, bytes)));
    CHECK(client.ReadResponse().body == kAnswer);
  }
  Socket plain = Socket::Connect(active.gateway().peer_port());
  REQUIRE(plain.Send(ChatRequest()));
  CHECK(plain.ReadResponse().status == 0);
  SSL_CTX* nobody = SSL_CTX_new(TLS_client_method());
  SSL* ssl = SSL_new(nobody);
  Socket stranger = Socket::Connect(active.gateway().peer_port());
  SSL_set_fd(ssl, stranger.fd());
  if (SSL_connect(ssl) == 1) {  // in TLS 1.3 the refusal comes with the first read
    const std::string request = ChatRequest();
    SSL_write(ssl, request.data(), static_cast<int>(request.size()));
    char bytes[4096];
    CHECK(SSL_read(ssl, bytes, sizeof bytes) <= 0);
  }
  SSL_free(ssl);
  SSL_CTX_free(nobody);
  CHECK(Eventually([&] { return active.gateway().Records().size() == 2; }));
}

}  // namespace aurora::server::testing
