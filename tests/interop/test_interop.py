#!/usr/bin/env python3
"""Our gossip beside genuine memberlist nodes: Debian's 0.2.2 and v0.7.0, whatever can be built here.

test_interop.py --ours BINARY --work DIR [--only PATTERN]
Each scenario runs with each library on loopback addresses of its own; every wait is for an event and has a deadline.
Exit 0: all passed. 1: something failed. 77: no library could be built, nothing was tested.
"""
import argparse, collections, json, os, re, shutil, signal, subprocess, sys, threading, time, traceback

HERE = os.path.dirname(os.path.abspath(__file__))
KEY16 = "000102030405060708090a0b0c0d0e0f"
KEY32 = "f0" * 32
WAIT = 60.0


class Peer:
    """A process with commands on stdin and JSON events on stdout."""

    def __init__(self, name, addr, argv):
        self.name, self.addr = name, addr
        self.events, self.cursor = [], {}
        self.cond = threading.Condition()
        self.closed = False
        self.proc = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.errors = collections.deque(maxlen=400)
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()
        self.wait(lambda e: e["ev"] in ("up", "error"), "start")
        if self.events[0]["ev"] == "error":
            raise AssertionError(f"{name}: {self.events[0]}")

    def _read(self):
        for line in self.proc.stdout:
            with self.cond:
                self.events.append(json.loads(line))
                self.cond.notify_all()
        with self.cond:
            self.closed = True
            self.cond.notify_all()

    def _read_errors(self):
        for line in self.proc.stderr:
            self.errors.append(line.rstrip())

    def mark(self):
        with self.cond:
            return len(self.events)

    def wait(self, wanted, what, since=0, seconds=WAIT):
        end = time.monotonic() + seconds
        with self.cond:
            at = since
            while True:
                while at < len(self.events):
                    if wanted(self.events[at]):
                        return self.events[at]
                    at += 1
                left = end - time.monotonic()
                if left <= 0 or self.closed:
                    raise AssertionError(f"{self.name} never saw: {what}\n  last events: {self.events[-8:]}"
                                         f"\n  stderr: {list(self.errors)[-6:]}")
                self.cond.wait(left)

    def has(self, wanted, since=0):
        with self.cond:
            return any(wanted(e) for e in self.events[since:])

    def say(self, line):
        self.proc.stdin.write(line + "\n")
        self.proc.stdin.flush()

    def ask(self, line, ev):
        since = self.mark()
        self.say(line)
        return self.wait(lambda e: e["ev"] == ev, f"the answer to {line}", since)

    def until(self, line, ev, wanted, what, seconds=WAIT):
        """Asks again until the answer fits."""
        end = time.monotonic() + seconds
        while True:
            answer = self.ask(line, ev)
            if wanted(answer):
                return answer
            if time.monotonic() > end:
                raise AssertionError(f"{self.name}: {what}; last: {answer}\n  stderr: {list(self.errors)[-6:]}")
            with self.cond:
                self.cond.wait(0.05)  # for the next event

    def signal(self, number):
        self.proc.send_signal(number)

    def kill(self):
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGCONT)
            self.proc.kill()
        self.proc.wait()


class Ours(Peer):
    ours = True

    def __init__(self, run, name, host, join=(), key=None, label=None, meta=""):
        argv = [run.ours, "--name", name, "--bind", host, "--port", "7946", "--meta", meta]
        for seed in join:
            argv += ["--join", seed]
        argv += ["--keys", key] if key else []
        argv += ["--label", label] if label else []
        super().__init__(name, address(host), argv)

    def alive(self, count):
        self.until("members", "members", lambda a: sum(m["state"] == "alive" for m in a["list"]) == count,
                   f"{count} alive members")

    def member(self, name):
        return next(m for m in self.ask("members", "members")["list"] if m["name"] == name)

    def saw_gone(self, name):
        return lambda e: e["ev"] in ("failed", "leave") and e["node"] == name

    def text_of(self, event):
        return event["text"]


class Go(Peer):
    ours = False

    def __init__(self, run, name, host, join=(), key=None, label=None, meta="", compress=True):
        argv = [run.library.binary, "-name", name, "-bind", host, "-port", "7946", "-meta", meta, "-profile", "local", "-v",
                f"-compress={'true' if compress else 'false'}"]
        argv += ["-join", ",".join(join)] if join else []
        argv += ["-key", key.split(",")[0]] if key else []
        argv += ["-label", label] if label else []
        super().__init__(name, address(host), argv)

    def alive(self, count):
        self.until("members", "members", lambda a: a["n"] == count, f"{count} members")

    def member(self, name):
        found = next(m for m in self.ask("members", "members")["list"] if m["name"] == name)
        return {**found, "meta": bytes.fromhex(found["meta"]).decode()}

    def saw_gone(self, name):
        return lambda e: e["ev"] == "leave" and e["node"]["name"] == name

    def text_of(self, event):
        return bytes.fromhex(event["hex"]).decode()


