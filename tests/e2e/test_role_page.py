"""The data plane of an active_passive node against a role page that this test writes: what the gate does to a real process."""
import mmap, re, shutil, struct, subprocess, threading, time

import pytest

from node import Node, request, until

CONTROL, DATA = 512, 2048  # the two halves of the page (shared/rolepage/layout.h)


class Page:
    """The control plane's half, written by hand. Its writer is gone, so its lock is free."""

    def __init__(self, node):
        with open(f"{node.runtime}/role.page", "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 4096)

    def word(self, at):
        return struct.unpack_from("<Q", self.map, at)[0]

    def put(self, at, value):
        struct.pack_into("<Q", self.map, at, value)

    def sync(self):
        self.put(CONTROL + 24, self.word(DATA))  # synced = the data plane's start nonce
        self.put(CONTROL + 16, (1 << 63) - 1)  # sync_ok_until

    def open(self, seconds=9):
        self.put(CONTROL, time.clock_gettime_ns(time.CLOCK_BOOTTIME) + int(seconds * 1e9))

    def close(self):
        """Returns the seconds until every loop had obeyed."""
        since = time.monotonic()
        self.put(CONTROL, 0)
        self.put(CONTROL + 8, self.word(CONTROL + 8) + 1)
        loops = self.word(DATA + 64)
        until(lambda: all(self.word(DATA + 72 + 8 * i) == self.word(CONTROL + 8) for i in range(loops)), "a close obeyed")
        return time.monotonic() - since

    def lead(self, term, node_id, address):
        version = self.word(CONTROL + 32) | 1
        self.put(CONTROL + 32, version)
        self.put(CONTROL + 40, term)
        for at, text in ((48, node_id), (48 + 128, address)):
            self.map[CONTROL + at:CONTROL + at + 128] = text.encode().ljust(128, b"\0")
        self.put(CONTROL + 32, version + 1)


class Passive(Node):
    """A node with a key, whose control plane has ended and whose data plane has started anew as one of a cluster."""

    def begin(self, node_id):
        self.start()
        self.key = self.create_key("e2e")[1]
        for name in ("dataplane", "controlplane"):
            self.children[name].terminate()
            self.children.pop(name).wait(20)
        self.extra_env.update(CLUSTER_ENABLED="true", CLUSTER_NODE_ID=node_id, CLUSTER_FAILOVER_MODE="active_passive",
                              CLUSTER_SYNC_BIND_ADDR=self.host, CLUSTER_BIND_ADDR=self.host)
        self.spawn("dataplane")
        until(lambda: self.get_status(self.proxy, "/livez") == 200, lambda: self.log("dataplane")[-1500:])
        self.page = Page(self)
        self.page.sync()
        self.wait_ready_dataplane()
        return self

    def wait_ready_dataplane(self):
        until(lambda: self.get_status(self.proxy) == 200, lambda: self.log("dataplane")[-1500:])


@pytest.fixture(scope="module")
def pair():
    a, b = Passive().begin("a"), Passive().begin("b")
    try:
        yield a, b
    finally:
        for node in (a, b):
            node.stop()


def metrics(node):
    return request(node.dataplane_ops, "GET", "/metrics").body.decode()


def arrivals(node):
    return request(node.demo, "GET", "/arrivals?since=0").json()["arrivals"]


def test_probes_follow_the_word_at_once(pair):
    a, _ = pair
    for where in (a.proxy, a.dataplane_ops):
        assert [a.get_status(where, p) for p in ("/active", "/passive", "/readyz")] == [503, 200, 200]
    for _ in range(20):
        a.page.open()
        assert [a.get_status(a.proxy, p) for p in ("/active", "/passive", "/readyz")] == [200, 503, 200]
        a.page.put(CONTROL, 0)
        assert a.get_status(a.proxy, "/active") == 503
    a.page.lead(5, "b", "127.0.0.1:7950")
    assert a.request(a.proxy, "GET", "/leader").json() == {"enabled": True, "leader_id": "b", "term": 5, "address": "127.0.0.1:7950", "active": False}
    assert a.page.close() < 0.1


def test_the_peer_port_serves_the_active_node_only_and_only_the_client_api(pair):
    a, _ = pair
    peer = (a.host, 7950)
    a.page.close()
    refused = request(peer, "GET", "/v1/models", headers={"authorization": f"Bearer {a.key}"})
    assert refused.status == 503 and refused.headers["x-aurora-not-executed"] == "1" and refused.headers["retry-after"] == "1"
    a.page.open()
    assert request(peer, "GET", "/v1/models", headers={"authorization": f"Bearer {a.key}"}).status == 200
    assert [request(peer, "GET", p).status for p in ("/livez", "/metrics", "/admin/api/v1/keys")] == [404, 404, 404]


def test_a_request_waits_for_the_gate_and_is_stamped_with_its_term(pair):
    a, _ = pair
    a.page.close()
    a.page.lead(8, "a", f"{a.host}:7950")
    got = []
    thread = threading.Thread(target=lambda: got.append(a.chat(a.key, "demo/demo")))
    thread.start()
    until(lambda: "aurora_failover_held_requests 1" in metrics(a), "a request that waits")
    seen = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    a.page.open()
    thread.join()
    assert got[0].status == 200
    last = arrivals(a)[-1]
    assert last["term"] == 8 and last["node"] == "a" and seen < last["admitted_ns"] <= last["t_ns"]


def test_what_comes_to_the_passive_node_is_forwarded_to_the_active_one(pair):
    a, b = pair
    a.page.lead(9, "a", f"{a.host}:7950")
    a.page.open()
    b.page.lead(9, "a", f"{a.host}:7950")
    b.page.close()
    # b judges the key before a does, so it must be known to both: a's is not known to b.
    assert b.chat(a.key, "demo/demo").status == 401
    before = len(arrivals(a))
    answer = b.chat(b.key, "demo/demo")
    assert answer.status == 401 and answer.json()["error"]["code"] == "invalid_api_key"  # a's own answer, relayed
    assert len(arrivals(a)) == before
    text = metrics(b)
    assert 'aurora_failover_forwarded_requests_total{outcome="relayed"} 1' in text
    assert "aurora_gate_open 0" in text
    if shutil.which("promtool"):
        subprocess.run(["promtool", "check", "metrics"], input=text, text=True, check=True)


def test_a_process_told_to_stop_obeys_the_gate_and_ends_after_what_it_forwards(pair):
    a, b = pair
    b.page.lead(10, "nobody", f"{b.host}:1")  # a leader that is not there: the request waits
    until(lambda: int(re.search(r'connection_errors_total\{reason="connect"\} (\d+)', metrics(b)).group(1)) >= b.page.word(DATA + 64),
          "every loop has dialled the new leader")
    got = []
    thread = threading.Thread(target=lambda: got.append(b.chat(b.key, "demo/demo")))
    thread.start()
    until(lambda: "aurora_failover_held_requests 1" in metrics(b), "a request that waits")
    b.children["dataplane"].terminate()
    until(lambda: b.page.word(DATA + 40) == 1, "draining in the page")
    b.page.open()
    thread.join()
    assert got[0].status == 200
    assert b.children.pop("dataplane").wait(20) == 0
