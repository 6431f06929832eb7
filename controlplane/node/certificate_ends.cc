#include "controlplane/node/certificate_ends.h"

#include <utility>

#include "shared/config/tls_files.h"

namespace aurora::node {

CertificateEnds::CertificateEnds(const config::Config& config) {
  if (config.admin.tls.enabled()) {
    watched_.push_back({.role = "admin", .files = config.admin.tls, .end = &admin_});
  }
  if (config.cluster.enabled && config.cluster.tls.enabled()) {
    watched_.push_back({.role = "cluster", .files = config.cluster.tls, .end = &cluster_});
  }
  Look();
}

void CertificateEnds::Look() {
  for (Watched& w : watched_) {
    std::string stamp = config::TlsStamp(w.files);
    if (stamp == w.stamp) {
      continue;
    }
    w.stamp = std::move(stamp);
    // Who serves with it says what is wrong with a pair that does not fit.
    if (const auto end = config::TlsEnd(w.files); end.ok()) {
      *w.end = *end;
    }
  }
}

void CertificateEnds::CollectInto(metrics::Families& families) const {
  for (const Watched& w : watched_) {
    if (const int64_t end = w.end->load(std::memory_order_relaxed); end > 0) {
      families.Gauge("aurora_tls_certificate_not_after_timestamp_seconds", "When the certificate in force ends.",
                     {{"role", w.role}}, static_cast<double>(end));
    }
  }
}

}  // namespace aurora::node
