"""Control planes that die and that stand still. The measured bounds are tests/e2e/kills.py's, over 50 kills; here they are wide."""
import signal, time

from kills import kill_and_restart
from member import three, whole
from node import until


def test_each_node_killed_in_turn_is_failed_for_all_and_soon_alive_again(members):
    """Also the one after the seed's restart: then the seed must know the others, though its only seed is itself."""
    nodes = [n.start() for n in three(members)]
    until(lambda: whole(nodes), "three nodes in one cluster", 60)
    for k in range(3):
        _, failed, alive, _ = kill_and_restart(nodes, k, 60)
        assert failed < 18 and alive < 15, (k, failed, alive)


def settled(node):
    """No accusation is open."""
    text = node.fetch(9092, "/metrics")[1].decode()
    count = {o: float(v) for o, v in (line.split('outcome="')[1].replace('"}', "").split() for line in text.splitlines()
                                      if line.startswith("aurora_cluster_gossip_suspicions_total{"))}
    return count and count["started"] == count["refuted"] + count["failed"]


def test_a_node_that_stands_still_for_four_seconds_is_never_called_failed(members):
    nodes = [n.start() for n in three(members)]
    until(lambda: whole(nodes), "three nodes in one cluster", 60)
    seen = []
    look = lambda who: seen.extend((n.id, n.statuses()) for n in who)
    nodes[1].process.send_signal(signal.SIGSTOP)
    end = time.monotonic() + 4
    try:
        until(lambda: look((nodes[0], nodes[2])) or time.monotonic() >= end, "four seconds are over", 30)
    finally:
        nodes[1].process.send_signal(signal.SIGCONT)
    probes = [n.metric("aurora_cluster_gossip_probes_total") for n in nodes]
    until(lambda: look(nodes) or all(n.metric("aurora_cluster_gossip_probes_total") >= p + 10 for n, p in zip(nodes, probes)),
          "ten more probes each", 60)
    until(lambda: look(nodes) or all(settled(n) for n in nodes) and whole(nodes), "every accusation is answered", 60)
    assert len(seen) > 20 and not [s for s in seen if "failed" in s[1].values()]
    assert not [n.id for n in nodes if "node_failed" in n.events()]
