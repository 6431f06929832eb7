// LockFile: at most one process of a kind per state directory.
// Source: ours; an OFD lock, so it dies with the process and never needs cleaning up. Thread: any.
// The file holds the owner's pid for people; it is never deleted (deleting it would let two owners
// in). Errors: Unavailable naming the holder's pid when it is held (callers retry up to 2 s),
// Internal with the errno.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"

namespace aurora::rolepage {

class LockFile {
 public:
  static absl::StatusOr<LockFile> Acquire(std::string_view path);
  LockFile(LockFile&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  LockFile& operator=(LockFile&&) = delete;
  ~LockFile();

 private:
  explicit LockFile(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace aurora::rolepage
