#include <cstring>
#include <string>

#include "dataplane/exchange/buffer_pool.h"
#include "tests/support/test.h"

namespace aurora::exchange {
namespace {

TEST_CASE("bytes written to a buffer's room and then appended stay where they are") {
  BufferPool pool;
  BodyBuffer buffer;
  CHECK(buffer.Room().empty());
  buffer.Reserve(pool, 3000);
  buffer.Append(pool, "head ");
  const std::span<char> room = buffer.Room();
  REQUIRE(room.size() == 4096 - 5);
  std::memcpy(room.data(), "body", 4);
  buffer.Append(pool, {room.data(), 4});
  CHECK(buffer.view() == "head body");
  CHECK(buffer.view().data() + 5 == room.data());
  // The same bytes from elsewhere are copied, and more than there is room for makes it grow.
  buffer.Append(pool, std::string(5000, 'x'));
  CHECK(buffer.size() == 5009);
  CHECK(buffer.view().substr(0, 10) == "head bodyx");
}

TEST_CASE("a short request holds a kibibyte, and what is given back is used again") {
  BufferPool pool;
  BodyBuffer a;
  a.Reserve(pool, 700);
  CHECK(pool.bytes_in_use() == 1024);
  const char* first = a.Room().data();
  a.Release();
  CHECK(pool.bytes_in_use() == 0);
  BodyBuffer b;
  b.Reserve(pool, 1024);
  CHECK(b.Room().data() == first);
}

}  // namespace
}  // namespace aurora::exchange
