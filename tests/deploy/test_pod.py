"""A pod of the chart without Kubernetes: both processes as uid 65532 on a read-only root, in a network of their own, with the
environment, files, modes and owners the chart and a kubelet would give them; then the same claim under other values."""
import os, shutil, subprocess, sys

import pytest

import chart
from chart import BIN, ROOT, Pod, containers, render, secret_values

sys.path.insert(0, f"{ROOT}/tests/e2e")
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
cp -r /etc/ld.so.cache /etc/ssl /etc/nsswitch.conf etc/
printf '127.0.0.1 localhost\\n%s %s\\n' "$IP" "$NAMES" > etc/hosts
mkdir usr_local_bin && cp -L "$BIN"/aurora-* usr_local_bin/
mount --bind usr_local_bin usr/local/bin
for f in null urandom; do touch "dev/$f"; mount --bind "/dev/$f" "dev/$f"; done
mount -t proc none proc
"""


class RunningPod:
    def __init__(self, values, base, state):
        """`state`: the claim, kept by who calls."""
        self.docs = render(values)
        self.containers = containers(self.docs)
        self.base, self.root, self.children = base, f"{base}/root", {}
        os.makedirs(self.root)
        self.files = Pod(self.docs, f"{base}/volumes", ip=IP)
        os.rmdir(f"{base}/volumes/state")
        os.symlink(state, f"{base}/volumes/state")
        self.own_files()
        names = " ".join(n for n in self.environment("control-plane").get("CLUSTER_SEED_NODES", "").replace(":7946", "").split(",") if n)
        self.holder = subprocess.Popen(["unshare", "-m", "-n", "sh", "-c", ROOT_SCRIPT + self.mounts() + "echo ready; exec cat"], text=True,
                                       env=dict(os.environ, R=self.root, IP=IP, NAMES=names, BIN=BIN),
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
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
        return "\n".join(lines) + f"\nmount -o remount,ro,bind usr\nmount -o remount,ro none $R\nip link set lo up\nip addr add {IP}/32 dev lo\n"

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

    def exec(self, name, *command):
        """kubectl exec."""
        r = subprocess.run(self.inside(name, command, self.environment(name)), capture_output=True, text=True, timeout=30)
        assert r.returncode == 0, r.stdout + r.stderr
        return r.stdout

    def curl(self, *args):
        r = subprocess.run(["nsenter", "-t", str(self.holder.pid), "-n", "--", "curl", "-s", "-m", "5", *args], capture_output=True, text=True,
                           env={"PATH": os.environ["PATH"]})
        return r.stdout

    def probe(self, name, kind):
        get = self.containers[name][kind]["httpGet"]
        port = next(p["containerPort"] for p in self.containers[name]["ports"] if p["name"] == get["port"])
        return self.curl("-o", "/dev/null", "-w", "%{http_code}", f"http://{IP}:{port}{get['path']}") == "200"

    def log(self):
        return "".join(open(f"{self.base}/{n}.log").read()[-2500:] for n in self.children)

    def up(self):
        self.start("control-plane")
        self.wait(lambda: self.probe("control-plane", "startupProbe"), "the control plane's startup probe")
        self.start("data-plane")
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


def serve_and_stop(values, base, state, check):
    running = RunningPod(values, base, state)
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

    def models(running):
        return running.curl("-o", "/dev/null", "-w", "%{http_code}", "-H", f"authorization: Bearer {held['key']}", f"http://{IP}:8080/v1/models")

    def off(running):
        text = running.exec("control-plane", "/usr/local/bin/aurora-ctl", "-o", "json", "keys", "create", "--name", "pod")
        held["key"] = text.split('"value": "')[-1].split('"value":"')[-1].split('"')[0]
        until(lambda: models(running) == "200", "the key works")
        assert "Read-only file system" in subprocess.run(running.inside("data-plane", ["/bin/sh", "-c", "touch /x"], {}), capture_output=True, text=True).stderr

    def on(running):
        until(lambda: models(running) == "200", "the key of before works", 30)
        ca = f"{running.base}/ca.crt"
        with open(ca, "w") as f:
            f.write(secret_values(running.docs)["gw-aurora-tls/ca.crt"])
        admin = ["--cacert", ca, "--resolve", f"gw-aurora-admin.ai.svc:7949:{IP}", "-H", f"authorization: Bearer {SECRETS['auth']['masterKey']}"]
        status = lambda: running.curl(*admin, "https://gw-aurora-admin.ai.svc:7949/admin/api/v1/cluster/status")
        until(lambda: '"state":"healthy"' in status().replace(" ", "") and '"node_id":"gw-aurora-0"' in status().replace(" ", ""), "a cluster of one", 60)

    serve_and_stop(OFF, str(tmp_path / "off"), state, off)
    serve_and_stop(SECRETS, str(tmp_path / "on"), state, on)