def address(host):
    return f"[{host}]:7946" if ":" in host else f"{host}:7946"


class Run:
    """One scenario with one library: its peers, all gone at the end."""

    def __init__(self, ours, library, net):
        self.ours, self.library, self.net, self.peers = ours, library, net, []

    def host(self):
        return f"{self.net}.{len(self.peers) + 1}"

    def add(self, kind, name, host=None, **options):
        peer = kind(self, name, host or self.host(), **options)
        self.peers.append(peer)
        return peer

    def close(self):
        for peer in self.peers:
            peer.kill()


def message_between(a, b):
    for verb in ("msg", "smsg"):
        since = b.mark()
        text = f"{verb} from {a.name} {'x' * (900 if verb == 'msg' else 5000)}"
        a.say(f"{verb} {b.name} {text}")
        b.wait(lambda e: e["ev"] == "msg" and b.text_of(e) == text, f"{verb} from {a.name}", since)


def meta_change(a, others, text):
    marks = [p.mark() for p in others]
    a.say(f"meta {text}")
    for peer, since in zip(others, marks):
        peer.wait(lambda e: e["ev"] == "update" and (e["node"] if peer.ours else e["node"]["name"]) == a.name,
                  f"the new meta of {a.name}", since)
        assert peer.member(a.name)["meta"] == text, peer.member(a.name)


def clean(run):
    """Nothing any of ours could not read, and nothing Go complained of."""
    for peer in run.peers:
        if peer.ours and peer.proc.poll() is None:
            stats = peer.ask("stats", "stats")
            assert stats["dropped_parts"] == 0 and not any(stats["refused"].values()), stats
        if not peer.ours:
            bad = [line for line in peer.errors if "[ERR]" in line]
            bad = [line for line in bad if not re.search(r"refused|reset|i/o timeout|EOF|broken pipe|no route", line)]
            assert not bad, bad


def five(run, **options):
    """3 ours and 2 of Go, joined both ways."""
    a = run.add(Ours, "ours-a", meta="meta-a", **options)
    g = run.add(Go, "go-g", join=[a.addr], meta="meta-g", **options)      # Go joins ours
    b = run.add(Ours, "ours-b", join=[g.addr], meta="meta-b", **options)  # ours joins Go
    h = run.add(Go, "go-h", join=[b.addr], meta="meta-h", **options)
    c = run.add(Ours, "ours-c", meta="meta-c", **options)
    c.say(f"join {h.addr}")
    for peer in run.peers:
        peer.alive(5)
    return a, b, c, g, h


def life_of_a_cluster(run):
    a, b, c, g, h = five(run)
    for peer in run.peers:
        for other in run.peers:
            member = peer.member(other.name)
            assert member["addr"] == other.addr and member["meta"] == "meta-" + other.name[-1], member
    assert a.member("go-g")["guest"], "a node without our meta is a guest"
    meta_change(a, [b, c, g, h], "changed-a")
    meta_change(g, [a, b, c, h], "changed-g")
    for x, y in ((a, g), (g, a), (h, b), (b, c)):
        message_between(x, y)
    clean(run)


def refute_after_a_stop(run):
    a, b, c, g, h = five(run)
    for stopped in (b, g):
        watchers = [p for p in (a, c)]
        others = [p for p in run.peers if p is not stopped]
        marks = {p.name: p.mark() for p in run.peers}
        stopped.signal(signal.SIGSTOP)
        for watcher in watchers:
            watcher.wait(lambda e: e["ev"] == "suspect" and e["node"] == stopped.name, f"{stopped.name} suspected",
                         marks[watcher.name])
        stopped.signal(signal.SIGCONT)
        for watcher in watchers:
            watcher.wait(lambda e: e["ev"] == "refuted" and e["node"] == stopped.name, f"{stopped.name} refuted",
                         marks[watcher.name])
        for other in others:
            other.alive(5)
            assert not other.has(other.saw_gone(stopped.name), marks[other.name]), f"{other.name} lost {stopped.name}"
        if stopped.ours:
            stopped.until("stats", "stats", lambda a: a["stalls"] > 0, "its own standstill")
        for other in others:
            assert not stopped.has(stopped.saw_gone(other.name), marks[stopped.name]), f"{stopped.name} lost {other.name}"


