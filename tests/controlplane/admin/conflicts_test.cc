// What `sync conflicts` shows of rows that were written in two places at once.
#include <future>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "aurora/v1/policy.pb.h"
#include "controlplane/store/row_codec.h"
#include "tests/controlplane/admin/face_fixture.h"

namespace aurora::admin {
namespace {

using testing::Backend;

// Of two nodes that did not know of each other. An empty spec: a delete.
store::WireRow Concurrent(std::string kind, std::string id, const std::string& one, const std::string& two) {
  replication::Row row;
  for (const auto& [uid, spec] : {std::pair(std::string(32, 'a'), one), std::pair(std::string(32, 'b'), two)}) {
    const replication::Dot dot{{uid, 1}, 1};
    row.siblings.push_back({dot, spec, {static_cast<uint64_t>(testing::kNowMs), uid == std::string(32, 'b') ? 1U : 0U},
                            spec.empty()});
    row.version.Add(dot);
  }
  return {std::move(kind), std::move(id), store::EncodeRow(row)};
}

void Merge(Backend& backend, std::vector<store::WireRow> rows) {
  std::promise<absl::Status> done;
  backend.store().Merge(std::move(rows), "peer", std::nullopt,
                        [&](const auto& result) { done.set_value(result.status()); });
  REQUIRE(done.get_future().get().ok());
}

v1::ListSyncConflictsResponse List(Backend& backend, const std::string& token = "") {
  v1::ListSyncConflictsRequest request;
  request.set_page_size(1000);
  request.set_page_token(token);
  std::promise<absl::StatusOr<v1::ListSyncConflictsResponse>> answer;
  backend.handlers().Handle(Caller{"test"}, request, [&](auto response) { answer.set_value(std::move(response)); });
  auto response = answer.get_future().get();
  REQUIRE(response.ok());
  return *std::move(response);
}

std::string Prompt(const std::string& text) {
  v1::GuardrailSpec spec;
  spec.set_name("g");
  spec.set_type(v1::GUARDRAIL_TYPE_SYSTEM_PROMPT);
  spec.mutable_system_prompt()->set_text(text);
  return spec.SerializeAsString();
}

TEST_CASE("each value of a conflict is shown as it was written, a delete as nothing") {
  Backend backend;
  Merge(backend, {Concurrent("Guardrail", "g", Prompt("be brief"), Prompt("be kind")),
                  Concurrent("Guardrail", "h", Prompt("be quiet"), ""), Concurrent("Unheard", "of", "x", "y")});
  const v1::ListSyncConflictsResponse listed = List(backend);
  REQUIRE(listed.conflicts_size() == 3);
  CHECK(listed.next_page_token().empty());
  CHECK(listed.conflicts(0).values(0).value().find("be brief") != std::string::npos);
  CHECK(listed.conflicts(0).values(1).value().find("be kind") != std::string::npos);
  CHECK(listed.conflicts(0).values(1).newest());
  CHECK(listed.conflicts(1).values(0).value().find("be quiet") != std::string::npos);
  CHECK(listed.conflicts(1).values(1).deleted());
  CHECK(listed.conflicts(1).values(1).value().empty());
  CHECK(listed.conflicts(2).values(0).value().empty());
  backend.End();
}

TEST_CASE("no value of a conflict shows a secret, sealed or hashed") {
  Backend backend;
  const auto key = [](char hash) {
    v1::AuthKeySpec spec;
    spec.set_name("ci");
    spec.add_secrets()->set_sha256(std::string(32, hash));
    spec.mutable_secrets(0)->set_redacted("sk_aur_…wxyz");
    return spec.SerializeAsString();
  };
  const auto provider = [](const std::string& sealed) {
    v1::ProviderSpec spec;
    spec.set_name("p");
    spec.set_type(v1::PROVIDER_TYPE_OPENAI);
    spec.set_base_url("https://api.example.com");
    spec.add_credentials()->set_sealed(sealed);
    spec.mutable_credentials(0)->set_id("one");
    return spec.SerializeAsString();
  };
  Merge(backend, {Concurrent("AuthKey", "k", key('h'), key('i')),
                  Concurrent("Provider", "p", provider("sealed 1"), provider("sealed 2"))});
  const v1::ListSyncConflictsResponse listed = List(backend);
  REQUIRE(listed.conflicts_size() == 2);
  for (const v1::SyncConflict& conflict : listed.conflicts()) {
    for (const v1::ConflictValue& value : conflict.values()) {
      const bool key_row = conflict.kind() == "AuthKey";
      CHECK(value.value().find(key_row ? "sk_aur_…wxyz" : R"("id":"one")") != std::string::npos);
      CHECK(value.value().find(key_row ? R"("sha256":"")" : R"("sealed":"")") != std::string::npos);
    }
  }
  backend.End();
}

TEST_CASE("a page of conflicts stays below what a call may carry, and the pages hold each once") {
  Backend backend;
  std::vector<store::WireRow> rows;
  for (int i = 100; i < 150; ++i) {
    const std::string text(32'000, 'x');
    rows.push_back(Concurrent("Guardrail", "g" + std::to_string(i), Prompt(text + "1"), Prompt(text + "2")));
  }
  Merge(backend, std::move(rows));
  std::set<std::string> seen;
  int pages = 0;
  std::string token;
  do {
    const v1::ListSyncConflictsResponse listed = List(backend, token);
    CHECK(listed.ByteSizeLong() < 2 << 20);
    for (const v1::SyncConflict& conflict : listed.conflicts()) {
      CHECK(seen.insert(conflict.id()).second);
    }
    token = listed.next_page_token();
    ++pages;
  } while (!token.empty());
  CHECK(seen.size() == 50);
  CHECK(pages > 1);
  backend.End();
}

}  // namespace
}  // namespace aurora::admin
