// Names to addresses through getaddrinfo, on threads of its own: a slow DNS server stalls nobody
// else's work. Source: ours; getaddrinfo(3), AI_ADDRCONFIG, SOCK_STREAM. Thread: the loop's;
// callbacks too.   Bounds: queue_max questions waiting. Errors: InvalidArgument (bad name),
// NotFound (no such name), Unavailable (server trouble), ResourceExhausted (queue
//   full). A callback must not destroy the resolver: use Loop::Retire.
// Invariant: the callback is called exactly once, never inside Resolve, and never after Cancel or
// destruction.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <sys/socket.h>

#include "absl/functional/any_invocable.h"
#include "shared/base/status.h"
#include "shared/uv/loop.h"

namespace aurora::uv {

class Resolver {
 public:
  using Addresses = std::vector<sockaddr_storage>;
  using Done = absl::AnyInvocable<void(absl::StatusOr<Addresses>)>;
  struct Options {
    int thread_count = 2;
    size_t queue_max = 1024;
  };

  Resolver(Loop& loop, Options options);
  explicit Resolver(Loop& loop) : Resolver(loop, Options()) {}
  // Does not wait for a question in progress.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // IP literals are answered without a look-up. Returns an id for Cancel.
  uint64_t Resolve(const std::string& host, uint16_t port, Done done);
  void Cancel(uint64_t id);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace aurora::uv
