// Reader: watches aurora.db on a thread of its own and publishes Snapshots.
// Source: architecture.md (change notice). Thread: starts its own; `publish` and `on_state` run on
// it and must only post on. SetDiscovered, state and Retire may be called from any thread. Units:
// polls PRAGMA data_version every 25 ms; looks at (device, inode) of the path every second. A file
// that is missing, damaged, newer or another node's never takes policy away: the last good Snapshot
// stays. Invariant: published seqs never decrease.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/model/snapshot.h"
#include "dataplane/snapshot/builder.h"
#include "shared/base/time.h"
#include "shared/config/provider.h"
#include "shared/crypto/secret.h"

namespace aurora::snapshot {

enum class FileState : uint8_t { kOpening, kOk, kMissing, kCorrupt, kReplaced, kSchema };
std::string_view ToString(FileState state);

struct ReaderState {
  FileState file = FileState::kOpening;
  std::string detail;  // why, and what to do
  std::vector<std::pair<std::string, std::string>>
      problems;  // what of the policy is left out, and why
  uint64_t decrypt_errors = 0;     // sealed credentials that did not open, ever
  uint64_t sealed_with_other = 0;  // credentials not sealed with the key in force
};

struct ReaderOptions {
  std::string path;
  std::vector<config::ProviderConfig> environment;
  crypto::SealKeys encryption_key;
  bool stored_public_only = false;  // as Builder's
  Duration poll_every = Duration::Millis(25);
  Duration watch_every = Duration::Seconds(1);
  std::function<void(std::shared_ptr<const model::Snapshot>)> publish;
  std::function<void(const ReaderState&)> on_state;  // at each change
};

class Reader {
 public:
  explicit Reader(ReaderOptions options);
  ~Reader();  // joins
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void SetDiscovered(std::string provider, std::vector<DiscoveredModel> models);
  // Frees a snapshot on the reader's thread, so that no loop pays for it.
  void Retire(std::shared_ptr<const model::Snapshot> snapshot);
  ReaderState state() const;

 private:
  class Thread;
  std::unique_ptr<Thread> thread_;
};

}  // namespace aurora::snapshot
