// Session: what every command works with: where to, how to print, and the streams.
// Source: ours. Thread: one. Errors: Fail prints one line on stderr and answers the exit code.
#pragma once

#include <istream>
#include <map>
#include <ostream>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "tools/aurora-ctl/client.h"
#include "tools/aurora-ctl/exit_codes.h"
#include "tools/aurora-ctl/output.h"

namespace aurora::ctl {

struct WriteFlags {
  std::string wait;  // "", local, all
  int64_t timeout_ms = 0;
};

struct Session {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  std::map<std::string, std::string> environment;
  Format format = Format::kTable;
  std::unique_ptr<Client> client;

  int Fail(const grpc::Status& status) const;
  int Fail(ExitCode code, std::string_view message) const;

  template <class Request, class Response>
  grpc::Status Call(grpc::Status (Client::Stub::*method)(grpc::ClientContext*, const Request&,
                                                         Response*),
                    const Request& request, Response* response) {
    return client->Call(method, request, response);
  }

  // Prints an entity with its "propagation"; kPartial when `all_wanted` and a member has not
  // enforced it.
  int PrintWrite(const google::protobuf::Message* entity, const v1::Propagation& propagation,
                 bool all_wanted) const;
  int PrintWrite(nlohmann::ordered_json body, const v1::Propagation& propagation, bool all_wanted) const;
  // "-" = stdin.
  absl::StatusOr<std::string> ReadInput(const std::string& path) const;
};

void Apply(const WriteFlags& flags, v1::WriteOptions* options);

}  // namespace aurora::ctl
