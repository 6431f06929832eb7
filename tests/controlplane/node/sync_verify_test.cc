// `sync verify` between stores, without streams: frames go straight from one node to the other.
#include "controlplane/node/sync_verify.h"

#include <condition_variable>
#include <future>
#include <mutex>

#include "aurora/v1/sync.pb.h"
#include "controlplane/store/row_codec.h"
#include "controlplane/store/writer.h"
#include "tests/controlplane/store/store_fixture.h"

namespace aurora::node::testing {
namespace {

using store::testing::Options;
using store::testing::Put;
using store::testing::Submit;
using store::testing::Wire;
using TempDir = aurora::testing::TempDir;

// The loop of all nodes: tasks in their order, and a clock that moves when no store has said anything for a while.
struct Loop {
  std::mutex mutex;
  std::condition_variable came;
  std::deque<std::function<void()>> tasks;  // guarded by mutex
  Instant now = Instant::FromMicros(1'000'000);

  void Later(std::function<void()> task) {
    const std::lock_guard lock(mutex);
    tasks.push_back(std::move(task));
    came.notify_all();
  }
  bool RunOne() {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex);
      if (!came.wait_for(lock, std::chrono::milliseconds(20), [this] { return !tasks.empty(); })) {
        return false;
      }
      task = std::move(tasks.front());
      tasks.pop_front();
    }
    task();
    return true;
  }
};

struct World;

struct Node {
  Node(World& world, const std::string& name, uint64_t epoch);
  std::string name;
  TempDir dir;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<SyncVerify> verify;
  bool up = true;
  bool silent = false;   // takes frames and answers none
  int compares = 0;
  std::function<void()> on_compare;
};

struct World {
  Loop loop;
  std::function<void()> on_tick;
  std::map<std::string, std::unique_ptr<Node>, std::less<>> nodes;

  Node& Add(const std::string& name) {
    nodes[name] = std::make_unique<Node>(*this, name, nodes.size() + 1);
    return *nodes[name];
  }

  v1::VerifySyncResponse Verify(Node& from, bool repair, Duration timeout = Duration::Seconds(60)) {
    std::optional<absl::StatusOr<v1::VerifySyncResponse>> answer;
    from.verify->Start(repair, timeout, [&](absl::StatusOr<v1::VerifySyncResponse> r) { answer = std::move(r); });
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!answer.has_value()) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      if (!loop.RunOne()) {
        loop.now = loop.now + Duration::Millis(100);
        if (on_tick) {
          on_tick();
        }
        for (const auto& [name, node] : nodes) {
          node->verify->Tick(loop.now);
        }
      }
    }
    REQUIRE(answer->ok());
    return **answer;
  }
};

Node::Node(World& world, const std::string& node_name, uint64_t epoch)
    : name(node_name), store(std::make_unique<store::Store>(Options(dir, epoch))) {
  SyncVerify::Deps deps;
  deps.store = store.get();
  deps.node_id = name;
  deps.now = [&world] { return world.loop.now; };
  deps.later = [&world](std::function<void()> task) { world.loop.Later(std::move(task)); };
  deps.send = [this, &world](std::string_view to, v1::ReplicateFrame&& frame) {
    Node& other = *world.nodes.find(to)->second;
    if (!other.silent) {
      world.loop.Later([this, &other, kept = std::make_shared<v1::ReplicateFrame>(std::move(frame))] {
        other.verify->OnFrame(name, *kept);
      });
    }
    return true;
  };
  deps.compare = [this](std::string_view) {
    ++compares;
    if (on_compare) {
      on_compare();
    }
  };
  deps.others = [this, &world] {
    std::vector<SyncVerify::Other> out;
    for (const auto& [uid, node] : world.nodes) {
      if (uid != name) {
        out.push_back({uid, uid, node->up});
      }
    }
    return out;
  };
  verify = std::make_unique<SyncVerify>(std::move(deps));
}

store::WireRow RowNumber(int i, const std::string& spec) {
  const auto counter = static_cast<uint64_t>(i + 1);
  return Wire(std::string(schema::kAlias), "row" + std::to_string(i),
              replication::WriteRow({}, {{std::string(32, 'a'), 1}, counter}, {5, 0}, {spec, false, {}}));
}

std::unique_ptr<World> TwoEqual(int rows = 300) {
  auto world = std::make_unique<World>();
  for (const char* name : {"n1", "n2"}) {
    Node& node = world->Add(name);
    std::vector<store::WireRow> all;
    for (int i = 0; i < rows; ++i) {
      all.push_back(RowNumber(i, "spec"));
    }
    REQUIRE(store::testing::Merge(*node.store, all).ok());
  }
  return world;
}

