"""Pods of the chart without Kubernetes: both processes as uid 65532 on a read-only root, in a network of their own, with the
environment, files, modes and owners the chart and a kubelet would give them, and a hosts file as the cluster's DNS."""
import json, os, shutil, subprocess, sys

import pytest

import chart
from chart import BIN, ROOT, Pod, containers, render, secret_values

sys.path.insert(0, f"{ROOT}/tests/e2e")
import netns  # noqa: E402
from node import until  # noqa: E402

IP, USER = "10.9.0.1", "65532"
SECRETS = {"auth": {"masterKey": "pod-test-master-key-0123456789"}, "encryption": {"key": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="},
           "cluster": {"gossip": {"keys": "Z2dnZ2dnZ2dnZ2dnZ2dnZw=="}}, "replicaCount": 1,
           "dataPlane": {"drain": {"graceSeconds": 0, "timeoutSeconds": 5}}}
OFF = {**SECRETS, "cluster": {"enabled": False, "tls": {"enabled": False}}, "adminService": {"enabled": False}}


def missing():
    if not chart.HELM:
        return "NO HELM: tools/install-deps test makes it"
    for tool in ("unshare", "nsenter", "setpriv", "chroot", "ip", "curl"):
        if not shutil.which(tool):
            return f"NO {tool}"
    r = subprocess.run(["unshare", "-m", "-n", "sh", "-c", "mount -t tmpfs none /mnt && ip link set lo up"], capture_output=True, text=True)
    return "" if r.returncode == 0 else f"NO NAMESPACES (root is needed): {r.stderr.strip()}"


pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

ROOT_SCRIPT = """set -e
mount -t tmpfs -o mode=0755 none "$R"
cd "$R"
mkdir -p usr etc dev proc var/lib run tmp
mount --bind /usr usr
for d in bin sbin lib lib64; do if [ -L "/$d" ]; then ln -s "usr/$d" "$d"; else mkdir "$d"; mount --bind "/$d" "$d"; fi; done
cp -r /etc/ld.so.cache /etc/ssl /etc/nsswitch.conf etc/ && echo 'multi on' > etc/host.conf
touch etc/hosts && mount --bind "$HOSTS" etc/hosts
mkdir usr_local_bin && cp -L "$BIN"/aurora-* usr_local_bin/
mount --bind usr_local_bin usr/local/bin
for f in null urandom; do touch "dev/$f"; mount --bind "/dev/$f" "dev/$f"; done
mount -t proc none proc
"""


class RunningPod:
    def __init__(self, docs, base, state, number=0, ip=IP, net=(), hosts=None):
        """`state`: the claim, kept by who calls. `net`: the command that enters the pod's network; none: one is made."""
        self.docs, self.ip = docs, ip
        self.containers = containers(self.docs)
        self.base, self.root, self.children = base, f"{base}/root", {}
        os.makedirs(self.root)
        self.files = Pod(self.docs, f"{base}/volumes", number, ip)
        os.rmdir(f"{base}/volumes/state")
        os.symlink(state, f"{base}/volumes/state")
        self.own_files()
        if hosts is None:
            seeds = self.environment("control-plane").get("CLUSTER_SEED_NODES", "").replace(":7946", "")
            hosts = write_hosts(f"{base}/hosts", [(ip, name) for name in seeds.split(",") if name])
        address = "" if net else f"ip link set lo up\nip addr add {ip}/32 dev lo\n"
        script = ROOT_SCRIPT + self.mounts() + address + "echo ready; exec cat"
        self.holder = subprocess.Popen([*net, "unshare", "-m", *([] if net else ["-n"]), "sh", "-c", script], text=True,
                                       env=dict(os.environ, R=self.root, HOSTS=hosts, BIN=BIN), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
        if self.holder.stdout.readline() != "ready\n":
            raise AssertionError(self.holder.stderr.read())

    def own_files(self):
        """What a kubelet does with fsGroup and emptyDir."""
        for top, directories, files in os.walk(f"{self.base}/volumes"):
            for name in files:
                os.chown(f"{top}/{name}", 0, int(USER))
                os.chmod(f"{top}/{name}", 0o440)
        for name in os.listdir(f"{self.base}/volumes"):
            path = os.path.realpath(f"{self.base}/volumes/{name}")
            os.chown(path, 0, int(USER))
            os.chmod(path, 0o2777 if name in ("runtime", "tmp") else 0o2775)

    def mounts(self):
        lines, seen = [], set()
        for c in self.containers.values():
            for m in c["volumeMounts"]:
                if m["mountPath"] == "/etc/aurora/secrets":  # differs between the containers
                    lines.append(f"mkdir -p .{c['name']} && mount --bind {self.base}/volumes/{m['name']} .{c['name']}\nmkdir -p ./{m['mountPath']}")
                elif m["mountPath"] not in seen:
                    seen.add(m["mountPath"])
                    lines.append(f"mkdir -p ./{m['mountPath']} && mount --bind $(readlink -f {self.base}/volumes/{m['name']}) ./{m['mountPath']}")
        return "\n".join(lines) + f"\nmount -o remount,ro,bind usr\nmount -o remount,ro none $R\n"

    def environment(self, name):
        return self.files.environment(self.containers[name], substitute=False)

    def inside(self, name, command, env):
        """`command` as the container runs it: its own secrets, no privileges, a read-only root."""
        as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        bind = f'mount --bind "$R/.{name}" "$R/etc/aurora/secrets" && exec chroot "$R" "$@"'
        return ["nsenter", "-t", str(self.holder.pid), "-m", "-n", "--", "unshare", "-m", "env", f"R={self.root}", "sh", "-c", bind, "sh",
                *as_user, "env", "-i", *(f"{k}={v}" for k, v in env.items()), *command]

    def start(self, name):
        log = open(f"{self.base}/{name}.log", "w")
        self.children[name] = subprocess.Popen(self.inside(name, self.containers[name]["command"], self.environment(name)), stdin=subprocess.DEVNULL,
                                               stdout=log, stderr=log)
        log.close()

    def exec(self, name, *command, codes=(0,)):
        """kubectl exec."""
        r = subprocess.run(self.inside(name, command, self.environment(name)), capture_output=True, text=True, timeout=30)
        assert r.returncode in codes, r.stdout + r.stderr
        return r.stdout

    def curl(self, *args):
        r = subprocess.run(["nsenter", "-t", str(self.holder.pid), "-n", "--", "curl", "-s", "-m", "5", *args], capture_output=True, text=True,
                           env={"PATH": os.environ["PATH"]})
        return r.stdout

    def probe(self, name, kind):
        get = self.containers[name][kind]["httpGet"]
        port = next(p["containerPort"] for p in self.containers[name]["ports"] if p["name"] == get["port"])
        return self.curl("-o", "/dev/null", "-w", "%{http_code}", f"http://{self.ip}:{port}{get['path']}") == "200"

    def log(self):
        return "".join(open(f"{self.base}/{n}.log").read()[-2500:] for n in self.children)

    def models(self, key):
        return self.curl("-o", "/dev/null", "-w", "%{http_code}", "-H", f"authorization: Bearer {key}", f"http://{self.ip}:8080/v1/models")

    def ctl(self, *args, codes=(0,)):
        return json.loads(self.exec("control-plane", "/usr/local/bin/aurora-ctl", "-o", "json", *args, codes=codes))

    def whole(self):
        """A healthy cluster of three."""
        view = self.ctl("status", codes=(0, 7))["cluster"]  # 7: degraded
        return view["healthy_count"] == 3 and view["converged"] and view["state"] == "healthy"

    def up(self):
        self.begin()
        self.finish()

    def begin(self):
        self.start("control-plane")
        self.wait(lambda: self.probe("control-plane", "startupProbe"), "the control plane's startup probe")
        self.start("data-plane")

    def finish(self):
        self.wait(lambda: self.probe("data-plane", "startupProbe"), "the data plane's startup probe")
        self.wait(lambda: self.probe("data-plane", "readinessProbe"), "the readiness probe")
        assert all(self.probe(n, "livenessProbe") for n in self.children)

    def wait(self, condition, what):
        def check():
            dead = [n for n, c in self.children.items() if c.poll() is not None]
            assert not dead, f"{dead} ended: {self.log()}"
            return condition()
        until(check, f"{what}\n{self.log()}", 60)

    def down(self):
        """As a kubelet does with a native sidecar: the data plane first."""
        codes = []
        for name in ("data-plane", "control-plane"):
            self.children[name].terminate()
            codes.append(self.children[name].wait(30))
        return codes

    def end(self):
        for child in self.children.values():
            child.kill()
            child.wait()
        self.holder.stdin.close()
        self.holder.wait(10)


def write_hosts(path, entries):
    """In place: pods have it mounted."""
    with open(path, "w") as f:
        f.write("".join(f"{ip} {name}\n" for ip, name in [("127.0.0.1", "localhost"), *entries]))
    return path


def serve_and_stop(values, base, state, check):
    running = RunningPod(render(values), base, state)
    try:
        running.up()
        check(running)
        assert running.down() == [0, 0], running.log()
    finally:
        running.end()


def test_a_pod_serves_locked_down_and_keeps_its_keys_when_clustering_and_tls_come(tmp_path):
    state = str(tmp_path / "claim")
    os.makedirs(state)
    held = {}

    def off(running):
        held["key"] = running.ctl("keys", "create", "--name", "pod")["value"]
        until(lambda: running.models(held["key"]) == "200", "the key works")
        assert "Read-only file system" in subprocess.run(running.inside("data-plane", ["/bin/sh", "-c", "touch /x"], {}), capture_output=True, text=True).stderr

    def on(running):
        until(lambda: running.models(held["key"]) == "200", "the key of before works", 30)
        ca = f"{running.base}/ca.crt"
        with open(ca, "w") as f:
            f.write(secret_values(running.docs)["gw-aurora-tls/ca.crt"])
        admin = ["--cacert", ca, "--resolve", f"gw-aurora-admin.ai.svc:7949:{IP}", "-H", f"authorization: Bearer {SECRETS['auth']['masterKey']}"]
        status = lambda: running.curl(*admin, "https://gw-aurora-admin.ai.svc:7949/admin/api/v1/cluster/status")
        until(lambda: '"state":"healthy"' in status().replace(" ", "") and '"node_id":"gw-aurora-0"' in status().replace(" ", ""), "a cluster of one", 60)

    serve_and_stop(OFF, str(tmp_path / "off"), state, off)
    serve_and_stop(SECRETS, str(tmp_path / "on"), state, on)


@pytest.mark.skipif(bool(netns.probe()[0]), reason=f"NO NETWORK OF ITS OWN: {netns.probe()[0]}")
def test_three_pods_found_one_cluster_and_one_comes_back_under_another_address(tmp_path):
    values = {**SECRETS, "replicaCount": 3}
    docs = render(values)
    full, headless = "gw-aurora", "gw-aurora-headless.ai.svc"
    states = [str(tmp_path / f"claim-{k}") for k in range(3)]
    for state in states:
        os.makedirs(state)
    with netns.Net(4) as net:
        address = {k: net.address(k) for k in range(3)}

        def dns():
            """Like the headless service: each pod by its name, and all of them by one."""
            return write_hosts(str(tmp_path / "hosts"), [(ip, f"{full}-{k}.{headless}") for k, ip in address.items()] +
                               [(ip, headless) for ip in address.values()])

        def make(k, at):
            return RunningPod(docs, str(tmp_path / f"pod-{k}-{at}"), states[k], k, net.address(at), net.nodes[at].enter, dns())

        pods = []
        try:
            for k in range(3):
                pods.append(make(k, k))
            for p in pods:  # podManagementPolicy: Parallel
                p.begin()
            for p in pods:
                p.finish()
            for p in pods:
                p.wait(p.whole, "three healthy nodes")
            key = pods[1].ctl("keys", "create", "--name", "all", "--wait", "all", "--wait-timeout-ms", "20000")
            assert key["propagation"]["enforced"] == 3
            assert [p.models(key["value"]) for p in pods] == ["200"] * 3
            assert pods[2].down() == [0, 0], pods[2].log()
            pods[2].end()
            address[2] = net.address(3)
            pods[2] = make(2, 3)
            pods[2].up()
            for p in pods:
                p.wait(p.whole, "three healthy nodes again")
            assert pods[2].models(key["value"]) == "200"
        finally:
            for p in pods:
                p.end()
