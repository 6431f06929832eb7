// Handlers: what the admin API does, once, for every face (gRPC, REST).
// Source: product contract, admin REST and entities; proto/aurora/v1/admin.proto.
// Thread: every method may be called from any thread and returns at once; the reply runs exactly
// once, on the store thread, the thread that asks traffic.db, the backups' or wherever Enforcement
// answers, and must only post on. Requires:
// whatever Deps points to outlives the replies. Errors (the faces map them): InvalidArgument
// "field: …" (kinds/field.h), NotFound, AlreadyExists (409: an id is never used again),
// FailedPrecondition (409 read-only; 503 when the store refuses writes), ResourceExhausted,
// Unavailable. Secrets: a key's value appears in the answer to create and rotate and nowhere else.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "aurora/v1/admin.pb.h"
#include "controlplane/kinds/resolve.h"
#include "controlplane/store/backup_thread.h"
#include "controlplane/store/store.h"
#include "shared/base/time.h"
#include "shared/config/config.h"

namespace aurora::admin {

template <class Response>
using Reply = absl::AnyInvocable<void(absl::StatusOr<Response>)>;

// Who enforces a write: asked of the role page by the control loop (controlplane/node).
struct Enforcement {
  struct Written {
    std::string kind;
    std::string id;
    uint64_t seq = 0;
  };
  // Which members enforce the row, as soon as all do or `timeout` has passed (none: at once); runs `done` exactly once.
  std::function<void(const Written& row, Duration timeout, std::function<void(v1::Propagation)> done)> report;
};

// What GetNodeStatus knows from elsewhere than the store.
struct NodeFacts {
  std::string version;
  std::string data_plane;  // up | down | draining
  int64_t applied_seq = 0;
  int64_t uptime_seconds = 0;
};

class ClusterApi;
class Worker;

struct Deps {
  store::Store* store = nullptr;
  const config::Config* config = nullptr;
  Enforcement enforcement;
  std::function<NodeFacts()> facts;
  std::function<int64_t()> unix_ms;
  ClusterApi* cluster = nullptr;  // null: clustering is off
  std::string traffic_path;  // traffic.db, read only; may not exist
  store::BackupThread* backups = nullptr;
  std::string backup_dir;
  std::span<const kinds::Kind> entity_kinds = kinds::All();
};

// Who asks, for the audit table: "token", "socket uid 0".
struct Caller {
  std::string actor;
};

class Handlers {
 public:
  explicit Handlers(Deps deps);
  ~Handlers();
  // Before the store ends: waits for the question to traffic.db that runs, and refuses later ones.
  void Stop();

  void Handle(const Caller& c, const v1::ListAuthKeysRequest& r, Reply<v1::ListAuthKeysResponse> reply);
  void Handle(const Caller& c, const v1::GetAuthKeyRequest& r, Reply<v1::GetAuthKeyResponse> reply);
  void Handle(const Caller& c, const v1::CreateAuthKeyRequest& r, Reply<v1::CreateAuthKeyResponse> reply);
  void Handle(const Caller& c, const v1::UpdateAuthKeyRequest& r, Reply<v1::UpdateAuthKeyResponse> reply);
  void Handle(const Caller& c, const v1::DeactivateAuthKeyRequest& r, Reply<v1::DeactivateAuthKeyResponse> reply);
  void Handle(const Caller& c, const v1::RotateAuthKeyRequest& r, Reply<v1::RotateAuthKeyResponse> reply);
  void Handle(const Caller& c, const v1::DeleteAuthKeyRequest& r, Reply<v1::DeleteAuthKeyResponse> reply);

  void Handle(const Caller& c, const v1::ListProvidersRequest& r, Reply<v1::ListProvidersResponse> reply);
  void Handle(const Caller& c, const v1::GetProviderRequest& r, Reply<v1::GetProviderResponse> reply);
  void Handle(const Caller& c, const v1::PutProviderRequest& r, Reply<v1::PutProviderResponse> reply);
  void Handle(const Caller& c, const v1::DeleteProviderRequest& r, Reply<v1::DeleteProviderResponse> reply);

  void Handle(const Caller& c, const v1::ListModelsRequest& r, Reply<v1::ListModelsResponse> reply);
  void Handle(const Caller& c, const v1::GetModelRequest& r, Reply<v1::GetModelResponse> reply);
  void Handle(const Caller& c, const v1::PutModelRequest& r, Reply<v1::PutModelResponse> reply);
  void Handle(const Caller& c, const v1::DeleteModelRequest& r, Reply<v1::DeleteModelResponse> reply);

  void Handle(const Caller& c, const v1::ListAliasesRequest& r, Reply<v1::ListAliasesResponse> reply);
  void Handle(const Caller& c, const v1::GetAliasRequest& r, Reply<v1::GetAliasResponse> reply);
  void Handle(const Caller& c, const v1::PutAliasRequest& r, Reply<v1::PutAliasResponse> reply);
  void Handle(const Caller& c, const v1::DeleteAliasRequest& r, Reply<v1::DeleteAliasResponse> reply);

