// The dashboard's blob: what it may look like, and that the embedded one does.
#include "controlplane/dashboard/assets.h"

#include <string>

#include "tests/support/test.h"

namespace aurora::dashboard {
namespace {

std::string Number(uint32_t n) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(n >> shift & 0xff));
  }
  return out;
}

std::string Text(const std::string& text) {
  return Number(static_cast<uint32_t>(text.size())) + text;
}

std::string One() {
  return "AURDASH1" + Number(1) + Text("assets/a.js") + Text("text/javascript") + "\x01" + Text("0123") +
         Text("plain") + Text("small");
}

TEST_CASE("a file is found by its path with all that was packed") {
  const std::string blob = One();
  const auto assets = Assets::Parse(blob);
  REQUIRE(assets.ok());
  CHECK(assets->size() == 1);
  CHECK(assets->Find("a.js") == nullptr);
  const Asset* found = assets->Find("assets/a.js");
  REQUIRE(found != nullptr);
  CHECK(found->type == "text/javascript");
  CHECK(found->immutable);
  CHECK(found->etag == "0123");
  CHECK(found->plain == "plain");
  CHECK(found->gzip == "small");
}

TEST_CASE("a blob that is cut anywhere, or goes on, is refused") {
  const std::string blob = One();
  for (size_t n = 0; n < blob.size(); ++n) {
    CHECK_FALSE(Assets::Parse(std::string_view(blob).substr(0, n)).ok());
  }
  CHECK_FALSE(Assets::Parse(blob + "x").ok());
}

TEST_CASE("a length that leads beyond the blob is refused") {
  CHECK_FALSE(Assets::Parse("AURDASH1" + Number(1) + Number(0xffffffff) + "a").ok());
  CHECK_FALSE(Assets::Parse("AURDASH1" + Number(0xffffffff)).ok());
}

TEST_CASE("what this binary embeds is readable and has a first page") {
  const auto assets = Assets::Parse(EmbeddedBlob());
  REQUIRE(assets.ok());
  const Asset* page = assets->Find("index.html");
  REQUIRE(page != nullptr);
  CHECK_FALSE(page->immutable);
  CHECK(page->plain.starts_with("<!doctype html>"));
  CHECK(page->plain.find("<script>") == std::string_view::npos);  // the policy forbids inline code
  CHECK(page->plain.find("style=") == std::string_view::npos);
}

}  // namespace
}  // namespace aurora::dashboard
