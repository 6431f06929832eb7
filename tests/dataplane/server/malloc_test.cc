// The warm path allocates nothing: every malloc of the loop's thread is counted while 1 KB requests
// pass. Thread: the counter counts only threads that switched it on. Not built under a sanitizer,
// which owns malloc.
#include <cstdlib>

#include <dlfcn.h>

#include "tests/dataplane/server/harness.h"
#include "tests/support/test.h"

namespace {
thread_local bool counting = false;
std::atomic<uint64_t> allocations{0};
}  // namespace

// glibc's own entry points; defining malloc replaces it for the whole process, operator new
// included.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* old, size_t size);

void* malloc(size_t size) {
  if (counting) {
    allocations.fetch_add(1, std::memory_order_relaxed);
  }
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  if (counting) {
    allocations.fetch_add(1, std::memory_order_relaxed);
  }
  return __libc_calloc(count, size);
}
void* realloc(void* old, size_t size) {
  if (counting) {
    allocations.fetch_add(1, std::memory_order_relaxed);
  }
  return __libc_realloc(old, size);
}
}

namespace aurora::server::testing {

TEST_CASE("a warm 1 KB request allocates nothing on the loop", "[server]") {
  const std::string body =
      R"({"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":")" +
      std::string(700, 'y') + R"("}}],"usage":{"prompt_tokens":7,"completion_tokens":3}})";
  Provider provider(Provider::Always(body));
  Gateway gateway(provider.port());
  Socket client = Socket::Connect(gateway.port());
  const std::string request = ChatRequest();
  const auto pass = [&](int count) {
    for (int i = 0; i < count; ++i) {
      REQUIRE(client.Send(request));
      REQUIRE(client.ReadResponse().status == 200);
    }
  };
  pass(200);
  // OnLoop itself allocates on the posting thread only; the task runs after the switch is read.
  gateway.OnLoop([] { return counting = true; });
  allocations = 0;
  pass(500);
  const uint64_t counted = allocations;
  gateway.OnLoop([] { return counting = false; });
  CHECK(counted == 0);
}

TEST_CASE("the counter sees an allocation", "[server]") {
  allocations = 0;
  counting = true;
  auto made = std::make_unique<std::string>(4096, 'x');
  counting = false;
  CHECK(made->size() == 4096);
  CHECK(allocations >= 2);
}

}  // namespace aurora::server::testing
