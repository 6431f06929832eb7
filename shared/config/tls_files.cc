#include "shared/config/tls_files.h"

#include <sys/stat.h>

#include "shared/base/status.h"
#include "shared/tls/context.h"

namespace aurora::config {

std::string TlsStamp(const TlsFiles& files) {
  std::string out;
  for (const std::string* path : {&files.cert, &files.key, &files.ca}) {
    struct stat s {};
    if (::stat(path->c_str(), &s) == 0) {
      out += std::to_string(s.st_ino) + ' ' + std::to_string(s.st_size) + ' ' + std::to_string(s.st_mtim.tv_sec) + '.' +
             std::to_string(s.st_mtim.tv_nsec);
    }
    out += ';';
  }
  return out;
}

absl::StatusOr<int64_t> TlsEnd(const TlsFiles& files) {
  AURORA_ASSIGN_OR_RETURN(const auto context,
                          tls::ServerContext::Load({.certificate_file = files.cert, .key_file = files.key}));
  return context->not_after_unix_s();
}

}  // namespace aurora::config
