#include "tools/aurora-ctl/documents.h"

#include "shared/base/status.h"
#include "tests/support/test.h"

namespace aurora::ctl {
namespace {

std::string Mistake(std::string_view text, std::string_view kind = "") {
  return std::string(Std(ParseDocuments(text, kind).status().message()));
}

TEST_CASE("one JSON object, an array of them and YAML say the same") {
  const std::string object =
      R"({"kind":"Alias","name":"fast","spec":{"targets":[{"model":"a/b","weight":2}]}})";
  const std::string yaml =
      "kind: Alias\nname: fast\nspec:\n  targets:\n    - model: a/b\n      weight: 2\n";
  const auto one = ParseDocuments(object, "");
  const auto many = ParseDocuments("[" + object + "," + object + "]", "");
  const auto block = ParseDocuments("---\n" + yaml + "---\n" + yaml + "...\n", "");
  REQUIRE(one.ok());
  REQUIRE(many.ok());
  REQUIRE(block.ok());
  CHECK(many->size() == 2);
  CHECK(block->size() == 2);
  CHECK(block->at(1).spec == one->at(0).spec);
  CHECK(block->at(1).name == "fast");
}

TEST_CASE("JSON objects may stand one behind the other, and the one that is none is named") {
  const std::string object = R"({"kind":"Alias","name":"}{\"\\","spec":{}})";
  for (const char* between : {"", "\n", " \n\t"}) {
    const auto all = ParseDocuments(object + between + object + between + object + "\n", "");
    REQUIRE(all.ok());
    REQUIRE(all->size() == 3);
    CHECK(all->at(2).name == "}{\"\\");
  }
  CHECK(Mistake(object + "\n{\"kind\":}") == "document 2: not JSON at byte 9");
  CHECK(Mistake(object + " x") == "document 2: not JSON at byte 1");
  CHECK(Mistake(object + "}") == "document 2: not JSON at byte 1");
}

TEST_CASE("YAML scalars are typed and quoted ones are text") {
  const auto documents = ParseDocuments(
      "kind: K\nname: \"007\"\nspec: {a: 5, b: \"5\", c: true, d: null, e: 1.5, f: no, g: "
      "2026-07-28T10:00:00Z}\n",
      "");
  REQUIRE(documents.ok());
  CHECK(documents->at(0).name == "007");
  CHECK(documents->at(0).spec.dump() ==
        R"({"a":5,"b":"5","c":true,"d":null,"e":1.5,"f":"no","g":"2026-07-28T10:00:00Z"})");
}

TEST_CASE("a group's documents may leave the kind out and have no other") {
  CHECK(ParseDocuments(R"({"name":"a","spec":{}})", "Model")->at(0).kind == "Model");
  CHECK(Mistake(R"({"kind":"Alias","name":"a","spec":{}})", "Model").find("want Model") !=
        std::string::npos);
}

TEST_CASE("documents that are none are named by number") {
  CHECK(Mistake("") == "no document in it");
  CHECK(Mistake(R"([{"kind":"A","name":"a","spec":{}},{"kind":"A"}])") ==
        "document 2: want kind, name and spec");
  CHECK(Mistake(R"({"kind":"A","name":"a","specs":{}})") ==
        "document 1: \"specs\": no such field, want kind, name and spec");
  CHECK(Mistake(R"({"kind":1,"name":"a","spec":{}})") == "document 1: kind: want text");
  CHECK(Mistake("just text").starts_with("document 1: want {"));
  CHECK(Mistake("a: [1").find("not YAML") != std::string::npos);
  CHECK(Mistake(R"({"kind":"A","kind":"B"})") == "\"kind\" is given twice");
  CHECK_FALSE(Mistake("kind: A\nkind: B\nname: x\nspec: {}\n").empty());
}

TEST_CASE("a text that is deep or grows by aliases is refused") {
  CHECK_FALSE(Mistake(std::string(100000, '[')).empty());
  CHECK_FALSE(Mistake("a: " + std::string(100000, '[')).empty());
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 8; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int k = 0; k < 9; ++k) {
      bomb += "," + last;
    }
    bomb += "]\n";
  }
  CHECK(Mistake(bomb) == "nested too deep or too large");
}

}  // namespace
}  // namespace aurora::ctl
