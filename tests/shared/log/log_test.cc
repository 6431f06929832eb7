#include "shared/log/log.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "shared/base/status.h"
#include "tests/support/test.h"

namespace aurora::log {
namespace {

constexpr int64_t kAt = 1785232800123456;  // 2026-07-28T10:00:00.123456Z

struct Captured {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = true;
  bool entered = false;
  std::string text;

  Options Into() {
    Options options;
    options.sink = [this](std::string_view lines) {
      std::unique_lock<std::mutex> lock(mutex);
      entered = true;
      changed.notify_all();
      changed.wait(lock, [this] { return open; });
      text += lines;
      return true;
    };
    return options;
  }
};

TEST_CASE("a JSON line has time, level, component, node, message and its fields in order") {
  Options options;
  options.component = "dataplane";
  options.node_id = "n1";
  const std::string s = "text";
  CHECK(
      FormatLine(options, Level::kInfo, kAt, "started",
                 {{"port", 8080},
                  {"host", s},
                  {"ok", true},
                  {"took", Duration::Millis(1500)},
                  {"why", NotFound("no row")},
                  {"big", uint64_t{18446744073709551615ULL}},
                  {"low", int64_t{-1}}}) ==
      R"({"time":"2026-07-28T10:00:00.123456Z","level":"info","component":"dataplane","node_id":"n1",)"
      R"("msg":"started","port":8080,"host":"text","ok":true,"took":1.5,"why":"no row",)"
      R"("big":18446744073709551615,"low":-1})");
}

TEST_CASE("logfmt writes the same fields as key=value") {
  Options options;
  options.format = Format::kText;
  CHECK(FormatLine(options, Level::kWarn, kAt, "slow disk", {{"ms", 12}, {"path", "/a b"}}) ==
        R"(time="2026-07-28T10:00:00.123456Z" level="warn" msg="slow disk" ms=12 path="/a b")");
}

TEST_CASE("whatever the text, the line is one line of valid JSON") {
  const std::string nasty(
      "a\n\"\\\x00\x1b\x7f\xff\xc0\xaf\xed\xa0\x80 \xe2\x82\xac \xf0\x9f\x98\x80 \xe2\x82", 25);
  const std::string line = FormatLine({}, Level::kInfo, kAt, nasty, {{"f", nasty}, {nasty, 1}});
  CHECK(line.find('\n') == std::string::npos);
  const auto parsed = nlohmann::json::parse(line, nullptr, false);
  REQUIRE(!parsed.is_discarded());
  CHECK(parsed["msg"].get<std::string>().find("€ 😀") != std::string::npos);
}

TEST_CASE("text under a secret's name is masked") {
  const std::string line =
      FormatLine({}, Level::kInfo, kAt, "m",
                 {{"api_key", "sk-1"}, {"authorization", "Bearer x"}, {"input_tokens", 5}});
  CHECK(line.find("sk-1") == std::string::npos);
  CHECK(line.find("Bearer") == std::string::npos);
  CHECK(line.find("\"api_key\":\"****\"") != std::string::npos);
  CHECK(line.find("\"input_tokens\":5") != std::string::npos);
  CHECK_FALSE(std::is_constructible_v<Field, std::string_view, crypto::Secret>);
}

TEST_CASE("a line is bounded however long its fields are") {
  const std::string big(1 << 20, '"');
  const std::string line =
      FormatLine({}, Level::kInfo, kAt, big, {{"a", big}, {"b", big}, {"c", big}, {"d", big}});
  CHECK(line.size() <= kMaxLineBytes);
  CHECK(!nlohmann::json::parse(line, nullptr, false).is_discarded());
}

TEST_CASE("lines below the level are not written and Flush waits for the rest") {
  Captured captured;
  Start(captured.Into());
  Debug("hidden");
  Info("shown");
  SetLevel(Level::kDebug);
  Debug("now shown");
  Flush();
  {
    const std::lock_guard<std::mutex> lock(captured.mutex);
    CHECK(captured.text.find("hidden") == std::string::npos);
    CHECK(captured.text.find("\"msg\":\"shown\"") != std::string::npos);
    CHECK(captured.text.find("now shown") != std::string::npos);
  }
  Stop();
}

TEST_CASE("a writer that is stuck blocks nobody and the loss is counted and told") {
  Captured captured;
  captured.open = false;
  Start(captured.Into());
  const uint64_t before = Dropped();
  Info("first");
  {
    std::unique_lock<std::mutex> lock(captured.mutex);
    REQUIRE(captured.changed.wait_for(lock, std::chrono::seconds(10),
                                      [&] { return captured.entered; }));
  }
  for (size_t i = 0; i < kRingLines + 100; ++i) {
    Info("flood");
  }
  CHECK(Dropped() - before == 100);
  {
    const std::lock_guard<std::mutex> lock(captured.mutex);
    captured.open = true;
  }
  captured.changed.notify_all();
  Stop();
  CHECK(captured.text.find("\"lines\":100") != std::string::npos);
}

TEST_CASE("lines of many threads arrive whole, and Stop writes what is left") {
  Captured captured;
  Start(captured.Into());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 500; ++i) {
        Info("line", {{"t", t}, {"i", i}});
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  Stop();
  size_t lines = 0;
  size_t at = 0;
  while (at < captured.text.size()) {
    const size_t end = captured.text.find('\n', at);
    REQUIRE(end != std::string::npos);
    REQUIRE(
        !nlohmann::json::parse(captured.text.substr(at, end - at), nullptr, false).is_discarded());
    at = end + 1;
    ++lines;
  }
  CHECK(lines == 2000);
}

TEST_CASE("a sink that fails is counted") {
  const uint64_t before = Dropped();
  Options options;
  options.sink = [](std::string_view) { return false; };
  Start(options);
  Info("lost");
  Stop();
  CHECK(Dropped() - before == 1);
}

}  // namespace
}  // namespace aurora::log
