#include "shared/rolepage/lock_file.h"

#include <optional>
#include <string>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

namespace aurora::rolepage {
namespace {

TEST_CASE("a second owner is refused with the pid of the first, and admitted after it") {
  const testing::TempDir dir;
  {
    auto first = LockFile::Acquire(dir.Path("lock"));
    REQUIRE(first.ok());
    auto second = LockFile::Acquire(dir.Path("lock"));
    REQUIRE(absl::IsUnavailable(second.status()));
    CHECK(std::string(second.status().message()).find(std::to_string(::getpid())) !=
          std::string::npos);
  }
  CHECK(LockFile::Acquire(dir.Path("lock")).ok());
}

TEST_CASE("the lock dies with its process") {
  const testing::TempDir dir;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto lock = LockFile::Acquire(dir.Path("lock"));
    const char answer = lock.ok() ? 'y' : 'n';
    (void)!::write(ready[1], &answer, 1);
    ::pause();
    ::_exit(0);
  }
  char answer = 0;
  REQUIRE(::read(ready[0], &answer, 1) == 1);
  REQUIRE(answer == 'y');
  const auto held = LockFile::Acquire(dir.Path("lock"));
  REQUIRE(absl::IsUnavailable(held.status()));
  CHECK(std::string(held.status().message()).find(std::to_string(child)) != std::string::npos);
  ::kill(child, SIGKILL);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  CHECK(LockFile::Acquire(dir.Path("lock")).ok());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("a directory that is not there is an error, not a held lock") {
  const testing::TempDir dir;
  CHECK(absl::IsInternal(LockFile::Acquire(dir.Path("no/lock")).status()));
}

}  // namespace
}  // namespace aurora::rolepage
