"""Three control planes of one cluster in real processes, on addresses of their own with the product's ports."""
import json, shutil

import pytest
from member import three, whole
from node import request, until


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
        assert set(rows[0]) == {"node_id", "node_name", "region", "zone", "status", "role", "is_leader", "drained", "data_plane", "advertise_url",
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


def test_cluster_metrics_exist(members):
    node = members("solo").start()
    until(lambda: node.get("status").get("cluster_id"), "founds alone", 40)
    text = until(lambda: "aurora_cluster_members" in (t := request((node.host, 9092), "GET", "/metrics").body.decode()) and t, "metrics", 10)
    assert 'aurora_cluster_members{state="alive"} 1' in text and "aurora_cluster_founded 1" in text
    assert "aurora_cluster_is_leader" not in text  # single_node: nobody leads
