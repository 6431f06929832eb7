#include "shared/protojson/protojson.h"
#include "tools/aurora-ctl/commands.h"

namespace aurora::ctl {
namespace {

using Stub = Client::Stub;
using Json = nlohmann::ordered_json;

const std::vector<Column> kBackupColumns = {
    {"NAME", "name"},         {"CREATED", "created_at"},  {"BYTES", "bytes"},        {"ROWS", "rows"},
    {"PROBLEM", "problem"},   {"CLUSTER", "cluster_id", true}, {"NODE-UID", "node_uid", true},
    {"SHA-256", "sha256", true}};

// One backup; `problem` is a list's.
Json BackupJson(const v1::Backup& backup) {
  Json body = protojson::ToJson(backup);
  body.erase("problem");
  return body;
}

}  // namespace

int BackupCreate(Session& session, const std::string& name) {
  v1::CreateBackupRequest request;
  request.set_name(name);
  v1::CreateBackupResponse response;
  if (const grpc::Status status = session.Call(&Stub::CreateBackup, request, &response); !status.ok()) {
    return session.Fail(status);
  }
  PrintEntity(session.out, session.format, BackupJson(response.backup()));
  return kOk;
}

int BackupList(Session& session) {
  v1::ListBackupsResponse response;
  if (const grpc::Status status = session.Call(&Stub::ListBackups, v1::ListBackupsRequest(), &response);
      !status.ok()) {
    return session.Fail(status);
  }
  const Json body = protojson::ToJson(response);
  Print(session.out, session.format, body, body["backups"], kBackupColumns);
  return kOk;
}

int BackupVerify(Session& session, const std::string& name) {
  v1::VerifyBackupRequest request;
  request.set_name(name);
  v1::VerifyBackupResponse response;
  if (const grpc::Status status = session.Call(&Stub::VerifyBackup, request, &response); !status.ok()) {
    return session.Fail(status);
  }
  PrintEntity(session.out, session.format, BackupJson(response.backup()));
  return kOk;
}

int BackupDelete(Session& session, const std::string& name) {
  v1::DeleteBackupRequest request;
  request.set_name(name);
  v1::DeleteBackupResponse response;
  if (const grpc::Status status = session.Call(&Stub::DeleteBackup, request, &response); !status.ok()) {
    return session.Fail(status);
  }
  PrintEntity(session.out, session.format, Json{{"name", name}, {"deleted", true}});
  return kOk;
}

int BackupRestore(Session& session, const std::string& name, bool new_cluster) {
  v1::RestoreBackupRequest request;
  request.set_name(name);
  request.set_new_cluster(new_cluster);
  v1::RestoreBackupResponse response;
  if (const grpc::Status status = session.Call(&Stub::RestoreBackup, request, &response); !status.ok()) {
    return session.Fail(status);
  }
  Json body = {{"name", name},
               {"created_at", protojson::ToJson(response.backup())["created_at"]},
               {"rows", response.rows()},
               {"changed", response.changed()},
               {"conflicts", response.conflicts()}};
  PrintEntity(session.out, session.format, body);
  return kOk;
}

}  // namespace aurora::ctl