def back_from_the_dead(run):
    a, b, c, g, h = five(run)
    marks = {p.name: p.mark() for p in run.peers}
    for stopped in (b, g):
        stopped.signal(signal.SIGSTOP)
    for watcher in (a, c, h):
        for stopped in (b, g):
            watcher.wait(watcher.saw_gone(stopped.name), f"{stopped.name} declared dead", marks[watcher.name])
    for stopped in (b, g):
        stopped.signal(signal.SIGCONT)
    for peer in run.peers:
        peer.alive(5)


def leave_and_crash(run):
    a, b, c, g, h = five(run)
    c.say("leave")
    for peer in (a, b, g, h):
        peer.wait(peer.saw_gone("ours-c"), "ours-c left")
    assert all(not p.has(lambda e: e["ev"] == "failed") for p in (a, b)), "a leave is no failure"
    c.wait(lambda e: e["ev"] == "leave_done", "the leave told")
    c.kill()
    g.say("leave")
    for peer in (a, b):
        peer.wait(lambda e: e["ev"] == "leave" and e["node"] == "go-g", "go-g left")
    h.wait(h.saw_gone("go-g"), "go-g left")
    g.kill()
    h.kill()
    for peer in (a, b):
        peer.wait(lambda e: e["ev"] == "failed" and e["node"] == "go-h", "go-h failed")


def crash_of_ours_seen_by_go(run):
    a = run.add(Ours, "ours-a")
    b = run.add(Ours, "ours-b", join=[a.addr])
    g = run.add(Go, "go-g", join=[a.addr])
    h = run.add(Go, "go-h", join=[a.addr])
    for peer in run.peers:
        peer.alive(4)
    b.kill()
    for peer in (a, g, h):
        peer.wait(peer.saw_gone("ours-b"), "ours-b failed")
    again = run.add(Ours, "ours-b", host=b.addr.split(":")[0], join=[g.addr], meta="second life")
    for peer in (a, g, h, again):
        peer.alive(4)
        assert peer.member("ours-b")["meta"] in ("second life",)


def encrypted(run):
    a, b, c, g, h = five(run, key=KEY16)
    meta_change(g, [a, b, c, h], "secret-g")
    meta_change(b, [a, c, g, h], "secret-b")
    for x, y in ((a, g), (g, b)):
        message_between(x, y)
    clean(run)
    stranger = run.add(Ours, "stranger", join=[g.addr], key=KEY32)
    gopher = run.add(Go, "gopher", key=KEY32)
    a.say(f"join {gopher.addr}")
    gopher.say(f"join {a.addr}")
    a.wait(lambda e: e["ev"] == "refused" and e["reason"] == "key", "the wrong key named")
    gopher.wait(lambda e: e["ev"] == "joined" and e["n"] == 0, "a join with the wrong key refused")
    stranger.wait(lambda e: e["ev"] == "up", "up")
    for peer in (a, b, c, g, h):
        peer.alive(5)


def rotated_keys(run):
    g = run.add(Go, "go-g", key=KEY32, compress=False)
    a = run.add(Ours, "ours-a", key=f"{KEY16},{KEY32}")
    b = run.add(Ours, "ours-b", key=f"{KEY16},{KEY32}", join=[a.addr])
    for peer in (a, b):
        peer.ask(f"keys {KEY32},{KEY16}", "keys")
    a.say(f"join {g.addr}")
    for peer in (a, b):
        peer.ask(f"keys {KEY32}", "keys")
    for peer in run.peers:
        peer.alive(3)
    message_between(g, b)


def plain_without_compression(run):
    g = run.add(Go, "go-g", compress=False, meta="g")
    a = run.add(Ours, "ours-a", join=[g.addr], meta="a")
    for peer in run.peers:
        peer.alive(2)
    message_between(a, g)
    message_between(g, a)
    clean(run)


def ipv6(run):
    host = "::1"
    g = run.add(Go, "go-g", host=host)
    argv_port = "17946"
    a = Peer("ours-a", f"[::1]:{argv_port}",
             [run.ours, "--name", "ours-a", "--bind", "::1", "--port", argv_port, "--join", g.addr])
    a.ours = True
    run.peers.append(a)
    g.alive(2)
    a.until("members", "members", lambda m: sum(x["state"] == "alive" for x in m["list"]) == 2, "2 alive members")


