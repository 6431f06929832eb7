#include "shared/uv/resolver.h"

#include <memory>
#include <optional>

#include "shared/uv/address.h"
#include "tests/shared/uv/run.h"
#include "tests/support/test.h"

namespace aurora::uv {
namespace {

using Answer = std::optional<absl::StatusOr<Resolver::Addresses>>;

TEST_CASE("names and literals become addresses with the port asked for", "[uv]") {
  Loop loop;
  Resolver resolver(loop);
  Answer name, v4, v6, bad;
  resolver.Resolve("localhost", 81, [&](auto answer) { name = std::move(answer); });
  resolver.Resolve("10.1.2.3", 82, [&](auto answer) { v4 = std::move(answer); });
  resolver.Resolve("::1", 83, [&](auto answer) { v6 = std::move(answer); });
  resolver.Resolve("", 84, [&](auto answer) { bad = std::move(answer); });
  CHECK(!v4.has_value());  // never inside the call
  REQUIRE(RunUntil(loop, [&] { return name && v4 && v6 && bad; }));
  REQUIRE(name->ok());
  CHECK(PortOf((*name)->front()) == 81);
  CHECK(IpText((*v4)->front()) == "10.1.2.3");
  CHECK(IpText((*v6)->front()) == "::1");
  CHECK(PortOf((*v6)->front()) == 83);
  CHECK(bad->status().code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("a cancelled question is never answered", "[uv]") {
  Loop loop;
  Resolver resolver(loop);
  bool answered = false;
  Answer other;
  const uint64_t id = resolver.Resolve("127.0.0.1", 1, [&](auto) { answered = true; });
  resolver.Resolve("127.0.0.2", 1, [&](auto answer) { other = std::move(answer); });
  resolver.Cancel(id);
  REQUIRE(RunUntil(loop, [&] { return other.has_value(); }));
  CHECK(!answered);
}

TEST_CASE("destroying a resolver drops its questions and their callbacks", "[uv]") {
  Loop loop;
  const auto token = std::make_shared<int>(0);
  {
    Resolver resolver(loop);
    for (int i = 0; i < 50; ++i) {
      resolver.Resolve("localhost", 1, [token](auto) { FAIL("answered after destruction"); });
    }
  }
  CHECK(token.use_count() == 1);
  loop.RunOnce(false);
}

TEST_CASE("questions beyond the queue are refused, not kept", "[uv]") {
  Loop loop;
  Resolver resolver(loop, {.thread_count = 1, .queue_max = 0});
  Answer answer;
  resolver.Resolve("localhost", 1, [&](auto got) { answer = std::move(got); });
  REQUIRE(RunUntil(loop, [&] { return answer.has_value(); }));
  CHECK(answer->status().code() == absl::StatusCode::kResourceExhausted);
}

TEST_CASE("an address survives the trip through text", "[uv]") {
  sockaddr_storage address = *ParseIp("127.1.2.3", 9);
  CHECK(IpText(address) == "127.1.2.3");
  SetPort(address, 10);
  CHECK(PortOf(address) == 10);
  CHECK(SameAddress(address, *ParseIp("127.1.2.3", 10)));
  CHECK(!SameAddress(address, *ParseIp("127.1.2.3", 9)));
  CHECK(!SameAddress(*ParseIp("::1", 9), *ParseIp("::2", 9)));
  CHECK(IpText(*ParseIp("", 1)) == "0.0.0.0");
  CHECK(!ParseIp("example.org", 1).ok());
}

}  // namespace
}  // namespace aurora::uv
