"""Writes policy on three nodes at once while their processes are killed and frozen, and then accounts for every write.

build/e2e-venv/bin/python tests/e2e/sync_soak.py [--writes 10000] [--faults 80] [--seed N] [--csv FILE]   (tests/e2e/run makes the venv)

A trigger that this script puts into each node's database journals every version of a row, in the transaction that stores it. So it
is known which values a write had seen, and the rules need no guess (`Account`). Exit 1 when one is broken; each breach is printed.
"""
import argparse, random, signal, sys, threading, time

from account import Account, install_journal
from cluster import Cluster
from node import until

THREADS = 2  # per node; a thread writes only rows of its own number, so a node's writes of one row come one after the other
MIX = (("create", 20), ("update", 15), ("disable", 8), ("enable", 8), ("deactivate", 8), ("delete-key", 4), ("put-aliases", 15),
       ("delete-aliases", 4), ("put-guardrails", 9), ("delete-guardrails", 2), ("put-model-overrides", 5), ("delete-model-overrides", 2))
POOL = {"aliases": 60, "guardrails": 24, "model-overrides": 24}
KIND = {"aliases": "Alias", "guardrails": "Guardrail", "model-overrides": "ModelOverride"}


class Write:
    """One attempt. `token` stands in the value and in no other write's. answer: HTTP status, 0 = none came."""

    def __init__(self, node, action, kind, row, token):
        self.node, self.action, self.kind, self.row, self.token = node, action, kind, row, token
        self.begin_ms = self.end_ms = self.answer = 0


