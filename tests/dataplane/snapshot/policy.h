// Policy for the snapshot tests: stored bytes of each kind, and an aurora.db as a control plane
// writes it. Thread: a PolicyFile belongs to one thread; it keeps its handle open as a live control
// plane does.
#pragma once

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aurora/v1/policy.pb.h"
#include "dataplane/model/types.h"
#include "shared/base/check.h"
#include "shared/crypto/seal.h"
#include "shared/crypto/sha256.h"
#include "shared/schema/aurora_db.h"

namespace aurora::snapshot {

inline model::SecretHash HashOf(std::string_view secret) {
  return crypto::Sha256Of(secret);
}

inline void AddSecret(std::string_view secret, v1::AuthKeySpec* spec) {
  const model::SecretHash hash = HashOf(secret);
  spec->add_secrets()->set_sha256(hash.data(), hash.size());
}

inline std::string KeyBytes(std::string_view name, const std::vector<std::string>& secrets) {
  v1::AuthKeyResolved key;
  key.set_enabled(true);
  key.mutable_spec()->set_name(std::string(name));
  for (const std::string& s : secrets) {
    AddSecret(s, key.mutable_spec());
  }
  return key.SerializeAsString();
}

inline v1::ProviderSpec ProviderOf(std::string_view name, v1::ProviderType type,
                                   std::string_view url) {
  v1::ProviderSpec spec;
  spec.set_name(std::string(name));
  spec.set_type(type);
  spec.set_base_url(std::string(url));
  spec.set_enabled(true);
  return spec;
}

inline void AddSealed(std::string_view key32, std::string_view secret, v1::ProviderSpec* spec) {
  v1::SealedCredential* c = spec->add_credentials();
  c->set_id("c" + std::to_string(spec->credentials_size()));
  auto sealed = crypto::Seal(key32, secret, "provider/" + spec->name() + "/" + c->id());
  AURORA_CHECK(sealed.ok());
  c->set_sealed(*sealed);
}

inline std::string ModelBytes(std::string_view provider, std::string_view id,
                              std::string_view upstream) {
  v1::ModelSpec spec;
  spec.set_provider(std::string(provider));
  spec.set_id(std::string(id));
  spec.set_upstream_id(std::string(upstream));
  spec.set_enabled(true);
  return spec.SerializeAsString();
}

class PolicyFile {
 public:
  // The feed starts after `seq`; an empty uid leaves the file without an identity.
  explicit PolicyFile(const std::string& path, std::string_view uid = "node-a", uint64_t seq = 0)
      : path_(path), seq_(seq) {
    auto db = schema::OpenAuroraForWrite(path);
    AURORA_CHECK(db.ok());
    db_ = std::make_unique<sqlite::Database>(*std::move(db));
    if (!uid.empty()) {
      SetUid(uid);
    }
    Meta(schema::kMetaEpochs, "1:1");
  }

  void SetUid(std::string_view uid) { Meta(schema::kMetaNodeUid, uid); }

  void Put(std::string_view kind, std::string_view id, std::string_view bytes) {
    Write({{std::string(kind), std::string(id), std::string(bytes)}});
  }
  void Remove(std::string_view kind, std::string_view id) {
    Write({{std::string(kind), std::string(id), std::nullopt}});
  }

  struct Change {
    std::string kind;
    std::string id;
    std::optional<std::string> bytes;
  };
  // One transaction. The feed keeps only the latest change of a row, as the store does.
  void Write(const std::vector<Change>& changes) {
    auto tx = sqlite::Transaction::Begin(*db_);
    AURORA_CHECK(tx.ok());
    auto put = Prepare("INSERT OR REPLACE INTO resolved (kind, id, spec) VALUES (?1, ?2, ?3)");
    auto drop = Prepare("DELETE FROM resolved WHERE kind = ?1 AND id = ?2");
    auto older = Prepare("DELETE FROM change WHERE kind = ?1 AND id = ?2");
    auto feed = Prepare("INSERT INTO change (seq, kind, id) VALUES (?1, ?2, ?3)");
    for (const Change& c : changes) {
      sqlite::Statement& s = c.bytes ? put : drop;
      s.BindText(1, c.kind).BindText(2, c.id);
      if (c.bytes) {
        s.BindBlob(3, *c.bytes);
      }
      AURORA_CHECK(s.Run().ok());
      if (changes.size() == 1) {  // a bulk load has new rows only, and the feed no index on them
        AURORA_CHECK(older.BindText(1, c.kind).BindText(2, c.id).Run().ok());
      }
      feed.Bind(1, static_cast<int64_t>(++seq_)).BindText(2, c.kind).BindText(3, c.id);
      AURORA_CHECK(feed.Run().ok());
    }
    AURORA_CHECK((*std::move(tx)).Commit().ok());
  }

  void Execute(std::string_view sql) { AURORA_CHECK(db_->Execute(sql).ok()); }

  // Closes this file and moves it, whole, over `path`.
  void MoveOver(const std::string& path) {
    db_ = nullptr;  // the last handle: its journal goes into the file
    Unlink(path);
    std::filesystem::rename(path_, path);
    path_ = path;
  }
  static void Unlink(const std::string& path) {
    for (const char* suffix : {"", "-wal", "-shm"}) {
      std::filesystem::remove(path + suffix);
    }
  }

  uint64_t seq() const { return seq_; }

 private:
  sqlite::Statement Prepare(std::string_view sql) {
    auto s = db_->Prepare(sql);
    AURORA_CHECK(s.ok());
    return *std::move(s);
  }
  void Meta(std::string_view key, std::string_view value) {
    auto s = Prepare("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)");
    AURORA_CHECK(s.BindText(1, key).BindText(2, value).Run().ok());
  }

  std::string path_;
  std::unique_ptr<sqlite::Database> db_;
  uint64_t seq_;
};

}  // namespace aurora::snapshot