TEST_CASE("members with equal rows are equal, each having looked at its own") {
  const auto world = TwoEqual();
  const v1::VerifySyncResponse all = world->Verify(*world->nodes["n1"], false);
  CHECK(all.good());
  CHECK(all.complete());
  REQUIRE(all.nodes_size() == 2);
  CHECK(all.nodes(0).self());
  for (const v1::VerifiedNode& node : all.nodes()) {
    CHECK(node.check().rows() == 300);
    CHECK(node.check().wrong() == 0);
    CHECK(node.compared());
    CHECK(node.different() == 0);
  }
}

TEST_CASE("rows that differ or are missing are named, with the side that has them") {
  const auto world = TwoEqual();
  Node& n1 = *world->nodes["n1"];
  Node& n2 = *world->nodes["n2"];
  REQUIRE(Submit(*n1.store, Put("row7", "newer")).ok());
  REQUIRE(Submit(*n1.store, Put("here", "x")).ok());
  REQUIRE(Submit(*n2.store, Put("there", "x")).ok());
  const v1::VerifySyncResponse all = world->Verify(n1, false);
  CHECK_FALSE(all.good());
  CHECK(all.complete());
  REQUIRE(all.nodes_size() == 2);
  CHECK(all.nodes(1).different() == 3);
  std::map<std::string, std::string> said;
  for (const v1::CheckFinding& finding : all.nodes(1).differences()) {
    CHECK(finding.kind() == schema::kAlias);
    said[finding.id()] = finding.what();
  }
  CHECK(said == std::map<std::string, std::string>{{"row7", "it is not the same on n2"},
                                                   {"here", "n2 does not have it"},
                                                   {"there", "only n2 has it"}});
  CHECK(n1.compares == 0);
}

TEST_CASE("specs that differ under equal versions are found although no digest of anti-entropy shows it") {
  auto world = std::make_unique<World>();
  Node& n1 = world->Add("n1");
  Node& n2 = world->Add("n2");
  REQUIRE(store::testing::Merge(*n1.store, {RowNumber(1, "one")}).ok());
  REQUIRE(store::testing::Merge(*n2.store, {RowNumber(1, "two")}).ok());
  const v1::VerifySyncResponse all = world->Verify(n1, true);
  CHECK_FALSE(all.good());
  REQUIRE(all.nodes(1).different() == 1);
  CHECK(all.nodes(1).differences(0).id() == "row1");
}

TEST_CASE("a difference that goes away while it is looked at is none") {
  const auto world = TwoEqual();
  Node& n1 = *world->nodes["n1"];
  const auto made = Submit(*n1.store, Put("late", "x"));
  REQUIRE(made.ok());
  // It reaches n2 after the first look.
  bool sent = false;
  const Instant begun = world->loop.now;
  const auto relay = [&] {
    if (!sent && world->loop.now - begun > Duration::Millis(200)) {
      sent = true;
      const auto merged = store::testing::Merge(*world->nodes["n2"]->store,
                                                {Wire(std::string(schema::kAlias), "late", made->entry.row)});
      REQUIRE(merged.ok());
    }
  };
  world->on_tick = relay;
  const v1::VerifySyncResponse all = world->Verify(n1, false);
  CHECK(sent);
  CHECK(all.good());
}

TEST_CASE("a repair exchanges what differs, and puts right what is kept beside the rows on both sides") {
  const auto world = TwoEqual();
  Node& n1 = *world->nodes["n1"];
  Node& n2 = *world->nodes["n2"];
  const auto made = Submit(*n1.store, Put("lost", "x"));
  REQUIRE(made.ok());
  n1.on_compare = [&] {  // what anti-entropy does
    REQUIRE(store::testing::Merge(*n2.store, {Wire(std::string(schema::kAlias), "lost", made->entry.row)}).ok());
  };
  std::promise<absl::Status> tampered;
  n2.store->Background(
      [](store::Writer& writer, uint64_t) {
        return writer.db().Execute("UPDATE row SET digest = x'00112233445566778899aabbccddeeff' WHERE id = 'row9'");
      },
      [&](absl::Status status) { tampered.set_value(std::move(status)); });
  REQUIRE(tampered.get_future().get().ok());
  const v1::VerifySyncResponse found = world->Verify(n1, false);
  CHECK_FALSE(found.good());
  CHECK(found.nodes(1).check().wrong() == 2);  // the row's, and the sum that does not have it
  CHECK(found.nodes(1).different() == 1);
  const v1::VerifySyncResponse repaired = world->Verify(n1, true);
  CHECK(repaired.good());
  CHECK(n1.compares >= 1);
  CHECK(repaired.nodes(1).check().repaired() == repaired.nodes(1).check().wrong());
  const v1::VerifySyncResponse after = world->Verify(n2, false);
  CHECK(after.good());
  CHECK(after.nodes(0).check().wrong() == 0);
}

