// Process: the parts of aurora-dataplane and the order in which they start and stop.
// Source: architecture.md §2 (shutdown), product contract §3. Thread: the main thread, which runs a
// loop of its own for signals, the role page, health and metrics; the traffic loops are the
// Workers'. Shutdown: first SIGTERM: not ready, draining in the role page; after drain_grace no
// further connection and Connection: close; when nothing runs or drain_timeout is over, what is
// left is cut and reported; exit 0. A second SIGTERM ends the process at once. Errors: Create says
// in one line what to change; main prints it and exits 2.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/main/process_metrics.h"
#include "dataplane/metering/writer.h"
#include "dataplane/server/worker.h"
#include "dataplane/snapshot/discovery.h"
#include "dataplane/snapshot/reader.h"
#include "dataplane/server/sync_gate.h"
#include "shared/config/config.h"
#include "shared/httpd/server.h"
#include "shared/metrics/metrics.h"
#include "shared/rolepage/data_page.h"
#include "shared/rolepage/lock_file.h"

namespace aurora::server {

class Process {
 public:
  static absl::StatusOr<std::unique_ptr<Process>> Create(config::Config config,
                                                         std::string_view version);
  ~Process();

  // Until the end of the shutdown; the process's exit code.
  int Run();

 private:
  enum class Phase : uint8_t { kServing, kGrace, kDraining, kEnded };

  explicit Process(config::Config config);
  absl::Status Open(std::string_view version);
  absl::Status OpenDirectories();
  absl::Status OpenOps();
  absl::Status StartWorkers();
  void StartMetering();
  void StartPolicy();
  Worker::Options WorkerOptions(size_t index, const ServerOptions& server);
  Role RoleNow() const;
  bool gated() const;  // active_passive: only a lease lets this node serve
  absl::Status LoadCertificate();
  absl::Status LoadPeerTls();
  void ReloadPeerTls();
  void ReloadCertificate();
  void TellCertificateEnds();
  void Published(std::shared_ptr<const model::Snapshot> snapshot);
  void PolicyState(const snapshot::ReaderState& state);
  void Tick();
  void PublishRolePage();
  void WatchRolePage();
  void WatchSync();
  void RetireSnapshots();
  void Stopping();
  void Advance();
  void Answer(const httpd::Request& request, const httpd::Responder& responder);

  const config::Config config_;
  uv::Loop loop_;
  std::optional<rolepage::LockFile> lock_;
  std::unique_ptr<rolepage::DataPage> page_;
  std::unique_ptr<metrics::Registry> registry_;
  std::unique_ptr<Ops> ops_;
  SyncGate sync_gate_;
  std::shared_ptr<MetricsSource> source_;
  std::vector<std::unique_ptr<metering::UsageRing>> rings_;  // one per loop
  std::unique_ptr<metering::Writer> metering_;
  std::shared_ptr<ProcessMetrics> metrics_;
  std::shared_ptr<SharedHoldBudget> hold_budget_;
  std::vector<std::shared_ptr<LoopMetrics>> loop_metrics_;
  std::vector<std::shared_ptr<FailoverMetrics>> failover_metrics_;  // active_passive only
  std::shared_ptr<FailoverSource> failover_source_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<httpd::Server> httpd_;
  std::unique_ptr<uv::Timer> tick_;
  std::unique_ptr<uv::Signal> term_;
  std::unique_ptr<uv::Signal> interrupt_;
  uint64_t tick_count_ = 0;
  Phase phase_ = Phase::kServing;
  Instant phase_ends_;
  std::string certificate_stamp_;
  std::string peer_tls_stamp_;
  int64_t certificate_end_ = 0;  // Unix seconds; 0 = no TLS
  int64_t peer_certificate_end_ = 0;
  std::string page_problem_;  // what was last said about the role page

  std::mutex mutex_;
  std::vector<std::shared_ptr<const model::Snapshot>>
      published_;  // guarded by mutex_; the latest last
  std::unique_ptr<snapshot::Discovery> discovery_;
  std::unique_ptr<snapshot::Reader> reader_;
};

}  // namespace aurora::server
