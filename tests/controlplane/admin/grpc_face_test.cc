// The gRPC face end to end: over the unix socket without a token, over TCP with one.
#include "controlplane/admin/grpc_face.h"

#include <chrono>
#include <fstream>

#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "aurora/v1/admin.grpc.pb.h"
#include "shared/uv/tcp.h"
#include "tests/controlplane/admin/face_fixture.h"
#include "tests/support/certs.h"

namespace aurora::admin {
namespace {

// Refused handshakes are what one test asks for, again and again.
const int kQuiet = ::setenv("GRPC_VERBOSITY", "NONE", 0);

class Face {
 public:
  explicit Face(std::string_view master_key = testing::kMasterKey,
                const std::function<void(GrpcFace::Options&)>& change = nullptr)
      : token_(crypto::Secret(master_key)), counts_(std::make_shared<CallCounts>()) {
    options_.admin.grpc_listen = {"127.0.0.1", 0};
    options_.admin.socket = backend_.dir().Path("admin/control.sock");
    options_.handlers = &backend_.handlers();
    options_.token = &token_;
    options_.counts = counts_.get();
    if (change != nullptr) {
      change(options_);
    }
    auto face = GrpcFace::Open(options_);
    INFO(face.status().message());
    REQUIRE(face.ok());
    face_ = *std::move(face);
  }
  ~Face() {
    face_.reset();
    backend_.End();
  }

  std::unique_ptr<v1::AdminService::Stub> Stub(const std::string& address) const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return v1::AdminService::NewStub(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
  }
  std::unique_ptr<v1::AdminService::Stub> Socket() const { return Stub("unix:" + socket()); }
  std::unique_ptr<v1::AdminService::Stub> Tcp() const {
    return Stub("127.0.0.1:" + std::to_string(face_->port()));
  }
  const std::string& socket() const { return options_.admin.socket; }
  GrpcFace& face() { return *face_; }
  store::Store& store() { return backend_.store(); }
  const std::shared_ptr<CallCounts>& counts() const { return counts_; }
  const GrpcFace::Options& options() const { return options_; }

