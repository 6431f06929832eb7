"""When certificates end, as each process tells it: that of the pair which new connections get, also after it was replaced."""
import os, re, shutil, socket, ssl, tempfile

import pytest

from node import Node, free_address, request, until
from upstream import Certificates

ROLES = {"server": "AURORA_SERVER_TLS", "admin": "AURORA_ADMIN_TLS", "cluster": "CLUSTER_TLS"}


class Files:
    """The pair of one role, in place; both files always of one age, as a copy that keeps times or an archive leaves them."""

    def __init__(self, certificates, directory, role):
        self.certificates, self.role = certificates, role
        self.cert, self.key = f"{directory}/{role}.pem", f"{directory}/{role}.key"

    def install(self, *files):
        for source, target in zip(files, (self.cert, self.key)):
            shutil.copyfile(source, target + ".new")
            os.utime(target + ".new", (1_700_000_000, 1_700_000_000))
            os.rename(target + ".new", target)

    def make(self, host, days):
        return self.certificates.leaf(f"{self.role}{days}", f"IP:{host}", days)


def ends(node, process):
    """{role: when} as the metrics of `process` say it."""
    page = request(getattr(node, f"{process}_ops"), "GET", "/metrics").body.decode()
    return {m[1]: float(m[2]) for m in re.finditer(r'^aurora_tls_certificate_not_after_timestamp_seconds\{.*role="(\w+)".*\} (\S+)$', page, re.M)}


@pytest.fixture
def served():
    certificates, host, directory = Certificates(), free_address(), tempfile.mkdtemp(prefix="aurora-live-")
    files = {role: Files(certificates, directory, role) for role in ROLES}
    env = {"CLUSTER_TLS_CA": certificates.ca}
    for days, (role, prefix) in enumerate(ROLES.items(), 2):
        files[role].install(*files[role].make(host, days))
        env.update({f"{prefix}_CERT": files[role].cert, f"{prefix}_KEY": files[role].key})
    node = Node(host=host, CLUSTER_ENABLED="true", CLUSTER_NODE_ID="n1", CLUSTER_BIND_ADDR=host, CLUSTER_SYNC_BIND_ADDR=host, CLUSTER_BOOTSTRAP_EXPECT="1",
                CLUSTER_FAILOVER_MODE="active_passive", CLUSTER_PEER_LISTEN=f"{host}:7950", **env)
    node.write_config()
    context = ssl.create_default_context(cafile=certificates.ca)
    context.load_cert_chain(*certificates.leaf("caller", "DNS:caller"))
    context.set_alpn_protocols(["h2", "http/1.1"])

    def shown(port):
        """When the certificate ends that a new connection to `port` is shown."""
        with context.wrap_socket(socket.create_connection((host, port), 10), server_hostname=host) as s:
            return ssl.cert_time_to_seconds(s.getpeercert()["notAfter"])
    try:
        for child in ("demo", "controlplane", "dataplane"):
            node.spawn(child)
        until(lambda: node.get_status(node.dataplane_ops) == 200 and node.get_status(node.controlplane_ops) == 200, "ready", 30)
        yield node, files, shown
    finally:
        node.stop()
        shutil.rmtree(directory)
        shutil.rmtree(certificates.directory)


def test_the_metrics_say_when_the_certificates_in_force_end(served):
    node, files, shown = served

    def agree(first):
        want = {"server": shown(8080), "admin": shown(7949), "cluster": shown(7947)}
        return (first not in want.values() and want["admin"] == shown(7948) and want["cluster"] == shown(7950)
                and ends(node, "dataplane") == {r: want[r] for r in ("server", "cluster")}
                and ends(node, "controlplane") == {r: want[r] for r in ("admin", "cluster")})
    until(lambda: agree(None), "each process tells what its listeners show")
    before = {**ends(node, "dataplane"), **ends(node, "controlplane")}
    assert len(set(before.values())) == 3
    for days, role in enumerate(ROLES, 10):
        files[role].install(*files[role].make(node.host, days))
        until(lambda: agree(before[role]), f"the new certificate of {role} serves and is told", 20)


def test_a_pair_that_does_not_fit_changes_nothing(served):
    node, files, shown = served
    before = {**ends(node, "dataplane"), **ends(node, "controlplane")}
    for role in ("server", "admin"):
        files[role].install(files[role].make(node.host, 20)[0], files["cluster"].key)
    until(lambda: all("not reloaded" in node.log(p) for p in ("dataplane", "controlplane")), "both refuse it aloud")
    assert {**ends(node, "dataplane"), **ends(node, "controlplane")} == before
    assert (shown(8080), shown(7949)) == (before["server"], before["admin"])


def test_without_certificates_there_is_no_such_metric():
    node = Node().start()
    try:
        assert ends(node, "dataplane") == {} and ends(node, "controlplane") == {}
    finally:
        node.stop()
