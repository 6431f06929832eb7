// FileIdentity: which file a path names right now, to notice that it was deleted or replaced under
// an open handle. Source: POSIX stat (st_dev, st_ino). Thread: any. Invariant: while a handle is
// open its inode number is not given to another file, so equal identities mean the same file.
// Errors: NotFound when nothing is there, else Internal with the errno text.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace aurora::sqlite {

struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  bool operator==(const FileIdentity&) const = default;

  static absl::StatusOr<FileIdentity> OfPath(std::string_view path);
};

}  // namespace aurora::sqlite
