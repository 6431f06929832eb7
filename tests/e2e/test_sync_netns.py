"""Three whole nodes in network namespaces: both sides of a partition write policy, and one policy comes of it."""
import json, os, sqlite3, time

import pytest
from cluster import Cluster
from netns import Net, NetNode, probe
from node import until

PARTED = float(os.environ.get("AURORA_E2E_PARTED", 1))  # seconds that the partition lasts after the writes
ALIAS = {"targets": [{"model": "demo/before", "weight": 1}]}


@pytest.fixture
def parted():
    """A cluster, and its net."""
    why, user = probe()
    if why:
        pytest.skip(f"network namespaces: {why}")
    with Net(3, user) as net:
        cluster = Cluster(make=type("Here", (NetNode,), {"net": net}), hosts=[net.address(k) for k in range(3)],
                          AURORA_ADMIN_ALLOW_INSECURE="true")
        try:
            yield cluster.start(), net
        finally:
            cluster.stop()


def seen(cluster, node):
    """{node id: status} as `node` says."""
    answer = cluster.rest(node, "GET", "cluster/nodes")
    return {n["node_id"]: n["status"] for n in answer.json()["nodes"]} if answer.status == 200 else {}


def rows(node):
    db = sqlite3.connect(f"{node.state}/aurora.db", timeout=20)
    try:
        return db.execute("SELECT kind, id, row FROM row ORDER BY kind, id").fetchall()
    finally:
        db.close()


def converged(nodes):
    return all(rows(n) == rows(nodes[0]) for n in nodes[1:]) and all(n.ctl("sync", "status", check=False).returncode == 0 for n in nodes)


def revoke(node, key_id, unreachable, enforced):
    answer = node.ctl("keys", "deactivate", key_id, check=False)
    assert answer.returncode == 8, answer.stdout + answer.stderr
    said = json.loads(answer.stdout)["propagation"]
    assert (sorted(said["unreachable"]), said["enforced"]) == (unreachable, enforced), said


def test_what_both_sides_of_a_partition_wrote_is_one_policy_when_it_heals(parted):
    cluster, net = parted
    n1, n2, n3 = nodes = cluster.nodes
    one, two = (json.loads(n1.ctl("keys", "create", "--name", name, "--wait", "all").stdout) for name in ("one", "two"))
    assert cluster.rest(n1, "PUT", "aliases/both?wait=all&timeout_ms=20000", ALIAS).json()["propagation"]["enforced"] == 3
    net.cut([0], [1, 2])
    net.cut([1, 2], [0])
    until(lambda: seen(cluster, n1) == {"n1": "alive", "n2": "failed", "n3": "failed"}, "n1 is alone", 60)
    until(lambda: all(seen(cluster, n) == {"n1": "failed", "n2": "alive", "n3": "alive"} for n in (n2, n3)), "and not for the others", 60)

    for node, model in ((n1, "demo/left"), (n3, "demo/right")):
        assert cluster.rest(node, "PUT", "aliases/both", {"targets": [{"model": model, "weight": 1}]}).status == 200
    revoke(n1, one["id"], ["n2", "n3"], 1)
    revoke(n2, two["id"], ["n1"], 2)
    assert [n.models(one["value"]).status for n in nodes] == [401, 200, 200], "this is a partition"
    assert [n.models(two["value"]).status for n in nodes] == [200, 401, 401]
    wrote = time.monotonic()
    until(lambda: time.monotonic() - wrote > PARTED, "it lasted long enough", PARTED + 5)

    net.heal()
    healed = time.monotonic()
    until(lambda: all(set(seen(cluster, n).values()) == {"alive"} for n in nodes), "one view again", 60)
    back = time.monotonic()
    until(lambda: converged(nodes), "one policy again", 60)
    until(lambda: all(n.models(k["value"]).status == 401 for n in nodes for k in (one, two)), "both keys are refused everywhere", 10)
    same = time.monotonic()
    print(f"after the partition: one view in {back - healed:.2f} s, one policy enforced everywhere {same - back:.2f} s later")
    assert same - back < 50
    for node in nodes:
        listed = json.loads(node.ctl("sync", "conflicts").stdout)["conflicts"]
        assert [(c["kind"], c["id"], len(c["values"])) for c in listed] == [("Alias", "both", 2)]
        assert {v["value"]["targets"][0]["model"] for v in listed[0]["values"]} == {"demo/left", "demo/right"}
        assert cluster.rest(node, "GET", "aliases/both").json()["targets"][0]["model"] == "demo/right", "the later one is in force"
