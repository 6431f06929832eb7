"""Nodes in network namespaces of their own, on one bridge, with nft rules as the faults.

Root needs nothing more; anyone else gets a user namespace around it, where the kernel lets them have one. probe() really tries
each facility and says why one is missing.
"""
import functools, json, shutil, subprocess

from member import TOKEN, Member
from node import Node, Response

NET = "10.177.0"


class Namespace:
    """Lives as long as this process, or until end()."""

    def __init__(self, inside=None, user=False):
        self.user = user
        flags = ["-Urn"] if user and inside is None else ["-n"]
        command = [*(inside.enter if user and inside else ()), "unshare", *flags, "sh", "-c", "echo ready && exec cat"]
        self.holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self.holder.stdout.readline() != b"ready\n":
            raise OSError(f"{' '.join(command[:-3])}: {self.holder.stderr.read().decode().strip()}")

    @property
    def enter(self):
        return ["nsenter", "-t", str(self.holder.pid), *(["-U", "--preserve-credentials"] if self.user else []), "-n", "--"]

    def run(self, *command, text=None):
        r = subprocess.run([*self.enter, *command], input=text, capture_output=True, text=True, timeout=30)
        if r.returncode != 0:
            raise OSError(f"{' '.join(command)}: {(r.stderr or r.stdout).strip()}")
        return r.stdout

    def end(self):
        for pipe in (self.holder.stdin, self.holder.stdout, self.holder.stderr):
            pipe.close()
        self.holder.wait(10)


@functools.cache
def probe():
    """("", user) when namespaces, veth pairs on a bridge and random drops work here; else (why not, False)."""
    for tool in ("unshare", "nsenter", "ip", "nft", "curl"):
        if not shutil.which(tool):
            return f"no {tool} (util-linux, iproute2, nftables, curl)", False
    why = []
    for user in (False, True):
        try:
            with Net(2, user) as net:
                net.faults(0, inbound=["numgen random mod 100 < 25 drop"])
                return "", user
        except OSError as e:
            why.append(("in a user namespace: " if user else "as this user: ") + str(e))
    return "; ".join(why), False


class Net:
    """`count` namespaces, 10.177.0.1 upwards."""

    def __init__(self, count, user=False):
        self.user, self.nodes, self.hub = user, [], Namespace(user=user)
        try:
            self.hub.run("ip", "link", "add", "br0", "type", "bridge")
            self.hub.run("ip", "link", "set", "br0", "up")
            for k in range(count):
                node = Namespace(self.hub, user)
                self.nodes.append(node)
                self.hub.run("ip", "link", "add", f"v{k}", "type", "veth", "peer", "name", "eth0", "netns", str(node.holder.pid))
                self.hub.run("ip", "link", "set", f"v{k}", "master", "br0", "up")
                node.run("ip", "link", "set", "lo", "up")
                node.run("ip", "addr", "add", f"{self.address(k)}/24", "dev", "eth0")
                node.run("ip", "link", "set", "eth0", "up")
        except OSError:
            self.end()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    @staticmethod
    def address(k):
        return f"{NET}.{k + 1}"

    def faults(self, k, inbound=(), outbound=()):
        """Replaces node k's; with none, all is well again. What stays in the node itself is never touched."""
        chains = "".join(f"chain {hook} {{ type filter hook {hook} priority 0; " + "".join(f"{interface} eth0 {r}; " for r in rules) + "}\n"
                         for hook, interface, rules in (("input", "iifname", inbound), ("output", "oifname", outbound)))
        self.nodes[k].run("nft", "-f", "-", text=f"add table inet fault\ndelete table inet fault\ntable inet fault {{\n{chains}}}\n")

    def heal(self):
        for k in range(len(self.nodes)):
            self.faults(k)

    def cut(self, sources, targets):
        """What `sources` send to `targets` is lost; the other way stays."""
        for k in targets:
            self.faults(k, inbound=[f"ip saddr {{ {', '.join(map(self.address, sources))} }} drop"])

    def end(self):
        for node in [*self.nodes, self.hub]:
            node.end()


class NetMember(Member):
    """Its admin API and metrics listen inside its namespace, where faults do not reach."""

    def __init__(self, net, k, **env):
        super().__init__(f"n{k + 1}", [net.address(0)], host=net.address(k), AURORA_ADMIN_GRPC_LISTEN="127.0.0.1:7948",
                         AURORA_ADMIN_REST_LISTEN="127.0.0.1:7949", AURORA_METRICS_CONTROLPLANE_LISTEN="127.0.0.1:9092", **env)
        self.prefix = net.nodes[k].enter

    def fetch(self, port, path):
        r = subprocess.run([*self.prefix, "curl", "-s", "-m", "5", "-H", f"authorization: Bearer {TOKEN}", "-w", "\n%{http_code}",
                            f"http://127.0.0.1:{port}{path}"], capture_output=True, timeout=30)
        body, _, status = r.stdout.rpartition(b"\n")
        return int(status or 0), body


class NetNode(Node):
    """A whole node in the namespace of its address; it is asked from there, where faults do not reach, and by its unix socket."""

    net = None

    def command(self, name):
        return [*self.enter(), *super().command(name)]

    def enter(self):
        return self.net.nodes[int(self.host.rsplit(".", 1)[1]) - 1].enter

    def request(self, where, method, path, body=None, headers=None, timeout=30):
        fields = [x for name, value in (headers or {}).items() for x in ("-H", f"{name}: {value}")]
        if body is not None:
            fields += ["-H", "content-type: application/json", "--data-binary", json.dumps(body)]
        r = subprocess.run([*self.enter(), "curl", "-s", "-m", str(timeout), "-X", method, *fields, "-w", "\n%{http_code}",
                            f"http://{where[0]}:{where[1]}{path}"], capture_output=True, timeout=timeout + 10)
        answer, _, status = r.stdout.rpartition(b"\n")
        if r.returncode != 0 or int(status or 0) == 0:
            raise OSError(f"curl {where}{path} exited with {r.returncode}")
        return Response(int(status), {}, answer)
