#include "tools/aurora-ctl/client.h"

namespace aurora::ctl {

Client::Client(ClientOptions options) : options_(std::move(options)) {
  grpc::ChannelArguments arguments;
  // An operator's HTTP proxy is for the outside world, not for the node beside them.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (options_.address.starts_with("unix:")) {
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  }
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (!options_.ca_pem.empty()) {
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = options_.ca_pem;
    credentials = grpc::SslCredentials(tls);
  }
  stub_ = v1::AdminService::NewStub(
      grpc::CreateCustomChannel(options_.address, credentials, arguments));
}

}  // namespace aurora::ctl
