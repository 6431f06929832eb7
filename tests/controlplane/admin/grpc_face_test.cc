// The gRPC face end to end: over the unix socket without a token, over TCP with one.
#include "controlplane/admin/grpc_face.h"

#include <chrono>
#include <fstream>

#include <grpcpp/grpcpp.h>
#include <sys/stat.h>

#include "aurora/v1/admin.grpc.pb.h"
#include "shared/uv/tcp.h"
#include "tests/controlplane/admin/face_fixture.h"

namespace aurora::admin {
namespace {

class Face {
 public:
  explicit Face(std::string_view master_key = testing::kMasterKey)
      : token_(crypto::Secret(master_key)), counts_(std::make_shared<CallCounts>()) {
    options_.admin.grpc_listen = {"127.0.0.1", 0};
    options_.admin.socket = backend_.dir().Path("admin/control.sock");
    options_.handlers = &backend_.handlers();
    options_.token = &token_;
    options_.counts = counts_.get();
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

}  // namespace
}  // namespace aurora::admin
