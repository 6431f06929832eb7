#include "shared/uv/resolver.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include <netdb.h>
#include <netinet/in.h>

#include "absl/container/flat_hash_map.h"
#include "shared/uv/address.h"
#include "shared/uv/mailbox.h"

namespace aurora::uv {
namespace {

absl::Status GaiError(int error, const std::string& host) {
  const std::string text = "resolving " + host + ": " + gai_strerror(error);
  switch (error) {
    case EAI_NONAME:
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
      return NotFound(text);
    case EAI_MEMORY:
      return ResourceExhausted(text);
    default:
      return Unavailable(text);
  }
}

absl::StatusOr<Resolver::Addresses> LookUp(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &list); error != 0) {
    return GaiError(error, host);
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> guard(list, freeaddrinfo);
  Resolver::Addresses addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) {
      continue;
    }
    sockaddr_storage address{};
    std::memcpy(&address, entry->ai_addr, entry->ai_addrlen);
    SetPort(address, port);
    addresses.push_back(address);
  }
  if (addresses.empty()) {
    return NotFound("resolving " + host + ": no IP address");
  }
  return addresses;
}

}  // namespace

// Shared with the threads, which may be inside getaddrinfo when the resolver dies.
struct Resolver::State {
  struct Question {
    uint64_t id;
    std::string host;
    uint16_t port;
  };

  // Loop thread only.
  absl::flat_hash_map<uint64_t, Done> waiting;
  uint64_t next_id = 1;

  std::mutex mu;
  std::condition_variable asked;
  std::deque<Question> questions;    // guarded by mu
  std::unique_ptr<Mailbox> mailbox;  // guarded by mu; null once the resolver is gone
  std::vector<std::thread> threads;  // loop thread only
  std::vector<bool> busy;            // guarded by mu
  size_t queue_max = 0;              // constant

  void Answer(uint64_t id, absl::StatusOr<Addresses> answer) {
    const auto found = waiting.find(id);
    if (found == waiting.end()) {
      return;  // cancelled
    }
    Done done = std::move(found->second);
    waiting.erase(found);
    done(std::move(answer));
  }

  static void Work(const std::shared_ptr<State>& self, size_t index) {
    std::unique_lock lock(self->mu);
    while (true) {
      self->asked.wait(lock, [&] { return self->mailbox == nullptr || !self->questions.empty(); });
      if (self->mailbox == nullptr) {
        return;
      }
      const Question question = std::move(self->questions.front());
      self->questions.pop_front();
      self->busy[index] = true;
      lock.unlock();
      auto answer = LookUp(question.host, question.port);
      lock.lock();
      self->busy[index] = false;
      if (self->mailbox != nullptr) {
        // Cannot be full: it has room for every question that may wait. `raw` lives as long as the
        // mailbox's tasks.
        State* raw = self.get();
        (void)self->mailbox->Post([raw, id = question.id, got = std::move(answer)]() mutable {
          raw->Answer(id, std::move(got));
        });
      }
    }
  }
};

Resolver::Resolver(Loop& loop, Options options) : state_(std::make_shared<State>()) {
  const auto thread_count = static_cast<size_t>(std::max(1, options.thread_count));
  state_->queue_max = options.queue_max;
  state_->mailbox = std::make_unique<Mailbox>(loop, SIZE_MAX);
  state_->mailbox->Unref();
  state_->busy.resize(thread_count);
  for (size_t i = 0; i < thread_count; ++i) {
    state_->threads.emplace_back([state = state_, i] { State::Work(state, i); });
  }
}

Resolver::~Resolver() {
  std::unique_ptr<Mailbox> mailbox;
  std::vector<bool> busy;
  {
    const std::lock_guard lock(state_->mu);
    mailbox = std::move(state_->mailbox);
    state_->questions.clear();
    busy = state_->busy;
  }
  state_->asked.notify_all();
  for (size_t i = 0; i < state_->threads.size(); ++i) {
    // A thread in getaddrinfo may need half a minute; it touches only State, which it keeps alive.
    if (busy[i]) {
      state_->threads[i].detach();
    } else {
      state_->threads[i].join();
    }
  }
  state_->threads.clear();
  state_->waiting.clear();
}

uint64_t Resolver::Resolve(const std::string& host, uint16_t port, Done done) {
  const uint64_t id = state_->next_id++;
  const std::lock_guard lock(state_->mu);
  absl::StatusOr<Addresses> at_once = Addresses();
  if (auto literal = ParseIp(host, port); literal.ok() && !host.empty() && host != "localhost") {
    at_once->push_back(*literal);
  } else if (host.empty() || host.size() > 253 || host.find('\0') != std::string::npos) {
    at_once = InvalidArgument("\"" + host + "\" is not a host name");
  } else if (state_->questions.size() >= state_->queue_max) {
    at_once = ResourceExhausted("too many names to resolve");
  } else {
    state_->waiting.emplace(id, std::move(done));
    state_->questions.push_back({id, host, port});
    state_->asked.notify_one();
    return id;
  }
  state_->waiting.emplace(id, std::move(done));
  State* raw = state_.get();
  (void)state_->mailbox->Post(
      [raw, id, answer = std::move(at_once)]() mutable { raw->Answer(id, std::move(answer)); });
  return id;
}

void Resolver::Cancel(uint64_t id) {
  state_->waiting.erase(id);
}

}  // namespace aurora::uv
