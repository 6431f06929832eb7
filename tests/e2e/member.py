"""A control plane alone, in real processes on an address of its own with the product's ports: membership needs no data plane."""
import json, os, re, shutil, signal, subprocess, tempfile

from node import BIN, free_address, request

TOKEN = "e2e-master-key-0123456789abcdef"


class Member:
    prefix = ()  # what starts the process where it is to run

    def __init__(self, node_id, seeds=None, host=None, **env):
        self.id, self.host = node_id, host or free_address()
        self.dir = tempfile.mkdtemp(prefix="aurora-e2e-")
        self.seeds, self.extra, self.process = seeds, env, None
        self.socket = f"{self.dir}/run/admin/control.sock"

    def start(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AURORA_", "CLUSTER_"))}
        env.update({
            "AURORA_STORAGE_STATE_DIR": f"{self.dir}/state", "AURORA_STORAGE_RUNTIME_DIR": f"{self.dir}/run",
            "AURORA_SERVER_LISTEN": f"{self.host}:8080", "AURORA_ADMIN_GRPC_LISTEN": f"{self.host}:7948",
            "AURORA_ADMIN_REST_LISTEN": f"{self.host}:7949", "AURORA_METRICS_CONTROLPLANE_LISTEN": f"{self.host}:9092",
            "AURORA_MASTER_KEY": TOKEN, "CLUSTER_ENABLED": "true", "CLUSTER_NODE_ID": self.id, "CLUSTER_NODE_NAME": f"name of {self.id}",
            "CLUSTER_BIND_ADDR": self.host, "CLUSTER_SYNC_BIND_ADDR": self.host,
            "CLUSTER_SEED_NODES": ",".join(f"{host}:7946" for host in self.seeds or [self.host]),
            "CLUSTER_HEARTBEAT_INTERVAL_SECONDS": "2",
        })
        env.update(self.extra)
        os.makedirs(f"{self.dir}/state", exist_ok=True)
        os.makedirs(f"{self.dir}/run", exist_ok=True)
        log = open(f"{self.dir}/log", "ab")
        self.process = subprocess.Popen([*self.prefix, f"{BIN}/aurora-controlplane"], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def fetch(self, port, path):
        """(status, body); (0, b"") while it does not answer."""
        try:
            answer = request((self.host, port), "GET", path, headers={"authorization": f"Bearer {TOKEN}"}, timeout=5)
        except OSError:
            return 0, b""
        return answer.status, answer.body

    def rest(self, path):
        status, body = self.fetch(7949, f"/admin/api/v1/{path}")
        return json.loads(body) if status == 200 else {}

    def get(self, what):
        return self.rest(f"cluster/{what}")

    def metric(self, name):
        """The sum over its labels; None while there is none."""
        body = self.fetch(9092, "/metrics")[1].decode()
        values = [float(v) for v in re.findall(rf"(?m)^{name}(?:{{.*}})? (\S+)$", body)]
        return sum(values) if values else None

    def status_of(self, node_id):
        return self.statuses().get(node_id)

    def statuses(self):
        """What it says of each node; nothing while it is not up."""
        return {n["node_id"]: n["status"] for n in self.get("nodes").get("nodes", [])}

    def told(self):
        """Its events, oldest first; none while it is not up."""
        return self.rest("events?page_size=1000").get("events", [])

    def events(self):
        return [e["type"] for e in self.told()]

    def ctl(self, *args, text=None):
        return subprocess.run([f"{BIN}/aurora-ctl", "--addr", f"unix://{self.socket}", "-o", "json", *args], capture_output=True,
                              text=True, input=text, timeout=30)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{self.id} did not end within 20 s of SIGTERM")

    def log(self):
        return open(f"{self.dir}/log", errors="replace").read()


def three(members, **env):
    """Only the thirteen settings: one node's address is the seed of all."""
    first = members("n1", **env)
    return [first] + [members(f"n{k}", [first.host], **env) for k in (2, 3)]


def whole(nodes, count=None):
    count = count or len(nodes)
    views = [n.get("status") for n in nodes]
    ids = {v.get("cluster_id") for v in views}
    return len(ids) == 1 and ids != {""} and ids != {None} and all(v["healthy_count"] == count and v["state"] == "healthy" for v in views) and ids.pop()
