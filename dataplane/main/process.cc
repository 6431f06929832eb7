#include "dataplane/main/process.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <utility>

#include <sched.h>

#include "shared/crypto/random.h"
#include "shared/log/log.h"
#include "shared/rolepage/boottime.h"

namespace aurora::server {
namespace {

constexpr Duration kTick = Duration::Millis(50);
constexpr Duration kPatience =
    Duration::Seconds(2);  // for locks and ports of a process that was just killed

uint64_t RandomWord() {
  return crypto::RandomU64() | 1;  // 0 means "none" in the role page
}

size_t LoopCount(const config::Server& server) {
  if (server.loops > 0) {
    return static_cast<size_t>(server.loops);
  }
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  const int count = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
  return std::min(static_cast<size_t>(std::max(count, 1)), rolepage::kMaxLoops);
}

// `open` again and again until it answers something else than `retried`, or kPatience is over.
template <class F>
auto WithPatience(absl::StatusCode retried, F open) -> decltype(open()) {
  const Instant give_up = uv::Loop::Now() + kPatience;
  for (;;) {
    auto result = open();
    if (result.ok() || result.status().code() != retried || uv::Loop::Now() >= give_up) {
      return result;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

ServerOptions OptionsFrom(const config::Config& config, OutboundProxy proxy, size_t loops) {
  ServerOptions options;
  options.exchange.body_bytes_max = static_cast<uint64_t>(config.server.limits.body_max_bytes);
  options.exchange.head_timeout = config.server.limits.head_timeout;
  options.exchange.body_timeout = config.server.limits.body_timeout;
  options.exchange.keepalive_comment = config.server.keepalive_interval;
  options.exchange.revoke_running_streams = config.server.revoke_running_streams;
  options.exchange.node_id = config.cluster.node_id;
  options.head_timeout = config.server.limits.head_timeout;
  options.idle_timeout = config.server.limits.idle_timeout;
  options.connections_max =
      std::max<size_t>(1, static_cast<size_t>(config.server.limits.connections_max) / loops);
  options.high_watermark_bytes = static_cast<size_t>(config.server.slow_client_watermark_bytes);
  options.low_watermark_bytes = options.high_watermark_bytes / 4;
  options.proxy = std::move(proxy);
  if (config.admin.ForwardOn(config.server.listen)) {
    model::Provider admin;
    admin.name = "admin";
    admin.host = config::IsWildcardHost(config.admin.rest_listen.host)
                     ? "127.0.0.1"
                     : config.admin.rest_listen.host;
    admin.port = config.admin.rest_listen.port;
    options.admin = std::move(admin);
  }
  return options;
}

}  // namespace

Process::Process(config::Config config)
    : config_(std::move(config)),
      sync_gate_({config_.cluster.enabled, config_.cluster.stale_policy == config::StalePolicy::kRefuse}) {}

absl::StatusOr<std::unique_ptr<Process>> Process::Create(config::Config config,
                                                         std::string_view version) {
  std::unique_ptr<Process> process(new Process(std::move(config)));
  AURORA_RETURN_IF_ERROR(process->Open(version));
  return process;
}

absl::Status Process::Open(std::string_view version) {
  AURORA_RETURN_IF_ERROR(OpenDirectories());
  registry_ = std::make_unique<metrics::Registry>("data-plane", version, "");
  AURORA_RETURN_IF_ERROR(StartWorkers());
  AURORA_RETURN_IF_ERROR(OpenOps());
  StartMetering();
  metrics_ = std::make_shared<ProcessMetrics>(*metering_, *page_);
  TellCertificateEnds();
  registry_->Add(metrics_);
  StartPolicy();
  tick_ = std::make_unique<uv::Timer>(loop_, [this] { Tick(); });
  tick_->StartRepeating(kTick);
  term_ = std::make_unique<uv::Signal>(loop_, SIGTERM, [this] { Stopping(); });
  interrupt_ = std::make_unique<uv::Signal>(loop_, SIGINT, [this] { Stopping(); });
  return absl::OkStatus();
}

absl::Status Process::OpenDirectories() {
  for (const std::string& directory : {config_.storage.state_dir, config_.storage.runtime_dir}) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) {
      return InvalidArgument(
          directory + ": " + error.message() +
          ": create it for this user or set storage.state_dir and storage.runtime_dir");
    }
  }
  auto lock = WithPatience(absl::StatusCode::kUnavailable, [&] {
    return rolepage::LockFile::Acquire(config_.storage.state_dir + "/dataplane.lock");
  });
  AURORA_RETURN_IF_ERROR(lock.status());
  lock_.emplace(*std::move(lock));
  auto page = WithPatience(absl::StatusCode::kUnavailable, [&] {
    return rolepage::DataPage::Open(config_.storage.runtime_dir + "/role.page",
                                    LoopCount(config_.server), RandomWord());
  });
  AURORA_RETURN_IF_ERROR(page.status());
  page_ = *std::move(page);
  return absl::OkStatus();
}

Worker::Options Process::WorkerOptions(size_t index, const ServerOptions& server) {
  loop_metrics_.push_back(std::make_shared<LoopMetrics>());
  rings_.push_back(std::make_unique<metering::UsageRing>());
  Worker::Options worker;
  worker.index = index;
  worker.seed = RandomWord();
  worker.server = server;
  worker.metrics = loop_metrics_.back();
  worker.ops = ops_.get();
  worker.usage = [ring = rings_.back().get()](const model::UsageRecord& record) { return ring->Push(record); };
  worker.on_tick = [this](size_t i) { page_->CopyCloseSeq(i); };
  worker.term = [this] { return page_->term(); };
  if (gated()) {
    failover_metrics_.push_back(std::make_shared<FailoverMetrics>());
    if (hold_budget_ == nullptr) {
      hold_budget_ = std::make_shared<SharedHoldBudget>();
    }
    FailoverOptions failover;
    failover.page = page_.get();
    failover.node_id = config_.cluster.node_id;
    failover.rules.forwards = config_.cluster.passive_behavior == config::PassiveBehavior::kForward;
    failover.peer_tls = config_.cluster.tls.enabled();
    failover.budget = hold_budget_;
    failover.metrics = failover_metrics_.back();
    worker.failover = std::move(failover);
  }
  return worker;
}

absl::Status Process::StartWorkers() {
  const size_t loops = LoopCount(config_.server);
  AURORA_ASSIGN_OR_RETURN(OutboundProxy proxy, OutboundProxy::Create(config_.proxy));
  AURORA_ASSIGN_OR_RETURN(
      Listeners listeners,
      BindListeners(config_.server.listen, static_cast<int>(loops), kPatience, "server.listen"));
  std::optional<Listeners> peers;
  if (config_.cluster.enabled) {
    auto bound = BindListeners(config_.cluster.peer_listen, static_cast<int>(loops), kPatience, "cluster.peer_listen");
    AURORA_RETURN_IF_ERROR(bound.status());
    peers = *std::move(bound);
  }
  ops_ = std::make_unique<Ops>(loops);
  ops_->SetRoleSource([this] { return RoleNow(); });
  WatchSync();
  const ServerOptions options = OptionsFrom(config_, std::move(proxy), loops);
  for (size_t i = 0; i < loops; ++i) {
    workers_.push_back(std::make_unique<Worker>(WorkerOptions(i, options)));
  }
  source_ = std::make_shared<MetricsSource>(loop_metrics_);
  registry_->Add(source_);
  if (gated()) {
    failover_source_ = std::make_shared<FailoverSource>(failover_metrics_, [this] {
      return FailoverSource::Now{page_->GateOpen(rolepage::BoottimeNs()), hold_budget_->requests()};
    });
    registry_->Add(failover_source_);
  }
  AURORA_RETURN_IF_ERROR(LoadCertificate());
  AURORA_RETURN_IF_ERROR(LoadPeerTls());
  for (size_t i = 0; i < loops; ++i) {
    AURORA_RETURN_IF_ERROR(workers_[i]->Listen(std::move(listeners.fds[i])));
    if (peers.has_value()) {
      AURORA_RETURN_IF_ERROR(workers_[i]->ListenForPeers(std::move(peers->fds[i])));
    }
  }
  for (const auto& worker : workers_) {
    worker->Start();
  }
  log::Info("listening",
            {{"address", config_.server.listen.host}, {"port", listeners.port}, {"loops", loops}});
  return absl::OkStatus();
}

absl::Status Process::OpenOps() {
  httpd::Server::Options options;
  options.host = config_.metrics.dataplane_listen.host;
  options.port = config_.metrics.dataplane_listen.port;
  auto server = WithPatience(absl::StatusCode::kAlreadyExists, [&] {
    return httpd::Server::Open(
        loop_, options,
        [this](httpd::Request request, httpd::Responder responder) { Answer(request, responder); });
  });
  if (!server.ok()) {
    return WithContext("metrics.dataplane_listen: stop who listens there or choose another address",
                       server.status());
  }
  httpd_ = *std::move(server);
  return absl::OkStatus();
}

void Process::Answer(const httpd::Request& request, const httpd::Responder& responder) {
  if (request.path == "/metrics") {
    responder.Send({.status = 200,
                    .content_type = std::string(metrics::Registry::kContentType),
                    .headers = {},
                    .body = registry_->Render()});
  } else if (Ops::IsOpsPath(request.path)) {
    OpsAnswer answer = ops_->Answer(request.path, uv::Loop::Now());
    responder.Send({.status = answer.status,
                    .content_type = "application/json",
                    .headers = {},
                    .body = std::move(answer.body)});
  } else {
    responder.Send(
        404,
        "not found; here are /metrics, /livez, /readyz, /health, /active, /passive and /leader\n");
  }
}

void Process::StartMetering() {
  metering::Options options;
  options.path = config_.storage.state_dir + "/traffic.db";
  options.node_id = config_.cluster.node_id;
  options.min_free_bytes = static_cast<uint64_t>(config_.storage.min_free_bytes);
  options.max_age = config_.storage.traffic_max_age;
  options.max_bytes = static_cast<uint64_t>(config_.storage.traffic_max_bytes);
  options.on_alarm = [](std::string_view why) {
    why.empty() ? log::Info("usage is written again")
                : log::Error("usage is not written", {{"why", why}});
  };
  std::vector<metering::UsageRing*> rings;
  for (const auto& ring : rings_) {
    rings.push_back(ring.get());
  }
  metering_ = std::make_unique<metering::Writer>(std::move(options), std::move(rings));
}

void Process::StartPolicy() {
  ops_->SetDiscovering(true);
  snapshot::DiscoveryOptions discovery;
  discovery.on_models = [this](const std::string& provider,
                               const std::vector<snapshot::DiscoveredModel>& models) {
    std::vector<std::string> names;
    for (const snapshot::DiscoveredModel& m : models) {
      names.push_back(m.id);
    }
    metering_->SaveDiscovered(provider, std::move(names));
    std::lock_guard lock(mutex_);
    if (reader_ != nullptr) {
      reader_->SetDiscovered(provider, models);
    }
  };
  if (auto proxy = OutboundProxy::Create(config_.proxy); proxy.ok()) {  // the same was accepted by StartWorkers
    discovery.via = [proxy = *std::move(proxy)](const model::Provider& provider) {
      const ProxyServer* server = proxy.For(provider);
      return server == nullptr ? std::nullopt
                               : std::optional(snapshot::Via{server->host, server->port, server->authorization_line});
    };
  }
  discovery_ = std::make_unique<snapshot::Discovery>(std::move(discovery));
  snapshot::ReaderOptions options;
  options.path = config_.storage.state_dir + "/aurora.db";
  options.environment = config_.providers;
  options.encryption_key = {config_.storage.encryption_key, config_.storage.encryption_key_previous};
  options.stored_public_only = !config_.admin.allow_private_networks;
  options.publish = [this](std::shared_ptr<const model::Snapshot> s) { Published(std::move(s)); };
  options.on_state = [this](const snapshot::ReaderState& state) { PolicyState(state); };
  auto reader = std::make_unique<snapshot::Reader>(std::move(options));
  // The lists of earlier runs serve until the providers answer.
  if (auto known = metering_->LoadDiscovered(); known.ok()) {
    for (metering::DiscoveredList& list : *known) {
      std::vector<snapshot::DiscoveredModel> models;
      for (std::string& name : list.models) {
        models.push_back({.id = std::move(name), .created_s = 0});
      }
      reader->SetDiscovered(std::move(list.provider), std::move(models));
    }
  }
  std::lock_guard lock(mutex_);
  reader_ = std::move(reader);
}

// On the reader's thread.
void Process::Published(std::shared_ptr<const model::Snapshot> snapshot) {
  for (const auto& worker : workers_) {
    worker->Publish(snapshot);
  }
  discovery_->SetCatalog(snapshot->catalog);
  source_->SetRevision(snapshot->revision);
  source_->SetCatalog(snapshot->catalog);
  source_->SetLoaded(std::chrono::duration_cast<std::chrono::seconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count());
  ops_->SetPolicyProblem("");
  std::lock_guard lock(mutex_);
  if (published_.empty()) {
    log::Info("policy loaded",
              {{"seq", snapshot->seq}, {"providers", snapshot->catalog->providers.size()}});
  }
  published_.push_back(std::move(snapshot));
}

// On the reader's thread. A problem takes no policy away, so it counts only while there is none.
void Process::PolicyState(const snapshot::ReaderState& state) {
  for (const auto& [what, why] : state.problems) {
    log::Warn("policy left out", {{"what", what}, {"why", why}});
  }
  metrics_->SetPolicyOk(state.file == snapshot::FileState::kOk && state.problems.empty());
  metrics_->SetDecryptErrors(state.decrypt_errors);
  metrics_->SetSealedWithOther(state.sealed_with_other);
  if (state.file == snapshot::FileState::kOk) {
    ops_->SetPolicyWarning("");
    return;
  }
  log::Warn("policy file", {{"state", snapshot::ToString(state.file)}, {"detail", state.detail}});
  const std::string problem = std::string(snapshot::ToString(state.file)) + ": " + state.detail;
  std::lock_guard lock(mutex_);
  published_.empty() ? ops_->SetPolicyProblem(problem) : ops_->SetPolicyWarning(problem);
}

void Process::RetireSnapshots() {
  std::lock_guard lock(mutex_);
  if (reader_ == nullptr) {
    return;
  }
  // The latest stays; an older one that nobody else holds goes back to be freed off the loops.
  for (size_t i = 0; i + 1 < published_.size();) {
    if (published_[i].use_count() == 1) {
      reader_->Retire(std::move(published_[i]));
      published_.erase(published_.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
}

void Process::Tick() {
  WatchSync();
  PublishRolePage();
  WatchRolePage();
  RetireSnapshots();
  ops_->SetDiscovering(!discovery_->first_round_done());
  source_->SetControlPlaneConnected(page_->ControlPlaneAlive());
  if (++tick_count_ % 20 == 0) {
    ReloadCertificate();
    ReloadPeerTls();
  }
  Advance();
}

void Process::Stopping() {
  if (phase_ != Phase::kServing) {
    log::Warn("told to stop again: ending at once");
    log::Flush();
    std::_Exit(1);
  }
  log::Info("draining",
            {{"grace", config_.server.drain_grace}, {"timeout", config_.server.drain_timeout}});
  ops_->SetDraining();
  page_->SetDraining(true);
  phase_ = Phase::kGrace;
  phase_ends_ = uv::Loop::Now() + config_.server.drain_grace;
}

void Process::Advance() {
  const Instant now = uv::Loop::Now();
  if (phase_ == Phase::kGrace && now >= phase_ends_) {
    for (const auto& worker : workers_) {
      worker->StopAccepting();
    }
    phase_ = Phase::kDraining;
    phase_ends_ = now + config_.server.drain_timeout;
    return;  // the loops must have heard it before the count below means anything
  }
  if (phase_ != Phase::kDraining) {
    return;
  }
  int64_t in_flight = 0;
  for (const auto& worker : workers_) {
    in_flight += worker->in_flight();
  }
  if (in_flight > 0 && now < phase_ends_) {
    return;
  }
  uint64_t cut = 0;
  for (const auto& worker : workers_) {
    worker->Stop();
    cut += worker->cut_count();
  }
  log::Info("drained", {{"cut", cut}});
  phase_ = Phase::kEnded;
  loop_.Stop();
}

int Process::Run() {
  loop_.Run();
  return 0;
}

Process::~Process() {
  std::unique_ptr<snapshot::Reader> reader;
  {
    std::lock_guard lock(mutex_);
    reader = std::move(reader_);
  }
  reader.reset();  // before the discovery it feeds, and before the workers it publishes to
  discovery_.reset();
  workers_.clear();
  metrics_.reset();
  metering_.reset();
  tick_.reset();
  term_.reset();
  interrupt_.reset();
  httpd_.reset();
}

}  // namespace aurora::server
