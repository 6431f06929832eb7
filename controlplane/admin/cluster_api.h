// ClusterApi: what the admin API asks of the cluster: who is there, and changes to the gossip keyring.
// Source: product contract, cluster/status and cluster/nodes. Implemented by controlplane/node on the control loop;
// absent while clustering is off. Thread: any; the reply runs exactly once, on the control loop, and must only post
// on. Errors: InvalidArgument "field: …", NotFound, FailedPrecondition (what must be true first).
#pragma once

#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "aurora/v1/admin.pb.h"
#include "shared/base/time.h"

namespace aurora::admin {

struct Caller;

class ClusterApi {
 public:
  template <class Response>
  using ClusterReply = absl::AnyInvocable<void(absl::StatusOr<Response>)>;

  virtual ~ClusterApi() = default;
  virtual void Status(ClusterReply<v1::GetClusterStatusResponse> reply) = 0;
  virtual void Nodes(ClusterReply<v1::ListNodesResponse> reply) = 0;
  virtual void SyncStatus(ClusterReply<v1::GetSyncStatusResponse> reply) = 0;
  // Rows of a backup were merged: as soon as all members have been caught up with since the start, the mark that
  // keeps the next start from serving is dropped.
  virtual void Restored() = 0;
  virtual void VerifySync(bool repair, Duration timeout, ClusterReply<v1::VerifySyncResponse> reply) = 0;
  virtual void Remove(const std::string& actor, const std::string& node_id,
                      ClusterReply<v1::RemoveNodeResponse> reply) = 0;
  virtual void Keys(ClusterReply<v1::ListGossipKeysResponse> reply) = 0;
  virtual void InstallKey(const std::string& actor, const std::string& key_base64,
                          ClusterReply<v1::InstallGossipKeyResponse> reply) = 0;
  virtual void UseKey(const std::string& actor, const std::string& fingerprint,
                      ClusterReply<v1::UseGossipKeyResponse> reply) = 0;
  virtual void RemoveKey(const std::string& actor, const std::string& fingerprint,
                         ClusterReply<v1::RemoveGossipKeyResponse> reply) = 0;
  virtual void FailoverStatus(ClusterReply<v1::GetFailoverStatusResponse> reply) = 0;
  // The reply comes when another node is active, or the request's timeout has passed.
  virtual void Transfer(const std::string& actor, const v1::TransferLeadershipRequest& request,
                        ClusterReply<v1::TransferLeadershipResponse> reply) = 0;
  virtual void Drain(const std::string& actor, const std::string& node_id,
                     ClusterReply<v1::DrainNodeResponse> reply) = 0;
  virtual void Undrain(const std::string& actor, const std::string& node_id,
                       ClusterReply<v1::UndrainNodeResponse> reply) = 0;
  virtual void AddVoters(const std::string& actor, const v1::AddVotersRequest& request,
                         ClusterReply<v1::AddVotersResponse> reply) = 0;
  virtual void RemoveVoters(const std::string& actor, const v1::RemoveVotersRequest& request,
                            ClusterReply<v1::RemoveVotersResponse> reply) = 0;
  virtual void UnsafeRecover(const std::string& actor, const v1::UnsafeRecoverRequest& request,
                             ClusterReply<v1::UnsafeRecoverResponse> reply) = 0;
};

}  // namespace aurora::admin
