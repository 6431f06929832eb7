// Certificates for tests, made on the spot: a CA, and leaves it signs for DNS names or IPs.
// Thread: any. Files go to a fresh directory under /tmp that dies with the object.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "shared/base/check.h"

namespace aurora::testing {

class Certs {
 public:
  Certs() {
    std::string pattern = "/tmp/aurora-certs-XXXXXX";
    AURORA_CHECK(mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    ca_key_.reset(EVP_EC_gen("P-256"));
    ca_.reset(Make("Aurora test CA", "", ca_key_.get(), nullptr, true));
    WriteCertificate(ca_file(), ca_.get());
  }
  ~Certs() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  Certs(const Certs&) = delete;
  Certs& operator=(const Certs&) = delete;

  struct Leaf {
    std::string certificate_file;
    std::string key_file;
  };
  // `alt_names` as OpenSSL writes them: "DNS:a.test,IP:127.0.0.1".
  Leaf Issue(const std::string& file_stem, const std::string& alt_names, int days = 1) {
    const Key key(EVP_EC_gen("P-256"));
    const Certificate leaf(Make(file_stem, alt_names, key.get(), ca_.get(), false, days));
    Leaf files{directory_ + "/" + file_stem + ".pem", directory_ + "/" + file_stem + ".key"};
    WriteCertificate(files.certificate_file, leaf.get());
    const File out(std::fopen(files.key_file.c_str(), "w"));
    AURORA_CHECK(out != nullptr && PEM_write_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0,
                                                        nullptr, nullptr) == 1);
    return files;
  }

  std::string ca_file() const { return directory_ + "/ca.pem"; }
  const std::string& directory() const { return directory_; }

 private:
  struct Free {
    void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
    void operator()(X509* p) const { X509_free(p); }
    void operator()(X509_EXTENSION* p) const { X509_EXTENSION_free(p); }
    void operator()(std::FILE* p) const { std::fclose(p); }
  };
  using Key = std::unique_ptr<EVP_PKEY, Free>;
  using Certificate = std::unique_ptr<X509, Free>;
  using File = std::unique_ptr<std::FILE, Free>;

  static void WriteCertificate(const std::string& path, X509* certificate) {
    const File out(std::fopen(path.c_str(), "w"));
    AURORA_CHECK(out != nullptr && PEM_write_X509(out.get(), certificate) == 1);
  }

  static void Extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const std::unique_ptr<X509_EXTENSION, Free> extension(
        X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    AURORA_CHECK(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1);
  }

  X509* Make(const std::string& name, const std::string& alt_names, EVP_PKEY* key, X509* issuer,
             bool ca, int days = 1) {
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), days * 24L * 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(certificate,
                         X509_get_subject_name(issuer == nullptr ? certificate : issuer));
    X509_set_pubkey(certificate, key);
    X509* signer = issuer == nullptr ? certificate : issuer;
    Extend(certificate, signer, NID_basic_constraints, ca ? "critical,CA:TRUE" : "CA:FALSE");
    Extend(certificate, signer, NID_key_usage,
           ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
    if (!alt_names.empty()) {
      Extend(certificate, signer, NID_subject_alt_name, alt_names);
    }
    AURORA_CHECK(X509_sign(certificate, ca_key_.get(), EVP_sha256()) > 0);
    return certificate;
  }

  std::string directory_;
  long serial_ = 0;
  Key ca_key_;
  Certificate ca_;
};

}  // namespace aurora::testing