def labelled(run):
    a, b, c, g, h = five(run, label="production")
    message_between(a, g)
    message_between(g, b)
    meta_change(g, [a, b, c, h], "labelled")
    clean(run)
    stranger = run.add(Go, "stranger", label="staging")
    stranger.say(f"join {a.addr}")
    a.wait(lambda e: e["ev"] == "refused" and e["reason"] == "label", "the other label named")
    a.alive(5)


def labelled_and_encrypted(run):
    a, b, c, g, h = five(run, label="production", key=KEY32)
    message_between(b, h)
    message_between(h, c)
    c.say("leave")
    for peer in (a, b, g, h):
        peer.wait(peer.saw_gone("ours-c"), "ours-c left")
    clean(run)


SCENARIOS = [life_of_a_cluster, refute_after_a_stop, back_from_the_dead, leave_and_crash, crash_of_ours_seen_by_go,
             encrypted, rotated_keys, plain_without_compression, ipv6]
LABEL_SCENARIOS = [labelled, labelled_and_encrypted]


class Library:
    def __init__(self, version, binary, labels):
        self.version, self.binary, self.labels = version, binary, labels


def go_commands():
    found = ["/usr/lib/go-1.19/bin/go", shutil.which("go"), "/usr/bin/go", "/usr/local/go/bin/go"]
    return [go for i, go in enumerate(found) if go and os.access(go, os.X_OK) and go not in found[:i]]


def build(work):
    """The Go peers that can be built here, and why the others cannot."""
    libraries, refused = [], []
    env = {**os.environ, "GOFLAGS": "", "GOTOOLCHAIN": "local"}
    plans = []
    if os.path.isdir("/usr/share/gocode/src/github.com/hashicorp/memberlist"):
        plans.append(("0.2.2", False, ["-tags", "memberlist_without_labels"],
                      {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode"}))
    else:
        refused.append("0.2.2: the package golang-github-hashicorp-memberlist-dev is not installed")
    plans.append(("0.7.0", True, ["-mod=readonly", "-buildvcs=false"], {}))
    for version, labels, flags, more in plans:
        binary = os.path.join(work, f"memberlist-peer-{version}")
        errors = []
        for go in go_commands():
            done = subprocess.run([go, "build", *flags, "-o", binary, "."], cwd=os.path.join(HERE, "peer"),
                                  env={**env, **more}, capture_output=True, text=True, timeout=900)
            if done.returncode == 0:
                libraries.append(Library(version, binary, labels))
                break
            errors.append(f"{go}: {done.stderr.strip()[-300:]}")
        else:
            refused.append(f"{version}: {'; '.join(errors) or 'no Go here'}")
    return libraries, refused


def has_ipv6():
    import socket
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def run_library(number, ours, library, only, results):
    scenarios = SCENARIOS + (LABEL_SCENARIOS if library.labels else [])
    for i, scenario in enumerate(scenarios):
        name = f"{library.version} {scenario.__name__}"
        if only and not re.search(only, name):
            continue
        if scenario is ipv6 and not has_ipv6():
            print(f"SKIP {name}: no IPv6 here", flush=True)
            continue
        started = time.monotonic()
        run = Run(ours, library, f"127.{60 + number}.{i}")
        try:
            scenario(run)
            results.append(True)
            print(f"ok   {name} ({time.monotonic() - started:.1f} s)", flush=True)
        except Exception:
            results.append(False)
            print(f"FAIL {name} ({time.monotonic() - started:.1f} s)\n{traceback.format_exc()}", flush=True)
        finally:
            run.close()


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--ours", required=True)
    args.add_argument("--work", required=True)
    args.add_argument("--only")
    args = args.parse_args()
    args.work, args.ours = os.path.abspath(args.work), os.path.abspath(args.ours)
    os.makedirs(args.work, exist_ok=True)
    libraries, refused = build(args.work)
    for reason in refused:
        print(f"NOT TESTED against memberlist {reason}", flush=True)
    if not libraries:
        print("SKIPPED: no memberlist can be built here; tools/install-deps test installs Debian's", flush=True)
        return 77
    results = []
    # IPv6 scenarios share ::1 and its port: one library after the other.
    for number, library in enumerate(libraries):
        run_library(number, args.ours, library, args.only, results)
    print(f"{sum(results)} of {len(results)} scenarios passed", flush=True)
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
