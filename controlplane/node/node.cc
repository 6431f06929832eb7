#include "controlplane/node/node.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "controlplane/admin/call_counts.h"
#include "controlplane/admin/grpc_face.h"
#include "controlplane/admin/handlers.h"
#include "controlplane/admin/rest_face.h"
#include "controlplane/admin/token.h"
#include "controlplane/kinds/last_good.h"
#include "controlplane/kinds/resolve.h"
#include "controlplane/node/certificate_ends.h"
#include "controlplane/node/cluster.h"
#include "controlplane/node/identity.h"
#include "controlplane/node/ops.h"
#include "controlplane/node/policy_sync.h"
#include "controlplane/node/propagation.h"
#include "controlplane/peers/control_grpc_log.h"
#include "controlplane/store/backup_dir.h"
#include "controlplane/store/backup_thread.h"
#include "controlplane/store/store.h"
#include "shared/crypto/random.h"
#include "shared/log/log.h"
#include "shared/rolepage/control_page.h"
#include "shared/rolepage/lock_file.h"
#include "shared/schema/aurora_db.h"
#include "shared/schema/kinds.h"

namespace aurora::node {
namespace {

constexpr size_t kMailboxMax = 65'536;
constexpr Duration kGrpcGrace = Duration::Seconds(2);
constexpr Duration kDrainMax = Duration::Seconds(5);
constexpr Duration kLivenessEvery = Duration::Seconds(1);
// Asked to end together with its data plane, the control plane goes last: it hands leadership over, and a key revoked
// meanwhile is still cut from running streams.
constexpr Duration kDrainLookEvery = Duration::Millis(50);
constexpr Duration kDrainShows = Duration::Millis(300);  // a signal to both reaches the other one within this
constexpr Duration kDrainSlack = Duration::Seconds(10);
constexpr int kMarkEvery = 3;  // looks at the data plane between two looks at the feed's head

// A predecessor may still be letting go: what it holds is worth waiting for, anything else is not.
template <class F>
auto TakeOver(const F& attempt) {
  const auto until =
      std::chrono::steady_clock::now() + std::chrono::microseconds(kTakeOver.micros());
  while (true) {
    auto result = attempt();
    const bool held =
        absl::IsUnavailable(result.status()) || absl::IsAlreadyExists(result.status());
    if (!held || std::chrono::steady_clock::now() >= until) {
      return result;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

absl::Status MakeDirectory(std::string_view setting, const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return absl::OkStatus();
  }
  // 0700 by the process's umask.
  if (!std::filesystem::create_directories(path, error) && error) {
    return InvalidArgument(std::string(setting) + " = " + path +
                           ": cannot be made: " + error.message());
  }
  return absl::OkStatus();
}

// Not 0, and within what SQLite's integers hold.
uint64_t RandomEpoch() {
  uint64_t epoch = 0;
  while (epoch == 0) {
    epoch = crypto::RandomU64() >> 1;
  }
  return epoch;
}

int64_t UnixMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

store::ResolveTable Resolvers() {
  store::ResolveTable table;
  for (const kinds::Kind& kind : kinds::All()) {
    table[std::string(kind.name)] = [resolve = kind.resolve](std::string_view, std::string_view,
                                                             const replication::Row& row) {
      return resolve(row);
    };
  }
  return table;
}

void LogStoreState(const store::StoreState& state) {
  const std::string_view name = store::StateName(state.state);
  if (state.state == store::State::kOpen || state.state == store::State::kStopped) {
    log::Info("store state", {{"state", name}});
  } else {
    log::Error("the store takes no writes", {{"state", name}, {"reason", state.reason}});
  }
}

}  // namespace

class Node::Impl {
 public:
  Impl(config::Config config, std::string version)
      : config_(std::move(config)),
        version_(std::move(version)),
        token_(config_.admin.master_key),
        counts_(std::make_shared<admin::CallCounts>()),
        registry_("controlplane", version_, version_),
        mailbox_(loop_, kMailboxMax),
        liveness_(loop_, [this] { LookAtDataPlane(); }),
        drain_limit_(loop_, [this] { Stop("drain took too long"); }),
        data_plane_drain_(loop_, [this] { AwaitDataPlane(); }) {}
  ~Impl();

  absl::Status Open();
  int Run();

 private:
  absl::Status OpenState();
  absl::Status OpenFaces();
  admin::Deps HandlerDeps();
  ClusterDeps HandClusterDeps();
  admin::NodeFacts Facts() const;
  std::vector<std::string> NotReady() const;
  std::string BackupDir() const { return config_.storage.state_dir + "/backups"; }
  bool StoreOpen() const { return store_->state().state == store::State::kOpen; }
  void LookAtDataPlane();
  void NoteFeedMark();
  void OnSignal(int signum);
  void AwaitDataPlane();
  void Drain();
  void FaceDrained();
  void Stop(std::string_view why);

  const config::Config config_;
  const std::string version_;
  const Instant started_ = uv::Loop::Now();
  const uint64_t epoch_ = RandomEpoch();
  const admin::TokenCheck token_;
  const std::shared_ptr<admin::CallCounts> counts_;
  metrics::Registry registry_;
  std::optional<rolepage::LockFile> lock_;
  uv::Loop loop_;
  uv::Mailbox mailbox_;
  uv::Timer liveness_;
  uv::Timer drain_limit_;
  uv::Timer data_plane_drain_;
  Instant drain_began_;
  std::vector<std::unique_ptr<uv::Signal>> signals_;
  std::unique_ptr<rolepage::ControlPage> page_;
  std::unique_ptr<PropagationWatch> propagation_;
  OpenedIdentity identity_;
  // aurora.db knows whether this disk went back: only then election.db may forget it.
  const std::shared_ptr<std::atomic<bool>> rollback_noted_ = std::make_shared<std::atomic<bool>>(false);
  schema::Position marked_;
  int mark_in_ = 0;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<store::BackupThread> backups_;
  const std::shared_ptr<HeadSignal> head_signal_ = std::make_shared<HeadSignal>();
  std::unique_ptr<Cluster> cluster_;  // null: clustering is off
  std::unique_ptr<admin::Handlers> handlers_;
  std::shared_ptr<NodeMetrics> metrics_;
  std::shared_ptr<CertificateEnds> certificate_ends_;
  std::unique_ptr<OpsServer> ops_;
  std::unique_ptr<admin::RestFace> rest_;
  std::unique_ptr<admin::GrpcFace> grpc_;
  std::thread grpc_shutdown_;
  bool data_plane_up_ = false;
  bool draining_ = false;
  int faces_open_ = 0;
};

// Callers first, then who answers them: nothing replies into something gone.
Node::Impl::~Impl() {
  if (grpc_shutdown_.joinable()) {
    grpc_shutdown_.join();
  }
  grpc_.reset();
  rest_.reset();
  ops_.reset();
  if (metrics_ != nullptr) {
    metrics_.reset();
  }
  if (handlers_ != nullptr) {
    handlers_->Stop();
  }
  head_signal_->Set(nullptr);
  backups_.reset();  // its answers use the cluster and the store
  cluster_.reset();
  identity_.election.reset();
  store_.reset();
  handlers_.reset();
  mailbox_.Close();
}

absl::Status Node::Impl::Open() {
  AURORA_RETURN_IF_ERROR(OpenState());
  return OpenFaces();
}

absl::Status Node::Impl::OpenState() {
  const config::Storage& storage = config_.storage;
  AURORA_RETURN_IF_ERROR(MakeDirectory("storage.state_dir", storage.state_dir));
  AURORA_RETURN_IF_ERROR(MakeDirectory("storage.runtime_dir", storage.runtime_dir));
  auto lock = TakeOver(
      [&] { return rolepage::LockFile::Acquire(storage.state_dir + "/controlplane.lock"); });
  AURORA_RETURN_IF_ERROR(
      WithContext("another control plane uses this state directory", lock.status()));
  lock_.emplace(*std::move(lock));
  AURORA_ASSIGN_OR_RETURN(page_, TakeOver([&] {
                            return rolepage::ControlPage::Open(storage.runtime_dir + "/role.page");
                          }));
  if (!page_->rewritten().empty()) {
    log::Info("role page header rewritten", {{"why", page_->rewritten()}});
  }
  data_plane_up_ = page_->DataPlaneAlive();
  propagation_ =
      std::make_unique<PropagationWatch>(loop_, mailbox_, *page_, epoch_, config_.cluster.node_id);

  AURORA_ASSIGN_OR_RETURN(identity_, OpenIdentity(config_));

  store::StoreOptions options;
  options.path = storage.state_dir + "/aurora.db";
  options.fresh_node_uid = identity_.identity.node_uid;
  options.epoch = epoch_;
  options.resolve = Resolvers();
  options.facts[std::string(schema::kAuthKey)] = kinds::AuthKeyLastGood;
  options.on_state = LogStoreState;
  options.on_head = [signal = head_signal_](uint64_t head, uint64_t urgent) { signal->Tell(head, urgent); };
  const std::string db_path = options.path;
  store_ = std::make_unique<store::Store>(std::move(options));
  for (const store::IdentityEvent& event : identity_.identity.events) {
    store_->AppendEvent("warning", event.type, event.message);
  }
  if (identity_.identity.aurora_lacks_cluster_id) {
    store_->SetMeta(std::string(schema::kMetaClusterId), identity_.identity.cluster_id);
  }
  if (identity_.identity.rolled_back.empty()) {
    *rollback_noted_ = true;
  } else {
    store_->SetMeta(std::string(schema::kMetaRestored), identity_.identity.rolled_back,
                    [noted = rollback_noted_](const absl::Status& stored) { *noted = stored.ok(); });
  }
  backups_ = std::make_unique<store::BackupThread>(store_.get(), db_path, UnixMs, store::NewestBackupMs(BackupDir()));
  metrics_ = std::make_shared<NodeMetrics>(*store_, *page_, *backups_, db_path);
  registry_.Add(metrics_);
  registry_.Add(counts_);
  certificate_ends_ = std::make_shared<CertificateEnds>(config_);
  registry_.Add(certificate_ends_);
  if (config_.cluster.enabled) {
    AURORA_ASSIGN_OR_RETURN(cluster_, TakeOver([&] { return Cluster::Open(HandClusterDeps()); }));
    registry_.Add(cluster_->metrics());
    head_signal_->Set([cluster = cluster_.get()](uint64_t head, uint64_t urgent) { cluster->OnHead(head, urgent); });
  }
  handlers_ = std::make_unique<admin::Handlers>(HandlerDeps());
  return absl::OkStatus();
}

ClusterDeps Node::Impl::HandClusterDeps() {
  ClusterDeps deps;
  deps.loop = &loop_;
  deps.mailbox = &mailbox_;
  deps.config = &config_;
  deps.store = store_.get();
  deps.page = page_.get();
  deps.rolled_back = !identity_.identity.rolled_back.empty();
  deps.election = identity_.election.get();
  deps.stored = identity_.stored;
  deps.node_uid = identity_.identity.node_uid;
  deps.cluster_id = identity_.identity.cluster_id;
  deps.version = version_;
  deps.epoch = epoch_;
  deps.local = [this] {
    roster::LocalState local;
    local.data_plane = Facts().data_plane;
    const std::optional<rolepage::DataState> data = page_->Data();
    local.load = data.has_value() ? data->in_flight : 0;
    return local;
  };
  return deps;
}

admin::Deps Node::Impl::HandlerDeps() {
  admin::Deps deps;
  deps.store = store_.get();
  deps.config = &config_;
  deps.cluster = cluster_.get();
  if (cluster_ != nullptr) {
    deps.enforcement.report = [cluster = cluster_.get()](const admin::Enforcement::Written& row, Duration timeout,
                                                         std::function<void(v1::Propagation)> done) {
      cluster->Report({row.kind, row.id}, timeout, std::move(done));
    };
  } else {
    deps.enforcement.report = [watch = propagation_.get()](const admin::Enforcement::Written& row, Duration timeout,
                                                           std::function<void(v1::Propagation)> done) {
      watch->Wait(row.seq, timeout, std::move(done));
    };
  }
  deps.facts = [this] { return Facts(); };
  deps.unix_ms = UnixMs;
  deps.traffic_path = config_.storage.state_dir + "/traffic.db";
  deps.backups = backups_.get();
  deps.backup_dir = BackupDir();
  return deps;
}

absl::Status Node::Impl::OpenFaces() {
  peers::RouteGrpcLog();  // the admin API is gRPC's as well, with no cluster too
  const config::HostPort& rest = config_.admin.rest_listen;
  AURORA_ASSIGN_OR_RETURN(
      ops_, TakeOver([&] {
        return OpsServer::Open(loop_, mailbox_, config_.metrics.controlplane_listen,
                               {store_.get(), &registry_, metrics_, [this] { return NotReady(); }});
      }));
  AURORA_ASSIGN_OR_RETURN(rest_, TakeOver([&] {
                            admin::RestFace::Options options;
                            options.http.host = rest.host;
                            options.http.port = rest.port;
                            options.handlers = handlers_.get();
                            options.token = &token_;
                            options.store_open = [this] { return StoreOpen(); };
                            options.tls = config_.admin.tls;
                            options.node_id = config_.cluster.node_id;
                            return admin::RestFace::Open(loop_, mailbox_, std::move(options));
                          }));
  AURORA_ASSIGN_OR_RETURN(
      grpc_, TakeOver([&] {
        return admin::GrpcFace::Open({config_.admin, handlers_.get(), &token_, counts_.get()});
      }));
  faces_open_ = cluster_ == nullptr ? 2 : 3;
  return absl::OkStatus();
}

// Any thread.
admin::NodeFacts Node::Impl::Facts() const {
  admin::NodeFacts facts;
  facts.version = version_;
  facts.uptime_seconds = (uv::Loop::Now() - started_).micros() / 1'000'000;
  const std::optional<rolepage::DataState> data = page_->Data();
  facts.data_plane = !data.has_value() ? "down" : data->draining ? "draining" : "up";
  if (data.has_value() && data->applied.epoch == epoch_) {
    facts.applied_seq = static_cast<int64_t>(data->applied.seq);
  }
  return facts;
}

std::vector<std::string> Node::Impl::NotReady() const {
  std::vector<std::string> reasons;
  if (draining_) {
    reasons.emplace_back("draining: the process was asked to end");
  }
  const store::StoreState state = store_->state();
  if (state.state != store::State::kOpen) {
    reasons.push_back("store " + std::string(store::StateName(state.state)) +
                      (state.reason.empty() ? "" : ": " + state.reason));
  }
  return reasons;
}

// Lazily: an older mark only finds fewer rollbacks.
void Node::Impl::NoteFeedMark() {
  const schema::Position head = store_->head();
  if (--mark_in_ > 0 || identity_.election == nullptr || !*rollback_noted_ || head.epoch != epoch_ ||
      head == marked_) {
    return;
  }
  mark_in_ = kMarkEvery;
  marked_ = head;
  identity_.election->Submit([head](store::ElectionDb& db) { return db.SetFeedMark(head); });
}

void Node::Impl::LookAtDataPlane() {
  NoteFeedMark();
  certificate_ends_->Look();
  const bool up = page_->DataPlaneAlive();
  if (up != data_plane_up_) {
    data_plane_up_ = up;
    up ? log::Info("data plane is up") : log::Warn("data plane is down");
  }
}

int Node::Impl::Run() {
  for (const int signum : {SIGTERM, SIGINT}) {
    signals_.push_back(
        std::make_unique<uv::Signal>(loop_, signum, [this, signum] { OnSignal(signum); }));
  }
  liveness_.StartRepeating(kLivenessEvery);
  log::Info("control plane is up", {{"version", version_},
                                    {"grpc_port", grpc_->port()},
                                    {"rest_port", rest_->port()},
                                    {"metrics_port", ops_->port()},
                                    {"socket", config_.admin.socket},
                                    {"data_plane_up", data_plane_up_}});
  loop_.Run();
  return 0;
}

// Running -> handing over -> the data plane drains -> draining (waits answered, faces finish what they have) ->
// stopped.
void Node::Impl::OnSignal(int signum) {
  if (draining_) {
    Stop("second signal");
    return;
  }
  draining_ = true;
  log::Info("draining", {{"signal", signum}});
  if (cluster_ == nullptr) {
    Drain();
    return;
  }
  cluster_->StepDown([this] {
    drain_began_ = uv::Loop::Now();
    data_plane_drain_.StartRepeating(kDrainLookEvery);
  });
}

void Node::Impl::AwaitDataPlane() {
  const std::optional<rolepage::DataState> data = page_->Data();
  const Duration waited = uv::Loop::Now() - drain_began_;
  const Duration longest = config_.server.drain_grace + config_.server.drain_timeout + kDrainSlack;
  if (data.has_value() && (data->draining ? waited < longest : waited < kDrainShows)) {
    return;
  }
  data_plane_drain_.Stop();
  Drain();
}

void Node::Impl::Drain() {
  propagation_->Stop();
  backups_->Stop();  // the faces wait for their answers
  drain_limit_.Start(kDrainMax);
  rest_->Drain([this] { FaceDrained(); });
  if (cluster_ != nullptr) {
    cluster_->Leave([this] { FaceDrained(); });
  }
  // gRPC's Shutdown blocks, and the calls it waits for may need this loop.
  grpc_shutdown_ = std::thread([this]() noexcept {
    grpc_->Shutdown(kGrpcGrace);
    (void)mailbox_.Post([this] { FaceDrained(); });
  });
}

void Node::Impl::FaceDrained() {
  if (--faces_open_ == 0) {
    Stop("drained");
  }
}

void Node::Impl::Stop(std::string_view why) {
  log::Info("stopping", {{"why", why}});
  loop_.Stop();
}

Node::Node(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Node::~Node() = default;

absl::StatusOr<std::unique_ptr<Node>> Node::Open(config::Config config, std::string version) {
  std::unique_ptr<Node> node(
      new Node(std::make_unique<Impl>(std::move(config), std::move(version))));
  AURORA_RETURN_IF_ERROR(node->impl_->Open());
  return node;
}

int Node::Run() {
  return impl_->Run();
}

}  // namespace aurora::node
