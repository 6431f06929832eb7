"""Three control planes of one cluster in real processes, on addresses of their own with the product's ports."""
import json, os, signal, subprocess, tempfile, shutil

import pytest
from node import BIN, free_address, request, until

TOKEN = "e2e-master-key-0123456789abcdef"


class Member:
    """A control plane alone: membership needs no data plane."""

    def __init__(self, node_id, seeds, **env):
        self.id, self.host = node_id, free_address()
        self.dir = tempfile.mkdtemp(prefix="aurora-e2e-")
        self.seeds, self.extra, self.process = seeds, env, None
        self.socket = f"{self.dir}/run/admin/control.sock"

    def start(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AURORA_", "CLUSTER_"))}
        env.update({
            "AURORA_STORAGE_STATE_DIR": f"{self.dir}/state", "AURORA_STORAGE_RUNTIME_DIR": f"{self.dir}/run",
            "AURORA_SERVER_LISTEN": f"{self.host}:8080", "AURORA_ADMIN_GRPC_LISTEN": f"{self.host}:7948",
            "AURORA_ADMIN_REST_LISTEN": f"{self.host}:7949", "AURORA_METRICS_CONTROLPLANE_LISTEN": f"{self.host}:9092",
            "AURORA_MASTER_KEY": TOKEN, "CLUSTER_ENABLED": "true", "CLUSTER_NODE_ID": self.id, "CLUSTER_NODE_NAME": f"name of {self.id}",
            "CLUSTER_BIND_ADDR": self.host, "CLUSTER_SYNC_BIND_ADDR": self.host,
            "CLUSTER_SEED_NODES": ",".join(f"{host}:7946" for host in self.seeds or [self.host]),
            "CLUSTER_HEARTBEAT_INTERVAL_SECONDS": "2",
        })
        env.update(self.extra)
        os.makedirs(f"{self.dir}/state", exist_ok=True)
        os.makedirs(f"{self.dir}/run", exist_ok=True)
        log = open(f"{self.dir}/log", "ab")
        self.process = subprocess.Popen([f"{BIN}/aurora-controlplane"], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def get(self, what):
        try:
            answer = request((self.host, 7949), "GET", f"/admin/api/v1/cluster/{what}", headers={"authorization": f"Bearer {TOKEN}"}, timeout=5)
        except OSError:
            return {}
        return answer.json() if answer.status == 200 else {}

    def status_of(self, node_id):
        return {n["node_id"]: n["status"] for n in self.get("nodes").get("nodes", [])}.get(node_id)

    def events(self):
        """Types, oldest first; none while it is not up yet."""
        try:
            answer = request((self.host, 7949), "GET", "/admin/api/v1/events?page_size=1000", headers={"authorization": f"Bearer {TOKEN}"})
        except OSError:
            return []
        return [e["type"] for e in answer.json().get("events", [])]

    def ctl(self, *args, text=None):
        return subprocess.run([f"{BIN}/aurora-ctl", "--addr", f"unix://{self.socket}", "-o", "json", *args], capture_output=True,
                              text=True, input=text, timeout=30)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{self.id} did not end within 20 s of SIGTERM")

    def log(self):
        return open(f"{self.dir}/log", errors="replace").read()


@pytest.fixture
def members():
    made = []

    def make(node_id, seeds=None, **env):
        made.append(Member(node_id, seeds, **env))
        return made[-1]
    yield make
    late = []
    for member in made:  # all at once, as a stopped cluster does
        if member.process and member.process.poll() is None:
            member.process.send_signal(signal.SIGCONT)
            member.process.terminate()
    for member in made:
        try:
            member.stop()
        except AssertionError as e:
            late.append(str(e))
        shutil.rmtree(member.dir, ignore_errors=True)
    assert not late, late


def three(members, **env):
    """Only the thirteen settings: one node's address is the seed of all."""
    first = members("n1", **env)
    return [first] + [members(f"n{k}", [first.host], **env) for k in (2, 3)]


def whole(nodes, count=None):
    count = count or len(nodes)
    views = [n.get("status") for n in nodes]
    ids = {v.get("cluster_id") for v in views}
    return len(ids) == 1 and ids != {""} and ids != {None} and all(v["healthy_count"] == count and v["state"] == "healthy" for v in views) and ids.pop()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_thirteen_settings_alone_form_one_cluster_in_any_start_order(members, order):
    nodes = three(members)
    for k in order:
        nodes[k].start()
    until(lambda: whole(nodes), "three nodes in one cluster", 40)
    for node in nodes:
        view = node.get("status")
        assert set(view) == {"enabled", "cluster_id", "node_id", "node_name", "region", "zone", "failover_mode", "role", "leader_id", "term",
                             "node_count", "healthy_count", "state", "reasons", "converged", "max_lag_ms"}
        assert (view["node_id"], view["role"], view["leader_id"], view["term"], view["reasons"]) == (node.id, "single", "", 0, [])
        rows = node.get("nodes")["nodes"]
        assert [r["node_id"] for r in rows] == ["n1", "n2", "n3"]
        assert set(rows[0]) == {"node_id", "node_name", "region", "zone", "status", "role", "is_leader", "data_plane", "advertise_url",
                                "gossip_addr", "sync_addr", "last_heartbeat", "lag_ms", "version"}
        assert [r["gossip_addr"] for r in rows] == [f"{n.host}:7946" for n in nodes]
        assert [r["sync_addr"] for r in rows] == [f"{n.host}:7947" for n in nodes]


def test_a_killed_node_is_failed_for_all_and_alive_again_after_its_restart(members):
    nodes = [n.start() for n in three(members)]
    until(lambda: whole(nodes), "three nodes in one cluster", 40)
    nodes[2].kill()
    until(lambda: all(n.status_of("n3") == "failed" for n in nodes[:2]), "n3 is failed for both", 60)
    view = nodes[0].get("status")
    assert (view["state"], view["node_count"], view["healthy_count"]) == ("degraded", 3, 2)
    assert any("n3" in reason for reason in view["reasons"])
    assert nodes[0].ctl("status").returncode == 7
    nodes[2].start()
    until(lambda: whole(nodes), "n3 is back", 30)


def test_a_node_with_a_wiped_disk_joins_its_cluster_again(members):
    nodes = [n.start() for n in three(members)]
    cluster_id = until(lambda: whole(nodes), "three nodes in one cluster", 40)
    nodes[0].kill()  # also the one that would found alone
    shutil.rmtree(f"{nodes[0].dir}/state")
    nodes[0].start()
    assert until(lambda: whole(nodes), "n1 is back", 60) == cluster_id
    # A new uid under the id: which of the two is said depends on what was heard of it first.
    assert {"node_disk_lost", "node_superseded"} & set(nodes[1].events() + nodes[2].events())


def test_a_node_that_is_stopped_has_left_and_degrades_nothing(members):
    nodes = [n.start() for n in three(members)]
    until(lambda: whole(nodes), "three nodes in one cluster", 40)
    nodes[2].stop()
    until(lambda: all(n.status_of("n3") == "left" for n in nodes[:2]), "n3 has left for both", 20)
    until(lambda: whole(nodes[:2], 2), "two nodes are healthy", 20)


def test_two_clusters_that_meet_stay_two_and_say_so(members):
    a, b = members("a").start(), members("b").start()
    until(lambda: a.get("status").get("cluster_id") and b.get("status").get("cluster_id"), "each founds its own", 40)
    assert a.get("status")["cluster_id"] != b.get("status")["cluster_id"]
    b.stop()
    b.seeds = [a.host, b.host]
    b.start()
    until(lambda: "foreign_cluster" in a.events() and "foreign_cluster" in b.events(), "an event on both sides", 40)
    assert (a.get("status")["node_count"], b.get("status")["node_count"]) == (1, 1)


def test_a_wrong_gossip_key_and_a_wrong_label_are_told_on_both_sides(members):
    key, other = "AAECAwQFBgcICQoLDA0ODw==", "EBESExQVFhcYGRobHB0eHw=="
    a = members("a", CLUSTER_GOSSIP_KEYS=key, CLUSTER_LABEL="x").start()
    b = members("b", [a.host], CLUSTER_GOSSIP_KEYS=other, CLUSTER_LABEL="x").start()
    c = members("c", [a.host], CLUSTER_GOSSIP_KEYS=key, CLUSTER_LABEL="y").start()
    until(lambda: {"gossip_refused_key", "gossip_refused_label"} <= set(a.events()), "a says what it refuses", 40)
    assert a.get("status")["node_count"] == 1
    assert b.process.poll() is None and c.process.poll() is None


def test_a_key_installed_at_run_time_reaches_all_outlives_restarts_and_can_be_used(members):
    key, fresh = "AAECAwQFBgcICQoLDA0ODw==", "EBESExQVFhcYGRobHB0eHw=="
    nodes = [n.start() for n in three(members, CLUSTER_GOSSIP_KEYS=key)]
    until(lambda: whole(nodes), "three nodes in one cluster", 40)
    installed = nodes[0].ctl("keyring", "install", "-f", "-", text=fresh)
    assert installed.returncode == 0, installed.stderr
    fingerprint = json.loads(installed.stdout)["fingerprint"]

    def ring(node):
        listed = node.ctl("keyring", "list")
        return json.loads(listed.stdout)["keys"] if listed.returncode == 0 else []
    until(lambda: all(len(ring(n)) == 2 and not any(k["missing_on"] for k in ring(n)) for n in nodes), "the key is everywhere", 20)
    used = until(lambda: nodes[1].ctl("keyring", "use", fingerprint).returncode == 0, "the key can be used", 20)
    assert used
    until(lambda: all(ring(n)[0]["fingerprint"] == fingerprint for n in nodes), "all seal with it", 20)
    old = ring(nodes[0])[1]["fingerprint"]
    assert nodes[0].ctl("keyring", "remove", fingerprint).returncode != 0  # the one in use
    assert nodes[2].ctl("keyring", "remove", old).returncode == 0
    until(lambda: all([k["fingerprint"] for k in ring(n)] == [fingerprint] for n in nodes), "the old one is gone", 20)
    nodes[2].kill()
    nodes[2].start()
    until(lambda: whole(nodes), "a restarted node still has it", 60)
    assert [k["fingerprint"] for k in ring(nodes[2])] == [fingerprint]


def test_cluster_metrics_exist_and_what_needs_an_election_is_refused(members):
    node = members("solo").start()
    until(lambda: node.get("status").get("cluster_id"), "founds alone", 40)
    text = until(lambda: "aurora_cluster_members" in (t := request((node.host, 9092), "GET", "/metrics").body.decode()) and t, "metrics", 10)
    assert 'aurora_cluster_members{state="alive"} 1' in text and "aurora_cluster_founded 1" in text
    refused = members("r", CLUSTER_FAILOVER_MODE="active_passive").start()
    assert refused.process.wait(10) == 2
    assert "cluster.failover_mode" in refused.log() and "election" in refused.log()
