// Interleavings by hand, as in the reference simulator: random seeds rarely reach them.
#include <algorithm>

#include "tests/sim/replication/world.h"

namespace aurora::repsim {
namespace {

const RowRef kKey{"Key", "k"};

bool Has(const std::vector<replication::Member>& members, World& w, int i) {
  return std::any_of(members.begin(), members.end(), [&](const auto& m) { return m.uid == w.node(i).uid; });
}

bool Covers(World& w, int i, const RowRef& row, const replication::Dot& dot) {
  const auto it = w.node(i).view->find(row);
  return it != w.node(i).view->end() && it->second.row.version.Covers(dot);
}

// I9: a revocation overtakes bulk on a slow stream and counts as enforced before the bulk is through.
void LaneFirst(World& w) {
  for (int i = 0; i < 60; ++i) {
    w.Write(0, {"Key", "k" + std::to_string(i)}, "create");
  }
  w.Link(0, 1);
  w.Need(w.Waiting(0, 1, Lane::kBulk) == 4, "T", "the bulk window is not full");
  w.Write(0, {"Key", "k59"}, "deactivate");
  w.Need(w.Waiting(0, 1, Lane::kRevoke) == 1, "I9", "a revocation waits behind bulk");
  w.Flow(0, 1, true, false);
  w.Need(Has(w.Report(0, {"Key", "k59"}).enforced, w, 1), "I9", "a revocation is not acknowledged ahead of bulk");
  w.Need(w.node(1).view->size() < 60, "T", "the scenario is empty");
}

// W: one loop is not all loops.
void OneLoop(World& w) {
  w.Link(0, 1);
  w.Write(0, kKey, "create");
  w.Flow(0, 1);
  w.Flow(0, 1);
  w.node(1).frozen = true;
  const auto dot = w.Write(0, kKey, "deactivate");
  w.Flow(0, 1);
  w.node(1).frozen = false;
  w.SwapOne(1, 0);
  w.Flow(1, 0);
  w.Need(Covers(w, 1, kKey, dot), "T", "the scenario is empty");
}

// W: c joins through b before b has a's write; a hears of c only through b's Ack.
void Join(World& w) {
  const int c = w.AddNode({1});
  w.Link(0, 1);
  w.Write(0, kKey, "create");
  w.Flow(0, 1);
  w.Flow(1, 0);
  w.Link(1, c);
  w.Flow(1, c);
  w.Flow(c, 1);
  w.Write(0, kKey, "disable");
  w.Flow(0, 1);
  w.Need(!w.Report(0, kKey).complete(), "W", "all enforced, yet the joiner admits the key");
}

// W: disable and enable before anything was sent, then another revocation: its position proves nothing for the first.
void TwoLanes(World& w) {
  w.Link(0, 1);
  w.Write(0, kKey, "create");
  w.Write(0, {"Key", "j"}, "create");
  const auto dot = w.Write(0, kKey, "disable");
  w.Write(0, kKey, "enable");
  w.Write(0, {"Key", "j"}, "disable");
  w.Flow(0, 1, true, false);
  w.Need(!Has(w.Report(0, kKey).enforced, w, 1) || Covers(w, 1, kKey, dot), "W",
         "the peer never had the row that it is said to enforce");
}

// W: k is edited again before a frame was read: the frame past its first seq does not hold it.
void Moved(World& w) {
  const auto dot = w.Write(0, kKey, "create");
  const uint64_t seq = w.node(0).view->at(kKey).seq;
  for (int i = 0; i < 5; ++i) {
    w.Write(0, {"Key", "j" + std::to_string(i)}, "create");
  }
  w.Write(0, kKey, "edit");
  w.Link(0, 1);
  w.Need(w.Waiting(0, 1, Lane::kBulk) == 2, "T", "the scenario is empty");
  w.DeliverFirstRows(0, 1);
  w.Flow(0, 1, false, false);
  w.Need(!Covers(w, 1, kKey, dot), "T", "the scenario is empty");
  w.Need(Has(w.Report(0, kKey, seq).pending, w, 1), "W", "the peer never had the row that it is said to enforce");
}

// W: no data plane runs there, and the write is not on its disk either: a later start would serve without it.
void NotServing(World& w) {
  w.Link(0, 1);
  w.StopDataPlane(1);
  w.Flow(0, 1);
  w.Write(0, kKey, "create");
  w.Flow(0, 1, false, false);
  w.Need(Has(w.Report(0, kKey).pending, w, 1), "W", "counted as not serving before the write is on its disk");
  w.Flow(0, 1);
  w.Need(Has(w.Report(0, kKey).not_serving, w, 1), "T", "the scenario does not end");
}

// I1: a revocation overtakes bulk, the stream is cut, a new one goes on from the cursor: no bulk row may be missing.
void Overtake(World& w) {
  w.Link(0, 1);
  for (int i = 0; i < 4; ++i) {
    w.Write(0, {"Key", "j" + std::to_string(i)}, "create");
  }
  w.Write(0, {"Key", "j3"}, "disable");
  w.Flow(0, 1, true, false);
  w.Cut(0, 1);
  w.Link(0, 1);
  for (int i = 0; i < 3; ++i) {
    w.Flow(0, 1);
  }
  w.Need(w.node(0).view->size() == w.node(1).view->size(), "I1", "bulk rows are skipped for ever");
}

// W: a and b come back from old backups, c, which holds the revocation, is cut off: nobody may admit yet.
void Restored(World& w) {
  const int c = w.AddNode({0, 1, 2});
  for (const auto& [x, y] : {std::pair(0, 1), std::pair(1, c), std::pair(0, c)}) {
    w.node(x).members[w.node(y).uid] = w.node(y).node_id;
    w.Link(x, y);
  }
  w.Write(0, kKey, "create");
  for (int i = 0; i < 2; ++i) {
    for (const auto& [x, y] : {std::pair(0, 1), std::pair(1, 0), std::pair(0, c), std::pair(c, 0), std::pair(1, c),
                               std::pair(c, 1)}) {
      w.Flow(x, y);
    }
  }
  const DiskCopy old[] = {w.node(0).Copy(), w.node(1).Copy()};
  w.Write(0, kKey, "deactivate");
  w.Flow(0, 1);
  w.Flow(0, c);
  w.Need(w.Report(0, kKey).enforced.size() == 3, "T", "the scenario is empty");
  for (int i = 0; i < 2; ++i) {
    for (int k = 0; k < 3; ++k) {
      w.Cut(i, k);
    }
    w.RestoreNode(i, old[i]);
  }
  w.Link(0, 1);
  for (int i = 0; i < 3; ++i) {
    w.Flow(0, 1);
    w.Flow(1, 0);
  }
  w.Need(!w.node(0).admitting && !w.node(1).admitting, "W", "restored nodes vouch for each other");
  w.Link(0, c);
  w.Link(1, c);
  for (int i = 0; i < 3; ++i) {
    for (const auto& [x, y] : {std::pair(c, 0), std::pair(0, c), std::pair(0, 1), std::pair(1, 0), std::pair(c, 1),
                               std::pair(1, c)}) {
      w.Flow(x, y);
    }
  }
  w.Need(w.node(1).admitting, "T", "the scenario does not end");
  w.Need(w.node(1).view->at(kKey).value.value_or("-").back() == '-', "W", "a revoked key works");
}

// I12: what is in the file's place now is never written to, and what it holds is what a start finds: neither the open
// file's journal nor anything acknowledged after it was put there.
void Replaced(World& w) {
  w.Write(0, kKey, "create");
  const DiskCopy old = Whole(w.node(0).Copy(), w.node(0).dir + "/whole");
  w.Write(0, kKey, "disable");
  w.Link(0, 1);
  for (int i = 0; i < 2; ++i) {
    w.Flow(0, 1);
  }
  w.node(0).ReplaceUnder(old, false);
  w.Need(w.Refuses(0), "I12", "acknowledged into a file that nobody finds");
  w.Need(w.node(1).view->at(kKey).value.value_or("-").back() == '-', "T", "the scenario is empty");
  w.Need(w.Restart(0), "T", "the newcomer does not open");
  w.Need(w.node(0).view->at(kKey).row.Urgent() == false, "I12", "the old journal was played into the newcomer");
  for (int i = 0; i < 3; ++i) {
    w.Link(0, 1);
    w.Flow(1, 0);
    w.Flow(0, 1);
  }
  w.Need(w.node(0).writer->digests() == w.node(1).writer->digests(), "I1", "it does not catch up");
}

// I5: one bit of a key's limits changes on the disk; nobody gets to see it, and an empty disk brings all of it back.
void Changed(World& w) {
  const auto dot = w.Write(0, kKey, "create");
  w.Link(0, 1);
  for (int i = 0; i < 2; ++i) {
    w.Flow(0, 1);
  }
  const std::string spec = w.node(0).view->at(kKey).row.siblings.front().spec;
  w.Need(w.node(0).ChangeByte(spec), "T", "the scenario is empty");
  const bool opened = w.Restart(0);
  w.Need(!opened || w.node(0).view->at(kKey).row.siblings.front().spec == spec, "I5",
         "a changed byte is taken for what was written");
  w.StartWiped(0);
  w.node(0).members[w.node(1).uid] = w.node(1).node_id;
  for (int i = 0; i < 3; ++i) {
    w.Link(0, 1);
    w.Flow(1, 0);
    w.Flow(0, 1);
  }
  w.Need(Covers(w, 0, kKey, dot), "I4", "it is not back");
  w.Need(w.node(0).writer->digests() == w.node(1).writer->digests(), "I1", "it does not catch up");
}

}  // namespace

std::vector<std::pair<std::string, std::string>> RunScenarios(Mutant mutant) {
  const std::pair<const char*, void (*)(World&)> all[] = {
      {"a revocation overtakes bulk", LaneFirst}, {"one loop is not all loops", OneLoop},
      {"a node joins behind a peer", Join},       {"a later revocation proves nothing", TwoLanes},
      {"the row has moved", Moved},               {"overtaken bulk is not skipped", Overtake},
      {"not serving, not durable", NotServing},   {"restored nodes", Restored},
      {"a file replaced underneath", Replaced},   {"a byte changed on the disk", Changed},
  };
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [name, run] : all) {
    World world(1, mutant, 2);
    run(world);
    out.emplace_back(name, world.failure());
  }
  return out;
}

}  // namespace aurora::repsim
