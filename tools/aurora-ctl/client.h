// Client: one gRPC connection to a control plane's AdminService.
// Source: proto/aurora/v1/admin.proto. Thread: one. Units: timeout in milliseconds per call.
// Errors: grpc::Status of the call; a deadline counts as unreachable.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "aurora/v1/admin.grpc.pb.h"
#include "shared/crypto/secret.h"

namespace aurora::ctl {

struct ClientOptions {
  std::string address;  // HOST:PORT or unix://PATH
  crypto::Secret token;
  std::string ca_pem;  // non-empty: TLS
  int64_t timeout_ms = 10000;
};

class Client {
 public:
  using Stub = v1::AdminService::Stub;

  explicit Client(ClientOptions options);

  template <class Request, class Response>
  grpc::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::milliseconds(options_.timeout_ms));
    if (!options_.token.empty()) {
      context.AddMetadata("authorization", "Bearer " + std::string(options_.token.Reveal()));
    }
    return (stub_.get()->*method)(&context, request, response);
  }

  // For what takes its time.
  void AllowAtLeast(int64_t timeout_ms) { options_.timeout_ms = std::max(options_.timeout_ms, timeout_ms); }

  const std::string& address() const { return options_.address; }

 private:
  ClientOptions options_;
  std::unique_ptr<Stub> stub_;
};

}  // namespace aurora::ctl
