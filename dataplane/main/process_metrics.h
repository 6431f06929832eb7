// ProcessMetrics: what the process as a whole tells Prometheus: policy, role page, metering, certificate.
// Source: operations contract §3.2. Thread: the setters from any thread; collected by the scraping one. Lifetime: the
// writer and the page outlive it. Errors: none. Invariant: counters never fall.
#pragma once

#include <atomic>
#include <cstdint>

#include "dataplane/metering/writer.h"
#include "shared/metrics/metrics.h"
#include "shared/rolepage/data_page.h"

namespace aurora::server {

class ProcessMetrics final : public metrics::Source {
 public:
  ProcessMetrics(const metering::Writer& writer, const rolepage::DataPage& page) : writer_(writer), page_(page) {}

  void SetPolicyOk(bool ok) { policy_ok_ = ok; }
  void SetDecryptErrors(uint64_t n) { decrypt_errors_ = n; }
  void SetSealedWithOther(uint64_t n) { sealed_with_other_ = n; }
  void SetCertificateEnd(int64_t unix_s) { certificate_end_ = unix_s; }
  void SetPeerCertificateEnd(int64_t unix_s) { peer_certificate_end_ = unix_s; }
  void CountRolePageProblem() { role_page_problems_.fetch_add(1, std::memory_order_relaxed); }

 private:
  void CollectInto(metrics::Families& families) const override;

  const metering::Writer& writer_;
  const rolepage::DataPage& page_;
  std::atomic<bool> policy_ok_{false};
  std::atomic<uint64_t> decrypt_errors_{0};
  std::atomic<uint64_t> sealed_with_other_{0};
  std::atomic<uint64_t> role_page_problems_{0};
  std::atomic<int64_t> certificate_end_{0};  // 0 = no TLS
  std::atomic<int64_t> peer_certificate_end_{0};
};

}  // namespace aurora::server