TEST_CASE("who cannot be reached or does not answer is named, and what was compared stands") {
  const auto world = TwoEqual();
  world->Add("n3").up = false;
  world->Add("n4").silent = true;
  const v1::VerifySyncResponse all = world->Verify(*world->nodes["n1"], false, Duration::Seconds(4));
  CHECK(all.good());
  CHECK_FALSE(all.complete());
  REQUIRE(all.nodes_size() == 4);
  CHECK(all.nodes(1).compared());
  CHECK(all.nodes(2).trouble().find("no stream") != std::string::npos);
  CHECK(all.nodes(3).trouble().find("did not answer in time") != std::string::npos);
}

TEST_CASE("an answer to nothing that was asked, out of bounds or late harms nobody but who sent it") {
  const auto world = TwoEqual(50);
  Node& n1 = *world->nodes["n1"];
  world->Add("n3").silent = true;
  const auto from_n3 = [&](const std::function<void(v1::CheckAnswer*)>& fill) {
    auto frame = std::make_shared<v1::ReplicateFrame>();
    fill(frame->mutable_check_answer());
    world->loop.Later([&n1, frame] { CHECK(n1.verify->OnFrame("n3", *frame)); });
  };
  const auto sum = [](v1::CheckAnswer* answer, const std::string& kind, uint32_t bucket, const std::string& hash) {
    v1::ContentSum* out = answer->add_sums();
    out->set_kind(kind);
    out->set_bucket(bucket);
    out->set_hash(hash);
  };
  from_n3([](v1::CheckAnswer* answer) { answer->set_id(99), answer->set_error("not asked"); });
  from_n3([&](v1::CheckAnswer* answer) { answer->set_id(2), sum(answer, "Alias", 1U << 20, "short"); });
  const v1::VerifySyncResponse all = world->Verify(n1, false);
  CHECK(all.good());
  CHECK_FALSE(all.complete());
  CHECK(all.nodes(1).compared());
  CHECK(all.nodes(2).trouble().find("out of bounds") != std::string::npos);

  from_n3([](v1::CheckAnswer* answer) { answer->set_id(2), answer->mutable_report(); });  // late: that run is over
  const v1::VerifySyncResponse again = world->Verify(n1, false, Duration::Millis(800));
  CHECK(again.nodes(1).compared());
  CHECK(again.nodes(2).trouble().find("did not answer in time") != std::string::npos);

  // Within bounds, and nonsense: a hash that is none, of a kind nobody has. The rest is what it says it has.
  from_n3([&](v1::CheckAnswer* answer) { answer->set_id(6), sum(answer, "Nonsense", 7, "short"); });
  const v1::VerifySyncResponse odd = world->Verify(n1, false, Duration::Millis(800));
  CHECK(odd.nodes(1).compared());
  CHECK(odd.nodes(2).trouble().find("not time enough") != std::string::npos);
}

TEST_CASE("one verification at a time, and a node that stops answers the one under way") {
  const auto world = TwoEqual(5);
  Node& n1 = *world->nodes["n1"];
  std::vector<absl::Status> answers;
  const auto note = [&](const absl::StatusOr<v1::VerifySyncResponse>& r) { answers.push_back(r.status()); };
  n1.verify->Start(false, Duration::Seconds(10), note);
  n1.verify->Start(false, Duration::Seconds(10), note);
  REQUIRE(answers.size() == 1);
  CHECK(absl::IsFailedPrecondition(answers[0]));
  n1.verify->Stop();
  REQUIRE(answers.size() == 2);
  CHECK(absl::IsUnavailable(answers[1]));
  n1.store.reset();
  world->nodes["n2"]->store.reset();
}

TEST_CASE("a stream that ends meanwhile ends the comparison with that member alone") {
  const auto world = TwoEqual(50);
  Node& n3 = world->Add("n3");
  n3.silent = true;
  Node& n1 = *world->nodes["n1"];
  world->loop.Later([&] { n1.verify->OnDown("n3"); });
  const v1::VerifySyncResponse all = world->Verify(n1, false);
  CHECK(all.good());
  CHECK_FALSE(all.complete());
  CHECK(all.nodes(1).compared());
  CHECK(all.nodes(2).trouble().find("stream ended") != std::string::npos);
}

}  // namespace
}  // namespace aurora::node::testing
