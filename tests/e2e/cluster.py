"""Three whole nodes (provider, control plane, data plane each) that are one cluster."""
import json

from node import Node, free_address, until

NAMES = ("n1", "n2", "n3")


class Cluster:
    def __init__(self, make=Node, hosts=None, **env):
        """`make` builds a node like Node does."""
        hosts = hosts or [free_address() for _ in NAMES]
        self.nodes = [make(host=host, CLUSTER_ENABLED="true", CLUSTER_NODE_ID=name, CLUSTER_BIND_ADDR=host, CLUSTER_SYNC_BIND_ADDR=host,
                           CLUSTER_SEED_NODES=f"{hosts[0]}:7946", CLUSTER_BOOTSTRAP_EXPECT="3", CLUSTER_HEARTBEAT_INTERVAL_SECONDS="2",
                           **env) for name, host in zip(NAMES, hosts)]

    def start(self):
        for node in self.nodes:
            node.write_config()
            for name in ("demo", "controlplane", "dataplane"):
                node.spawn(name)
        for node in self.nodes:
            node.wait_ready(60)
        until(lambda: all(self.status(n).get("healthy_count") == 3 for n in self.nodes), "three healthy nodes", 60)
        self.everywhere()
        return self

    def stop(self):
        for node in self.nodes:
            node.stop()

    def rest(self, node, method, path, body=None):
        return node.request(node.rest, method, f"/admin/api/v1/{path}", body, {"authorization": f"Bearer {node.token}"})

    def status(self, node):
        try:
            answer = self.rest(node, "GET", "cluster/status")
        except OSError:
            return {}
        return answer.json() if answer.status == 200 else {}

    def everywhere(self):
        """One write from each node that all three enforce: every pair is linked."""
        for node in self.nodes:
            made = json.loads(node.ctl("keys", "create", "--name", "probe", "--wait", "all", "--wait-timeout-ms", "20000").stdout)
            assert made["propagation"]["enforced"] == 3, made["propagation"]
