// MappedPage: the page's file, mapping and lock, shared by ControlPage and DataPage.
// Source: failover.md section 3.
// Thread: construction on one; the words are atomic. Errors: Unavailable when another process
// holds our lock byte (try again; the caller decides how long), Internal with the errno text
// otherwise.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "shared/rolepage/layout.h"

namespace aurora::rolepage {

using BootId = std::array<uint64_t, 2>;
// The running kernel's; FailedPrecondition when it cannot be read.
absl::StatusOr<BootId> ReadBootId();

class MappedPage {
 public:
  // Creates the file if needed, takes the OFD lock on `own_byte`, maps.
  static absl::StatusOr<MappedPage> Open(std::string_view path, int64_t own_byte);
  MappedPage(MappedPage&& other) noexcept;
  MappedPage& operator=(MappedPage&&) = delete;
  ~MappedPage();

  Page& page() const { return *page_; }
  // Whether some other process (or object) holds that byte's lock. One system call.
  bool Held(int64_t byte) const;

 private:
  MappedPage(int fd, Page* page) : fd_(fd), page_(page) {}
  int fd_;
  Page* page_;
};

}  // namespace aurora::rolepage
