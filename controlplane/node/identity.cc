#include "controlplane/node/identity.h"

#include <string>
#include <utility>

#include "shared/crypto/encoding.h"
#include "shared/crypto/random.h"
#include "shared/log/log.h"

namespace aurora::node {
namespace {

absl::StatusOr<OpenedIdentity> Open(const config::Storage& storage, const std::string& fresh_uid) {
  OpenedIdentity opened;
  store::ElectionDb::Options options;
  options.path = storage.state_dir + "/election.db";
  options.encryption_key = {storage.encryption_key, storage.encryption_key_previous};
  AURORA_ASSIGN_OR_RETURN(std::unique_ptr<store::ElectionDb> db, store::ElectionDb::Open(std::move(options)));
  AURORA_ASSIGN_OR_RETURN(opened.identity, store::ResolveIdentity(*db, storage.state_dir + "/aurora.db", fresh_uid));
  AURORA_ASSIGN_OR_RETURN(opened.stored, db->Load());
  opened.election = std::make_unique<store::ElectionThread>(std::move(db));
  return opened;
}

}  // namespace

absl::StatusOr<OpenedIdentity> OpenIdentity(const config::Config& config) {
  const std::string fresh_uid = crypto::HexLower(crypto::RandomBytes(16));
  absl::StatusOr<OpenedIdentity> opened = Open(config.storage, fresh_uid);
  if (!opened.ok()) {
    if (config.cluster.enabled || absl::IsFailedPrecondition(opened.status())) {
      return WithContext("election.db", opened.status());
    }
    log::Error("election.db is not used", {{"reason", Std(opened.status().message())}});
    opened = OpenedIdentity();
    opened->identity.node_uid = fresh_uid;
  }
  for (const store::IdentityEvent& event : opened->identity.events) {
    log::Warn(event.message, {{"event", event.type}});
  }
  for (const std::string& fingerprint : opened->stored.sealed_keys) {
    log::Warn("a gossip key in election.db is sealed with another AURORA_ENCRYPTION_KEY and is not used",
              {{"fingerprint", fingerprint}});
  }
  return opened;
}

}  // namespace aurora::node
