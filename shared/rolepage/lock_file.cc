#include "shared/rolepage/lock_file.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <unistd.h>

#include "shared/base/status.h"

namespace aurora::rolepage {
namespace {

std::string Holder(int fd) {
  std::array<char, 32> text{};
  const ssize_t n = ::pread(fd, text.data(), text.size() - 1, 0);
  std::string pid(text.data(), n > 0 ? static_cast<size_t>(n) : 0);
  while (!pid.empty() && (pid.back() == '\n' || pid.back() == '\0')) {
    pid.pop_back();
  }
  return pid.empty() ? "unknown" : pid;
}

}  // namespace

absl::StatusOr<LockFile> LockFile::Acquire(std::string_view path) {
  const std::string name(path);
  const int fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return Internal(name + ": open: " + std::strerror(errno));
  }
  LockFile file(fd);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;  // l_start = l_len = 0: the whole file
  if (::fcntl(fd, F_OFD_SETLK, &lock) != 0) {
    if (errno == EAGAIN || errno == EACCES) {
      return Unavailable(name + " is held by process " + Holder(fd));
    }
    return Internal(name + ": lock: " + std::strerror(errno));
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  // The pid is for people: a full disk must not keep the process from starting, so only the lock
  // counts.
  if (::ftruncate(fd, 0) == 0) {
    [[maybe_unused]] const ssize_t n = ::pwrite(fd, pid.data(), pid.size(), 0);
  }
  return file;
}

LockFile::~LockFile() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

}  // namespace aurora::rolepage
