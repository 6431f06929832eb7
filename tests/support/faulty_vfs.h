// FaultyVfs: an SQLite VFS over the platform's that can lose unsynced writes (power cut) and fail
// writes and syncs. Source: ours; the idea is LevelDB's fault_injection_test. Thread: any (one
// lock); one instance per test. Model of the disk: what a file held at its last sync is safe; each
// write since then is, by a coin, kept, dropped or kept in part (a whole number of 512-byte
// sectors). After PowerCut every call fails until Restore.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace aurora::testing {

class FaultyVfs {
 public:
  // Registers a VFS of that name with SQLite.
  explicit FaultyVfs(std::string name);
  ~FaultyVfs();
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;

  const std::string& name() const;

  // From the n-th write or sync from now on (1 = the next) every call fails as if the machine were
  // off.
  void CutPowerAfter(uint64_t calls);
  bool off() const;
  // Power is back: rewrites the files as the disk may hold them. All handles must be closed.
  void Restore(uint64_t seed);

  // The medium changes bytes of one file, at rest or under open handles: one bit, some bytes, a sector or a page.
  // False: no file holds anything yet.
  bool Damage(uint64_t seed);

  // Every write fails with SQLITE_FULL / SQLITE_IOERR_WRITE, every sync with SQLITE_IOERR_FSYNC,
  // until cleared.
  void SetDiskFull(bool on);
  void SetFailWrites(bool on);
  void SetFailSyncs(bool on);

  uint64_t syncs() const;
  uint64_t lost_writes() const;  // dropped or torn by Restore

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace aurora::testing
