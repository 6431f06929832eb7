#include "dataplane/snapshot/discovery.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/snapshot/discovery_http.h"
#include "shared/tls/session.h"
#include "tests/support/certs.h"
#include "tests/support/test.h"

namespace aurora::snapshot {
namespace {

bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

// Answers one request of every connection on a port of its own, then closes it.
class Answerer {
 public:
  // The answer to the n-th request.
  using Answer = std::function<std::string(std::string_view request, int n)>;

  explicit Answerer(std::string answer, std::shared_ptr<tls::ServerContext> certificate = nullptr)
      : Answerer([answer = std::move(answer)](std::string_view, int) { return answer; },
                 std::move(certificate)) {}
  explicit Answerer(Answer answer, std::shared_ptr<tls::ServerContext> certificate = nullptr)
      : answer_(std::move(answer)), certificate_(std::move(certificate)) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof a;
    AURORA_CHECK(::bind(fd_, reinterpret_cast<sockaddr*>(&a), size) == 0 && ::listen(fd_, 16) == 0);
    AURORA_CHECK(::getsockname(fd_, reinterpret_cast<sockaddr*>(&a), &size) == 0);
    port_ = ntohs(a.sin_port);
    thread_ = std::thread([this] { Run(); });
  }
  ~Answerer() {
    stop_ = true;
    thread_.join();
    ::close(fd_);
  }

  uint16_t port() const { return port_; }
  int served() const { return served_; }
  std::string request() const {
    const std::lock_guard lock(mu_);
    return request_;
  }

 private:
  void Run() {
    while (!stop_) {
      pollfd p{fd_, POLLIN, 0};
      if (::poll(&p, 1, 10) > 0) {
        const int client = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
        certificate_ == nullptr ? Plain(client) : Tls(client);
        ::close(client);
      }
    }
  }

  // Bytes of the client; "" when it is gone or says nothing for 5 s.
  static std::string Receive(int client) {
    pollfd p{client, POLLIN, 0};
    std::string bytes(16384, '\0');
    const ssize_t n = ::poll(&p, 1, 5000) > 0 ? ::recv(client, bytes.data(), bytes.size(), 0) : 0;
    bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return bytes;
  }
  static void SendAll(int client, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) {
        return;
      }
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  void Keep(std::string request) {
    const std::lock_guard lock(mu_);
    request_ = std::move(request);
  }

  void Plain(int client) {
    std::string request;
    while (request.find("\r\n\r\n") == std::string::npos) {
      const std::string more = Receive(client);
      if (more.empty()) {
        return;
      }
      request += more;
    }
    const std::string answer = answer_(request, served_++);  // counted before the client can see it
    Keep(std::move(request));
    SendAll(client, answer);
  }

  void Tls(int client) {
    auto session = tls::Session::Server(certificate_);
    AURORA_CHECK(session.ok());
    tls::Session& s = **session;
    std::string request;
    while (request.find("\r\n\r\n") == std::string::npos) {
      const std::string more = Receive(client);
      if (more.empty()) {
        return;
      }
      s.FeedCiphertext(more);
      s.Advance();
      s.ReadPlaintext(request, 16384);
      std::string out;
      s.DrainCiphertext(out);
      SendAll(client, out);
      if (s.state() == tls::Session::State::kFailed) {
        return;
      }
    }
    const std::string answer = answer_(request, served_++);  // counted before the client can see it
    Keep(std::move(request));
    if (s.WritePlaintext(answer)) {
      s.Close();
      std::string out;
      s.DrainCiphertext(out);
      SendAll(client, out);
    }
  }

