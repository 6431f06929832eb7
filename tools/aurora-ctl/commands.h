// The commands. Each prints its answer on session.out and returns an exit code.
// Source: docs product contract, aurora-ctl. Thread: one. Errors: one line on stderr that says what
// to do next.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "shared/base/time.h"
#include "tools/aurora-ctl/session.h"

namespace aurora::ctl {

// --- keys ---
struct KeyFlags {
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::optional<std::string> user_path;
  std::optional<std::string> models;  // commas; "any" = absent, "none" = empty
  std::optional<std::string> providers;
  std::optional<std::string> denied_models;
  std::optional<int64_t> rpm;
  std::optional<int64_t> rpd;
  std::optional<int64_t> tpm;
  std::optional<int64_t> tpd;
  std::optional<int64_t> concurrent;
  std::optional<std::string> expires;  // RFC 3339, a duration from now ("30d"), or "never"
  std::optional<std::string> enabled;  // "true" | "false"
};

int KeysList(Session& session);
int KeysGet(Session& session, const std::string& id);
int KeysCreate(Session& session, const KeyFlags& flags, const WriteFlags& write);
int KeysUpdate(Session& session, const std::string& id, const KeyFlags& flags,
               const WriteFlags& write);
int KeysRotate(Session& session, const std::string& id, const std::string& overlap,
               const WriteFlags& write);
int KeysDeactivate(Session& session, const std::string& id, const WriteFlags& write);
int KeysDelete(Session& session, const std::string& id, const WriteFlags& write);

// --- every other kind; `kind` as documents spell it: Provider, Guardrail, … ---
int EntityList(Session& session, const std::string& kind);
int EntityGet(Session& session, const std::string& kind, const std::string& id);
int EntityDelete(Session& session, const std::string& kind, const std::string& id,
                 const WriteFlags& write);
// Puts each stored provider as it is: credentials that another key sealed are sealed with the node's key of now.
int ProvidersReseal(Session& session, const WriteFlags& write);
int WorkflowDeactivate(Session& session, const std::string& id, const WriteFlags& write);
// `kind` "" = any.
int ApplyFile(Session& session, const std::string& kind, const std::string& path,
              const WriteFlags& write);

// --- the cluster ---
int NodesList(Session& session);
int NodesGet(Session& session, const std::string& node_id);
int NodesRemove(Session& session, const std::string& node_id);
// `node_id` "": the node asked.
int NodesDrain(Session& session, const std::string& node_id, bool drain);
int FailoverStatus(Session& session);
int FailoverExplain(Session& session);
int FailoverHistory(Session& session);
int FailoverTo(Session& session, const std::string& node_id);  // "": the best one
int VotersList(Session& session);
int VotersAdd(Session& session, const std::vector<std::string>& nodes);
int VotersRemove(Session& session, const std::vector<std::string>& nodes);
int VotersUnsafeRecover(Session& session, std::string cluster_id);  // "": asked for
int SyncStatus(Session& session);
int SyncVerify(Session& session, bool repair);
int SyncPeers(Session& session);
int SyncConflicts(Session& session);
int KeyringList(Session& session);
// `path`: a file that holds the key in base64, "-" = stdin.
int KeyringInstall(Session& session, const std::string& path);
int KeyringUse(Session& session, const std::string& fingerprint);
int KeyringRemove(Session& session, const std::string& fingerprint);

// --- backups, of one node ---
int BackupCreate(Session& session, const std::string& name);  // "": the node makes one up
int BackupList(Session& session);
int BackupVerify(Session& session, const std::string& name);
int BackupDelete(Session& session, const std::string& name);
int BackupRestore(Session& session, const std::string& name, bool new_cluster);

// --- the rest ---
// Again and again, `interval` apart, until stdout takes no more.
struct Watch {
  bool on = false;
  Duration interval = Duration::Seconds(2);
};
template <class Once>
int Repeat(Session& session, const Watch& watch, Once once) {
  int code = once();
  while (watch.on && session.out.good()) {
    std::this_thread::sleep_for(std::chrono::microseconds(watch.interval.micros()));
    session.out << "\n";
    code = once();
  }
  return code;
}

int StatusCommand(Session& session, const Watch& watch);
int ConfigView(Session& session);
// Settings on this machine, as both processes would read them; `path` "" = as they look for it.
int ConfigValidate(Session& session, const std::string& path);
// docs/configuration.md.
int ConfigReference(Session& session);
// Writes what the node tells about itself to a new file.
int DebugBundle(Session& session, const std::string& path);
int UsageSummary(Session& session, const std::string& since, const std::string& until,
                 const std::string& group_by);
int UsageLog(Session& session, int limit);
int EventsTail(Session& session, int64_t after, const Watch& follow);
int AuditTail(Session& session, int32_t limit, const Watch& follow);

// "2026-07-28T10:00:00Z", or a duration before (or after, for expiry) now.
absl::Status SetTime(const std::string& text, bool future, google::protobuf::Timestamp* out);

}  // namespace aurora::ctl
