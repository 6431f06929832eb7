#include "shared/sqlite/file_identity.h"

#include <cerrno>
#include <cstring>
#include <string>

#include <sys/stat.h>

#include "shared/base/status.h"

namespace aurora::sqlite {

absl::StatusOr<FileIdentity> FileIdentity::OfPath(std::string_view path) {
  const std::string name(path);
  struct stat st {};
  if (::stat(name.c_str(), &st) != 0) {
    const std::string message = name + ": " + std::strerror(errno);
    return errno == ENOENT || errno == ENOTDIR ? NotFound(message) : Internal(message);
  }
  return FileIdentity{static_cast<uint64_t>(st.st_dev), static_cast<uint64_t>(st.st_ino)};
}

}  // namespace aurora::sqlite
