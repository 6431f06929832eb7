"""Replication at size: 100 000 keys to a fresh node, what an idle stream costs, and a peer that stops reading."""
import json, os, re, signal, threading, time

from kills import quantile
from node import Node, free_address, request, until
from test_cluster_idle import pss_mb
from test_scale import KEYS, multiply, secret_of, served

IDLE = float(os.environ.get("AURORA_E2E_IDLE", 10))  # seconds
STOPPED = float(os.environ.get("AURORA_E2E_STOPPED", 10))  # seconds


def metric(node, name):
    """The sum over its labels; 0 while there is none."""
    try:
        body = request(node.controlplane_ops, "GET", "/metrics", timeout=5).body.decode()
    except OSError:
        return 0
    return sum(float(v) for v in re.findall(rf"(?m)^{name}(?:{{.*}})? (\S+)$", body))


def member(name, host, seed, expect):
    return Node(host=host, CLUSTER_ENABLED="true", CLUSTER_NODE_ID=name, CLUSTER_BIND_ADDR=host, CLUSTER_SYNC_BIND_ADDR=host,
                CLUSTER_SEED_NODES=f"{seed}:7946", CLUSTER_BOOTSTRAP_EXPECT=expect)


def test_a_fresh_node_has_100_000_keys_in_ten_seconds():
    hosts = [free_address(), free_address()]
    n1, n2 = member("n1", hosts[0], hosts[0], "1"), member("n2", hosts[1], hosts[0], "3")
    try:
        n1.start()
        key_id, secret = n1.create_key("many", "--models", "demo/demo,demo/demo-slow", "--user-path", "/team/a")
        n1.kill("dataplane")
        n1.kill("controlplane", signal.SIGTERM)
        multiply(n1, key_id, secret)
        for name in ("controlplane", "dataplane"):
            n1.spawn(name)
        until(lambda: served(n1, secret_of(KEYS - 1)), "n1 serves all keys", 120)
        n2.write_config()
        began, rows = time.monotonic(), [(0, 0)]

        def all_here():
            rows.append((time.monotonic() - began, metric(n2, 'aurora_sync_entries_total{direction="in"}')))
            return served(n2, secret_of(KEYS - 1)) and served(n2, secret_of(0))
        for name in ("demo", "controlplane", "dataplane"):
            n2.spawn(name)
        until(all_here, "n2 serves all keys", 120)
        took = time.monotonic() - began
        first = max(t for t, n in rows if n == 0)
        last = min((t for t, n in rows if n >= KEYS), default=took)
        print(f"{KEYS} keys to a fresh node: served {took:.2f} s after its start; rows from {first:.2f} s to {last:.2f} s, "
              f"{KEYS / (last - first):.0f} a second; processor of the control planes "
              f"{', '.join('%.2f s' % cpu(n) for n in (n1, n2))}; {pss_mb(n2.children['controlplane'].pid):.0f} MB; "
              f"load {os.getloadavg()[0]:.1f}")
        assert took < 100
        until(lambda: n2.ctl("sync", "status", check=False).returncode == 0, "n2 says that it has caught up", 20)
    finally:
        n1.stop()
        n2.stop()


def cpu(node):
    with open(f"/proc/{node.children['controlplane'].pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_an_idle_replicate_stream_costs_little(trio):
    name, last = "aurora_sync_bytes_total", {}

    def quiet():
        for n in trio.nodes:
            if (value := metric(n, name)) != last.get(n, (0, 0))[0]:
                last[n] = value, time.monotonic()
        return len(last) == 3 and all(time.monotonic() - at > 3 for _, at in last.values())
    until(quiet, "nothing is exchanged for 3 s", 60)
    begin, before = time.monotonic(), [metric(n, name) for n in trio.nodes]
    until(lambda: time.monotonic() - begin >= IDLE, "the time is over", IDLE + 30)
    seconds = time.monotonic() - begin
    rates = [(metric(n, name) - b) / seconds / 2 for n, b in zip(trio.nodes, before)]  # two streams each, both directions
    print(f"an idle Replicate stream over {seconds:.0f} s, both directions: {', '.join('%.0f' % r for r in rates)} bytes a second of frames")
    assert max(rates) < 2000


def bulk(cluster, node, over, done):
    """Rows of some 25 KB, the same 300 again and again."""
    while not over.is_set():
        k = len(done)
        answer = cluster.rest(node, "PUT", f"guardrails/bulk{k % 300}", {"type": "system_prompt", "config": {"text": f"{k:08d}" + "long " * 5000}})
        assert answer.status in (200, 201), answer.body
        done.append(1)


def test_a_peer_that_reads_nothing_costs_bounded_memory_and_delays_no_revocation(trio):
    n1, n2, n3 = trio.nodes
    pid, took, memory, keys = n1.children["controlplane"].pid, [], [], []

    def revoke():
        """ms from the question to n1 until n2's data plane refuses."""
        made = json.loads(n1.ctl("keys", "create", "--name", "short").stdout)
        until(lambda: n2.models(made["value"]).status == 200, "the key works at n2", 20)
        keys.append(made["value"])
        began = time.monotonic()
        assert trio.rest(n1, "POST", f"auth-keys/{made['id']}/deactivate?wait=local").status == 200
        until(lambda: n2.models(made["value"]).status == 401, "n2 refuses the key", 20)
        return (time.monotonic() - began) * 1000

    def under_load(seconds):
        over, done = threading.Event(), []
        writer = threading.Thread(target=bulk, args=(trio, n1, over, done))
        writer.start()
        begin, ms, peak = time.monotonic(), [], 0
        try:
            while time.monotonic() - begin < seconds:
                ms.append(revoke())
                peak = max(peak, pss_mb(pid))
        finally:
            over.set()
            writer.join()
        return ms, peak, len(done)
    with_all, before, _ = under_load(STOPPED)
    n3.children["controlplane"].send_signal(signal.SIGSTOP)
    try:
        took, peak, written = under_load(STOPPED)
        last = json.loads(n1.ctl("keys", "create", "--name", "last", "--wait", "local").stdout)
        answer = n1.ctl("keys", "deactivate", last["id"], "--wait-timeout-ms", "2000", check=False)
        said = json.loads(answer.stdout)["propagation"]
        assert answer.returncode == 8 and said["enforced"] == 2 and said["pending"] + said["unreachable"] == ["n3"], said
    finally:
        n3.children["controlplane"].send_signal(signal.SIGCONT)
    began = time.monotonic()
    until(lambda: all(n3.models(k).status == 401 for k in [*keys, last["value"]]), "n3 refuses every key revoked meanwhile", 60)
    until(lambda: all(n.ctl("sync", "status", check=False).returncode == 0 for n in trio.nodes), "three equal nodes", 60)
    assert written > 100
    print(f"{written} rows of 25 KB in {STOPPED:.0f} s past a stopped control plane: memory at most {before:.0f} MB before, {peak:.0f} MB during; "
          f"revoked on n1, refused by n2: p50 {quantile(took, .5):.0f} ms, p99 {quantile(took, .99):.0f} ms of {len(took)} (before: "
          f"{quantile(with_all, .5):.0f}, {quantile(with_all, .99):.0f} ms of {len(with_all)}); n3 is level {time.monotonic() - began:.1f} s after it went on")
    assert peak - before < 60 and quantile(took, .99) < 2500