  void Handle(const Caller& c, const v1::ListModelOverridesRequest& r, Reply<v1::ListModelOverridesResponse> reply);
  void Handle(const Caller& c, const v1::GetModelOverrideRequest& r, Reply<v1::GetModelOverrideResponse> reply);
  void Handle(const Caller& c, const v1::PutModelOverrideRequest& r, Reply<v1::PutModelOverrideResponse> reply);
  void Handle(const Caller& c, const v1::DeleteModelOverrideRequest& r, Reply<v1::DeleteModelOverrideResponse> reply);

  // Of kinds without calls of their own; InvalidArgument for any other.
  void Handle(const Caller& c, const v1::ListEntitiesRequest& r, Reply<v1::ListEntitiesResponse> reply);
  void Handle(const Caller& c, const v1::GetEntityRequest& r, Reply<v1::GetEntityResponse> reply);
  void Handle(const Caller& c, const v1::PutEntityRequest& r, Reply<v1::PutEntityResponse> reply);
  void Handle(const Caller& c, const v1::DeactivateEntityRequest& r, Reply<v1::DeactivateEntityResponse> reply);
  void Handle(const Caller& c, const v1::DeleteEntityRequest& r, Reply<v1::DeleteEntityResponse> reply);
  void Handle(const Caller& c, const v1::ListGuardrailTypesRequest& r, Reply<v1::ListGuardrailTypesResponse> reply);
  std::span<const kinds::Kind> entity_kinds() const { return deps_.entity_kinds; }

  void Handle(const Caller& c, const v1::GetClusterStatusRequest& r, Reply<v1::GetClusterStatusResponse> reply);
  void Handle(const Caller& c, const v1::ListNodesRequest& r, Reply<v1::ListNodesResponse> reply);
  void Handle(const Caller& c, const v1::RemoveNodeRequest& r, Reply<v1::RemoveNodeResponse> reply);
  void Handle(const Caller& c, const v1::ListGossipKeysRequest& r, Reply<v1::ListGossipKeysResponse> reply);
  void Handle(const Caller& c, const v1::InstallGossipKeyRequest& r, Reply<v1::InstallGossipKeyResponse> reply);
  void Handle(const Caller& c, const v1::UseGossipKeyRequest& r, Reply<v1::UseGossipKeyResponse> reply);
  void Handle(const Caller& c, const v1::RemoveGossipKeyRequest& r, Reply<v1::RemoveGossipKeyResponse> reply);
  void Handle(const Caller& c, const v1::GetFailoverStatusRequest& r, Reply<v1::GetFailoverStatusResponse> reply);
  void Handle(const Caller& c, const v1::TransferLeadershipRequest& r, Reply<v1::TransferLeadershipResponse> reply);
  void Handle(const Caller& c, const v1::DrainNodeRequest& r, Reply<v1::DrainNodeResponse> reply);
  void Handle(const Caller& c, const v1::UndrainNodeRequest& r, Reply<v1::UndrainNodeResponse> reply);
  void Handle(const Caller& c, const v1::AddVotersRequest& r, Reply<v1::AddVotersResponse> reply);
  void Handle(const Caller& c, const v1::RemoveVotersRequest& r, Reply<v1::RemoveVotersResponse> reply);
  void Handle(const Caller& c, const v1::UnsafeRecoverRequest& r, Reply<v1::UnsafeRecoverResponse> reply);
  void Handle(const Caller& c, const v1::GetNodeStatusRequest& r, Reply<v1::GetNodeStatusResponse> reply);
  void Handle(const Caller& c, const v1::GetProviderStatusRequest& r, Reply<v1::GetProviderStatusResponse> reply);
  void Handle(const Caller& c, const v1::GetEffectiveConfigRequest& r, Reply<v1::GetEffectiveConfigResponse> reply);
  void Handle(const Caller& c, const v1::GetUsageSummaryRequest& r, Reply<v1::GetUsageSummaryResponse> reply);
  void Handle(const Caller& c, const v1::ListUsageRequest& r, Reply<v1::ListUsageResponse> reply);
  void Handle(const Caller& c, const v1::ListEventsRequest& r, Reply<v1::ListEventsResponse> reply);
  void Handle(const Caller& c, const v1::ListAuditRequest& r, Reply<v1::ListAuditResponse> reply);
  void Handle(const Caller& c, const v1::GetSyncStatusRequest& r, Reply<v1::GetSyncStatusResponse> reply);
  void Handle(const Caller& c, const v1::VerifySyncRequest& r, Reply<v1::VerifySyncResponse> reply);
  void Handle(const Caller& c, const v1::ListSyncConflictsRequest& r, Reply<v1::ListSyncConflictsResponse> reply);

  void Handle(const Caller& c, const v1::CreateBackupRequest& r, Reply<v1::CreateBackupResponse> reply);
  void Handle(const Caller& c, const v1::ListBackupsRequest& r, Reply<v1::ListBackupsResponse> reply);
  void Handle(const Caller& c, const v1::VerifyBackupRequest& r, Reply<v1::VerifyBackupResponse> reply);
  void Handle(const Caller& c, const v1::RestoreBackupRequest& r, Reply<v1::RestoreBackupResponse> reply);
  void Handle(const Caller& c, const v1::DeleteBackupRequest& r, Reply<v1::DeleteBackupResponse> reply);

 private:
  // Asks traffic.db on the worker's thread. `ask`: absl::StatusOr<Response>().
  template <class Response, class Ask, class Then>
  void AskTraffic(Reply<Response> reply, Ask ask, Then then);

  Deps deps_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace aurora::admin
