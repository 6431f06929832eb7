// Listener sockets: one address, one socket per loop (SO_REUSEPORT), after a probe that nobody else
// has it. Source: socket(7); libuv 1.44 has no flag for port reuse. Thread: any; used at process
// start. Errors: Unavailable when the address is taken (the message says by whom to look and what
// to do), InvalidArgument when it cannot be an address of this machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "shared/base/time.h"
#include "shared/config/hostport.h"

namespace aurora::server {

// Closes its descriptor unless it was released.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.Release()) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd();
  int get() const { return fd_; }
  int Release();

 private:
  int fd_ = -1;
};

struct Listeners {
  std::vector<Fd> fds;  // bound, not yet listening
  uint16_t port = 0;    // the kernel's choice when 0 was asked for
};

// Binds `count` sockets to `address`. A taken address is retried until `patience` is over: a killed
// process frees its ports only once the kernel has torn it down. `setting` names the config key for
// the message.
absl::StatusOr<Listeners> BindListeners(const config::HostPort& address, int count,
                                        Duration patience, std::string_view setting);

}  // namespace aurora::server
