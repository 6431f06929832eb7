#include "tools/aurora-ctl/output.h"

#include <sstream>

#include <nlohmann/json.hpp>

#include "tests/support/test.h"
#include "tools/aurora-ctl/documents.h"
#include "tools/aurora-ctl/exit_codes.h"

namespace aurora::ctl {
namespace {

using Json = nlohmann::ordered_json;

TEST_CASE("a table aligns by characters, shows null as a dash and hides wide columns") {
  const Json rows =
      Json::parse(R"([{"n":"é","l":["a","b"],"r":{"x":5}},{"n":"long","l":null,"r":null}])");
  const std::vector<Column> columns = {{"N", "n"}, {"L", "l"}, {"X", "r.x", true}};
  std::ostringstream narrow;
  Print(narrow, Format::kTable, rows, rows, columns);
  CHECK(narrow.str() == "N     L\né     a,b\nlong  -\n");
  std::ostringstream wide;
  Print(wide, Format::kWide, rows, rows, columns);
  CHECK(wide.str() == "N     L    X\né     a,b  5\nlong  -    -\n");
}

TEST_CASE("control characters never reach the terminal") {
  CHECK(Cell(Json("a\x1b[2Jb\n")) == "a?[2Jb?");
}

TEST_CASE("YAML output reads back as the same value") {
  const Json body = Json::parse(
      R"({"kind":"K","name":"no: \"x\"","spec":{"a":[],"b":[{"c":1,"d":null},"y"],"true":{},
      "n":"- x","m":[[1,2],[3]],"t":"true"}})");
  const auto back = ParseDocuments(ToYaml(body), "");
  INFO(ToYaml(body));
  REQUIRE(back.ok());
  CHECK(back->at(0).spec == body["spec"]);
  CHECK(back->at(0).name == body["name"]);
}

TEST_CASE("every gRPC answer has its documented exit code and a next step") {
  using C = grpc::StatusCode;
  const std::vector<std::pair<C, int>> codes = {{C::OK, 0},
                                                {C::UNAVAILABLE, 3},
                                                {C::DEADLINE_EXCEEDED, 3},
                                                {C::UNAUTHENTICATED, 4},
                                                {C::PERMISSION_DENIED, 4},
                                                {C::NOT_FOUND, 5},
                                                {C::ALREADY_EXISTS, 6},
                                                {C::ABORTED, 6},
                                                {C::FAILED_PRECONDITION, 6},
                                                {C::INVALID_ARGUMENT, 1},
                                                {C::INTERNAL, 1}};
  for (const auto& [code, exit] : codes) {
    CHECK(ExitCodeOf(grpc::Status(code, "m")) == exit);
    if (code != C::OK) {
      CHECK(Explain(grpc::Status(code, "m"), "addr").find(';') != std::string::npos);
    }
  }
}

TEST_CASE("a node that answers that it cannot do it now was reached") {
  const grpc::Status answered(grpc::StatusCode::UNAVAILABLE, "nobody leads", "\x08\x0e");
  CHECK(ExitCodeOf(answered) == 7);
  CHECK(Explain(answered, "addr") == "nobody leads; try again in a moment");
}

TEST_CASE("a refusal that says what to do is not told to look around") {
  const grpc::Status off(grpc::StatusCode::FAILED_PRECONDITION, "clustering is off: set cluster.enabled = true");
  CHECK(Explain(off, "addr") == "clustering is off: set cluster.enabled = true");
}

TEST_CASE("a port that is not the admin gRPC port, or speaks no TLS, is named as such") {
  const auto explain = [](const char* message) {
    return Explain(grpc::Status(grpc::StatusCode::UNAVAILABLE, message), "h:1");
  };
  CHECK(explain("Trying to connect an http1.x server").ends_with("want the admin gRPC port (admin.grpc_listen, 7948)"));
  CHECK(explain("Ssl handshake failed: wrong version").find("--ca-cert turns TLS on") != std::string::npos);
  CHECK(explain("Socket closed").ends_with("with --ca-cert"));
  CHECK(explain("unix:/x: Permission denied").find("the node's own user and root") != std::string::npos);
  CHECK(explain("Connection refused").ends_with("or name another with --addr"));
}

}  // namespace
}  // namespace aurora::ctl
