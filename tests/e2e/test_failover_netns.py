"""Partitions, in network namespaces: whoever reaches no majority stops by itself, whoever does goes on, and never both at once.
Each node has a provider of its own in its namespace; one machine, so one clock."""
import threading, time

import pytest
from failover import ActivePassive, overlap
from netns import Net, NetNode, probe
from node import until

ASK = {"model": "demo/demo", "messages": [{"role": "user", "content": "hi"}]}


class Parted(ActivePassive):
    """Asked from inside each namespace."""

    def build(self, name, host, **env):
        node = super().build(name, host, **env)
        node.provider = host
        return node

    def launch(self, node):
        node.write_config()
        for name in ("demo", "controlplane", "dataplane"):
            node.spawn(name)

    def ask(self, node, timeout=6):
        try:
            return node.request(node.proxy, "POST", "/v1/chat/completions", ASK, {"authorization": f"Bearer {self.key}"}, timeout).status
        except OSError:
            return 0

    def arrivals(self, since=0):
        return [a for n in self.nodes for a in n.request(n.demo, "GET", "/arrivals?since=0").json()["arrivals"]]


def parted_node(net):
    class Here(NetNode):
        provider = None

        def models(self, key):
            return self.request(self.proxy, "GET", "/v1/models", headers={"authorization": f"Bearer {key}"})
    Here.net = net
    return Here


@pytest.fixture(scope="module")
def cluster():
    why, user = probe()
    if why:
        pytest.skip(f"network namespaces: {why}; no partition of an active_passive cluster was tested")
    with Net(3, user) as net:
        made = Parted(make=parted_node(net), hosts=[net.address(k) for k in range(3)], AURORA_ADMIN_ALLOW_INSECURE="true")
        made.net = net
        try:
            yield made.start()
        finally:
            made.stop()


@pytest.fixture
def asked(cluster):
    """The cluster while every node is asked again and again."""
    cluster.net.heal()
    until(lambda: cluster.settled(), cluster.picture("one active node"), 60)
    stop = threading.Event()

    def knock(node):
        while not stop.is_set():
            cluster.ask(node, 4)
    threads = [threading.Thread(target=knock, args=(n,)) for n in cluster.nodes]
    for t in threads:
        t.start()
    yield cluster
    stop.set()
    for t in threads:
        t.join()
    cluster.net.heal()
    late, both = overlap(cluster.arrivals())
    print(f"latest request of an older term {late * 1000:.1f} ms; admissions overlap by {both * 1000:.1f} ms")
    assert late <= 0.5 and both < 0, "two nodes served at once"


def index(cluster, node):
    return cluster.nodes.index(node)


def others(cluster, node):
    return [n for n in cluster.nodes if n is not node]


def test_a_minority_stops_within_its_lease_and_the_majority_goes_on(asked):
    active = asked.settled()
    k, rest = index(asked, active), others(asked, active)
    term = asked.status(active)["term"]
    asked.net.cut([k], [index(asked, n) for n in rest])
    asked.net.faults(k, inbound=["drop"])
    began = time.monotonic()
    until(lambda: active.get_status(active.proxy, "/active") == 503, "the minority has closed", 15)
    closed = time.monotonic()
    until(lambda: asked.settled(rest), "the majority has an active node", 20)
    print(f"closed after {closed - began:.2f} s, another active after {time.monotonic() - began:.2f} s")
    until(lambda: asked.status(active).get("state") == "partitioned", "it says that it reaches no majority", 20)
    assert asked.ask(active) == 503 and all(asked.ask(n) == 200 for n in rest)
    healed_term = asked.status(rest[0])["term"]
    assert healed_term == term + 1
    asked.net.heal()
    until(lambda: asked.settled(), "one leader for all", 30)
    assert asked.status(active)["term"] == healed_term, "who comes back disturbs nobody"
    assert asked.ask(active) == 200


@pytest.mark.parametrize("deaf", [True, False])
def test_a_leader_that_only_hears_or_only_speaks_is_replaced_or_stays_but_is_never_one_of_two(asked, deaf):
    active = asked.settled()
    k, rest = index(asked, active), others(asked, active)
    term = asked.status(active)["term"]
    asked.net.faults(k, **({"inbound": ["drop"]} if deaf else {"outbound": ["drop"]}))
    until(lambda: asked.settled(rest), asked.picture("the others have an active node"), 30)
    assert active.get_status(active.proxy, "/active") == 503
    asked.net.heal()
    until(lambda: asked.settled(), asked.picture("one leader for all"), 60)
    assert asked.status(rest[0])["term"] <= term + 2


def test_two_that_do_not_hear_each_other_and_a_third_that_hears_both_have_one_leader_and_no_churn(asked):
    active = asked.settled()
    k, (a, b) = index(asked, active), others(asked, active)
    for x, y in ((active, a), (a, b)):  # the leader cut from one follower; then the followers from each other
        before = asked.status(active)["term"]
        i, j = index(asked, x), index(asked, y)
        asked.net.cut([i], [j])
        asked.net.cut([j], [i])
        began = time.monotonic()
        until(lambda: time.monotonic() > began + 6, "six seconds of it", 10)
        until(lambda: len(asked.active()) == 1, "one active node", 30)
        leader = asked.active()[0]
        assert asked.status(leader)["term"] - before <= 1
        assert asked.ask(leader) == 200
        asked.net.heal()
        until(lambda: asked.settled(), "all agree again", 60)
        active = asked.settled()
