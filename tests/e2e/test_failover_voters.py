"""Who votes, in real processes: two nodes, a witness, three to five and back, disks that are lost, the majority gone for good."""
import json, os, time

import pytest
from failover import ActivePassive, overlap
from load import Load
from member import Member
from node import free_address, until


@pytest.fixture
def build():
    made, witnesses = [], []

    def make(names=("n1", "n2", "n3"), **env):
        made.append(ActivePassive(names=names, **env))
        return made[-1]

    def witness(cluster, name="w1"):
        env = {k: v for k, v in cluster.env.items() if k.startswith("CLUSTER_")}
        witnesses.append(Member(name, [cluster.seed], free_address(), **{**env, "CLUSTER_ROLE": "witness", "CLUSTER_BOOTSTRAP_EXPECT": "0"}))
        return witnesses[-1].start()
    make.witness = witness
    yield make
    for one in witnesses:
        one.stop()
    for cluster in made:
        late, both = overlap(cluster.arrivals())
        cluster.stop()
        assert late <= 0.5 and both < 0, "two nodes served at once"


def reasons(cluster, node):
    return " | ".join(cluster.status(node).get("reasons", []))


def test_two_nodes_have_no_automatic_takeover_until_a_witness_comes(build):
    cluster = build(names=("n1", "n2")).start()
    active = until(cluster.settled, "one active node", 30)
    other = next(n for n in cluster.nodes if n is not active)
    assert list(cluster.voters(active)) == [cluster.id(active)]
    assert "no automatic takeover with two nodes: add a third or a witness" in reasons(cluster, active)
    # The standby's death costs nothing.
    other.kill("dataplane"), other.kill("controlplane")
    began = time.monotonic()
    until(lambda: time.monotonic() > began + 3, "longer than any lease")
    assert active.chat(cluster.key).status == 200
    other.spawn("controlplane"), other.spawn("dataplane")
    other.wait_ready()
    until(lambda: cluster.settled(), "both are there")
    # A planned switch moves the vote.
    until(lambda: active.ctl("failover", "to", cluster.id(other), check=False).returncode == 0, "the switch is done", 60)
    until(lambda: list(cluster.voters(other)) == [cluster.id(other)] and cluster.settled() is other, "the other one votes and serves", 60)
    # A witness makes three voters of them, and then a takeover is automatic.
    build.witness(cluster)
    until(lambda: len([u for u in cluster.voters(other).values() if u]) == 3, "three voters", 120)
    until(lambda: "two nodes" not in reasons(cluster, other), "nothing is missing any more", 30)
    other.kill("dataplane"), other.kill("controlplane")
    until(lambda: active.get_status(active.proxy, "/active") == 200, "the survivor is active", 20)
    assert active.chat(cluster.key).status == 200


def test_nodes_then_voters_from_three_to_five_and_back_fail_nothing(build):
    cluster = build().start()
    with Load([n.proxy for n in cluster.nodes], cluster.key, rate=10) as load:
        until(lambda: len(load.good()) > 20, "load runs")
        term = cluster.status(cluster.nodes[0])["term"]
        for name in ("n4", "n5"):
            cluster.add(name)
        active = until(cluster.settled, "all five agree", 30)
        assert len(cluster.voters(active)) == 3, "later members are observers"
        until(lambda: cluster.nodes[4].ctl("voters", "add", "n4", "n5", check=False).returncode == 0, "the pair is taken", 60)
        until(lambda: len([u for u in cluster.voters(active).values() if u]) == 5, "five voters", 120)
        until(lambda: active.ctl("voters", "remove", "n4", "n5", check=False).returncode == 0, "the pair goes", 60)
        until(lambda: sorted(cluster.voters(active)) == ["n1", "n2", "n3"], "three voters", 120)
    assert load.bad() == [] and cluster.status(active)["term"] == term
    kinds = [e["type"] for e in cluster.rest(active, "GET", "events?page_size=1000").json()["events"]]
    assert kinds.count("voters_changed") >= 4


def test_all_disks_but_one_lost_nobody_serves_until_an_operator_says_so(build):
    cluster = build().start()
    survivor, *lost = cluster.nodes
    secret = survivor.create_key("before the loss")[1]
    for node in lost:
        cluster.lose(node)
    survivor.kill("dataplane"), survivor.kill("controlplane")
    for node in cluster.nodes:
        node.spawn("controlplane"), node.spawn("dataplane")
    until(lambda: "voters unsafe-recover" in reasons(cluster, survivor), "the status prints the way out", 60)
    assert cluster.status(survivor)["state"] in ("no_leader", "partitioned")
    assert cluster.active() == []
    cluster_id = cluster.status(survivor)["cluster_id"]
    survivor.ctl("voters", "unsafe-recover", "--cluster-id", cluster_id)
    until(lambda: cluster.active() == [survivor], "the survivor serves", 30)
    until(lambda: survivor.chat(secret).status == 200, "with its own rows")
    until(lambda: sorted(k for k, u in cluster.voters(survivor).items() if u) == ["n1", "n2", "n3"], "three voters again", 180)
    until(lambda: all(n.chat(secret).status == 200 for n in cluster.nodes), "through every node", 30)
    kinds = [e["type"] for e in cluster.rest(survivor, "GET", "events?page_size=1000").json()["events"]]
    assert "voters_unsafe_recover" in kinds


def test_a_page_of_an_earlier_boot_is_closed(build):
    """As after a reboot on a disk that kept the page: another boot id, and a deadline that looks good."""
    cluster = build().start()
    active = until(cluster.settled, "one active node", 30)
    page = f"{active.runtime}/role.page"
    active.kill("controlplane"), active.kill("dataplane")
    with open(page, "r+b") as f:
        f.seek(16)
        f.write(bytes(16))  # the boot id
        f.seek(512)
        f.write((time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 9_000_000_000).to_bytes(8, "little"))  # active_until_ns
    active.spawn("dataplane")
    until(lambda: active.get_status(active.proxy, "/livez") == 200, "its data plane is up")
    assert active.get_status(active.proxy, "/active") == 503
    active.spawn("controlplane")
    until(lambda: cluster.settled(), "one active node", 30)
    assert "role page header rewritten" in active.log("controlplane")
