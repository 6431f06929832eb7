// Mutual TLS between nodes: who is let in, and certificates changed while nodes run.
#include "controlplane/peers/control_tls.h"

#include <filesystem>

#include "tests/controlplane/peers/control_nodes.h"
#include "tests/support/certs.h"

namespace aurora::peers {
namespace {

using aurora::testing::Certs;
using testing::LinkedBothWays;
using testing::Node;
using testing::RunFor;
using testing::RunUntil;
using testing::Tls;

config::TlsFiles Files(const Certs& certs, const Certs::Leaf& leaf) {
  return {leaf.certificate_file, leaf.key_file, certs.ca_file()};
}

Node::Options With(std::shared_ptr<const ControlTls> tls) {
  Node::Options options;
  options.tls = std::move(tls);
  return options;
}

// Neither links within many dials.
bool NeverLinks(uv::Loop& loop, Node& a, Node& b) {
  RunFor(loop, Duration::Millis(1500));
  return a.ups.empty() && b.ups.empty();
}

TEST_CASE("nodes with certificates of one CA link, whatever names these hold") {
  Certs certs;
  uv::Loop loop;
  Node a(loop, "a", With(Tls(Files(certs, certs.Issue("a", "DNS:a.test")))));
  Node b(loop, "b", With(Tls(Files(certs, certs.Issue("b", "")))));
  a.links->SetTargets({b.AsTarget()});
  CHECK(RunUntil(loop, [&] { return LinkedBothWays(a, b); }));
}

TEST_CASE("a node with a certificate of another CA is refused, whichever dials") {
  Certs ours;
  Certs theirs;
  uv::Loop loop;
  Node a(loop, "a", With(Tls(Files(ours, ours.Issue("a", "")))));
  // Trusts our CA, so only its own certificate is wrong.
  config::TlsFiles files = Files(theirs, theirs.Issue("b", ""));
  files.ca = ours.ca_file();
  Node b(loop, "b", With(Tls(files)));
  SECTION("it dials") { b.links->SetTargets({a.AsTarget()}); }
  SECTION("it is dialled") { a.links->SetTargets({b.AsTarget()}); }
  CHECK(NeverLinks(loop, a, b));
}

TEST_CASE("a node without TLS and one with do not link, whichever dials") {
  Certs certs;
  uv::Loop loop;
  Node a(loop, "a", With(Tls(Files(certs, certs.Issue("a", "")))));
  Node b(loop, "b");
  SECTION("plain dials") { b.links->SetTargets({a.AsTarget()}); }
  SECTION("plain is dialled") { a.links->SetTargets({b.AsTarget()}); }
  CHECK(NeverLinks(loop, a, b));
}

TEST_CASE("certificates and CA changed while the nodes run serve the next streams") {
  Certs old_certs;
  Certs new_certs;
  uv::Loop loop;
  const config::TlsFiles files = Files(old_certs, old_certs.Issue("a", ""));
  Node a(loop, "a", With(Tls(files)));
  Node b(loop, "b", With(Tls(Files(old_certs, old_certs.Issue("b", "")))));
  a.links->SetTargets({b.AsTarget()});
  REQUIRE(RunUntil(loop, [&] { return LinkedBothWays(a, b); }));

  // c knows the new CA only: nobody until a's files change.
  Node c(loop, "c", With(Tls(Files(new_certs, new_certs.Issue("c", "")))));
  c.links->SetTargets({a.AsTarget()});
  CHECK(!RunUntil(loop, [&] { return a.Linked(c); }, Duration::Millis(1500)));
  const Certs::Leaf fresh = new_certs.Issue("a", "");
  std::filesystem::rename(fresh.key_file, files.key);
  std::filesystem::rename(fresh.certificate_file, files.cert);
  std::filesystem::copy_file(new_certs.ca_file(), files.ca, std::filesystem::copy_options::overwrite_existing);
  CHECK(RunUntil(loop, [&] { return LinkedBothWays(a, c); }));
  // What stood before stands.
  CHECK(LinkedBothWays(a, b));
  CHECK(a.downs.empty());
}

TEST_CASE("TLS settings that cannot work are told by name") {
  Certs certs;
  const Certs::Leaf a = certs.Issue("a", "");
  const Certs::Leaf b = certs.Issue("b", "");
  const auto message = [](const config::TlsFiles& files) {
    const auto tls = ControlTls::Load(files);
    REQUIRE(!tls.ok());
    CHECK(tls.status().code() == absl::StatusCode::kInvalidArgument);
    return std::string(Std(tls.status().message()));
  };
  using Catch::Contains;
  CHECK_THAT(message({a.certificate_file, a.key_file, ""}), Contains("cluster.tls"));
  CHECK_THAT(message({a.certificate_file, b.key_file, certs.ca_file()}), Contains("cluster.tls.key"));
  CHECK_THAT(message({a.certificate_file, a.key_file, "/nowhere.pem"}), Contains("cluster.tls.ca"));
}

}  // namespace
}  // namespace aurora::peers
