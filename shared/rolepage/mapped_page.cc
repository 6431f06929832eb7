#include "shared/rolepage/mapped_page.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/check.h"
#include "shared/base/status.h"

namespace aurora::rolepage {
namespace {

absl::Status Errno(std::string_view path, std::string_view doing, int error) {
  return Internal(std::string(path) + ": " + std::string(doing) + ": " + std::strerror(error));
}

struct flock ByteLock(int64_t byte) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;  // l_pid must be 0 for OFD locks
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Grows the file to a page if it is shorter, takes the lock, maps. `fd` stays the caller's.
absl::StatusOr<Page*> Prepare(int fd, std::string_view path, int64_t own_byte) {
  struct flock lock = ByteLock(own_byte);
  if (::fcntl(fd, F_OFD_SETLK, &lock) != 0) {
    if (errno == EAGAIN || errno == EACCES) {
      return Unavailable(std::string(path) + ": another " +
                         (own_byte == kControlLockByte ? "control plane" : "data plane") +
                         " holds its lock");
    }
    return Errno(path, "lock", errno);
  }
  struct stat st {};
  if (::fstat(fd, &st) != 0) {
    return Errno(path, "stat", errno);
  }
  if (st.st_size < static_cast<off_t>(kPageBytes)) {
    // Real blocks: a hole would turn a full file system into SIGBUS.
    if (const int error = ::posix_fallocate(fd, 0, static_cast<off_t>(kPageBytes)); error != 0) {
      return Errno(path, "allocate", error);
    }
  }
  void* memory = ::mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) {
    return Errno(path, "map", errno);
  }
  return static_cast<Page*>(memory);
}

}  // namespace

absl::StatusOr<BootId> ReadBootId() {
  constexpr const char* kPath = "/proc/sys/kernel/random/boot_id";
  std::array<char, 64> text{};
  const int fd = ::open(kPath, O_RDONLY | O_CLOEXEC);
  const ssize_t n = fd < 0 ? -1 : ::read(fd, text.data(), text.size());
  if (fd >= 0) {
    ::close(fd);
  }
  BootId id{};
  size_t digits = 0;
  for (ssize_t i = 0; i < n; ++i) {
    if (const int digit = HexDigit(text[static_cast<size_t>(i)]); digit >= 0 && digits < 32) {
      id[digits / 16] = (id[digits / 16] << 4) | static_cast<uint64_t>(digit);
      ++digits;
    }
  }
  if (digits != 32) {
    return FailedPrecondition(std::string(kPath) +
                              " is not readable: a page of an earlier boot cannot be told");
  }
  return id;
}

absl::StatusOr<MappedPage> MappedPage::Open(std::string_view path, int64_t own_byte) {
  const std::string name(path);
  const int fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return Errno(path, "open", errno);
  }
  absl::StatusOr<Page*> page = Prepare(fd, path, own_byte);
  if (!page.ok()) {
    ::close(fd);
    return page.status();
  }
  return MappedPage(fd, *page);
}

MappedPage::MappedPage(MappedPage&& other) noexcept : fd_(other.fd_), page_(other.page_) {
  other.fd_ = -1;
  other.page_ = nullptr;
}

MappedPage::~MappedPage() {
  if (page_ != nullptr) {
    ::munmap(page_, kPageBytes);
  }
  if (fd_ >= 0) {
    ::close(fd_);  // gives the lock back
  }
}

bool MappedPage::Held(int64_t byte) const {
  struct flock lock = ByteLock(byte);
  // An answer we cannot get counts as held: nobody may act on a death that is not proven.
  return ::fcntl(fd_, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

}  // namespace aurora::rolepage
