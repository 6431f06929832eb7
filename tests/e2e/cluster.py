"""Whole nodes (provider, control plane, data plane each) that are one cluster; three unless told otherwise."""
import json

from node import Node, free_address, until

NAMES = ("n1", "n2", "n3")


class Cluster:
    def __init__(self, make=Node, hosts=None, names=NAMES, **env):
        """`make` builds a node like Node does."""
        hosts = hosts or [free_address() for _ in names]
        self.make, self.seed, self.env = make, hosts[0], {"CLUSTER_BOOTSTRAP_EXPECT": str(len(names)), **env}
        self.nodes = [self.build(name, host) for name, host in zip(names, hosts)]

    def build(self, name, host, **env):
        return self.make(host=host, **{"CLUSTER_ENABLED": "true", "CLUSTER_NODE_ID": name, "CLUSTER_BIND_ADDR": host,
                                       "CLUSTER_SYNC_BIND_ADDR": host, "CLUSTER_SEED_NODES": f"{self.seed}:7946",
                                       "CLUSTER_HEARTBEAT_INTERVAL_SECONDS": "2", **self.env, **env})

    def start(self):
        for node in self.nodes:
            node.write_config()
            for name in ("demo", "controlplane", "dataplane"):
                node.spawn(name)
        for node in self.nodes:
            node.wait_ready(60)
        until(lambda: all(self.status(n).get("healthy_count") == len(self.nodes) for n in self.nodes), "all nodes healthy", 60)
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
        """One write from each node that all enforce: every pair is linked."""
        for node in self.nodes:
            made = json.loads(node.ctl("keys", "create", "--name", "probe", "--wait", "all", "--wait-timeout-ms", "20000").stdout)
            assert made["propagation"]["enforced"] == len(self.nodes), made["propagation"]
