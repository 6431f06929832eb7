// CertificateEnds: aurora_tls_certificate_not_after_timestamp_seconds of the control plane: role "admin" for admin.tls
// and "cluster" for cluster.tls. Source: operations contract §3.2. Thread: Look on the control loop, Collect on
// whichever scrapes. Units: Unix seconds. Errors: none.
// Invariant: what is shown is the end of the last pair in the files that
// fits, which is the one that new connections get at most a second later or earlier; no series without a pair.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "shared/config/config.h"
#include "shared/metrics/metrics.h"

namespace aurora::node {

class CertificateEnds : public metrics::Source {
 public:
  explicit CertificateEnds(const config::Config& config);

  // Reads the pairs whose files changed since the last call.
  void Look();

 private:
  struct Watched {
    const char* role;
    config::TlsFiles files;
    std::string stamp = {};
    std::atomic<int64_t>* end;
  };
  void CollectInto(metrics::Families& families) const override;

  std::atomic<int64_t> admin_{0};
  std::atomic<int64_t> cluster_{0};
  std::vector<Watched> watched_;
};

}  // namespace aurora::node
