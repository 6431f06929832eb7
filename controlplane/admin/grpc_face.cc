#include "controlplane/admin/grpc_face.h"

#include <atomic>
#include <charconv>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include <grpcpp/alarm.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/server_posix.h>

#include "aurora/v1/admin.grpc.pb.h"
#include "controlplane/admin/own_socket.h"
#include "shared/log/log.h"
#include "shared/tls/context.h"
#include "shared/uv/tcp.h"

// Every unary method of the service: the override and its name in metrics come from one line.
#define AURORA_ADMIN_METHODS(X)                                                                   \
  X(ListAuthKeys)                                                                                 \
  X(GetAuthKey) X(CreateAuthKey) X(UpdateAuthKey) X(DeactivateAuthKey) X(RotateAuthKey)           \
      X(DeleteAuthKey) X(ListProviders) X(GetProvider) X(PutProvider) X(DeleteProvider)           \
          X(ListModels) X(GetModel) X(PutModel) X(DeleteModel) X(ListAliases) X(GetAlias)         \
              X(PutAlias) X(DeleteAlias) X(ListModelOverrides) X(GetModelOverride)                \
                  X(PutModelOverride) X(DeleteModelOverride) X(GetClusterStatus) X(GetNodeStatus) \
                      X(ListNodes) X(RemoveNode) X(ListGossipKeys) X(InstallGossipKey)            \
                      X(UseGossipKey) X(RemoveGossipKey)                                          \
                      X(GetProviderStatus) X(GetEffectiveConfig) X(GetUsageSummary) X(ListUsage)  \
                          X(ListEvents) X(ListAudit) X(ListEntities) X(GetEntity) X(PutEntity)  \
                          X(DeactivateEntity) X(DeleteEntity) X(ListGuardrailTypes) \
                              X(GetSyncStatus) X(ListSyncConflicts) X(CreateBackup) X(ListBackups) \
                              X(VerifyBackup) X(RestoreBackup) X(DeleteBackup) X(VerifySync) \
                              X(GetFailoverStatus) X(TransferLeadership) X(DrainNode) X(UndrainNode)        \
                              X(AddVoters) X(RemoveVoters) X(UnsafeRecover)

namespace aurora::admin {
namespace {

constexpr int kMessageMax = 4 << 20;
constexpr int kMetadataMax = 16 << 10;
constexpr int kCallsPerConnection = 100;
constexpr int kIdleMs = 300'000;
constexpr int kHandshakeMs = 10'000;
constexpr size_t kMemoryMax = size_t{128} << 20;
constexpr unsigned kCertificateSeconds = 1;

// The details are a google.rpc.Status of the code alone: they tell this node's "unavailable" from that of a client
// which reached nobody.
grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message()),
          std::string({'\x08', static_cast<char>(status.code())})};
}

// An answer to a wrong token: late, so that guessing is slow. Deletes itself.
class Refusal final : public grpc::ServerUnaryReactor {
 public:
  Refusal(grpc::Status status, std::atomic<size_t>* waiting)
      : status_(std::move(status)), waiting_(waiting) {
    alarm_.Set(std::chrono::system_clock::now() + std::chrono::microseconds(kLoginDelay.micros()),
               [this](bool) { Finish(status_); });
  }
  void OnCancel() override { alarm_.Cancel(); }
  void OnDone() override {
    waiting_->fetch_sub(1);
    delete this;
  }

 private:
  const grpc::Status status_;
  std::atomic<size_t>* const waiting_;
  grpc::Alarm alarm_;
};

