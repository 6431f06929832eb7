#include "shared/config/reference.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "shared/config/registry.h"
#include "tests/support/test.h"

namespace aurora::config {
namespace {

std::string Committed() {
  std::ifstream file(AURORA_CONFIGURATION_MD);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The first line in which two texts differ, so that a failure does not print both of them.
std::string FirstDifference(const std::string& committed, const std::string& printed) {
  std::istringstream a(committed);
  std::istringstream b(printed);
  std::string had;
  std::string has;
  while (true) {
    const bool more_a = static_cast<bool>(std::getline(a, had));
    const bool more_b = static_cast<bool>(std::getline(b, has));
    if (had != has || more_a != more_b) {
      return "committed: " + (more_a ? had : "(end)") + "\nprinted:   " + (more_b ? has : "(end)");
    }
    if (!more_a) {
      return "";
    }
  }
}

TEST_CASE("docs/configuration.md is what the program says of its settings") {
  INFO("rewrite it: tools/build dev aurora-ctl && build/dev/bin/aurora-ctl config reference > docs/configuration.md");
  INFO(FirstDifference(Committed(), Reference()));
  CHECK((Committed() == Reference()));
}

TEST_CASE("the reference has a row of six cells for every key, and no other") {
  std::istringstream lines(Reference());
  size_t rows = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("| `") && std::count(line.begin(), line.end(), '|') == 7) {
      ++rows;
    }
  }
  CHECK(rows == Settings().size() + ProviderSettings().size());
}

TEST_CASE("only keys that a variable can set have one in the reference") {
  CHECK(VariableEnding("api_key") == "_API_KEY");
  CHECK(VariableEnding("models") == "_MODELS");
  CHECK(VariableEnding("timeouts.total").empty());
  CHECK(VariableEnding("").empty());
}

TEST_CASE("what a row means is one line and closes no cell") {
  const auto good = [](const Meaning& meaning) {
    return meaning.text.find_first_of("|\n") == std::string_view::npos && meaning.text.front() != ' ' &&
           meaning.text.back() != ' ' && meaning.text.back() != '.';
  };
  for (const Setting& s : Settings()) {
    INFO(s.key);
    CHECK(good(s.meaning));
  }
  for (const ProviderSetting& s : ProviderSettings()) {
    INFO(s.key);
    CHECK(good(s.meaning));
  }
  STATIC_REQUIRE_FALSE(std::is_default_constructible_v<Meaning>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<Meaning, const char (&)[1]>);
}

}  // namespace
}  // namespace aurora::config
