"""Renders the chart with helm and stands in for what Kubernetes does with a pod: volumes, variables, files."""
import atexit, base64, functools, json, os, re, shutil, subprocess, sys, tempfile

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHART = f"{ROOT}/deploy/k8s/aurora"
HELM = os.environ.get("AURORA_HELM", "")
BIN = os.environ.get("AURORA_BIN", f"{ROOT}/build/release/bin")
EXAMPLES = f"{ROOT}/deploy/k8s/examples"
CI = sorted(f[: -len("-values.yaml")] for f in os.listdir(f"{CHART}/ci")) + sorted(
    f"examples/{f[: -len('.yaml')]}" for f in os.listdir(EXAMPLES) if f.endswith(".yaml"))
KUBE = "1.37.0"


def helm(*args, text=None):
    env = {"HOME": "/nonexistent", "PATH": os.environ["PATH"], "KUBECONFIG": "/nonexistent"}
    return subprocess.run([HELM, *args], input=text, capture_output=True, text=True, timeout=120, env=env)


def values_file(name):
    return f"{EXAMPLES}/{name.removeprefix('examples/')}.yaml" if name.startswith("examples/") else f"{CHART}/ci/{name}-values.yaml"


def template(values, *args, kube=KUBE, where=CHART):
    """`values`: a dict, or the name of a file in ci/ or of an example. Returns helm's result."""
    command = ["template", "gw", where, "--namespace", "ai", "--kube-version", kube, *args]
    if isinstance(values, str):
        return helm(*command, "-f", values_file(values))
    return helm(*command, "-f", "-", text=json.dumps(values))


def documents(text):
    return [d for d in yaml.safe_load_all(text) if d]


@functools.lru_cache(maxsize=None)
def _rendered(key, kube):
    r = template(json.loads(key), kube=kube)
    assert r.returncode == 0, r.stderr
    return r.stdout


def render(values, kube=KUBE):
    return documents(_rendered(json.dumps(values), kube))


@functools.lru_cache(maxsize=None)
def notes_chart():
    """The chart with its NOTES.txt as a template: `helm template` leaves notes out."""
    where = f"{tempfile.mkdtemp(prefix='aurora-notes-')}/aurora"
    atexit.register(shutil.rmtree, os.path.dirname(where))
    shutil.copytree(CHART, where)
    os.rename(f"{where}/templates/NOTES.txt", f"{where}/files/NOTES.txt")
    with open(f"{where}/templates/zz.yaml", "w") as f:
        f.write('notes: {{ tpl (.Files.Get "files/NOTES.txt") . | quote }}\n')
    return where


def notes(values):
    r = template(values, "--show-only", "templates/zz.yaml", where=notes_chart())
    assert r.returncode == 0, r.stderr
    return documents(r.stdout)[0]["notes"]


def refusal(values, **kw):
    """Why helm does not render these values."""
    r = template(values, **kw)
    assert r.returncode != 0, f"rendered in spite of {values}"
    return r.stderr


def one(docs, kind, suffix=""):
    found = [d for d in docs if d["kind"] == kind and (not suffix or d["metadata"]["name"].endswith(suffix))]
    assert len(found) == 1, f"{len(found)} of {kind} {suffix}"
    return found[0]


def pod(docs):
    return one(docs, "StatefulSet")["spec"]["template"]


def containers(docs):
    spec = pod(docs)["spec"]
    return {c["name"]: c for c in spec.get("initContainers", []) + spec["containers"]}


def secret_values(docs):
    """What the chart's own secrets hold, as text: {name/key: value}."""
    return {f"{d['metadata']['name']}/{k}": base64.b64decode(v).decode() for d in docs if d["kind"] == "Secret"
            for k, v in d.get("data", {}).items()}


def leaves(value):
    """Every string in it, names of fields too."""
    if isinstance(value, dict):
        for k, v in value.items():
            yield from leaves(k)
            yield from leaves(v)
    elif isinstance(value, list):
        for v in value:
            yield from leaves(v)
    elif isinstance(value, str):
        yield value


def leaks(held, docs, text=""):
    """Which of the values `held` ({name: value}) stand outside the objects of kind Secret, whole, a line of them, or in base64."""
    outside = "\0".join([*leaves([d for d in docs if d["kind"] != "Secret"]), text])
    found = []
    for name, value in held.items():
        lines = [line for line in value.splitlines() if len(line) >= 12 and not line.startswith("-----")]
        forms = [value, *lines, *(base64.b64encode(v.encode()).decode().rstrip("=") for v in (value, *lines))]
        if any(form in outside for form in forms):
            found.append(name)
    return found


SELF_SIGNED = {}


def self_signed():
    """A certificate for secrets the chart only refers to."""
    if not SELF_SIGNED:
        r = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "-",
                            "-out", "-", "-days", "2", "-subj", "/CN=test"], capture_output=True, text=True, timeout=30, check=True)
        key, cert = re.search(r"(-----BEGIN PRIVATE.*?END PRIVATE KEY-----\n).*?(-----BEGIN CERT.*?END CERTIFICATE-----\n)", r.stdout, re.S).groups()
        SELF_SIGNED.update({"tls.crt": cert, "tls.key": key, "ca.crt": cert})
    return SELF_SIGNED