// Who is behind each descriptor of the unix socket. A number is taken again only after its
// connection is closed, so the newest entry is the right one.
class Peers {
 public:
  void Set(int fd, uid_t uid) {
    const std::lock_guard lock(mutex_);
    uid_of_[fd] = uid;
  }
  // `peer`: as gRPC names a connection made from a descriptor, "fd:12".
  std::optional<uid_t> Find(std::string_view peer) const {
    int fd = -1;
    if (!peer.starts_with(kPrefix) ||
        std::from_chars(peer.data() + kPrefix.size(), peer.data() + peer.size(), fd).ec !=
            std::errc()) {
      return std::nullopt;
    }
    const std::lock_guard lock(mutex_);
    const auto found = uid_of_.find(fd);
    return found == uid_of_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  static constexpr std::string_view kPrefix = "fd:";
  mutable std::mutex mutex_;
  std::map<int, uid_t> uid_of_;
};

class Service final : public v1::AdminService::CallbackService {
 public:
  // `token` null: `peers` knows who calls.
  Service(Handlers* handlers, const TokenCheck* token, CallCounts* counts, const Peers* peers)
      : handlers_(handlers), token_(token), counts_(counts), peers_(peers) {}

#define AURORA_OVERRIDE(name)                                                                    \
  grpc::ServerUnaryReactor* name(grpc::CallbackServerContext* context,                           \
                                 const v1::name##Request* request, v1::name##Response* response) \
      override {                                                                                 \
    return Serve(#name, context, *request, response);                                            \
  }
  AURORA_ADMIN_METHODS(AURORA_OVERRIDE)
#undef AURORA_OVERRIDE

 private:
  absl::Status Admit(const grpc::CallbackServerContext& context, Caller* caller) const {
    if (token_ == nullptr) {
      const std::optional<uid_t> uid = peers_->Find(context.peer());
      if (!uid.has_value()) {
        return PermissionDenied("who calls is not known");
      }
      caller->actor = "socket uid " + std::to_string(*uid);
      return absl::OkStatus();
    }
    caller->actor = "token";
    const auto& metadata = context.client_metadata();
    const auto found = metadata.find("authorization");
    return token_->Check(found == metadata.end()
                             ? std::string_view()
                             : std::string_view(found->second.data(), found->second.size()));
  }

  grpc::ServerUnaryReactor* Refuse(const char* method, grpc::CallbackServerContext* context,
                                   absl::Status why) {
    if (absl::IsUnauthenticated(why)) {
      if (delayed_.fetch_add(1) < kLoginsDelayed) {
        counts_->Count(method, why.code());
        return new Refusal(ToGrpc(why), &delayed_);
      }
      delayed_.fetch_sub(1);
      why = ResourceExhausted(kTooManyLogins);
    }
    counts_->Count(method, why.code());
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(ToGrpc(why));
    return reactor;
  }

  template <class Request, class Response>
  grpc::ServerUnaryReactor* Serve(const char* method, grpc::CallbackServerContext* context,
                                  const Request& request, Response* response) {
    Caller caller;
    if (absl::Status admitted = Admit(*context, &caller); !admitted.ok()) {
      return Refuse(method, context, std::move(admitted));
    }
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    handlers_->Handle(caller, request,
                      Reply<Response>([counts = counts_, method, reactor,
                                       response](absl::StatusOr<Response> answer) {
                        counts->Count(method, answer.status().code());
                        if (!answer.ok()) {
                          reactor->Finish(ToGrpc(answer.status()));
                          return;
                        }
                        *response = *std::move(answer);
                        reactor->Finish(grpc::Status::OK);
                      }));
    return reactor;
  }

  Handlers* const handlers_;
  const TokenCheck* const token_;
  CallCounts* const counts_;
  const Peers* const peers_;
  std::atomic<size_t> delayed_{0};  // refusals not yet told
};

namespace tls_api = grpc::experimental;

// Looked at again every kCertificateSeconds: a renewed pair serves the next connections. A pair that
// does not fit leaves the old one in force.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> Credentials(
    const config::TlsFiles& files) {
  if (!files.enabled()) {
    return grpc::InsecureServerCredentials();
  }
  // gRPC would say only that it failed.
  AURORA_RETURN_IF_ERROR(WithContext(
      "admin.tls", tls::ServerContext::Load(
                       {.certificate_file = files.cert, .key_file = files.key})
                       .status()));
  tls_api::TlsServerCredentialsOptions options(
      std::make_shared<tls_api::FileWatcherCertificateProvider>(files.key, files.cert,
                                                                kCertificateSeconds));
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return tls_api::TlsServerCredentials(options);
}

void Common(grpc::ServerBuilder& builder, Service* service) {
  builder.RegisterService(service);
  builder.SetMaxReceiveMessageSize(kMessageMax);
  builder.SetMaxSendMessageSize(kMessageMax);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataMax);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kCallsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleMs);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
  // What a peer that is gone without a word holds is freed.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kIdleMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kHandshakeMs);
  builder.SetResourceQuota(grpc::ResourceQuota("admin").Resize(kMemoryMax));
  // Two control planes on one port would share its calls without a word.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

}  // namespace

