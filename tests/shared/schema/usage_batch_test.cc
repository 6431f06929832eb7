#include "shared/schema/usage_batch.h"

#include <string>
#include <vector>

#include "shared/base/rng.h"
#include "tests/support/test.h"

namespace aurora::schema {
namespace {

bool Same(const UsageRow& a, const UsageRow& b) {
  return a.id == b.id && a.started_at_us == b.started_at_us && a.latency_us == b.latency_us &&
         a.request_id == b.request_id && a.auth_key_id == b.auth_key_id && a.user_path == b.user_path &&
         a.endpoint == b.endpoint && a.provider == b.provider && a.model == b.model &&
         a.outcome == b.outcome && a.node_id == b.node_id && a.status == b.status && a.stream == b.stream &&
         a.input_tokens == b.input_tokens && a.output_tokens == b.output_tokens &&
         a.cached_input_tokens == b.cached_input_tokens &&
         a.cache_creation_input_tokens == b.cache_creation_input_tokens &&
         a.reasoning_tokens == b.reasoning_tokens && a.time_to_first_token_us == b.time_to_first_token_us &&
         a.term == b.term && a.attempts == b.attempts && a.cost_nano_usd == b.cost_nano_usd;
}

// Every number another one, now and then an extreme one; names that repeat and names that do not.
UsageRow Row(Rng& rng, const std::vector<std::string>& names, int64_t id) {
  const auto number = [&]() -> int64_t {
    switch (rng.Next() % 8) {
      case 0: return INT64_MIN;
      case 1: return INT64_MAX;
      default: return static_cast<int64_t>(rng.Next() >> (rng.Next() % 64));
    }
  };
  const auto name = [&]() -> std::string_view { return names[rng.Next() % names.size()]; };
  UsageRow r;
  r.id = id;
  r.request_id = name();
  r.auth_key_id = name();
  r.user_path = name();
  r.endpoint = name();
  r.provider = name();
  r.model = name();
  r.outcome = name();
  r.node_id = name();
  for (int64_t* n : {&r.started_at_us, &r.latency_us, &r.status, &r.stream, &r.input_tokens, &r.output_tokens,
                     &r.cached_input_tokens, &r.cache_creation_input_tokens, &r.reasoning_tokens,
                     &r.time_to_first_token_us, &r.term, &r.attempts}) {
    *n = number();
  }
  return r;
}

TEST_CASE("whatever rows go into a batch come out of it, in order") {
  Rng rng(7);
  std::vector<std::string> names = {"", "a", "gpt-4o-mini", std::string(128, 'x'), std::string(4096, 'y')};
  for (int i = 0; i < 300; ++i) {
    names.push_back("name-" + std::to_string(i));
  }
  UsageBatchEncoder encoder;
  for (const int count : {1, 2, 100, 2000}) {
    std::vector<UsageRow> rows;
    int64_t id = 1'700'000'000'000'000;
    for (int i = 0; i < count; ++i) {
      id += static_cast<int64_t>(1 + rng.Next() % 1000);
      rows.push_back(Row(rng, names, id));
      encoder.Add(rows.back());
    }
    CHECK(encoder.count() == rows.size());
    CHECK(encoder.first_id() == rows.front().id);
    CHECK(encoder.last_id() == rows.back().id);
    const std::string blob(encoder.Finish());
    std::vector<UsageRow> out;
    REQUIRE(DecodeUsageBatch(blob, &out).ok());
    REQUIRE(out.size() == rows.size());
    bool same = true;
    for (size_t i = 0; i < rows.size(); ++i) {
      same = same && Same(rows[i], out[i]);
    }
    CHECK(same);
    encoder.Clear();
  }
}

TEST_CASE("a row of usual names costs less than 75 bytes") {
  UsageBatchEncoder encoder;
  for (int64_t i = 0; i < 1000; ++i) {
    UsageRow r;
    r.id = 1'700'000'000'000'000 + 40 * i;
    r.latency_us = 2300;
    r.started_at_us = r.id - r.latency_us;
    r.request_id = "0b1f0a3c-9a52-4a6e-8f0e-0123456789ab";
    r.auth_key_id = "ak_0123456789";
    r.user_path = "/team/a";
    r.endpoint = "chat_completions";
    r.provider = "openai";
    r.model = "gpt-4o-mini";
    r.outcome = "success";
    r.node_id = "node-1";
    r.status = 200;
    r.input_tokens = 900;
    r.output_tokens = 300;
    r.time_to_first_token_us = 2000;
    r.term = 3;
    r.attempts = 1;
    encoder.Add(r);
  }
  CHECK(encoder.Finish().size() < 75'000);
}

std::string Blob() {
  UsageBatchEncoder encoder;
  for (int64_t i = 1; i <= 3; ++i) {
    UsageRow r;
    r.id = i;
    r.request_id = "request";
    r.model = i == 2 ? "other" : "model";
    r.attempts = i;
    encoder.Add(r);
  }
  return std::string(encoder.Finish());
}

TEST_CASE("any changed bit and any cut of a batch is data loss") {
  const std::string blob = Blob();
  std::vector<UsageRow> rows;
  for (size_t i = 0; i < blob.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = blob;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      CHECK(absl::IsDataLoss(DecodeUsageBatch(bad, &rows)));
    }
    CHECK(absl::IsDataLoss(DecodeUsageBatch(blob.substr(0, i), &rows)));
  }
  REQUIRE(DecodeUsageBatch(blob, &rows).ok());
  CHECK(rows.size() == 3);
}

// A row of `blob`, which has a single one, made longer or shorter by a writer that knows other fields.
std::string Resized(std::string blob, int bytes) {
  blob.resize(blob.size() - 8);
  const size_t length = static_cast<size_t>(static_cast<uint8_t>(blob[1])) + static_cast<size_t>(bytes);
  blob.resize(3 + length, '\x01');
  blob[1] = static_cast<char>(length);
  const uint64_t sum = UsageBatchChecksum(blob);
  return blob + std::string(reinterpret_cast<const char*>(&sum), sizeof sum);
}

TEST_CASE("fields that a reader does not know are skipped, and those that a writer did not know are 0") {
  UsageBatchEncoder encoder;
  UsageRow r;
  r.id = 10;
  r.request_id = "request";
  r.term = 5;
  r.attempts = 3;
  r.cost_nano_usd = 4;
  encoder.Add(r);
  const std::string blob(encoder.Finish());
  std::vector<UsageRow> rows;
  const std::string longer = Resized(blob, 20);
  REQUIRE(DecodeUsageBatch(longer, &rows).ok());
  REQUIRE(rows.size() == 1);
  CHECK(Same(rows[0], r));
  const std::string shorter = Resized(blob, -1);
  REQUIRE(DecodeUsageBatch(shorter, &rows).ok());
  r.cost_nano_usd = 0;
  CHECK(Same(rows.at(0), r));
  // A length that leads out of the batch, and a text that leads out of its row.
  CHECK(absl::IsDataLoss(DecodeUsageBatch(Resized(blob, -1).replace(1, 1, "\x7f"), &rows)));
  CHECK(absl::IsDataLoss(DecodeUsageBatch(Resized(blob, 2 - static_cast<int>(blob[1])), &rows)));
}

}  // namespace
}  // namespace aurora::schema
