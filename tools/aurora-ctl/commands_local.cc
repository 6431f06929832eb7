// What needs no node (settings on this machine) or all of one (a bundle for whoever helps).
#include <cerrno>
#include <cstring>
#include <set>

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_split.h"
#include "shared/base/status.h"
#include "shared/config/config.h"
#include "shared/config/reference.h"
#include "shared/protojson/protojson.h"
#include "tools/aurora-ctl/commands.h"

namespace aurora::ctl {
namespace {

using Stub = Client::Stub;
using Json = nlohmann::ordered_json;

constexpr int kBundleEvents = 1000;

// One section: the answer, or why there is none.
template <class Request, class Response>
bool Add(Session& session, Json& bundle, const char* name,
         grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
         const Request& request = {}) {
  Response response;
  const grpc::Status status = session.Call(method, request, &response);
  if (status.ok()) {
    bundle[name] = protojson::ToJson(response);
  } else {
    bundle[name] = {{"error", Explain(status, session.client->address())}};
  }
  return status.ok();
}

// A new file, its owner's alone.
absl::Status WriteNew(const std::string& path, const std::string& text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    return InvalidArgument(path + ": " + std::strerror(errno));
  }
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n <= 0) {
      break;
    }
    done += static_cast<size_t>(n);
  }
  if (::close(fd) != 0 || done < text.size()) {
    return InvalidArgument(path + ": could not be written whole");
  }
  return absl::OkStatus();
}

}  // namespace

int ConfigValidate(Session& session, const std::string& path) {
  std::set<std::string> mistakes;  // most are told for both processes
  std::set<std::string> warnings;
  for (const config::Process process : {config::Process::kControlPlane, config::Process::kDataPlane}) {
    config::LoadOptions options;
    options.config_path = path;
    options.environment = session.environment;
    options.process = process;
    const auto config = config::Load(options);
    if (config.ok()) {
      warnings.insert(config->warnings.begin(), config->warnings.end());
      continue;
    }
    const std::vector<std::string> lines = absl::StrSplit(config.status().message(), '\n', absl::SkipEmpty());
    mistakes.insert(lines.begin(), lines.end());
  }
  for (const std::string& warning : warnings) {
    session.err << "warning: " << warning << "\n";
  }
  for (const std::string& mistake : mistakes) {
    session.Fail(kError, mistake);
  }
  if (!mistakes.empty()) {
    return kError;
  }
  session.out << "configuration is valid\n";
  return kOk;
}

int ConfigReference(Session& session) {
  session.out << config::Reference();
  return kOk;
}

int DebugBundle(Session& session, const std::string& path) {
  Json bundle;
  v1::ListEventsRequest events;
  events.set_page_size(kBundleEvents);
  // Nothing here shows a secret: settings come masked, keys and providers only as numbers.
  bool whole = Add(session, bundle, "node_status", &Stub::GetNodeStatus);
  whole = Add(session, bundle, "cluster_status", &Stub::GetClusterStatus) && whole;
  whole = Add(session, bundle, "nodes", &Stub::ListNodes) && whole;
  whole = Add(session, bundle, "provider_status", &Stub::GetProviderStatus) && whole;
  whole = Add(session, bundle, "config", &Stub::GetEffectiveConfig) && whole;
  whole = Add(session, bundle, "usage_summary", &Stub::GetUsageSummary) && whole;
  whole = Add(session, bundle, "events", &Stub::ListEvents, events) && whole;
  if (const absl::Status status = WriteNew(path, bundle.dump(2) + "\n"); !status.ok()) {
    return session.Fail(kError, Std(status.message()));
  }
  session.out << path << "\n";
  return whole ? kOk
               : session.Fail(kPartial, "part of it could not be had; the file says what and why");
}

}  // namespace aurora::ctl