  const Answer answer_;
  const std::shared_ptr<tls::ServerContext> certificate_;
  int fd_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<int> served_{0};
  mutable std::mutex mu_;
  std::string request_;  // guarded by mu_
  std::thread thread_;
};

std::string Ok(std::string_view body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

model::Provider At(uint16_t port, model::Dialect dialect = model::Dialect::kOpenAi) {
  model::Provider p;
  p.name = "p" + std::to_string(port);
  p.dialect = dialect;
  p.host = "127.0.0.1";
  p.port = port;
  p.authority = "127.0.0.1:" + std::to_string(port);
  p.base_path = "/v1";
  p.constant_lines = "Host: " + p.authority + "\r\n";
  model::Credential c;
  c.header_lines = "Authorization: Bearer sk-very-secret\r\n";
  p.credentials.push_back(c);
  return p;
}

std::shared_ptr<const model::Catalog> CatalogOf(std::vector<model::Provider> providers) {
  auto catalog = std::make_shared<model::Catalog>();
  for (model::Provider& p : providers) {
    catalog->provider_by_name.emplace(p.name, static_cast<uint32_t>(catalog->providers.size()));
    catalog->providers.push_back(std::move(p));
  }
  return catalog;
}

// What discovery found so far, by provider.
struct Found {
  DiscoveryOptions Options() {
    DiscoveryOptions o;
    o.on_models = [this](const std::string& provider, const std::vector<DiscoveredModel>& models) {
      const std::lock_guard lock(mu);
      for (const DiscoveredModel& m : models) {
        names.push_back(provider + "/" + m.id);
      }
    };
    return o;
  }
  size_t size() {
    const std::lock_guard lock(mu);
    return names.size();
  }
  std::mutex mu;
  std::vector<std::string> names;
};

TEST_CASE("a model list is read in each dialect and entries without a name are passed over") {
  auto openai =
      ParseModelList(model::Dialect::kOpenAi,
                     R"({"data":[{"id":"a","created":7},{"id":3},"x",{"id":""},{"id":"b"}]})");
  REQUIRE(openai.ok());
  REQUIRE(openai->models.size() == 2);
  CHECK(openai->models[0].id == "a");
  CHECK(openai->models[0].created_s == 7);
  CHECK(openai->models[1].id == "b");
  auto gemini =
      ParseModelList(model::Dialect::kGemini, R"({"models":[{"name":"models/g"},{"name":"h"}]})");
  REQUIRE(gemini.ok());
  REQUIRE(gemini->models.size() == 2);
  CHECK(gemini->models[0].id == "g");
  CHECK(gemini->models[1].id == "h");
}

TEST_CASE("text that is no model list is an error and never a crash") {
  for (const char* text : {"", "nonsense", "[]", "{}", R"({"data":1})", R"({"data":{"id":"a"}})",
                           "\xff\xfe", "{\"data\":["}) {
    INFO(text);
    CHECK(absl::IsInvalidArgument(ParseModelList(model::Dialect::kOpenAi, text).status()));
  }
}

TEST_CASE("a model list is cut at ten thousand entries and at names of 256 bytes") {
  std::string text = R"({"data":[{"id":")" + std::string(257, 'n') + R"("})";
  for (int i = 0; i < 10'050; ++i) {
    text += R"(,{"id":"m)" + std::to_string(i) + R"("})";
  }
  auto models = ParseModelList(model::Dialect::kOpenAi, text + "]}");
  REQUIRE(models.ok());
  CHECK(models->models.size() == 10'000);
  CHECK(models->models.front().id == "m0");
}

TEST_CASE("each dialect is asked at the path its provider documents, for a page that holds all") {
  model::Provider p = At(1);
  CHECK(ModelListPath(p) == "/models");
  p.dialect = model::Dialect::kAnthropic;
  CHECK(ModelListPath(p) == "/models?limit=1000");
  p.base_path = "";
  CHECK(ModelListPath(p) == "/v1/models?limit=1000");
  p.dialect = model::Dialect::kGemini;
  CHECK(ModelListPath(p) == "/v1beta/models?pageSize=1000");
  CHECK(CanDiscover(p));
  p.models = {"configured"};
  CHECK_FALSE(CanDiscover(p));
  p.models.clear();
  p.type = model::ProviderType::kAzure;
  CHECK_FALSE(CanDiscover(p));
}

TEST_CASE("a list is fetched by length, in chunks or until the provider closes") {
  const std::string head = "HTTP/1.1 200 OK\r\n";
  for (const std::string& answer :
       {Ok("hello"), head + "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        head + "\r\nhello"}) {
    Answerer server(answer);
    auto body = Get(At(server.port()), "/models");
    REQUIRE(body.ok());
    CHECK(*body == "hello");
    CHECK(server.request().starts_with("GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1:"));
    CHECK(server.request().find("\r\nAuthorization: Bearer sk-very-secret\r\n") !=
          std::string::npos);
    CHECK(server.request().find("anthropic-version") == std::string::npos);
  }
}

TEST_CASE("a provider that must be public is not asked at a private address") {
  Answerer server(Ok("hello"));
  model::Provider provider = At(server.port());
  provider.public_only = true;
  for (const char* host : {"127.0.0.1", "localhost"}) {
    provider.host = host;
    const absl::Status refused = Get(provider, "/models").status();
    CHECK(absl::IsPermissionDenied(refused));
    CHECK(std::string(refused.message()).find("admin.allow_private_networks") != std::string::npos);
  }
  provider.public_only = false;
  CHECK(Get(provider, "/models").ok());
}

TEST_CASE("Anthropic is asked with a version exactly once") {
  Answerer server(Ok("{}"));
  model::Provider p = At(server.port(), model::Dialect::kAnthropic);
  for (int i = 0; i < 2; ++i) {
    REQUIRE(Get(p, "/models").ok());
    const std::string request = server.request();
    const size_t at = request.find("\r\nanthropic-version: 2023-06-01\r\n");
    CHECK(at != std::string::npos);
    CHECK(request.find("anthropic-version", at + 5) == std::string::npos);
    p.constant_lines += "anthropic-version: 2023-06-01\r\n";
  }
}

TEST_CASE("a list of several pages is followed by its cursor, which is only ever one query value") {
  using Answers = std::vector<std::string>;
  const auto fetch = [](model::Dialect dialect, const Answers& pages) {
    Answerer server([&pages](std::string_view, int n) {
      return Ok(pages[std::min(static_cast<size_t>(n), pages.size() - 1)]);
    });
    auto models = FetchModels(At(server.port(), dialect));
    REQUIRE(models.ok());
    std::string names;
    for (const DiscoveredModel& m : *models) {
      names += m.id + " ";
    }
    return std::pair(names + std::to_string(server.served()), server.request());
  };
  auto [anthropic, last] = fetch(model::Dialect::kAnthropic,
                                 {R"({"data":[{"id":"a"}],"has_more":true,"last_id":"a&x=1 "})",
                                  R"({"data":[{"id":"b"}],"has_more":false,"last_id":"b"})"});
  CHECK(anthropic == "a b 2");
  CHECK(last.starts_with("GET /v1/models?limit=1000&after_id=a%26x%3D1%20 HTTP/1.1\r\n"));
  CHECK(fetch(model::Dialect::kGemini, {R"({"models":[{"name":"g"}],"nextPageToken":"t"})",
                                        R"({"models":[{"name":"h"}]})"})
            .first == "g h 2");
  // OpenAI has no pages; an answer that never ends is cut.
  CHECK(fetch(model::Dialect::kOpenAi, {R"({"data":[{"id":"a"}],"has_more":true})"}).first == "a 1");
  CHECK(fetch(model::Dialect::kAnthropic,
              {R"({"data":[],"has_more":true,"last_id":"same"})"})
            .first == "2");
  Answerer endless([](std::string_view, int n) {
    return Ok(R"({"data":[],"has_more":true,"last_id":")" + std::to_string(n) + "\"}");
  });
  CHECK(FetchModels(At(endless.port(), model::Dialect::kAnthropic)).ok());
  CHECK(endless.served() == static_cast<int>(kPagesMax));
}

TEST_CASE("a provider behind an HTTP proxy is asked through it, by CONNECT or in absolute form") {
  Answerer proxy([](std::string_view request, int) {
    return request.starts_with("CONNECT") ? std::string("HTTP/1.1 403 Forbidden\r\n\r\n")
                                          : Ok(R"({"data":[{"id":"a"}]})");
  });
  const Via via{"127.0.0.1", proxy.port(), "Proxy-Authorization: Basic eA==\r\n"};
  model::Provider p = At(1);
  p.host = "provider.test";  // cannot be resolved here
  p.authority = "provider.test:1";
  auto models = FetchModels(p, &via);
  REQUIRE(models.ok());
  CHECK(models->size() == 1);
  CHECK(proxy.request().starts_with("GET http://provider.test:1/v1/models HTTP/1.1\r\n"));
  CHECK(proxy.request().find("Proxy-Authorization: Basic eA==\r\n") != std::string::npos);
  p.tls = true;
  const absl::Status refused = FetchModels(p, &via).status();
  CHECK(refused.message().find("403") != absl::string_view::npos);
  CHECK(proxy.request() ==
        "CONNECT provider.test:1 HTTP/1.1\r\nHost: provider.test:1\r\n"
        "Proxy-Authorization: Basic eA==\r\n\r\n");
}

TEST_CASE("every failure to fetch has its code, names the provider and never the key") {
  const auto code = [](const model::Provider& p) {
    const absl::Status s = Get(p, "/models").status();
    CHECK(s.message().find("127.0.0.1") != absl::string_view::npos);
    CHECK(s.message().find("sk-very") == absl::string_view::npos);
    return s.code();
  };
  const auto of = [&](const std::string& answer) {
    Answerer server(answer);
    return code(At(server.port()));
  };
  CHECK(of("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n") == absl::StatusCode::kPermissionDenied);
  CHECK(of("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n") == absl::StatusCode::kNotFound);
  CHECK(of("HTTP/1.1 302 Go\r\nLocation: http://evil/\r\nContent-Length: 0\r\n\r\n") ==
        absl::StatusCode::kInternal);
  CHECK(of("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort") == absl::StatusCode::kDataLoss);
  CHECK(of("nonsense\r\n\r\n") == absl::StatusCode::kDataLoss);
  CHECK(of(Ok(std::string((4 << 20) + 1, 'x'))) == absl::StatusCode::kResourceExhausted);
  uint16_t closed_port = 0;
  {
    Answerer gone("");
    closed_port = gone.port();
  }
  CHECK(code(At(closed_port)) == absl::StatusCode::kUnavailable);
}

TEST_CASE("a provider behind TLS is believed only with a certificate of its CA for its host") {
  testing::Certs certs;
  testing::Certs strangers;
  const auto serve = [&](const std::string& alt_names) {
    const auto leaf = certs.Issue("leaf", alt_names);
    auto context = tls::ServerContext::Load({leaf.certificate_file, leaf.key_file});
    REQUIRE(context.ok());
    return *context;
  };
  const auto get = [](uint16_t port, const std::string& ca_file) {
    model::Provider p = At(port);
    p.tls = true;
    p.ca_file = ca_file;
    return Get(p, "/models");
  };
  Answerer server(Ok("hello"), serve("IP:127.0.0.1"));
  auto body = get(server.port(), certs.ca_file());
  REQUIRE(body.ok());
  CHECK(*body == "hello");
  CHECK_FALSE(get(server.port(), strangers.ca_file()).ok());
  CHECK_FALSE(get(server.port(), "").ok());  // the system's store does not know the test CA
  Answerer misnamed(Ok("hello"), serve("DNS:other.test"));
  CHECK_FALSE(get(misnamed.port(), certs.ca_file()).ok());
}

TEST_CASE("a first round is over when every provider answered or failed, and both are reported") {
  Answerer good(Ok(R"({"data":[{"id":"a"},{"id":"b"}]})"));
  Answerer bad("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
  Answerer unasked(Ok(R"({"data":[{"id":"z"}]})"));
  Found found;
  DiscoveryOptions options = found.Options();
  options.first_round_max = Duration::Seconds(600);
  Discovery discovery(options);
  CHECK_FALSE(discovery.first_round_done());
  model::Provider listed = At(unasked.port());
  listed.models = {"configured"};
  discovery.SetCatalog(CatalogOf({At(good.port()), At(bad.port()), listed}));
  REQUIRE(Eventually([&] { return discovery.first_round_done(); }));
  CHECK(found.size() == 2);
  CHECK(unasked.served() == 0);
  const auto state = discovery.state();
  REQUIRE(state.size() == 2);
  for (const ProviderDiscovery& s : state) {
    const bool is_good = s.provider == At(good.port()).name;
    CHECK(s.error.empty() == is_good);
    CHECK(s.models == (is_good ? 2u : 0u));
    CHECK((s.fetched_unix_ms > 0) == is_good);
  }
}

TEST_CASE(
    "a provider is asked again each period and when its credential changes, not at other changes") {
  Answerer server(Ok(R"({"data":[{"id":"a"}]})"));
  Found found;
  {
    Discovery discovery(found.Options());
    discovery.SetCatalog(CatalogOf({At(server.port())}));
    REQUIRE(Eventually([&] { return found.size() == 1; }));
    model::Provider same = At(server.port());
    same.stamp = true;
    discovery.SetCatalog(CatalogOf({same}));
    model::Provider rotated = At(server.port());
    rotated.credentials[0].header_lines = "Authorization: Bearer sk-next\r\n";
    discovery.SetCatalog(CatalogOf({rotated}));
    REQUIRE(Eventually([&] { return found.size() == 2; }));
    CHECK(server.request().find("sk-next") != std::string::npos);
  }
  CHECK(found.size() == 2);
  DiscoveryOptions options = found.Options();
  options.refresh_every = Duration::Millis(20);
  Discovery discovery(options);
  discovery.SetCatalog(CatalogOf({At(server.port())}));
  CHECK(Eventually([&] { return found.size() >= 5; }));
}

TEST_CASE("readiness waits for the first round no longer than its bound") {
  DiscoveryOptions options;
  options.first_round_max = Duration::Millis(30);
  Discovery discovery(options);  // no catalog ever comes
  CHECK(Eventually([&] { return discovery.first_round_done(); }));
}

}  // namespace
}  // namespace aurora::snapshot