def outside_secret(key):
    """What an operator's own secret would hold under `key`."""
    if key in ("tls.crt", "tls.key", "ca.crt"):
        return self_signed()[key]
    if key.endswith("_API_KEY") or key == "token":
        return "outside-" + key.lower()
    return base64.b64encode((b"p" if key.endswith("-before") else b"o") * 32).decode()


class Pod:
    """The files one pod would see, below `base`; `path()` says where a mounted path is."""

    def __init__(self, docs, base, number=0, ip="127.0.0.1"):
        self.docs, self.base, self.ip = docs, base, ip
        self.set = one(docs, "StatefulSet")
        self.name = f"{self.set['metadata']['name']}-{number}"
        self.volumes = {v["name"]: v for v in pod(docs)["spec"]["volumes"]}
        self.secrets = {d["metadata"]["name"]: d for d in docs if d["kind"] == "Secret"}
        for claim in self.set["spec"].get("volumeClaimTemplates", []):
            self.volumes[claim["metadata"]["name"]] = {"emptyDir": {}}
        for name, volume in self.volumes.items():
            self.fill(f"{base}/{name}", volume)

    def secret(self, name, key):
        if name in self.secrets:
            return base64.b64decode(self.secrets[name]["data"][key])  # KeyError: mounted, but the chart does not make it
        return outside_secret(key).encode()

    def fill(self, where, volume):
        os.makedirs(where, exist_ok=True)
        files = {}
        for source in volume.get("projected", {}).get("sources", []):
            for item in source["secret"]["items"]:
                files[item["path"]] = self.secret(source["secret"]["name"], item["key"])
        if "secret" in volume:
            name = volume["secret"]["secretName"]
            keys = self.secrets[name]["data"] if name in self.secrets else ("tls.crt", "tls.key", "ca.crt")
            files.update({k: self.secret(name, k) for k in keys})
        if "configMap" in volume and any(d["kind"] == "ConfigMap" and d["metadata"]["name"] == volume["configMap"]["name"] for d in self.docs):
            data = next(d for d in self.docs if d["kind"] == "ConfigMap" and d["metadata"]["name"] == volume["configMap"]["name"])["data"]
            files.update({k: v.encode() for k, v in data.items()})
        for name, value in files.items():
            with open(f"{where}/{name}", "wb") as f:
                f.write(value)

    def path(self, container, text):
        """`text` with each mounted path replaced by where its files are."""
        for mount in sorted(container["volumeMounts"], key=lambda m: -len(m["mountPath"])):
            if text == mount["mountPath"] or text.startswith(mount["mountPath"] + "/"):
                return f"{self.base}/{mount['name']}" + text[len(mount["mountPath"]):]
        return text

    def environment(self, container, substitute=True):
        fields = {"metadata.name": self.name, "status.podIP": self.ip}
        env = {}
        for entry in container["env"]:
            if "valueFrom" in entry:
                value = fields.get(entry["valueFrom"]["fieldRef"]["fieldPath"], "zone-a")
            else:
                value = re.sub(r"\$\((\w+)\)", lambda m: env[m.group(1)], entry.get("value", ""))
            env[entry["name"]] = self.path(container, value) if substitute else value
        return env

    def run(self, container, *args):
        binary = f"{BIN}/{os.path.basename(container['command'][0])}"
        return subprocess.run([binary, *container["command"][1:], *args], env=self.environment(container), capture_output=True, text=True, timeout=30)


def shown_metrics():
    """The page of both processes of a node in a cluster of its own, after a request."""
    sys.path.insert(0, f"{ROOT}/tests/e2e")
    os.environ["AURORA_BIN"] = BIN
    from node import Node, free_address, request, until
    host = free_address()
    node = Node(host=host, CLUSTER_ENABLED="true", CLUSTER_NODE_ID="n1", CLUSTER_BIND_ADDR=host, CLUSTER_SYNC_BIND_ADDR=host,
                CLUSTER_BOOTSTRAP_EXPECT="1", CLUSTER_FAILOVER_MODE="active_passive")
    try:
        node.start()
        stream = node.open_stream(node.create_key("metrics")[1], words=2)
        stream[1].read()
        stream[0].close()
        page = lambda: "".join(request(at, "GET", "/metrics").body.decode() for at in (node.dataplane_ops, node.controlplane_ops))
        # The client has the last byte before the loop has counted the request.
        until(lambda: "aurora_tokens_total{" in page(), "the request is counted")
        return page()
    finally:
        node.stop()


def not_in_source(names):
    """Those of `names` that no source of ours has as a string."""
    text = subprocess.run(["grep", "-rhoE", '"aurora_[a-z0-9_]+"', f"{ROOT}/dataplane", f"{ROOT}/controlplane"], capture_output=True, text=True).stdout
    return [name for name in names if f'"{name}"' not in text]
