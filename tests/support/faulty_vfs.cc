#include "tests/support/faulty_vfs.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#include <sqlite3.h>

#include "shared/base/check.h"
#include "shared/base/rng.h"

namespace aurora::testing {
namespace {

struct Change {
  bool truncate = false;
  size_t offset = 0;  // or the new size
  std::string bytes;
};

struct Disk {
  std::string durable;
  std::vector<Change> pending;
};

void Apply(const Change& change, std::string& to) {
  if (change.truncate) {
    to.resize(change.offset);
    return;
  }
  if (to.size() < change.offset + change.bytes.size()) {
    to.resize(change.offset + change.bytes.size());
  }
  to.replace(change.offset, change.bytes.size(), change.bytes);
}

std::string ReadWhole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

struct FaultyVfs::Impl {
  std::string name;
  sqlite3_vfs vfs{};
  sqlite3_vfs* base = nullptr;
  mutable std::mutex mutex;
  std::map<std::string, Disk> disks;
  bool off = false;
  uint64_t calls_left = 0;  // 0 = no cut planned
  bool disk_full = false;
  bool fail_writes = false;
  bool fail_syncs = false;
  uint64_t syncs = 0;
  uint64_t lost = 0;

  // Under the lock: counts down to the planned power cut.
  bool OffNow() {
    if (!off && calls_left > 0 && --calls_left == 0) {
      off = true;
    }
    return off;
  }
};

namespace {

struct File {
  sqlite3_file head;
  FaultyVfs::Impl* impl;
  Disk* disk;  // null: not tracked (temporary files)
  sqlite3_file* base;
};

File* Of(sqlite3_file* f) {
  return reinterpret_cast<File*>(f);
}
sqlite3_file* Base(sqlite3_file* f) {
  return Of(f)->base;
}

int Close(sqlite3_file* f) {
  File* file = Of(f);
  const int rc =
      file->base->pMethods != nullptr ? file->base->pMethods->xClose(file->base) : SQLITE_OK;
  ::operator delete(file->base);
  return rc;
}

int Read(sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
  {
    const std::lock_guard<std::mutex> lock(Of(f)->impl->mutex);
    if (Of(f)->impl->off) {
      return SQLITE_IOERR_READ;
    }
  }
  return Base(f)->pMethods->xRead(Base(f), to, n, at);
}

int Write(sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
  File* file = Of(f);
  const std::lock_guard<std::mutex> lock(file->impl->mutex);
  if (file->impl->OffNow() || file->impl->fail_writes) {
    return SQLITE_IOERR_WRITE;
  }
  if (file->impl->disk_full) {
    return SQLITE_FULL;
  }
  const int rc = file->base->pMethods->xWrite(file->base, from, n, at);
  if (rc == SQLITE_OK && file->disk != nullptr) {
    file->disk->pending.push_back(
        {false, static_cast<size_t>(at),
         std::string(static_cast<const char*>(from), static_cast<size_t>(n))});
  }
  return rc;
}

int Truncate(sqlite3_file* f, sqlite3_int64 size) {
  File* file = Of(f);
  const std::lock_guard<std::mutex> lock(file->impl->mutex);
  if (file->impl->OffNow()) {
    return SQLITE_IOERR_TRUNCATE;
  }
  const int rc = file->base->pMethods->xTruncate(file->base, size);
  if (rc == SQLITE_OK && file->disk != nullptr) {
    file->disk->pending.push_back({true, static_cast<size_t>(size), {}});
  }
  return rc;
}

int Sync(sqlite3_file* f, int flags) {
  File* file = Of(f);
  const std::lock_guard<std::mutex> lock(file->impl->mutex);
  (void)flags;  // the model is our disk: the platform's need not be asked
  if (file->impl->OffNow() || file->impl->fail_syncs) {
    return SQLITE_IOERR_FSYNC;
  }
  ++file->impl->syncs;
  if (file->disk != nullptr) {
    for (const Change& change : file->disk->pending) {
      Apply(change, file->disk->durable);
    }
    file->disk->pending.clear();
  }
  return SQLITE_OK;
}

int FileSize(sqlite3_file* f, sqlite3_int64* size) {
  return Base(f)->pMethods->xFileSize(Base(f), size);
}
int Lock(sqlite3_file* f, int level) {
  return Base(f)->pMethods->xLock(Base(f), level);
}
int Unlock(sqlite3_file* f, int level) {
  return Base(f)->pMethods->xUnlock(Base(f), level);
}
int CheckReserved(sqlite3_file* f, int* out) {
  return Base(f)->pMethods->xCheckReservedLock(Base(f), out);
}
int Control(sqlite3_file* f, int op, void* arg) {
  // A size hint would write behind the model's back.
  return op == SQLITE_FCNTL_SIZE_HINT ? SQLITE_OK
                                      : Base(f)->pMethods->xFileControl(Base(f), op, arg);
}
int SectorSize(sqlite3_file*) {
  return 512;
}
int Characteristics(sqlite3_file*) {
  return 0;
}  // no promise: sectors may tear, order may change
int ShmMap(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
  return Base(f)->pMethods->xShmMap(Base(f), page, size, extend, out);
}
int ShmLock(sqlite3_file* f, int offset, int n, int flags) {
  return Base(f)->pMethods->xShmLock(Base(f), offset, n, flags);
}
void ShmBarrier(sqlite3_file* f) {
  Base(f)->pMethods->xShmBarrier(Base(f));
}
int ShmUnmap(sqlite3_file* f, int remove) {
  return Base(f)->pMethods->xShmUnmap(Base(f), remove);
}

const sqlite3_io_methods kMethods = {
    2,        Close,         Read,    Write,      Truncate,        Sync,   FileSize, Lock,
    Unlock,   CheckReserved, Control, SectorSize, Characteristics, ShmMap, ShmLock,  ShmBarrier,
    ShmUnmap, nullptr,       nullptr};

FaultyVfs::Impl* ImplOf(sqlite3_vfs* vfs) {
  return static_cast<FaultyVfs::Impl*>(vfs->pAppData);
}

int Open(sqlite3_vfs* vfs, const char* path, sqlite3_file* f, int flags, int* out_flags) {
  FaultyVfs::Impl* impl = ImplOf(vfs);
  auto* file = new (f) File{};
  file->head.pMethods = nullptr;
  const std::lock_guard<std::mutex> lock(impl->mutex);
  if (impl->off) {
    return SQLITE_CANTOPEN;
  }
  file->impl = impl;
  file->base =
      static_cast<sqlite3_file*>(::operator new(static_cast<size_t>(impl->base->szOsFile)));
  std::memset(file->base, 0, static_cast<size_t>(impl->base->szOsFile));
  const int rc = impl->base->xOpen(impl->base, path, file->base, flags, out_flags);
  if (rc != SQLITE_OK) {
    ::operator delete(file->base);
    return rc;
  }
  if (path != nullptr &&
      (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0) {
    const auto [it, fresh] = impl->disks.try_emplace(path);
    if (fresh) {
      it->second.durable = ReadWhole(path);
    }
    file->disk = &it->second;
  }
  file->head.pMethods = &kMethods;
  return SQLITE_OK;
}

int Delete(sqlite3_vfs* vfs, const char* path, int sync_dir) {
  FaultyVfs::Impl* impl = ImplOf(vfs);
  const std::lock_guard<std::mutex> lock(impl->mutex);
  if (impl->OffNow()) {
    return SQLITE_IOERR_DELETE;
  }
  const int rc = impl->base->xDelete(impl->base, path, sync_dir);
  if (const auto it = impl->disks.find(path); it != impl->disks.end()) {
    it->second = Disk{};  // handles keep their pointer
  }
  return rc;
}

}  // namespace

FaultyVfs::FaultyVfs(std::string name) : impl_(std::make_unique<Impl>()) {
  impl_->name = std::move(name);
  impl_->base = sqlite3_vfs_find(nullptr);
  AURORA_CHECK(impl_->base != nullptr);
  impl_->vfs = *impl_->base;  // everything but open and delete is the platform's
  impl_->vfs.szOsFile = sizeof(File);
  impl_->vfs.zName = impl_->name.c_str();
  impl_->vfs.pNext = nullptr;
  impl_->vfs.pAppData = impl_.get();
  impl_->vfs.xOpen = Open;
  impl_->vfs.xDelete = Delete;
  // These take the platform's own data, so they are called with its vfs.
  impl_->vfs.xAccess = [](sqlite3_vfs* v, const char* path, int flags, int* out) {
    return ImplOf(v)->base->xAccess(ImplOf(v)->base, path, flags, out);
  };
  impl_->vfs.xFullPathname = [](sqlite3_vfs* v, const char* path, int n, char* out) {
    return ImplOf(v)->base->xFullPathname(ImplOf(v)->base, path, n, out);
  };
  AURORA_CHECK(sqlite3_vfs_register(&impl_->vfs, 0) == SQLITE_OK);
}

FaultyVfs::~FaultyVfs() {
  sqlite3_vfs_unregister(&impl_->vfs);
}

const std::string& FaultyVfs::name() const {
  return impl_->name;
}

void FaultyVfs::CutPowerAfter(uint64_t calls) {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  impl_->calls_left = calls;
}

bool FaultyVfs::off() const {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  return impl_->off;
}

void FaultyVfs::Restore(uint64_t seed) {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  Rng rng(seed);
  for (auto& [path, disk] : impl_->disks) {
    for (Change& change : disk.pending) {
      const uint64_t fate = rng.Below(3);
      if (fate == 0 && !change.truncate) {
        change.bytes.resize(rng.Below(change.bytes.size() / 512 + 1) * 512);
      }
      impl_->lost += fate == 2 ? 0 : 1;
      if (fate != 1) {
        Apply(change, disk.durable);
      }
    }
    disk.pending.clear();
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(disk.durable.data(), static_cast<std::streamsize>(disk.durable.size()));
    ::remove((path + "-shm").c_str());  // shared memory does not survive a reboot
  }
  impl_->off = false;
  impl_->calls_left = 0;
}

bool FaultyVfs::Damage(uint64_t seed) {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  Rng rng(seed);
  std::vector<std::pair<std::string, size_t>> files;
  for (const auto& [path, disk] : impl_->disks) {
    if (const size_t size = ReadWhole(path).size(); size > 0) {
      files.emplace_back(path, size);
    }
  }
  if (files.empty()) {
    return false;
  }
  const auto& [path, size] = files[rng.Below(files.size())];
  const uint64_t how = rng.Below(4);
  const size_t unit = how == 2 ? 512 : how == 3 ? 4'096 : 1;
  const size_t at = rng.Below((size + unit - 1) / unit) * unit;
  std::string bytes = ReadWhole(path).substr(at, how == 1 ? 1 + rng.Below(64) : unit);
  if (how == 0) {
    bytes[0] = static_cast<char>(bytes[0] ^ (1 << rng.Below(8)));
  } else {
    const bool zeros = rng.OneIn(2);
    for (char& c : bytes) {
      c = zeros ? '\0' : static_cast<char>(rng.Below(256));
    }
  }
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(at));
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  std::string& durable = impl_->disks[path].durable;
  if (at < durable.size()) {
    const size_t kept = std::min(bytes.size(), durable.size() - at);
    durable.replace(at, kept, bytes, 0, kept);
  }
  return true;
}

void FaultyVfs::SetDiskFull(bool on) {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  impl_->disk_full = on;
}

void FaultyVfs::SetFailWrites(bool on) {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  impl_->fail_writes = on;
}

void FaultyVfs::SetFailSyncs(bool on) {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  impl_->fail_syncs = on;
}

uint64_t FaultyVfs::syncs() const {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  return impl_->syncs;
}

uint64_t FaultyVfs::lost_writes() const {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  return impl_->lost;
}

}  // namespace aurora::testing
