#include "controlplane/node/certificate_ends.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "shared/config/tls_files.h"
#include "tests/support/certs.h"
#include "tests/support/test.h"

namespace aurora::node {
namespace {

using testing::Certs;

// What the page says of `role`; -1 = nothing.
double EndOn(const metrics::Registry& registry, const std::string& role) {
  const std::string page = registry.Render();
  const std::string series = "aurora_tls_certificate_not_after_timestamp_seconds{role=\"" + role + "\"} ";
  const size_t at = page.find(series);
  return at == std::string::npos ? -1 : std::strtod(page.c_str() + at + series.size(), nullptr);
}

// In place, with one age for both files: as a copy that keeps times leaves them.
void Install(const Certs::Leaf& from, const config::TlsFiles& to) {
  const std::filesystem::file_time_type age{std::chrono::hours(1)};
  for (const auto& [source, target] : {std::pair(from.certificate_file, to.cert), {from.key_file, to.key}}) {
    std::filesystem::copy_file(source, target + ".new");
    std::filesystem::last_write_time(target + ".new", age);
    std::filesystem::rename(target + ".new", target);
  }
}

TEST_CASE("the end of each certificate is told, follows its files, and stays while a pair does not fit") {
  Certs certs;
  const Certs::Leaf days[] = {certs.Issue("d2", "DNS:a", 2), certs.Issue("d3", "DNS:a", 3),
                              certs.Issue("d4", "DNS:a", 4)};
  const auto end = [](const Certs::Leaf& leaf) {
    return static_cast<double>(*config::TlsEnd({leaf.certificate_file, leaf.key_file, ""}));
  };
  CHECK(end(days[1]) - end(days[0]) == Approx(86400).margin(60));
  config::Config config;
  config.admin.tls = {certs.directory() + "/admin.crt", certs.directory() + "/admin.pem", ""};
  config.cluster.enabled = true;
  config.cluster.tls = {certs.directory() + "/cluster.crt", certs.directory() + "/cluster.pem", certs.ca_file()};
  Install(days[0], config.admin.tls);
  Install(days[1], config.cluster.tls);
  const auto ends = std::make_shared<CertificateEnds>(config);
  metrics::Registry registry("test", "0", "");
  registry.Add(ends);
  CHECK(EndOn(registry, "admin") == end(days[0]));
  CHECK(EndOn(registry, "cluster") == end(days[1]));
  Install(days[2], config.admin.tls);
  ends->Look();
  CHECK(EndOn(registry, "admin") == end(days[2]));
  CHECK(EndOn(registry, "cluster") == end(days[1]));
  Install({days[0].certificate_file, days[1].key_file}, config.cluster.tls);
  ends->Look();
  CHECK(EndOn(registry, "cluster") == end(days[1]));
  Install(days[0], config.cluster.tls);
  ends->Look();
  CHECK(EndOn(registry, "cluster") == end(days[0]));
}

TEST_CASE("without certificates, and without a cluster, nothing is told of them") {
  Certs certs;
  const Certs::Leaf leaf = certs.Issue("leaf", "DNS:a");
  config::Config config;
  config.cluster.tls = {leaf.certificate_file, leaf.key_file, certs.ca_file()};
  const auto ends = std::make_shared<CertificateEnds>(config);
  metrics::Registry registry("test", "0", "");
  registry.Add(ends);
  CHECK(EndOn(registry, "admin") == -1);
  CHECK(EndOn(registry, "cluster") == -1);
}

}  // namespace
}  // namespace aurora::node