 private:
  testing::Backend backend_;
  TokenCheck token_;
  std::shared_ptr<CallCounts> counts_;
  GrpcFace::Options options_;
  std::unique_ptr<GrpcFace> face_;
};

void Prepare(grpc::ClientContext* context, const std::string& authorization) {
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  if (!authorization.empty()) {
    context->AddMetadata("authorization", authorization);
  }
}

grpc::Status Status(v1::AdminService::Stub& stub, const std::string& authorization = "") {
  grpc::ClientContext context;
  Prepare(&context, authorization);
  v1::GetNodeStatusResponse response;
  return stub.GetNodeStatus(&context, {}, &response);
}

TEST_CASE("the socket is the owner's alone, asks for no token and serves a write and its reading") {
  const Face face;
  struct stat found {};
  REQUIRE(::stat(face.socket().c_str(), &found) == 0);
  CHECK((found.st_mode & 07777) == 0600);
  REQUIRE(::stat(std::filesystem::path(face.socket()).parent_path().c_str(), &found) == 0);
  CHECK((found.st_mode & 07777) == 0700);

  const auto stub = face.Socket();
  v1::CreateAuthKeyRequest create;
  create.mutable_auth_key()->set_id("k1");
  create.mutable_auth_key()->set_name("ci");
  v1::CreateAuthKeyResponse created;
  grpc::ClientContext first;
  Prepare(&first, "");
  REQUIRE(stub->CreateAuthKey(&first, create, &created).ok());
  CHECK(created.auth_key().value().starts_with("sk_aur_"));
  CHECK(created.propagation().not_serving_size() == 1);

  v1::GetAuthKeyRequest get;
  get.set_id("k1");
  v1::GetAuthKeyResponse got;
  grpc::ClientContext second;
  Prepare(&second, "");
  REQUIRE(stub->GetAuthKey(&second, get, &got).ok());
  CHECK(got.auth_key().name() == "ci");
  CHECK_FALSE(got.auth_key().has_value());
}

TEST_CASE("a handler's error keeps its code and message") {
  const Face face;
  const auto stub = face.Socket();
  v1::GetAuthKeyRequest get;
  get.set_id("nobody");
  v1::GetAuthKeyResponse got;
  grpc::ClientContext context;
  Prepare(&context, "");
  const grpc::Status status = stub->GetAuthKey(&context, get, &got);
  CHECK(status.error_code() == grpc::StatusCode::NOT_FOUND);
  CHECK(status.error_details() == "\x08\x05");  // a node answered: a client that reached nobody has none
  CHECK(status.error_message().find("nobody") != std::string::npos);
}

TEST_CASE("over TCP only the token is let in, and every answer is counted by its code") {
  Face face;
  const auto stub = face.Tcp();
  const std::string key(testing::kMasterKey);
  CHECK(Status(*stub).error_code() == grpc::StatusCode::UNAUTHENTICATED);
  CHECK(Status(*stub, "Bearer wrong").error_code() == grpc::StatusCode::UNAUTHENTICATED);
  CHECK(Status(*stub, key).error_code() == grpc::StatusCode::UNAUTHENTICATED);
  CHECK(Status(*stub, "Bearer " + key).ok());
  metrics::Registry registry("test", "0", "0");
  registry.Add(face.counts());
  const std::string text = registry.Render();
  CHECK(text.find("grpc_code=\"Unauthenticated\"") != std::string::npos);
  CHECK(text.find("grpc_code=\"OK\"") != std::string::npos);
}

TEST_CASE("answers are counted under the service, the method and the code") {
  metrics::Registry registry("test", "0", "0");
  const auto counts = std::make_shared<CallCounts>();
  registry.Add(counts);
  counts->Count("GetAuthKey", absl::StatusCode::kNotFound);
  counts->Count("GetAuthKey", absl::StatusCode::kNotFound);
  const std::string text = registry.Render();
  const size_t line = text.find("grpc_server_handled_total{");
  REQUIRE(line != std::string::npos);
  const std::string series = text.substr(line, text.find('\n', line) - line);
  CHECK(series.find("grpc_service=\"aurora.v1.AdminService\"") != std::string::npos);
  CHECK(series.find("grpc_method=\"GetAuthKey\"") != std::string::npos);
  CHECK(series.find("grpc_code=\"NotFound\"") != std::string::npos);
  CHECK(series.ends_with(" 2"));
}

TEST_CASE("without a master key there is no TCP server, and the socket serves all the same") {
  Face face("");
  CHECK(face.face().port() == 0);
  CHECK(Status(*face.Socket()).ok());
}

TEST_CASE("a taken port is an error that names it") {
  Face face;
  GrpcFace::Options second = face.options();
  second.admin.grpc_listen.port = face.face().port();
  second.admin.socket += "2";
  const auto opened = GrpcFace::Open(second);
  REQUIRE(absl::IsAlreadyExists(opened.status()));
  CHECK(Std(opened.status().message()).find(second.admin.grpc_listen.ToString()) !=
        std::string_view::npos);
}

TEST_CASE("an address off loopback without TLS is refused unless it is allowed") {
  Face face;
  GrpcFace::Options open = face.options();
  open.admin.grpc_listen.host = "0.0.0.0";
  open.admin.socket += "2";
  CHECK(absl::IsInvalidArgument(GrpcFace::Open(open).status()));
  open.admin.allow_insecure = true;
  CHECK(GrpcFace::Open(open).ok());
}

TEST_CASE("after Shutdown the socket file is gone and calls are refused") {
  Face face;
  const auto stub = face.Socket();
  REQUIRE(Status(*stub).ok());
  face.face().Shutdown(Duration::Seconds(1));
  CHECK_FALSE(std::filesystem::exists(face.socket()));
  CHECK(Status(*stub).error_code() == grpc::StatusCode::UNAVAILABLE);
}

TEST_CASE("a file that is no socket is not deleted to make place for one") {
  Face face;
  GrpcFace::Options other = face.options();
  other.admin.socket = face.socket() + ".file";
  { std::ofstream(other.admin.socket) << "precious"; }
  CHECK(absl::IsInvalidArgument(GrpcFace::Open(other).status()));
  CHECK(std::filesystem::file_size(other.admin.socket) == 8);
}

using Clock = std::chrono::steady_clock;

TEST_CASE("a wrong token waits for its answer, a right one does not, and only so many may wait") {
  const Face face;
  const std::string right = "Bearer " + std::string(testing::kMasterKey);
  const auto began = Clock::now();
  CHECK(Status(*face.Tcp(), "Bearer wrong").error_code() == grpc::StatusCode::UNAUTHENTICATED);
  CHECK(Clock::now() - began >= std::chrono::microseconds(kLoginDelay.micros()));

  // More guesses at once than may wait.
  const auto stub = face.Tcp();
  grpc::CompletionQueue queue;
  constexpr size_t kGuesses = kLoginsDelayed + 16;
  std::vector<grpc::ClientContext> contexts(kGuesses);
  std::vector<grpc::Status> statuses(kGuesses);
  std::vector<v1::GetNodeStatusResponse> responses(kGuesses);
  std::vector<std::unique_ptr<grpc::ClientAsyncResponseReader<v1::GetNodeStatusResponse>>> calls;
  for (size_t i = 0; i < kGuesses; ++i) {
    Prepare(&contexts[i], "Bearer guess");
    calls.push_back(stub->AsyncGetNodeStatus(&contexts[i], {}, &queue));
    calls.back()->Finish(&responses[i], &statuses[i], nullptr);
  }
  CHECK(Status(*face.Tcp(), right).ok());
  size_t refused_at_once = 0;
  for (size_t i = 0; i < kGuesses; ++i) {
    void* tag = nullptr;
    bool ok = false;
    REQUIRE(queue.Next(&tag, &ok));
  }
  for (const grpc::Status& status : statuses) {
    CHECK_FALSE(status.ok());
    refused_at_once += status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED ? 1u : 0u;
  }
  CHECK(refused_at_once >= 1);
  queue.Shutdown();
}

// Connects as another user: the credentials of a unix socket are its connector's at that moment.
int ConnectAs(uid_t uid, const std::string& path) {
  int fd = -1;
  std::thread([&] {
    // Of this thread alone, unlike the library's call of the same name.
    if (::syscall(SYS_setresuid, -1, uid, -1) != 0) {
      return;
    }
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      ::close(std::exchange(fd, -1));
    }
  }).join();
  return fd;
}

constexpr uid_t kOther = 65534;

// Lets file permissions out of the way, so that only the question who calls is left.
void OpenUp(const std::string& socket) {
  for (std::filesystem::path p = socket; p != std::filesystem::temp_directory_path();
       p = p.parent_path()) {
    REQUIRE(::chmod(p.c_str(), 0777) == 0);
  }
}

TEST_CASE("another user's call on the socket is closed unread, whatever the file's mode") {
  if (::geteuid() != 0) {
    WARN("only root can call as another user");
    return;
  }
  const Face face;
  OpenUp(face.socket());
  const int fd = ConnectAs(kOther, face.socket());
  REQUIRE(fd >= 0);
  const timeval limit{10, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  char byte = 0;
  CHECK(::recv(fd, &byte, 1, 0) == 0);  // not even HTTP/2's settings
  ::close(fd);
  CHECK(Status(*face.Socket()).ok());
}

std::string LastActor(store::Store& store) {
  std::promise<std::string> actor;
  store.Read(
      [&](store::Reader& reader) -> absl::Status {
        const auto audit = reader.Audit(0, 1);
        actor.set_value(audit.ok() && !audit->empty() ? audit->front().actor : "");
        return absl::OkStatus();
      },
      [](absl::Status) {});
  return actor.get_future().get();
}

TEST_CASE("the audit names the user behind the socket's call, not the process's own") {
  if (::geteuid() != 0) {
    WARN("only root can call as another user");
    return;
  }
  Face face(testing::kMasterKey, [](GrpcFace::Options& o) { o.socket_owner = kOther; });
  OpenUp(face.socket());
  const auto create = [](v1::AdminService::Stub& stub) {
    v1::CreateAuthKeyRequest request;
    request.mutable_auth_key()->set_name("ci");
    v1::CreateAuthKeyResponse created;
    grpc::ClientContext context;
    Prepare(&context, "");
    REQUIRE(stub.CreateAuthKey(&context, request, &created).ok());
  };
  const int fd = ConnectAs(kOther, face.socket());
  REQUIRE(fd >= 0);
  const auto as_other =
      v1::AdminService::NewStub(grpc::CreateInsecureChannelFromFd("socket", fd));
  create(*as_other);
  CHECK(LastActor(face.store()) == "socket uid 65534");
  create(*face.Socket());
  CHECK(LastActor(face.store()) == "socket uid 0");
}

TEST_CASE("a directory that others may write is no place for the socket") {
  Face face;
  GrpcFace::Options second = face.options();
  second.admin.socket = std::filesystem::path(face.socket()).parent_path().parent_path() / "open/s";
  const std::filesystem::path directory = std::filesystem::path(second.admin.socket).parent_path();
  REQUIRE(::mkdir(directory.c_str(), 0700) == 0);
  REQUIRE(::chmod(directory.c_str(), 01777) == 0);
  const auto opened = GrpcFace::Open(second);
  REQUIRE(absl::IsInvalidArgument(opened.status()));
  CHECK(Std(opened.status().message()).find("chmod 0700") != std::string_view::npos);
  REQUIRE(::chmod(directory.c_str(), 0750) == 0);
  CHECK(GrpcFace::Open(second).ok());
}

std::string PemOf(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_CASE("renewed certificates serve the next connection, and a pair that does not fit stops the start") {
  aurora::testing::Certs first;
  aurora::testing::Certs second;
  const auto served = first.Issue("served", "DNS:localhost,IP:127.0.0.1");
  const auto renewed = second.Issue("renewed", "DNS:localhost,IP:127.0.0.1");
  Face face(testing::kMasterKey, [&](GrpcFace::Options& o) {
    o.admin.tls = {served.certificate_file, served.key_file, ""};
  });
  const auto ask = [&](const std::string& ca_file) {
    grpc::SslCredentialsOptions trust;
    trust.pem_root_certs = PemOf(ca_file);
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto stub = v1::AdminService::NewStub(
        grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(face.face().port()),
                                  grpc::SslCredentials(trust), arguments));
    return Status(*stub, "Bearer " + std::string(testing::kMasterKey));
  };
  CHECK(ask(first.ca_file()).ok());
  CHECK(ask(second.ca_file()).error_code() == grpc::StatusCode::UNAVAILABLE);
  std::filesystem::copy_file(renewed.certificate_file, served.certificate_file,
                             std::filesystem::copy_options::overwrite_existing);
  std::filesystem::copy_file(renewed.key_file, served.key_file,
                             std::filesystem::copy_options::overwrite_existing);
  const auto until = Clock::now() + std::chrono::seconds(20);
  while (!ask(second.ca_file()).ok() && Clock::now() < until) {
  }
  CHECK(ask(second.ca_file()).ok());

  const auto other = first.Issue("other", "DNS:localhost");
  GrpcFace::Options mixed = face.options();
  mixed.admin.socket += "2";
  mixed.admin.tls = {served.certificate_file, other.key_file, ""};
  CHECK(absl::IsInvalidArgument(GrpcFace::Open(mixed).status()));
}

}  // namespace
}  // namespace aurora::admin
