"""The encryption key is changed without a gap: docs/operations/rotation.md, step by step, with stored providers that serve all the while."""
import base64, json, re, signal, threading

from cluster import Cluster
from node import Node, request, until

OLD, NEW = (base64.b64encode(c * 32).decode() for c in (b"k", b"n"))
STEPS = {"second key": {"AURORA_ENCRYPTION_KEY": OLD, "AURORA_ENCRYPTION_KEY_PREVIOUS": NEW},
         "swapped": {"AURORA_ENCRYPTION_KEY": NEW, "AURORA_ENCRYPTION_KEY_PREVIOUS": OLD},
         "old one gone": {"AURORA_ENCRYPTION_KEY": NEW, "AURORA_ENCRYPTION_KEY_PREVIOUS": ""}}


def metric(node, name):
    return float(re.search(rf"^{name}(?:\{{.*\}})? (\S+)$", request(node.dataplane_ops, "GET", "/metrics").body.decode(), re.M)[1])


def store(node, name, *options):
    spec = {"type": "openai", "base_url": f"http://{node.host}:9400/v1", "credentials": [{"id": "main", "api_key": f"sk-of-{name}"}], "models": ["demo"]}
    path = f"{node.dir}/{name}.json"
    with open(path, "w") as f:
        json.dump({"kind": "Provider", "name": name, "spec": spec}, f)
    node.ctl("providers", "apply", "-f", path, *options)


def reseal(node, *options):
    return {p["name"]: p["result"] for p in json.loads(node.ctl("providers", "reseal", *options).stdout)["providers"]}


def serves(node, key, *names):
    return all(node.chat(key, f"{name}/demo").status == 200 for name in names)


def restart(node, process, settings):
    node.extra_env.update(settings)
    node.kill(process, signal.SIGTERM)
    node.spawn(process)
    node.wait_ready(60)


def test_one_node_serves_stored_providers_at_every_step_of_a_rotation():
    node = Node().start()
    try:
        key = node.create_key()[1]
        store(node, "before")
        store(node, "switched-off")
        until(lambda: serves(node, key, "before", "switched-off"), "the stored providers serve")
        off = json.loads(node.ctl("providers", "get", "switched-off").stdout)
        assert request(node.rest, "PUT", "/admin/api/v1/providers/switched-off", {**off, "enabled": False}, {"authorization": f"Bearer {node.token}"}).status == 200
        names, counts = ["before"], {"second key": 0, "swapped": 2, "old one gone": 0}
        for step, settings in STEPS.items():
            if step == "old one gone":
                assert reseal(node) == {"before": "resealed", "switched-off": "resealed", "between": "unchanged"}
                assert set(reseal(node).values()) == {"unchanged"}
                until(lambda: metric(node, "aurora_secrets_sealed_with_other_key") == 0, "nothing is left of the old key")
                assert serves(node, key, *names)
            for process in ("controlplane", "dataplane"):  # between the two, they have different settings
                restart(node, process, settings)
                if step == "swapped" and process == "controlplane":
                    store(node, "between")
                    names.append("between")
                until(lambda: serves(node, key, *names), f"{step}: all serve after the restart of the {process}")
            until(lambda: metric(node, "aurora_secrets_sealed_with_other_key") == counts[step], f"{step}: what another key sealed is counted")
            assert metric(node, "aurora_secrets_decrypt_errors_total") == 0, step
    finally:
        node.stop()


def test_dropping_the_previous_key_before_a_reseal_is_what_the_metrics_warn_of():
    node = Node().start()
    try:
        key = node.create_key()[1]
        store(node, "before")
        for settings in (STEPS["swapped"], STEPS["old one gone"]):
            for process in ("controlplane", "dataplane"):
                restart(node, process, settings)
            until(lambda: metric(node, "aurora_secrets_sealed_with_other_key") == 1, "counted, whether it opens or not")
        until(lambda: metric(node, "aurora_secrets_decrypt_errors_total") > 0, "it does not open")
        assert not serves(node, key, "before")
        assert reseal(node) == {"before": "unchanged"}, "what cannot be opened is kept"
        for process in ("controlplane", "dataplane"):
            restart(node, process, STEPS["swapped"])
        until(lambda: serves(node, key, "before"), "with the key back it serves")
    finally:
        node.stop()


class Asked:
    """Requests to stored providers, all the time, at whichever nodes are told to be in rotation."""

    def __init__(self, nodes, key, names):
        self.nodes, self.key, self.names, self.out, self.failed, self.done = nodes, key, names, set(), [], 0
        self.lock, self.over = threading.Lock(), threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.over.is_set():
            for node in self.nodes:
                with self.lock:  # a node leaves between two requests
                    if node in self.out:
                        continue
                    for name in list(self.names):
                        answer = node.chat(self.key, f"{name}/demo")
                        self.done += 1
                        if answer.status != 200:
                            self.failed.append((node.host, name, answer.status, answer.body))
            self.over.wait(0.02)

    def leave(self, node):
        with self.lock:
            self.out.add(node)

    def enter(self, node, *names):
        with self.lock:
            self.out.discard(node)
            self.names.extend(names)

    def stop(self):
        self.over.set()
        self.thread.join()


def test_three_nodes_are_rotated_one_by_one_and_no_request_in_between_fails():
    cluster = Cluster(CLUSTER_GOSSIP_KEYS=base64.b64encode(b"g" * 32).decode()).start()
    nodes, asked = cluster.nodes, None
    try:
        key = nodes[0].create_key("rotation", "--wait", "all")[1]
        store(nodes[0], "before", "--wait", "all")
        ring = f"{nodes[0].dir}/ring"
        with open(ring, "w") as f:
            f.write(base64.b64encode(b"h" * 32).decode())
        nodes[0].ctl("keyring", "install", "-f", ring)
        until(lambda: all(serves(n, key, "before") for n in nodes), "every node serves the stored provider")
        asked = Asked(nodes, key, ["before"])
        for step, settings in STEPS.items():
            if step == "old one gone":
                assert reseal(nodes[1], "--wait", "all") == {"before": "resealed", "between": "unchanged"}
                until(lambda: all(metric(n, "aurora_secrets_sealed_with_other_key") == 0 for n in nodes), "nothing is left of the old key")
            for node in nodes:
                asked.leave(node)
                for process in ("controlplane", "dataplane"):
                    restart(node, process, settings)
                until(lambda: serves(node, key, "before"), f"{step}: {node.host} is back")
                until(lambda: cluster.status(node).get("healthy_count") == 3, f"{step}: {node.host} is with the others", 60)
                asked.enter(node)
                for n in nodes:
                    status = cluster.status(n)
                    assert "ENCRYPTION_KEY" not in json.dumps(status), status
                if step == "swapped" and node is nodes[0]:  # two nodes seal with the old key still, this one with the new one
                    store(node, "between", "--wait", "all")
                    until(lambda: all(serves(n, key, "between") for n in nodes), "all open what the new key sealed")
                    asked.enter(node, "between")
        asked.stop()
        assert asked.failed == [] and asked.done > 100, asked.failed[:5]
        for node in nodes:
            assert metric(node, "aurora_secrets_decrypt_errors_total") == 0
            assert "is sealed with another AURORA_ENCRYPTION_KEY" not in node.log("controlplane")
        assert len(json.loads(nodes[2].ctl("keyring", "list").stdout)["keys"]) == 2
    finally:
        if asked:
            asked.stop()
        cluster.stop()
