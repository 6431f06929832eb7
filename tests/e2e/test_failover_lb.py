"""A takeover and a rolling restart seen through HAProxy and nginx, with the configurations of deploy/examples."""
import os, re, shutil, signal, socket, subprocess, tempfile, time

import pytest
from failover import ActivePassive
from load import Load
from node import free_address, until

EXAMPLES = os.path.join(os.path.dirname(__file__), "../../deploy/examples")


@pytest.fixture(scope="module")
def cluster():
    made = ActivePassive()
    try:
        yield made.start()
    finally:
        made.stop()


class Balancer:
    def __init__(self, kind, cluster):
        self.kind, self.host, self.dir = kind, free_address(), tempfile.mkdtemp(prefix="aurora-lb-")
        text = open(f"{EXAMPLES}/{'haproxy.cfg' if kind == 'haproxy' else 'nginx.conf'}").read()
        for k, node in enumerate(cluster.nodes, 1):
            text = re.sub(rf"\bn{k}:8080", f"{node.host}:8080", text)
        text = text.replace("bind :8000", f"bind {self.host}:8000").replace("listen 8000", f"listen {self.host}:8000")
        if kind == "nginx":
            text = f"daemon off; pid {self.dir}/pid; error_log {self.dir}/error.log; user root;\n" + text
            text = text.replace("access_log off;", "access_log off; " + " ".join(
                f"{name}_temp_path {self.dir}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")))
        with open(f"{self.dir}/conf", "w") as f:
            f.write(text)
        command = ["haproxy", "-db", "-f", f"{self.dir}/conf"] if kind == "haproxy" else ["nginx", "-p", self.dir, "-c", f"{self.dir}/conf"]
        self.log = open(f"{self.dir}/log", "ab")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.address = (self.host, 8000)

        def listens():
            assert self.process.poll() is None, open(f"{self.dir}/log").read()
            with socket.socket() as s:
                return s.connect_ex(self.address) == 0
        until(listens, f"{kind} listens")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


@pytest.fixture(params=["haproxy", "nginx"])
def balancer(request, cluster):
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed (apt-get install {request.param}): nothing of {request.param} was tested")
    cluster.revive()
    made = Balancer(request.param, cluster)
    yield made
    made.stop()


def test_a_takeover_through_a_load_balancer_is_a_pause(cluster, balancer):
    with Load([balancer.address], cluster.key, rate=30) as load:
        until(lambda: len(load.good()) > 60, "load runs")
        active = until(cluster.settled, "one active node", 30)
        began = time.monotonic()
        active.kill("dataplane"), active.kill("controlplane")
        others = [n for n in cluster.nodes if n is not active]
        until(lambda: cluster.settled(others), "another is active", 20)
        settled = time.monotonic()
        until(lambda: time.monotonic() > settled + 2, "what was held is answered")
        ended = time.monotonic()
    bad = load.bad(since=began - 1)
    print(f"{balancer.kind}: {load.gap(began, ended):.2f} s without an answer, {len(bad)} failed of {len(load.samples)}: {sorted({s.code or s.status for s in bad})}")
    # What was on its way to the killed node is lost; nothing that came later.
    assert all(s.began < began + 0.5 for s in bad), bad
    assert len(bad) <= 15 and load.gap(began, ended) < 8


def test_a_rolling_restart_through_a_load_balancer_fails_nothing(cluster, balancer):
    term = cluster.status(cluster.nodes[0])["term"]
    with Load([balancer.address], cluster.key, rate=20, streams=4, words=60) as load:
        until(lambda: len(load.good()) > 40, "load runs")
        for node in reversed(cluster.nodes):
            for name in ("dataplane", "controlplane"):
                node.children[name].send_signal(signal.SIGTERM)
            for name in ("dataplane", "controlplane"):
                node.children.pop(name).wait(60)
            cluster.revive()
    print(f"{balancer.kind}: {len(load.good())} answered, {len(load.bad())} failed, {load.whole} streams whole, {len(load.cut)} cut")
    assert load.bad() == [] and load.cut == []
    assert cluster.status(cluster.nodes[0])["term"] - term <= 2