struct GrpcFace::State {
  std::unique_ptr<Service> tcp_service;
  std::unique_ptr<Service> socket_service;
  std::unique_ptr<grpc::Server> tcp;
  std::unique_ptr<grpc::Server> socket;
  Peers peers;
  std::unique_ptr<OwnSocket> listener;  // hands what it accepts to `socket`
  int port = 0;

  absl::Status OpenTcp(const Options& options);
  absl::Status OpenSocket(const Options& options);
};

absl::Status GrpcFace::State::OpenTcp(const Options& options) {
  const config::HostPort& listen = options.admin.grpc_listen;
  if (!options.token->enabled()) {
    log::Warn("no AURORA_MASTER_KEY: the admin API is served on the unix socket only",
              {{"socket", options.admin.socket}, {"not_served", listen.ToString()}});
    return absl::OkStatus();
  }
  if (!options.admin.tls.enabled() && !config::IsLoopbackHost(listen.host) &&
      !options.admin.allow_insecure) {
    return InvalidArgument("admin.grpc_listen = " + listen.ToString() +
                           " is not loopback: set admin.tls, or admin.allow_insecure = true");
  }
  // gRPC says only that it failed; the probe says why.
  AURORA_RETURN_IF_ERROR(WithContext("admin.grpc_listen " + listen.ToString(),
                                     uv::TcpListener::Probe(listen.host, listen.port)));
  AURORA_ASSIGN_OR_RETURN(std::shared_ptr<grpc::ServerCredentials> credentials,
                          Credentials(options.admin.tls));
  tcp_service = std::make_unique<Service>(options.handlers, options.token, options.counts,
                                          nullptr);
  grpc::ServerBuilder builder;
  Common(builder, tcp_service.get());
  builder.AddListeningPort(listen.ToString(), std::move(credentials), &port);
  tcp = builder.BuildAndStart();
  if (tcp == nullptr || port == 0) {
    return AlreadyExists("admin.grpc_listen " + listen.ToString() +
                         ": cannot listen there (port taken?)");
  }
  return absl::OkStatus();
}

absl::Status GrpcFace::State::OpenSocket(const Options& options) {
  socket_service = std::make_unique<Service>(options.handlers, nullptr, options.counts, &peers);
  grpc::ServerBuilder builder;
  Common(builder, socket_service.get());
  socket = builder.BuildAndStart();
  if (socket == nullptr) {
    return InvalidArgument("admin.socket: gRPC cannot serve it");
  }
  AURORA_ASSIGN_OR_RETURN(
      listener, OwnSocket::Open(options.admin.socket, options.socket_owner, [this](int fd, uid_t uid) {
        peers.Set(fd, uid);
        grpc::AddInsecureChannelFromFd(socket.get(), fd);
      }));
  return absl::OkStatus();
}

GrpcFace::GrpcFace(std::unique_ptr<State> state) : state_(std::move(state)) {}

absl::StatusOr<std::unique_ptr<GrpcFace>> GrpcFace::Open(const Options& options) {
  // Both only before the first server is built; idempotent.
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  std::unique_ptr<GrpcFace> face(new GrpcFace(std::make_unique<State>()));
  AURORA_RETURN_IF_ERROR(face->state_->OpenTcp(options));
  AURORA_RETURN_IF_ERROR(face->state_->OpenSocket(options));
  return face;
}

GrpcFace::~GrpcFace() {
  Shutdown(Duration::Millis(0));
}

uint16_t GrpcFace::port() const {
  return static_cast<uint16_t>(state_->port);
}

void GrpcFace::Shutdown(Duration grace) {
  state_->listener.reset();  // before the server it feeds
  const auto until = std::chrono::system_clock::now() + std::chrono::microseconds(grace.micros());
  for (std::unique_ptr<grpc::Server>* server : {&state_->tcp, &state_->socket}) {
    if (*server != nullptr) {
      (*server)->Shutdown(until);
      (*server)->Wait();
      server->reset();
    }
  }
}

}  // namespace aurora::admin
