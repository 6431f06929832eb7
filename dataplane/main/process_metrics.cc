#include "dataplane/main/process_metrics.h"

#include <utility>

namespace aurora::server {

void ProcessMetrics::CollectInto(metrics::Families& families) const {
  families.Gauge("aurora_config_last_reload_successful", "0 while aurora.db cannot be read or part of it is left out.",
                 {}, policy_ok_ ? 1 : 0);
  families.Counter("aurora_secrets_decrypt_errors_total", "Provider credentials that could not be opened.", {},
                   static_cast<double>(decrypt_errors_.load(std::memory_order_relaxed)));
  families.Gauge("aurora_secrets_sealed_with_other_key",
                 "Stored credentials that are sealed with another key than the encryption key in force.", {},
                 static_cast<double>(sealed_with_other_.load(std::memory_order_relaxed)));
  families.Gauge("aurora_role_page_valid", "0 while the role page counts as absent.", {},
                 page_.problem().empty() ? 1 : 0);
  families.Counter("aurora_role_page_problems_total", "Times the role page stopped being valid.", {},
                   static_cast<double>(role_page_problems_.load(std::memory_order_relaxed)));
  const metering::Counters usage = writer_.counters();
  families.Counter("aurora_usage_records_written_total", "Usage records written to traffic.db.", {},
                   static_cast<double>(usage.written));
  families.Counter("aurora_usage_records_dropped_total", "Usage records lost, by where.", {{"reason", "disk"}},
                   static_cast<double>(usage.dropped_disk));
  families.Counter("aurora_usage_write_errors_total", "Failed attempts to write traffic.db.", {},
                   static_cast<double>(usage.errors));
  families.Gauge("aurora_usage_alarm", "1 while usage records cannot be written.", {}, usage.alarm ? 1 : 0);
  for (const auto& [role, end] : {std::pair("server", &certificate_end_), {"cluster", &peer_certificate_end_}}) {
    if (const int64_t at = end->load(std::memory_order_relaxed); at > 0) {
      families.Gauge("aurora_tls_certificate_not_after_timestamp_seconds", "When the certificate in force ends.",
                     {{"role", role}}, static_cast<double>(at));
    }
  }
}

}  // namespace aurora::server