class Soak:
    def __init__(self, cluster, writes, rounds, seed):
        self.cluster, self.wanted, self.rounds, self.seed = cluster, writes, rounds, seed
        self.log, self.lock, self.stop = [], threading.Lock(), threading.Event()
        self.keys, self.acked, self.faults, self.breaches = {}, 0, [], []  # keys: id -> secret

    def body(self, action, token, rng):
        if action == "put-aliases":
            return {"targets": [{"model": f"demo/{token}", "weight": 1}]}
        if action == "put-guardrails":
            return {"type": "regex_block", "config": {"patterns": [token]}, "enabled": rng.random() < .5}
        return {"user_paths": [f"/{token}"], "enabled": rng.random() < .5}

    def pick(self, k, t, n, rng):
        """(Write, method, path, body) or None: no key yet."""
        action = rng.choices([a for a, _ in MIX], [w for _, w in MIX])[0]
        token = f"x{k}{t}x{n}x"
        verb, _, collection = action.partition("-")
        if collection in POOL:
            some = 2 if rng.random() < .5 else POOL[collection] // THREADS  # half of the writes go where everyone writes
            name = f"{'demo/' if collection == 'model-overrides' else ''}r{rng.randrange(some) * THREADS + t}"
            write = Write(k, action, KIND[collection], name, token)
            return write, verb.upper(), f"{collection}/{name.replace('/', '%2F')}", self.body(action, token, rng) if verb == "put" else None
        if action == "create":
            return Write(k, action, "AuthKey", f"k{k}{t}-{n}", token), "POST", "auth-keys", {"id": f"k{k}{t}-{n}", "name": token}
        with self.lock:
            known = list(self.keys)[-200:]
        known = [i for i in known if i[2] == str(t)]
        if not known:
            return None
        row = rng.choice(known)
        write = Write(k, action, "AuthKey", row, token)
        if action == "deactivate":
            return write, "POST", f"auth-keys/{row}/deactivate?" + ("wait=all&timeout_ms=3000" if rng.random() < .1 else "wait=local"), None
        if action == "delete-key":
            return write, "DELETE", f"auth-keys/{row}", None
        return write, "PATCH", f"auth-keys/{row}", {"name": token} if action == "update" else {"enabled": action == "enable"}

    def refused_everywhere(self, row):
        """`wait=all` said that every member enforces it: that is so, and stays so."""
        for node in self.cluster.nodes:
            try:
                if node.models(self.keys[row]).status == 200:
                    self.breaches.append(f"{row}: said to be enforced by all, accepted by {node.host}")
            except OSError:
                pass  # killed

    def writer(self, k, t):
        node, rng = self.cluster.nodes[k], random.Random(f"{self.seed}/{k}/{t}")
        n = 0
        while not self.stop.is_set():
            n += 1
            picked = self.pick(k, t, n, rng)
            if picked is None:
                continue
            write, method, path, body = picked
            write.begin_ms = time.time() * 1000
            try:
                answer = self.cluster.rest(node, method, path, body)
                write.answer = answer.status
            except OSError:
                self.stop.wait(0.02)
            write.end_ms = time.time() * 1000
            ok = write.answer in (200, 201)
            with self.lock:
                self.log.append(write)
                self.acked += ok
                if ok and write.action == "create":
                    self.keys[write.row] = answer.json()["value"]
            if ok and "wait=all" in path and answer.json()["propagation"]["enforced"] == 3:
                self.refused_everywhere(write.row)

    def fault(self, rng):
        """Kills one process or several and starts them again, or freezes them for a while."""
        names = rng.choice([["controlplane"], ["controlplane"], ["dataplane"], ["controlplane", "dataplane"]])
        victims = [(k, name) for k in rng.sample(range(3), rng.choice([1, 1, 1, 2])) for name in names]
        frozen, down = rng.random() < .2, rng.random()
        for k, name in victims:
            node = self.cluster.nodes[k]
            node.children[name].send_signal(signal.SIGSTOP) if frozen else node.kill(name)
        self.stop.wait(down)
        began = time.monotonic()
        for k, name in victims:
            node = self.cluster.nodes[k]
            node.children[name].send_signal(signal.SIGCONT) if frozen else node.spawn(name)
        for k in sorted({k for k, _ in victims}):
            self.cluster.nodes[k].wait_ready(60)
        what = " ".join(f"n{k + 1}.{name}" for k, name in victims)
        self.faults.append(("freeze" if frozen else "kill", what, down, time.monotonic() - began))

    def run(self):
        rng = random.Random(f"{self.seed}/kills")
        threads = [threading.Thread(target=self.writer, args=(k, t)) for k in range(3) for t in range(THREADS)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        try:
            for n in range(self.rounds + 1):
                until(lambda: self.acked >= self.wanted * (n + 1) / (self.rounds + 1), f"{n + 1} of {self.rounds + 1} shares of the writes", 300)
                if n < self.rounds:
                    self.fault(rng)
                    if n % 10 == 9:
                        print(f"{n + 1} faults, {self.acked} writes acknowledged, {time.monotonic() - began:.0f} s", flush=True)
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()
        self.seconds = time.monotonic() - began

    def counts(self):
        """{(action, what became of it): how many}"""
        out = {}
        for w in self.log:
            key = (w.action, "acknowledged" if w.answer in (200, 201) else f"refused {w.answer}" if w.answer else "unanswered")
            out[key] = out.get(key, 0) + 1
        return out


def soak(cluster, writes, rounds, seed):
    """The soak and its account: (Soak, Account, breaches)."""
    for node in cluster.nodes:
        install_journal(node)
    run = Soak(cluster, writes, rounds, seed)
    run.run()
    account = Account(cluster, run.log, run.keys)
    breaches = run.breaches + account.check()
    print(f"seed {seed}: {run.acked} of {len(run.log)} writes acknowledged in {run.seconds:.1f} s, {sum(f[0] == 'kill' for f in run.faults)} rounds of kills, "
          f"{sum(f[0] == 'freeze' for f in run.faults)} of freezes; equal on "
          f"all nodes {account.converged_s:.2f} s after the last write; {account.rows} rows, {account.versions} versions, {account.conflicts} conflicts "
          f"listed, {account.superseded} values replaced by a write that saw them, {account.requests} requests with keys; {len(breaches)} breaches", flush=True)
    return run, account, breaches


def measures(run, account, breaches):
    yield from (("seed", run.seed), ("acknowledged", run.acked), ("seconds", f"{run.seconds:.1f}"), ("converged_s", f"{account.converged_s:.3f}"))
    yield from (("rows", account.rows), ("versions", account.versions), ("conflicts", account.conflicts), ("superseded", account.superseded))
    yield from (("requests_with_keys", account.requests), ("breaches", len(breaches)))
    yield from ((f"{action} {became}", n) for (action, became), n in sorted(run.counts().items()))
    yield from ((f"{n} {fault} {what} for {down:.3f} s: then ready_s", f"{ready:.3f}") for n, (fault, what, down, ready) in enumerate(run.faults, 1))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--writes", type=int, default=10_000)
    arguments.add_argument("--faults", type=int, default=80)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    arguments.add_argument("--csv")
    options = arguments.parse_args()
    cluster = Cluster()
    try:
        run, account, breaches = soak(cluster.start(), options.writes, options.faults, options.seed)
    finally:
        cluster.stop()
    for breach in breaches[:50]:
        print(breach)
    if options.csv:
        with open(options.csv, "w") as f:
            f.write("measure,value\n" + "".join(f"{name},{value}\n" for name, value in measures(run, account, breaches)))
    return bool(breaches)


if __name__ == "__main__":
    sys.exit(main())
