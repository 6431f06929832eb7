// OwnSocket: a unix socket on which only its owner and root are let in, and which says who calls.
// Source: product contract, ports (mode 0600, peer uid checked, a directory of its own); unix(7),
// SO_PEERCRED. Thread: accepts on one of its own; Open and destruction on one thread. Errors: Open:
// InvalidArgument naming the setting: a directory others may write, a file in the way. Invariants:
// the socket is 0600 from its first instant; a directory made here is 0700; a peer of another user
// is closed before a byte is read from it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <sys/types.h>

#include "shared/base/status.h"

namespace aurora::admin {

class OwnSocket {
 public:
  // Takes over `fd` (non-blocking). On the accepting thread.
  using Accepted = std::function<void(int fd, uid_t uid)>;

  static absl::StatusOr<std::unique_ptr<OwnSocket>> Open(const std::string& path, uid_t owner,
                                                         Accepted accepted);
  // Stops accepting and removes the socket's file.
  ~OwnSocket();
  OwnSocket(const OwnSocket&) = delete;
  OwnSocket& operator=(const OwnSocket&) = delete;

 private:
  OwnSocket(std::string path, uid_t owner, Accepted accepted);
  absl::Status Listen();
  void Run();
  void AcceptOne();

  const std::string path_;
  const uid_t owner_;
  const Accepted accepted_;
  int listener_ = -1;
  int stop_ = -1;  // an eventfd
  bool bound_ = false;
  std::thread thread_;
};

}  // namespace aurora::admin
