#include "tools/aurora-ctl/session.h"

#include <iterator>

#include "shared/base/status.h"
#include "shared/config/toml_file.h"
#include "shared/protojson/protojson.h"
#include "tools/aurora-ctl/documents.h"

namespace aurora::ctl {

int Session::Fail(const grpc::Status& status) const {
  return Fail(ExitCodeOf(status), Explain(status, client->address()));
}

int Session::Fail(ExitCode code, std::string_view message) const {
  err << "aurora-ctl: ";
  for (const char c : message) {
    err << (static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  }
  err << "\n";
  return code;
}

int Session::PrintWrite(const google::protobuf::Message* entity, const v1::Propagation& propagation,
                        bool all_wanted) const {
  return PrintWrite(entity == nullptr ? nlohmann::ordered_json::object() : protojson::ToJson(*entity), propagation,
                    all_wanted);
}

int Session::PrintWrite(nlohmann::ordered_json body, const v1::Propagation& propagation, bool all_wanted) const {
  body["propagation"] = protojson::ToJson(propagation);
  PrintEntity(out, format, body);
  if (!all_wanted || (propagation.pending().empty() && propagation.unreachable().empty())) {
    return kOk;
  }
  return Fail(
      kPartial,
      std::to_string(propagation.enforced()) + " of " + std::to_string(propagation.members()) +
          " members enforce it; the change is stored and reaches the others when they are back, "
          "`aurora-ctl sync peers` shows what is missing where");
}

absl::StatusOr<std::string> Session::ReadInput(const std::string& path) const {
  if (path == "-") {
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  absl::StatusOr<std::string> text = config::ReadFile(path, kMaxDocumentBytes);
  return text.ok() ? text : WithContext(path, text.status());
}

void Apply(const WriteFlags& flags, v1::WriteOptions* options) {
  options->set_wait(flags.wait == "all"     ? v1::WAIT_FOR_ALL
                    : flags.wait == "local" ? v1::WAIT_FOR_LOCAL
                                            : v1::WAIT_FOR_UNSPECIFIED);
  options->set_timeout_ms(flags.timeout_ms);
}

}  // namespace aurora::ctl
