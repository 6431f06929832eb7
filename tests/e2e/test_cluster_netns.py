"""Five control planes in network namespaces of their own: loss, blocked protocols, one-way cuts, partitions."""
import shutil, signal, time

import pytest
from netns import Net, NetMember, probe
from member import whole
from node import until

HEALED = 45  # seconds from the end of a fault until there is one view again


@pytest.fixture(scope="module")
def net():
    why, user = probe()
    if why:
        pytest.skip(f"network namespaces: {why}")
    with Net(5, user) as made:
        yield made


@pytest.fixture(scope="module")
def cluster(net):
    nodes = [NetMember(net, k) for k in range(5)]
    try:
        for node in nodes:
            node.start()
        until(lambda: whole(nodes), "five nodes in one cluster", 60)
        yield nodes
    finally:
        for node in nodes:
            if node.process:
                node.process.send_signal(signal.SIGKILL)
                node.process.wait()
            shutil.rmtree(node.dir, ignore_errors=True)


@pytest.fixture
def nodes(net, cluster):
    """The cluster, whole, with what each has told so far; healed afterwards."""
    net.heal()
    until(lambda: whole(cluster), "the cluster is whole before the fault", HEALED)
    for node in cluster:
        node.before = len(node.told())
    yield cluster
    net.heal()


def news(node):
    return [e["type"] for e in node.told()[node.before:]]


def probed(nodes, count):
    """Until each has probed `count` times more: gossip had its chances to err."""
    name = "aurora_cluster_gossip_probes_total"
    until_at = {n.id: n.metric(name) + count for n in nodes}
    until(lambda: all((n.metric(name) or 0) >= until_at[n.id] for n in nodes), f"{count} more probes each", 10 + 3 * count)


def nobody_failed(nodes):
    return not [(n.id, e) for n in nodes for e in news(n) if e == "node_failed"]


def heals(net, nodes):
    net.heal()
    begin = time.monotonic()
    until(lambda: whole(nodes), "one view again", HEALED)
    print(f"one view {time.monotonic() - begin:.1f} s after the fault ended")


def test_a_quarter_of_all_packets_lost_kills_nobody(net, nodes):
    for k in range(5):
        net.faults(k, inbound=["numgen random mod 100 < 25 drop"])
    probed(nodes, 25)
    assert nobody_failed(nodes)
    heals(net, nodes)


def test_a_crash_under_a_quarter_of_loss_is_seen_by_all_and_so_is_the_return(net, nodes):
    for k in range(5):
        net.faults(k, inbound=["numgen random mod 100 < 25 drop"])
    nodes[4].kill()
    begin = time.monotonic()
    until(lambda: all(n.status_of("n5") == "failed" for n in nodes[:4]), "n5 is failed for all", 30)
    print(f"failed for all after {time.monotonic() - begin:.1f} s")
    nodes[4].start()
    begin = time.monotonic()
    until(lambda: all(n.status_of("n5") == "alive" for n in nodes[:4]), "n5 is alive for all", 30)
    print(f"alive for all after {time.monotonic() - begin:.1f} s")
    heals(net, nodes)


def test_without_udp_nodes_stay_and_say_that_it_is_blocked(net, nodes):
    for k in range(5):
        net.faults(k, inbound=["meta l4proto udp drop"])
    until(lambda: all("gossip_udp_blocked" in news(n) for n in nodes), "every node says so", 90)
    probed(nodes, 15)
    assert nobody_failed(nodes)
    heals(net, nodes)


def test_without_tcp_between_them_nodes_are_suspect_and_never_failed(net, nodes):
    for k in range(5):
        net.faults(k, inbound=["meta l4proto tcp drop"])
    until(lambda: all(n.get("status").get("state") == "degraded" for n in nodes), "every node misses the others' streams", 60)
    assert nobody_failed(nodes)
    assert all("failed" not in n.statuses().values() for n in nodes)
    heals(net, nodes)


def test_a_one_way_cut_between_two_nodes_kills_neither(net, nodes):
    net.cut([0], [2])
    probed(nodes, 20)
    assert nobody_failed(nodes)
    heals(net, nodes)


def test_a_node_that_hears_nobody_is_failed_for_the_rest_and_comes_back(net, nodes):
    net.cut([0, 1, 3, 4], [2])
    until(lambda: all(n.status_of("n3") == "failed" for k, n in enumerate(nodes) if k != 2), "n3 is failed for the rest", 90)
    heals(net, nodes)


def test_a_partition_is_two_views_and_healed_one(net, nodes):
    sides = ([0, 1], [2, 3, 4])
    net.cut(*sides)
    net.cut(*reversed(sides))
    for side, other in (sides, reversed(sides)):
        until(lambda: all(nodes[k].status_of(nodes[o].id) == "failed" for k in side for o in other), "the other side is failed", 60)
    assert all(nodes[k].status_of(nodes[j].id) == "alive" for side in sides for k in side for j in side)
    heals(net, nodes)
    assert all(set(n.statuses().values()) == {"alive"} for n in nodes)
