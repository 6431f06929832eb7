// OpsServer: /livez, /readyz and /metrics of the control plane on metrics.controlplane_listen.
// Source: product contract, health and metrics. Thread: the loop's. Errors: Open as httpd::Server,
// naming the port. Invariant: /livez depends on nothing but the loop; /readyz names every reason
// why not.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/store/backup_thread.h"
#include "controlplane/store/store.h"
#include "shared/base/status.h"
#include "shared/config/hostport.h"
#include "shared/httpd/server.h"
#include "shared/metrics/metrics.h"
#include "shared/rolepage/control_page.h"
#include "shared/uv/mailbox.h"

namespace aurora::node {

// What is read when scraped.
class NodeMetrics : public metrics::Source {
 public:
  NodeMetrics(const store::Store& store, const rolepage::ControlPage& page, const store::BackupThread& backups,
              std::string db_path)
      : store_(store), page_(page), backups_(backups), db_path_(std::move(db_path)) {}
  // The store thread's word on the audit table.
  void SetAuditEvents(int64_t n) { audit_events_.store(n, std::memory_order_relaxed); }

 private:
  void CollectInto(metrics::Families& families) const override;
  const store::Store& store_;
  const rolepage::ControlPage& page_;
  const store::BackupThread& backups_;
  const std::string db_path_;
  std::atomic<int64_t> audit_events_{0};
};

class OpsServer {
 public:
  struct Deps {
    store::Store* store = nullptr;
    const metrics::Registry* registry = nullptr;
    std::shared_ptr<NodeMetrics> metrics;
    std::function<std::vector<std::string>()> reasons;  // empty = ready
  };
  static absl::StatusOr<std::unique_ptr<OpsServer>> Open(uv::Loop& loop, uv::Mailbox& mailbox,
                                                         const config::HostPort& listen, Deps deps);
  uint16_t port() const { return server_->port(); }

 private:
  OpsServer(uv::Mailbox& mailbox, Deps deps) : mailbox_(mailbox), deps_(std::move(deps)) {}
  void Handle(const httpd::Request& request, const httpd::Responder& responder);
  void Scrape(const httpd::Responder& responder);

  uv::Mailbox& mailbox_;
  Deps deps_;
  std::unique_ptr<httpd::Server> server_;
};

}  // namespace aurora::node
