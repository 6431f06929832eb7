#include "controlplane/admin/grpc_face.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "aurora/v1/admin.grpc.pb.h"
#include "shared/base/check.h"
#include "shared/log/log.h"
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
                          X(ListEvents)

namespace aurora::admin {
namespace {

constexpr int kMessageMax = 4 << 20;

grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

class Service final : public v1::AdminService::CallbackService {
 public:
  // `token` null: whoever can open the socket may call.
  Service(Handlers* handlers, const TokenCheck* token, CallCounts* counts)
      : handlers_(handlers), token_(token), counts_(counts) {}

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
      // The socket is 0600: its owner, or root.
      caller->actor = "socket uid " + std::to_string(::getuid());
      return absl::OkStatus();
    }
    caller->actor = "token";
    const auto& metadata = context.client_metadata();
    const auto found = metadata.find("authorization");
    return token_->Check(found == metadata.end()
                             ? std::string_view()
                             : std::string_view(found->second.data(), found->second.size()));
  }

  template <class Request, class Response>
  grpc::ServerUnaryReactor* Serve(const char* method, grpc::CallbackServerContext* context,
                                  const Request& request, Response* response) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    Caller caller;
    if (const absl::Status admitted = Admit(*context, &caller); !admitted.ok()) {
      counts_->Count(method, admitted.code());
      reactor->Finish(ToGrpc(admitted));
      return reactor;
    }
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
};

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in.is_open() || text.empty()) {
    return InvalidArgument(path + ": cannot be read, or is empty");
  }
  return text;
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> Credentials(
    const config::TlsFiles& files) {
  if (!files.enabled()) {
    return grpc::InsecureServerCredentials();
  }
  grpc::SslServerCredentialsOptions tls;
  grpc::SslServerCredentialsOptions::PemKeyCertPair pair;
  AURORA_ASSIGN_OR_RETURN(pair.cert_chain, ReadFile(files.cert));
  AURORA_ASSIGN_OR_RETURN(pair.private_key, ReadFile(files.key));
  tls.pem_key_cert_pairs.push_back(std::move(pair));
  return grpc::SslServerCredentials(tls);
}

void Common(grpc::ServerBuilder& builder, Service* service) {
  builder.RegisterService(service);
  builder.SetMaxReceiveMessageSize(kMessageMax);
  builder.SetMaxSendMessageSize(kMessageMax);
  // Two control planes on one port would share its calls without a word.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

// The directory is ours to make; one that exists keeps its mode (the socket's own 0600 is what
// guards it).
absl::Status PrepareSocket(const std::string& path) {
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return InvalidArgument("admin.socket: " + path + " is longer than " +
                           std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes");
  }
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  if (!directory.empty() && ::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return InvalidArgument("admin.socket: cannot make " + directory.string() + ": " +
                           std::strerror(errno));
  }
  struct stat found {};
  if (::lstat(path.c_str(), &found) == 0) {
    if (!S_ISSOCK(found.st_mode)) {
      return InvalidArgument("admin.socket: " + path + " exists and is not a socket");
    }
    ::unlink(path.c_str());  // a predecessor's: the state directory's lock is ours
  }
  return absl::OkStatus();
}

}  // namespace

struct GrpcFace::State {
  std::unique_ptr<Service> tcp_service;
  std::unique_ptr<Service> socket_service;
  std::unique_ptr<grpc::Server> tcp;
  std::unique_ptr<grpc::Server> socket;
  std::string socket_path;
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
  tcp_service = std::make_unique<Service>(options.handlers, options.token, options.counts);
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
  AURORA_RETURN_IF_ERROR(PrepareSocket(options.admin.socket));
  socket_service = std::make_unique<Service>(options.handlers, nullptr, options.counts);
  grpc::ServerBuilder builder;
  Common(builder, socket_service.get());
  builder.AddListeningPort("unix:" + options.admin.socket, grpc::InsecureServerCredentials());
  const mode_t old = ::umask(0177);  // 0600 from its first instant
  socket = builder.BuildAndStart();
  ::umask(old);
  if (socket == nullptr) {
    return InvalidArgument("admin.socket: cannot listen on " + options.admin.socket);
  }
  socket_path = options.admin.socket;
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
  const auto until = std::chrono::system_clock::now() + std::chrono::microseconds(grace.micros());
  for (std::unique_ptr<grpc::Server>* server : {&state_->tcp, &state_->socket}) {
    if (*server != nullptr) {
      (*server)->Shutdown(until);
      (*server)->Wait();
      server->reset();
    }
  }
  if (!state_->socket_path.empty()) {
    ::unlink(std::exchange(state_->socket_path, "").c_str());
  }
}

}  // namespace aurora::admin
