"""Accounts for acknowledged policy writes: what each had seen, what became of it. See Account."""
import datetime, json, re, sqlite3, time

from node import until
from syncpeer import sync_pb2

TOKEN = re.compile(r"x\d+x\d+x")  # what sync_soak.py puts into a value, each once
SLACK_MS = 3  # SQLite's clock counts whole milliseconds, and rounds


def install_journal(node):
    """From now on the node's database keeps every version of every row, in the transaction that stores it."""
    db = sqlite3.connect(f"{node.state}/aurora.db", timeout=20)
    now = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
    db.executescript("CREATE TABLE e2e_journal (n INTEGER PRIMARY KEY, at_ms INTEGER, kind TEXT, id TEXT, row BLOB);" + "".join(
        f"CREATE TRIGGER e2e_journal_{name} AFTER {event} ON row BEGIN INSERT INTO e2e_journal (at_ms, kind, id, row) "
        f"VALUES ({now}, NEW.kind, NEW.id, NEW.row); END;" for name, event in (("insert", "INSERT"), ("update", "UPDATE OF row"))))
    db.close()


def query(node, sql):
    db = sqlite3.connect(f"{node.state}/aurora.db", timeout=20)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def vector(entries):
    return {(d.origin.node_uid, d.origin.epoch): d.counter for d in entries}


def covers(v, dot):
    return v.get(dot[0], 0) >= dot[1]


def at_most(a, b):
    return all(b.get(origin, 0) >= counter for origin, counter in a.items())


class Version:
    """A row as a node had it. Dots are ((uid, epoch), counter)."""

    def __init__(self, data, at_ms=0):
        import aurora.v1.row_pb2 as pb
        row = pb.Row.FromString(data)
        self.at_ms = at_ms
        self.values = {((s.dot.origin.node_uid, s.dot.origin.epoch), s.dot.counter): (s.spec, s.deleted, s.hlc.unix_ms) for s in row.siblings}
        self.seen = vector(row.version.entries)
        self.ended = (row.facts.ended_at.unix_ms, row.facts.ended_at.counter) if row.facts.HasField("ended_at") else None
        self.revoked = frozenset(row.facts.revoked_secret_sha256)
        self.disables, self.undone = vector(row.facts.disables.entries), vector(row.facts.undone.entries)

    def disabled(self):
        return not at_most(self.disables, self.undone)

    def key(self):
        return self.values, self.seen, self.ended, self.revoked, self.disables, self.undone

    def within(self, other):
        """Nothing this one knew is forgotten in the other."""
        return (at_most(self.seen, other.seen) and self.revoked <= other.revoked and at_most(self.disables, other.disables) and
                at_most(self.undone, other.undone) and (self.ended is None or (other.ended is not None and other.ended <= self.ended)))


