// World: what happens to the files of a node behind its store's back, and what is done about it.
#include <algorithm>

#include "tests/sim/replication/world.h"

namespace aurora::repsim {

// False: the power went again meanwhile, the node is down.
bool World::OpenDisk(int a) {
  Node& n = node(a);
  if (n.newcomer.has_value()) {
    const DiskCopy found = *n.newcomer;
    Restore(a, found, false);
  }
  n.vfs->SetDiskFull(false);
  n.vfs->SetFailSyncs(false);
  const auto before = n.view;
  const std::string trouble = n.OpenDisk(rng_, Wall(a));
  if (n.vfs->off()) {
    PowerOff(a);
    return false;
  }
  if (!trouble.empty() && n.damaged) {
    ++tally_.found;
    if (manual_ || (!calm_ && rng_.OneIn(2))) {
      return false;  // it stays down until somebody does something about it
    }
    Wipe(a);
    return OpenDisk(a);
  }
  Need(trouble.empty(), "I4", n.node_id + " does not open its disk: " + trouble);
  if (trouble.empty() && n.damaged) {
    n.damaged = false;
    NoteLost(n, *before, *n.view);
  }
  return trouble.empty();
}

void World::NoteLost(Node& n, const View& before, const View& now) {
  const auto covers = [](const View& view, const Truth& w, const replication::Dot& dot) {
    const auto it = view.find(w.row);
    return it != view.end() && it->second.row.version.Covers(dot);
  };
  bool back = false;
  for (const auto& [dot, w] : writes_) {
    if ((!covers(before, w, dot) && !(w.acked && dot.origin.node_uid == n.uid)) || covers(now, w, dot)) {
      continue;
    }
    back = true;
    const auto holds = [&, &d = dot, &write = w](const auto& o) { return o.get() != &n && covers(*o->view, write, d); };
    if (std::none_of(nodes_.begin(), nodes_.end(), holds)) {
      lost_.insert(dot);
    }
  }
  if (back) {
    ++tally_.went_back;
    std::erase_if(promises_, [&](const auto& p) { return lost_.contains(p.second); });
    n.floor.clear();
    n.tainted = true;
  }
}

void World::Wipe(int a) {
  Restore(a, DiskCopy{"", "", node(a).members}, false);
}

void World::Restore(int a, const DiskCopy& copy, bool known) {
  ++faults_;
  Node& n = node(a);
  // Writes that no other disk holds are gone by the operator's own hand.
  const auto before = n.view;
  n.Replace(copy, "", known);
  View now;
  if (auto db = schema::OpenAuroraForWrite(n.path()); db.ok()) {
    store::Reader reader(&*db);
    if (const auto rows = reader.Changes(0, 1'000); rows.ok()) {
      for (const store::Entry& e : *rows) {
        now[{e.kind, e.id}] = {e.seq, e.row, e.resolved, e.parked.has_value()};
      }
    }
  }
  NoteLost(n, *before, now);
  n.floor.clear();
  n.tainted = !known;
}

// What happens to files behind the store's back, and what somebody does about it. False: nothing.
bool World::FaultOfDisk(int a) {
  Node& n = node(a);
  if (!n.guard.refusal().ok() && rng_.OneIn(6)) {
    tally_.found += absl::IsDataLoss(n.guard.refusal()) ? 1U : 0U;
    if (n.damaged && rng_.OneIn(2)) {
      StartWiped(a);
    } else {
      RestartControl(a, true);
    }
    return true;
  }
  const uint64_t x = rng_.Below(10'000);
  if (x < 10 && !n.newcomer.has_value() && !n.damaged) {
    ++tally_.replaced;
    const bool deleted = n.backups.empty() || rng_.OneIn(3);
    n.ReplaceUnder(deleted ? DiskCopy() : Whole(n.backups[rng_.Below(n.backups.size())], n.dir + "/whole"),
                   rng_.OneIn(2));
    return true;
  }
  if (damages_ && x < 60 && !n.newcomer.has_value() && !n.damaged) {
    const bool at_rest = rng_.OneIn(2);
    if (rng_.OneIn(2)) {  // or most of it lies in the journal
      (void)n.writer->db().Execute("PRAGMA wal_checkpoint(TRUNCATE)");
    }
    if (at_rest) {
      PowerOff(a);
    }
    n.damaged = n.vfs->Damage(rng_.Next());
    any_damage_ |= n.damaged;
    tally_.damaged += n.damaged ? 1U : 0U;
    faults_ += n.damaged ? 1 : 0;  // a journal cut short is an old disk: its node writes beside what it forgot
    if (!at_rest && rng_.OneIn(2)) {
      n.guard.Note(*n.writer, n.writer->db().Execute("PRAGMA shrink_memory"));  // pages are read from the disk again
    }
    if (!n.down() && n.vfs->off()) {
      PowerOff(a);
    }
    return true;
  }
  return false;
}

// What one does after a disk was found bad anywhere: `sync verify --repair`, which finds what has no sum.
void World::Mend(int a) {
  Node& n = node(a);
  if (!any_damage_ || n.down() || !n.writer->Begin().ok()) {
    return;
  }
  store::CheckReport report;
  const auto sets = n.writer->RowSets();
  absl::Status status = sets.status();
  for (size_t i = 0; status.ok() && i < sets->size(); ++i) {
    status = n.writer->CheckSet((*sets)[i], true, report);
  }
  status = status.ok() ? n.writer->CheckRest(true, Wall(a), report) : status;
  status = status.ok() ? n.writer->Commit() : status;
  if (!status.ok() && n.writer->begun()) {
    n.writer->Abandon();
  }
  n.guard.Note(*n.writer, status);
  n.Refresh(true);
  if (!n.guard.refusal().ok()) {  // found at last
    StartWiped(a);
  }
}

}  // namespace aurora::repsim
