"""Kills control planes of one cluster one after the other and measures how long the others take to see it.

tests/e2e/kills.py [--kills 50] [--nodes 3] [--csv FILE]
Each line: the kill, who, seconds from SIGKILL until every other node says failed, seconds from the start until every other
node says alive, until every node is healthy again. Exits 1 when a bound does not hold: detection 10 s at most, 8 s at p99;
alive 3 s at most. With few kills p99 is the longest.
"""
import argparse, os, shutil, sys, time

from member import Member, whole
from node import until

DETECTED_MAX, DETECTED_P99, ALIVE_MAX = 10.0, 8.0, 3.0


def quantile(values, q):
    ordered = sorted(values)
    return ordered[max(0, -(-int(q * 1000) * len(ordered) // 1000) - 1)]


def all_say(others, node_id, status, limit):
    """Seconds until each of `others` has said it once; an answer counts from when it was asked for."""
    begin, missing = time.monotonic(), list(others)
    while missing:
        asked = time.monotonic()
        if asked - begin > limit:
            raise AssertionError(f"after {limit} s {[n.id for n in missing]} do not say that {node_id} is {status}")
        missing = [n for n in missing if n.status_of(node_id) != status]
        time.sleep(0.02)
    return time.monotonic() - begin


def kill_and_restart(nodes, k, limit=30):
    victim = nodes[k % len(nodes)]
    others = [n for n in nodes if n is not victim]
    victim.kill()
    failed = all_say(others, victim.id, "failed", limit)
    victim.start()
    alive = all_say(others, victim.id, "alive", limit)
    begin = time.monotonic()
    until(lambda: whole(nodes), f"the cluster is whole after kill {k + 1}", limit)
    return victim.id, failed, alive, alive + time.monotonic() - begin


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--kills", type=int, default=50)
    arguments.add_argument("--nodes", type=int, default=3)
    arguments.add_argument("--csv")
    options = arguments.parse_args()
    seed = Member("n1", None)
    nodes = [seed] + [Member(f"n{k + 1}", [seed.host]) for k in range(1, options.nodes)]
    rows = []
    try:
        for node in nodes:
            node.start()
        until(lambda: whole(nodes), "one cluster", 60)
        for k in range(options.kills):
            rows.append((k + 1, *kill_and_restart(nodes, k)))
            print("kill %d of %s: failed for all after %.2f s, alive %.2f s, whole %.2f s" % rows[-1], flush=True)
    finally:
        for node in nodes:
            node.process and node.kill()
            shutil.rmtree(node.dir, ignore_errors=True)
    if options.csv:
        with open(options.csv, "w") as f:
            f.write("kill,node,failed_s,alive_s,whole_s\n" + "".join("%d,%s,%.3f,%.3f,%.3f\n" % row for row in rows))
    failed, alive = [r[2] for r in rows], [r[3] for r in rows]
    print(f"{len(rows)} kills of {len(nodes)} nodes, load {os.getloadavg()[0]:.1f}: failed p50 {quantile(failed, .5):.2f} p99 "
          f"{quantile(failed, .99):.2f} max {max(failed):.2f} s; alive p50 {quantile(alive, .5):.2f} p99 {quantile(alive, .99):.2f} "
          f"max {max(alive):.2f} s")
    return max(failed) > DETECTED_MAX or quantile(failed, .99) > DETECTED_P99 or max(alive) > ALIVE_MAX


if __name__ == "__main__":
    sys.exit(main())