class Account:
    """The rules, each over the journals of all nodes (a version: what a node had stored of a row at a time):

    1. The rows of all nodes are equal, nothing is parked, no node saw rows differ under equal versions.
    2. An acknowledged write is in its own node's journal, stored between question and answer: a put by its token, a delete as a
       deleted value of that node, a deactivation as an end, a disable (enable) as a version that is disabled (enabled).
    3. No version knew anything (dots seen, end, revoked secrets, disables, enables) that the final row does not know.
    4. A value that any node ever stored is in the final row, or some write that had it before its eyes replaced it: that node's journal
       has a version with the value, and the next version has a new value of that node's own instead.
    5. A disable that is undone in the end was undone by a node that had it before its eyes, when an enable was asked for there.
    6. No dot ever stood for two values.
    7. `sync conflicts` lists, on every node, exactly the rows with several values, and each of the values (who, when, deleted, what).
    8. Every node's data plane accepts exactly the keys that are neither ended nor disabled in the final rows; the admin API agrees.
    """

    def __init__(self, cluster, log, secrets):
        sync_pb2()
        self.cluster, self.log, self.secrets, self.breaches = cluster, log, secrets, []
        self.converged_s = self.conflicts = self.superseded = self.requests = self.rows = self.versions = 0

    def breach(self, text):
        self.breaches.append(text)

    def tables(self):
        return [{(kind, id): row for kind, id, row in query(n, "SELECT kind, id, row FROM row")} for n in self.cluster.nodes]

    def settled(self):
        for node in self.cluster.nodes:
            answer = node.ctl("sync", "peers", check=False)  # 7: not caught up or not converged
            if answer.returncode != 0 or any(p["lag_entries"] or p["behind_entries"] or p["parked"] for p in json.loads(answer.stdout)["peers"]):
                return None
        tables = self.tables()
        return tables[0] if tables[0] == tables[1] == tables[2] else None

    def check(self):
        began = time.monotonic()
        try:
            final = until(self.settled, "three equal nodes", 60)
        except AssertionError as e:
            said = "".join(n.ctl("sync", "peers", check=False).stdout for n in self.cluster.nodes)
            return [f"rule 1: {e}: {said}"] + self.differences()
        self.converged_s = time.monotonic() - began
        self.final = {k: Version(row) for k, row in final.items()}
        self.rows = len(self.final)
        self.load()
        for rule in (self.quiet, self.stored, self.nothing_forgotten, self.replaced_by_who_saw, self.undone_by_who_saw, self.one_value_a_dot,
                     self.conflicts_listed, self.data_planes):
            rule()
        return self.breaches

    def differences(self):
        tables = self.tables()
        return [f"rule 1: {key}: " + " / ".join(str(Version(t[key]).key()) if key in t else "absent" for t in tables)
                for key in sorted(set().union(*tables)) if len({t.get(key) for t in tables}) > 1][:20]

    def load(self):
        """history[k][(kind, id)]: the versions node k had, oldest first."""
        self.history, self.uids, self.versions = [], [], 0
        for node in self.cluster.nodes:
            rows = {}
            for at_ms, kind, id, row in query(node, "SELECT at_ms, kind, id, row FROM e2e_journal ORDER BY n"):
                rows.setdefault((kind, id), []).append(Version(row, at_ms))
                self.versions += 1
            self.history.append(rows)
            self.uids.append(query(node, "SELECT value FROM meta WHERE key = 'node_uid'")[0][0].encode())

    def quiet(self):
        for node in self.cluster.nodes:
            found = query(node, "SELECT type, message FROM event WHERE type IN ('replication_diverged', 'replication_bad_frame', 'replication_rolled_back')")
            found += query(node, "SELECT kind || '/' || id, parked FROM row WHERE parked IS NOT NULL")
            for what in found:
                self.breach(f"rule 1: {node.host}: {what}")

    def stored(self):
        for w in self.log:
            if w.answer not in (200, 201):
                continue
            versions = self.history[w.node].get((w.kind, w.row), [])
            # The version in force when the question came, and those stored until the answer.
            first = max((i for i, v in enumerate(versions) if v.at_ms < w.begin_ms - SLACK_MS), default=0)
            during = [v for v in versions[first:] if v.at_ms <= w.end_ms + SLACK_MS]
            if w.action in ("create", "update") or w.action.startswith("put-"):
                ok = any(w.token.encode() in spec for v in during for spec, _, _ in v.values.values())
            elif w.action.startswith("delete-"):
                ok = any(deleted and origin[0] == self.uids[w.node] and (origin, counter) not in before.values
                         for before, v in zip(during, during[1:]) for (origin, counter), (_, deleted, _) in v.values.items())
            elif w.action == "deactivate":
                ok = any(v.ended for v in during)
            else:
                ok = any(v.disabled() == (w.action == "disable") for v in during)
            if not ok:
                self.breach(f"rule 2: {w.action} {w.row} ({w.token}) acknowledged by n{w.node + 1} and not in its journal")

    def nothing_forgotten(self):
        for k, rows in enumerate(self.history):
            for key, versions in rows.items():
                for v in versions:
                    if key not in self.final or not v.within(self.final[key]):
                        self.breach(f"rule 3: {key}: n{k + 1} knew at {v.at_ms} {v.key()}; final {self.final.get(key) and self.final[key].key()}")
                        break

    def own_writes(self, k, key):
        """(before, after) of node k's own writes of new values."""
        versions = self.history[k].get(key, [])
        for before, after in zip(versions, versions[1:]):
            if any(origin[0] == self.uids[k] and dot not in before.values for dot in after.values for origin in dot[:1]):
                yield before, after

    def replaced_by_who_saw(self):
        keys = set().union(*self.history)
        for key in keys:
            replaced = {dot for k in range(3) for before, after in self.own_writes(k, key) for dot in before.values if dot not in after.values}
            stored = {dot for k in range(3) for v in self.history[k].get(key, []) for dot in v.values}
            kept = set(self.final[key].values) if key in self.final else set()
            for dot in stored - kept - replaced:
                self.breach(f"rule 4: {key}: the value of {dot} is gone and no write had seen it")
            self.superseded += len(stored - kept)

    def undone_by_who_saw(self):
        enables = {}
        for w in self.log:
            if w.action == "enable":
                enables.setdefault((w.node, (w.kind, w.row)), []).append(w)
        for key, final in self.final.items():
            for origin, counter in final.disables.items():
                dot = (origin, counter)
                if not covers(final.undone, dot):
                    continue
                if not any(covers(before.disables, dot) and not covers(before.undone, dot) and covers(after.undone, dot) and
                           any(w.begin_ms - SLACK_MS <= after.at_ms <= w.end_ms + SLACK_MS for w in enables.get((k, key), []))
                           for k in range(3) for before, after in self.pairs(k, key)):
                    self.breach(f"rule 5: {key}: {dot} was undone by nobody who had seen it")

    def pairs(self, k, key):
        versions = self.history[k].get(key, [])
        return zip(versions, versions[1:])

    def one_value_a_dot(self):
        meaning = {}
        for rows in self.history:
            for key, versions in rows.items():
                for v in versions:
                    for dot, value in v.values.items():
                        if meaning.setdefault(dot, (key, value)) != (key, value):
                            self.breach(f"rule 6: {dot} is {meaning[dot]} and {(key, value)}")

    def conflicts_listed(self):
        def tokens(text):
            return tuple(sorted(set(TOKEN.findall(text))))
        wanted = {key: sorted((origin[0].decode(), at, deleted, tokens(spec.decode("latin-1"))) for (origin, _), (spec, deleted, at) in v.values.items())
                  for key, v in self.final.items() if len(v.values) > 1}
        self.conflicts = len(wanted)
        for node in self.cluster.nodes:
            said = json.loads(node.ctl("sync", "conflicts").stdout)["conflicts"]
            listed = {(c["kind"], c["id"]): sorted((v["node_uid"], millis(v["at"]), v["deleted"], tokens(json.dumps(v["value"])))
                                                  for v in c["values"]) for c in said}
            if listed != wanted:
                self.breach(f"rule 7: {node.host} lists {listed}, stored are {wanted}")

    def data_planes(self):
        for node in self.cluster.nodes:
            for row, secret in self.secrets.items():
                final = self.final.get(("AuthKey", row))
                works = final is not None and not final.ended and not final.disabled()
                until(lambda: self.answered(node, secret) == (200 if works else 401),
                      f"{row} {'works' if works else 'is refused'} at {node.host}", 10)
                self.requests += 1

    @staticmethod
    def answered(node, secret):
        try:
            return node.models(secret).status
        except OSError:
            return 0


def millis(text):
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
