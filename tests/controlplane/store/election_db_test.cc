#include "controlplane/store/election_db.h"

#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>

#include "controlplane/store/election_thread.h"
#include "controlplane/store/node_identity.h"
#include "shared/base/rng.h"
#include "shared/schema/aurora_db.h"
#include "tests/controlplane/store/store_fixture.h"
#include "tests/support/faulty_vfs.h"

namespace aurora::store::testing {
namespace {

using aurora::testing::FaultyVfs;
using roster::FoundingRecord;
using roster::Proposal;

constexpr std::string_view kFresh = "ffffffffffffffffffffffffffffffff";
const crypto::Secret kKey(std::string(32, 'k'));

std::unique_ptr<ElectionDb> OpenDb(const TempDir& dir, const crypto::Secret& key = {}, const std::string& vfs = "") {
  auto db = ElectionDb::Open({dir.Path("election.db"), key, vfs});
  INFO(db.status().ToString());
  REQUIRE(db.ok());
  return *std::move(db);
}

ElectionState Reload(const TempDir& dir, const crypto::Secret& key = {}) {
  auto state = OpenDb(dir, key)->Load();
  REQUIRE(state.ok());
  return *std::move(state);
}

std::string Bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

Proposal SomeProposal(uint64_t round) {
  return {"cluster" + std::to_string(round), round, {{"ua", "a"}, {"ub", "b"}, {"uc", "c"}}};
}

GossipKeyRecord Key(uint8_t action, std::string fingerprint, std::string_view key) {
  return {action, std::move(fingerprint), crypto::Secret(key), 17, "ua"};
}

// aurora.db as a Store leaves it.
void MakeAurora(const TempDir& dir, const std::string& uid, const std::string& cluster = "") {
  StoreOptions options = Options(dir, 7);
  options.fresh_node_uid = uid;
  Store store(std::move(options));
  if (!cluster.empty()) {
    REQUIRE(Wait([&](auto done) { store.SetMeta(std::string(schema::kMetaClusterId), cluster, done); }).ok());
  }
  REQUIRE(store.WaitOpened().state == State::kOpen);
}

std::string AuroraMeta(const TempDir& dir, std::string_view key) {
  auto reader = Reader::Open(dir.Path("aurora.db"));
  REQUIRE(reader.ok());
  return (*reader)->Meta(key).value_or("");
}

absl::StatusOr<NodeIdentity> Resolve(const TempDir& dir, std::string_view fresh = kFresh) {
  const auto db = OpenDb(dir);
  return ResolveIdentity(*db, dir.Path("aurora.db"), fresh);
}

void MakeElection(const TempDir& dir, const std::string& uid, const std::string& cluster) {
  REQUIRE(OpenDb(dir)->SetIdentity(uid, cluster, false).ok());
}

}  // namespace

TEST_CASE("election.db gives back what was stored and only its owner may read it") {
  const TempDir dir;
  {
    const auto db = OpenDb(dir);
    const auto empty = db->Load();
    REQUIRE(empty.ok());
    CHECK(empty->node_uid.empty());
    CHECK(!empty->incarnation.has_value());
    REQUIRE(db->SetIdentity("u1", "", false).ok());
    REQUIRE(db->SetFounding({"", SomeProposal(3), {}}).ok());
    REQUIRE(db->SetIncarnation(70).ok());
    REQUIRE(db->SetIncarnation(69).ok());
    roster::RosterRecord roster;
    roster::KnownPeer peer;
    peer.node.uid = "u2";
    peer.node.node_id = "n2";
    peer.node.sync_addr = "10.0.0.2:7947";
    peer.node.cluster_role = "witness";
    peer.last_seen_ms = 99;
    peer.left = true;
    peer.former_uids = {"x", "y"};
    roster.peers = {peer};
    roster.removed = {{"u3", "n3", 5}};
    REQUIRE(db->SetRoster(roster).ok());
    for (const char* name : {"election.db", "election.db-wal"}) {
      const auto mode = std::filesystem::status(dir.Path(name)).permissions();
      CHECK(mode == (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
    }
  }
  const ElectionState state = Reload(dir);
  CHECK(state.node_uid == "u1");
  CHECK(state.founding == FoundingRecord{"", SomeProposal(3), {}});
  CHECK(state.incarnation == 70U);
  REQUIRE(state.roster.peers.size() == 1);
  const roster::KnownPeer& peer = state.roster.peers[0];
  CHECK(peer.node.sync_addr == "10.0.0.2:7947");
  CHECK(peer.node.cluster_role == "witness");
  CHECK(peer.last_seen_ms == 99);
  CHECK(peer.left);
  CHECK(peer.former_uids == std::vector<std::string>{"x", "y"});
  CHECK(state.roster.removed == std::vector<roster::RemovedNode>{{"u3", "n3", 5}});
}

TEST_CASE("a founded cluster replaces the proposal and an empty roster replaces the old one") {
  const TempDir dir;
  {
    const auto db = OpenDb(dir);
    REQUIRE(db->SetFounding({"", SomeProposal(3), {}}).ok());
    REQUIRE(db->SetRoster({{{}}, {}}).ok());
    REQUIRE(db->SetFounding({"cluster3", std::nullopt, {}}).ok());
    REQUIRE(db->SetRoster({}).ok());
  }
  const ElectionState state = Reload(dir);
  CHECK(state.founding == FoundingRecord{"cluster3", std::nullopt, {}});
  CHECK(state.roster.peers.empty());
}

TEST_CASE("the founders of a cluster stay known when the proposal is done with") {
  const TempDir dir;
  {
    const auto db = OpenDb(dir);
    REQUIRE(db->SetFounding({"", SomeProposal(3), {}}).ok());
    REQUIRE(db->SetFounding({"cluster3", std::nullopt, SomeProposal(3).founders}).ok());
  }
  CHECK(Reload(dir).founding == FoundingRecord{"cluster3", std::nullopt, SomeProposal(3).founders});
}

TEST_CASE("term, vote and voters come back as they were set, and never go back") {
  const TempDir dir;
  election::Durable durable;
  CHECK(Reload(dir).election == durable);
  durable.term = 7;
  durable.voted_for = "ub";
  durable.config.id = {6, 4};
  durable.config.slots = {{.node_id = "a", .uid = "ua", .leaving = false},
                          {.node_id = "b", .uid = "", .leaving = false},
                          {.node_id = "c", .uid = "uc", .leaving = true}};
  const auto db = OpenDb(dir);
  REQUIRE(db->SetElection(durable).ok());
  CHECK(db->Load()->election == durable);
  election::Durable older = durable;
  SECTION("the term") { older.term = 6; }
  SECTION("the config") { older.config.id = {6, 3}; }
  SECTION("the vote of a term") { older.voted_for = "uc"; }
  CHECK_FALSE(db->SetElection(older).ok());
  CHECK(db->Load()->election == durable);
  durable.term = 8;
  durable.voted_for.clear();
  durable.config.slots.pop_back();
  durable.config.id = {8, 5};
  REQUIRE(db->SetElection(durable).ok());
  CHECK(Reload(dir).election == durable);
}

TEST_CASE("gossip keys are sealed when there is a key and come back only with it") {
  const TempDir dir;
  const std::string secret = "0123456789abcdef-gossip-key-bytes";
  REQUIRE(OpenDb(dir, kKey)->SetGossipKeys({Key(1, "f1", secret), Key(2, "f1", ""), Key(3, "f2", "")}).ok());
  CHECK(Bytes(dir.Path("election.db")).find(secret) == std::string::npos);
  const ElectionState state = Reload(dir, kKey);
  REQUIRE(state.gossip_keys.size() == 3);
  CHECK(state.gossip_keys[0].key.Reveal() == secret);
  CHECK(state.gossip_keys[0].unix_ms == 17);
  CHECK(state.gossip_keys[1].action == 2);
  CHECK(state.gossip_keys[2].fingerprint == "f2");
  CHECK(state.sealed_keys.empty());
  for (const crypto::Secret& other : {crypto::Secret(), crypto::Secret(std::string(32, 'o'))}) {
    const ElectionState locked = Reload(dir, other);
    CHECK(locked.sealed_keys == std::vector<std::string>{"f1"});
    CHECK(locked.gossip_keys.size() == 2);
  }
}

TEST_CASE("gossip keys that the previous key sealed are sealed anew at the first start with both") {
  const TempDir dir;
  const crypto::Secret next(std::string(32, 'n'));
  REQUIRE(OpenDb(dir, kKey)->SetGossipKeys({Key(1, "f1", "first key"), Key(1, "f2", "second key")}).ok());
  const auto open = [&](crypto::SealKeys keys) {
    ElectionDb::Options options;
    options.path = dir.Path("election.db");
    options.encryption_key = std::move(keys);
    auto db = ElectionDb::Open(std::move(options));
    REQUIRE(db.ok());
    return *(*db)->Load();
  };
  // Not yet in force: everything stays as it is.
  CHECK(open({kKey, next}).gossip_keys.size() == 2);
  CHECK(Reload(dir, next).sealed_keys.size() == 2);
  const ElectionState state = open({next, kKey});
  REQUIRE(state.gossip_keys.size() == 2);
  CHECK(state.gossip_keys[1].key.Reveal() == "second key");
  CHECK(state.sealed_keys.empty());
  CHECK(Reload(dir, kKey).sealed_keys.size() == 2);
  CHECK(Reload(dir, next).gossip_keys.at(0).key.Reveal() == "first key");
}

TEST_CASE("gossip keys stored in clear are sealed at the first start with a key and leave no trace") {
  const TempDir dir;
  const std::string secret = "0123456789abcdef-gossip-key-bytes";
  REQUIRE(OpenDb(dir)->SetGossipKeys({Key(1, "f1", secret)}).ok());
  CHECK(Bytes(dir.Path("election.db")).find(secret) != std::string::npos);
  OpenDb(dir, kKey);
  CHECK(Bytes(dir.Path("election.db")).find(secret) == std::string::npos);
  CHECK(Reload(dir, kKey).gossip_keys.at(0).key.Reveal() == secret);
}

TEST_CASE("a key that cannot be opened survives changes to other keys and yields to news about itself") {
  const TempDir dir;
  REQUIRE(OpenDb(dir, kKey)->SetGossipKeys({Key(1, "f1", "secret"), Key(1, "f2", "other")}).ok());
  REQUIRE(OpenDb(dir)->SetGossipKeys({Key(1, "f3", "clear"), Key(3, "f2", "")}).ok());
  const ElectionState state = Reload(dir, kKey);
  REQUIRE(state.gossip_keys.size() == 3);
  CHECK(state.gossip_keys[0].fingerprint == "f1");
  CHECK(state.gossip_keys[0].key.Reveal() == "secret");
  CHECK(state.gossip_keys[2].action == 3);
}

TEST_CASE("a write into a deleted election.db is an error") {
  const TempDir dir;
  const auto db = OpenDb(dir);
  std::filesystem::remove(dir.Path("election.db"));
  CHECK(absl::IsFailedPrecondition(db->SetFounding({"c", std::nullopt, {}})));
}

TEST_CASE("a full disk is an error and leaves what was stored") {
  const TempDir dir;
  FaultyVfs vfs("election-full");
  {
    const auto db = OpenDb(dir, {}, vfs.name());
    REQUIRE(db->SetFounding({"", SomeProposal(1), {}}).ok());
    vfs.SetDiskFull(true);
    CHECK(absl::IsResourceExhausted(db->SetFounding({"", SomeProposal(2), {}})));
    vfs.SetDiskFull(false);
  }
  CHECK(Reload(dir).founding.proposal == SomeProposal(1));
}

TEST_CASE("whatever write the power is cut at, what was answered is there") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    const TempDir dir;
    FaultyVfs vfs("election-power" + std::to_string(seed));
    uint64_t answered = 0;
    {
      const auto db = OpenDb(dir, {}, vfs.name());
      vfs.CutPowerAfter(1 + Rng(seed).Below(60));
      for (uint64_t round = 1; round <= 30 && !vfs.off(); ++round) {
        if (db->SetFounding({"", SomeProposal(round), {}}).ok()) {
          answered = round;
        }
      }
    }
    vfs.Restore(seed);
    const ElectionState state = Reload(dir);
    const uint64_t held = state.founding.proposal.has_value() ? state.founding.proposal->round : 0;
    INFO("seed " << seed << " answered " << answered << " held " << held);
    REQUIRE(held >= answered);
    REQUIRE(held <= answered + 1);
  }
}

TEST_CASE("a corrupt election.db is not opened") {
  const TempDir dir;
  { std::ofstream(dir.Path("election.db")) << std::string(10'000, 'x'); }
  CHECK(absl::IsDataLoss(ElectionDb::Open({dir.Path("election.db"), {}, ""}).status()));
}

TEST_CASE("the election thread answers in order and finishes what waits before it ends") {
  const TempDir dir;
  std::vector<uint64_t> order;
  {
    ElectionThread thread(OpenDb(dir));
    for (uint64_t round = 1; round <= 20; ++round) {
      thread.Submit([round](ElectionDb& db) { return db.SetFounding({"", SomeProposal(round), {}}); },
                    [&order, round](const absl::Status& status) {
                      if (status.ok()) {
                        order.push_back(round);
                      }
                    });
    }
  }
  REQUIRE(order.size() == 20);
  CHECK(std::is_sorted(order.begin(), order.end()));
  CHECK(Reload(dir).founding.proposal == SomeProposal(20));
}

TEST_CASE("a full queue to the election thread is answered at once") {
  const TempDir dir;
  std::promise<void> go;
  std::shared_future<void> gate = go.get_future().share();
  ElectionThread thread(OpenDb(dir));
  std::promise<void> begun;
  thread.Submit([&](ElectionDb&) {
    begun.set_value();
    gate.wait();
    return absl::OkStatus();
  });
  begun.get_future().wait();
  const auto nothing = [](ElectionDb&) { return absl::OkStatus(); };
  for (size_t i = 0; i < kElectionQueueMax; ++i) {
    thread.Submit(nothing);
  }
  absl::Status refused;
  thread.Submit(nothing, [&](absl::Status s) { refused = std::move(s); });
  CHECK(absl::IsResourceExhausted(refused));
  go.set_value();
}

TEST_CASE("a first start takes a new uid without an event and keeps it") {
  const TempDir dir;
  const auto first = Resolve(dir);
  REQUIRE(first.ok());
  CHECK(first->node_uid == kFresh);
  CHECK(first->cluster_id.empty());
  CHECK(first->events.empty());
  MakeAurora(dir, first->node_uid);
  const auto second = Resolve(dir, "another");
  REQUIRE(second.ok());
  CHECK(second->node_uid == kFresh);
  CHECK(second->events.empty());
}

TEST_CASE("without election.db a node gets a new uid, stays in its cluster, and tells aurora.db") {
  const TempDir dir;
  MakeAurora(dir, "old", "c1");
  const auto identity = Resolve(dir);
  REQUIRE(identity.ok());
  CHECK(identity->node_uid == kFresh);
  CHECK(identity->cluster_id == "c1");
  REQUIRE(identity->events.size() == 1);
  CHECK(identity->events[0].type == "election_db_missing");
  CHECK(AuroraMeta(dir, schema::kMetaNodeUid) == kFresh);
  const auto again = Resolve(dir, "another");
  REQUIRE(again.ok());
  CHECK(again->node_uid == kFresh);
  CHECK(again->events.empty());
}

TEST_CASE("a crash between the new uid and aurora.db does not look like two nodes") {
  const TempDir dir;
  MakeAurora(dir, "old", "c1");
  REQUIRE(OpenDb(dir)->SetIdentity(kFresh, "c1", true).ok());
  const auto identity = Resolve(dir, "another");
  REQUIRE(identity.ok());
  CHECK(identity->node_uid == kFresh);
  CHECK(AuroraMeta(dir, schema::kMetaNodeUid) == kFresh);
  CHECK(!*OpenDb(dir)->AuroraPending());
}

TEST_CASE("without aurora.db uid and cluster stay") {
  const TempDir dir;
  MakeElection(dir, "u1", "c1");
  const auto identity = Resolve(dir);
  REQUIRE(identity.ok());
  CHECK(identity->node_uid == "u1");
  CHECK(identity->cluster_id == "c1");
  CHECK(identity->aurora_lacks_cluster_id);
  REQUIRE(identity->events.size() == 1);
  CHECK(identity->events[0].type == "aurora_db_missing");
}

TEST_CASE("files of two nodes or of two clusters refuse the start in one line that names both") {
  const TempDir dir;
  MakeAurora(dir, "u1", "c1");
  MakeElection(dir, "u2", "c1");
  absl::Status status = Resolve(dir).status();
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(std::string(status.message()).find("u2") != std::string::npos);
  CHECK(std::string(status.message()).find("u1") != std::string::npos);
  CHECK(std::string(status.message()).find('\n') == std::string::npos);
  MakeElection(dir, "u1", "c2");
  status = Resolve(dir).status();
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(std::string(status.message()).find("cluster id c2") != std::string::npos);
  MakeElection(dir, "u1", "c1");
  CHECK(Resolve(dir).ok());
}

TEST_CASE("a cluster id that only one of the files has is taken over by the other") {
  const TempDir dir;
  MakeAurora(dir, "u1");
  MakeElection(dir, "u1", "c1");
  auto identity = Resolve(dir);
  REQUIRE(identity.ok());
  CHECK(identity->aurora_lacks_cluster_id);
  CHECK(identity->events.empty());

  const TempDir other;
  MakeAurora(other, "u1", "c1");
  MakeElection(other, "u1", "");
  identity = Resolve(other);
  REQUIRE(identity.ok());
  CHECK(identity->cluster_id == "c1");
  CHECK(identity->events.at(0).type == "election_db_older");
  CHECK(Reload(other).founding.cluster_id == "c1");
}

TEST_CASE("an aurora.db older than election.db's mark is told as rolled back, and one that goes on is not") {
  const TempDir dir;
  const TempDir old;
  MakeAurora(dir, "u1", "c1");
  MakeElection(dir, "u1", "c1");
  CHECK(Resolve(dir)->rolled_back.empty());  // no mark yet
  std::filesystem::copy_file(dir.Path("aurora.db"), old.Path("aurora.db"));
  schema::Position head;
  {
    Store store(Options(dir, 8));
    REQUIRE(Submit(store, Put("a", "1")).ok());
    head = store.head();
    REQUIRE(Submit(store, Put("a", "2")).ok());
  }
  REQUIRE(OpenDb(dir)->SetFeedMark(head).ok());
  CHECK(*OpenDb(dir)->FeedMark() == head);
  CHECK(Resolve(dir)->rolled_back.empty());  // ahead of the mark
  { const Store store(Options(dir, 9)); }
  CHECK(Resolve(dir)->rolled_back.empty());
  // The same start, but less of it.
  REQUIRE(OpenDb(dir)->SetFeedMark({8, 5}).ok());
  CHECK(Resolve(dir)->rolled_back.find("ends at change 2") != std::string::npos);
  // Of before that start.
  REQUIRE(OpenDb(dir)->SetFeedMark(head).ok());
  std::filesystem::copy_file(old.Path("aurora.db"), dir.Path("aurora.db"),
                             std::filesystem::copy_options::overwrite_existing);
  const auto back = Resolve(dir);
  REQUIRE(back.ok());
  CHECK_FALSE(back->rolled_back.empty());
  REQUIRE(back->events.size() == 1);
  CHECK(back->events[0].type == "aurora_db_rolled_back");
  std::filesystem::remove(dir.Path("aurora.db"));
  CHECK_FALSE(Resolve(dir)->rolled_back.empty());
}

TEST_CASE("an aurora.db that cannot be read decides nothing") {
  const TempDir dir;
  MakeElection(dir, "u1", "c1");
  { std::ofstream(dir.Path("aurora.db")) << std::string(10'000, 'x'); }
  const auto identity = Resolve(dir);
  REQUIRE(identity.ok());
  CHECK(identity->node_uid == "u1");
  CHECK(identity->cluster_id == "c1");
}

}  // namespace aurora::store::testing
