"""One node in real processes: the demo provider, the control plane and the data plane, on an address of its own.

Nothing sleeps to let something happen: until() waits on the condition, with a deadline.
"""
import base64, http.client, json, os, shutil, signal, socket, subprocess, tempfile, time

BIN = os.environ.get("AURORA_BIN", os.path.join(os.path.dirname(__file__), "../../build/release/bin"))
# Each process that runs tests starts at a place of its own.
_addresses = (f"127.{net}.{(os.getpid() * 101 + k) % 256}.{host}" for net in range(80, 120) for k in range(256) for host in range(2, 250))


def until(condition, what, seconds=10):
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s still not: {what() if callable(what) else what}")
        time.sleep(0.005)


def free_address():
    """A loopback address nobody else uses: its port 8080 can be bound."""
    for host in _addresses:
        with socket.socket() as s:
            try:
                s.bind((host, 8080))
                return host
            except OSError:
                continue
    raise AssertionError("every address of 127.80.0.0 to 127.119.255.255 was used")


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


def request(url_host, method, path, body=None, headers=None, timeout=30):
    connection = http.client.HTTPConnection(*url_host, timeout=timeout)
    try:
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        headers = dict(headers or {})
        if data is not None:
            headers.setdefault("content-type", "application/json")
        connection.request(method, path, data, headers)
        r = connection.getresponse()
        return Response(r.status, {k.lower(): v for k, v in r.getheaders()}, r.read())
    finally:
        connection.close()


class Node:
    def __init__(self, toml="", host=None, **env):
        """`toml`: more providers; "{host}" in it is this node's address."""
        self.host = host or free_address()
        self.toml = toml.replace("{host}", self.host)
        self.dir = tempfile.mkdtemp(prefix="aurora-e2e-")
        self.state, self.runtime = f"{self.dir}/state", f"{self.dir}/run"
        os.makedirs(self.state)
        os.makedirs(self.runtime)
        self.proxy, self.demo = (self.host, 8080), (self.host, 9400)
        self.rest, self.dataplane_ops, self.controlplane_ops = (self.host, 7949), (self.host, 9091), (self.host, 9092)
        self.url = f"http://{self.host}:8080"
        self.socket = f"{self.runtime}/admin/control.sock"
        self.token = "e2e-master-key-0123456789abcdef"
        self.extra_env = env
        self.children = {}

    def env(self):
        keep = {k: v for k, v in os.environ.items() if not k.endswith(("_API_KEY", "_BASE_URL"))}
        keep.update({
            "AURORA_STORAGE_STATE_DIR": self.state, "AURORA_STORAGE_RUNTIME_DIR": self.runtime,
            "AURORA_SERVER_LISTEN": f"{self.host}:8080", "AURORA_SERVER_DRAIN_GRACE": "200ms",
            "AURORA_ADMIN_GRPC_LISTEN": f"{self.host}:7948", "AURORA_ADMIN_REST_LISTEN": f"{self.host}:7949",
            "AURORA_METRICS_DATAPLANE_LISTEN": f"{self.host}:9091", "AURORA_METRICS_CONTROLPLANE_LISTEN": f"{self.host}:9092",
            "AURORA_MASTER_KEY": self.token, "AURORA_ENCRYPTION_KEY": base64.b64encode(b"k" * 32).decode(),
            "AURORA_CONFIG": f"{self.dir}/aurora.toml", "no_proxy": "*",
        })
        keep.update(self.extra_env)
        return keep

    def write_config(self):
        demo = f"http://{self.host}:9400"
        with open(f"{self.dir}/aurora.toml", "w") as f:
            for name, kind, url in (("demo", "openai", demo + "/v1"), ("demo-anthropic", "anthropic", demo), ("demo-gemini", "gemini", demo)):
                f.write(f'[providers.{name}]\ntype = "{kind}"\nbase_url = "{url}"\napi_key = "demo"\nstamp = true\n')
            f.write(self.toml)

    def command(self, name):
        return {"demo": [f"{BIN}/demo-provider", "--listen", f"{self.host}:9400"], "controlplane": [f"{BIN}/aurora-controlplane"],
                "dataplane": [f"{BIN}/aurora-dataplane"]}[name]

    def spawn(self, name):
        log = open(f"{self.dir}/{name}.log", "ab")
        self.children[name] = subprocess.Popen(self.command(name), env=self.env(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()

    def start(self):
        self.write_config()
        for name in ("demo", "controlplane", "dataplane"):
            self.spawn(name)
        self.wait_ready()
        return self

    def request(self, where, method, path, body=None, headers=None, timeout=30):
        return request(where, method, path, body, headers, timeout)

    def get_status(self, where, path="/readyz"):
        try:
            return self.request(where, "GET", path, timeout=2).status
        except OSError:
            return 0

    def dead(self):
        return [f"{n} exited with {c.returncode}:\n{self.log(n)[-1500:]}" for n, c in self.children.items() if c.poll() is not None]

    def wait_ready(self, seconds=30):
        def ready():
            assert not self.dead(), "\n".join(self.dead())
            return self.get_status(self.proxy) == 200 and self.get_status(self.controlplane_ops) == 200
        until(ready, f"{self.host} ready; {self.log('dataplane')[-800:]}", seconds)

    def log(self, name):
        try:
            return open(f"{self.dir}/{name}.log", errors="replace").read()
        except OSError:
            return ""

    def kill(self, name, signum=signal.SIGKILL):
        child = self.children.pop(name)
        child.send_signal(signum)
        return child.wait(30)

    def stop(self):
        for child in self.children.values():
            child.kill()
        for child in self.children.values():
            child.wait()
        self.children = {}
        shutil.rmtree(self.dir, ignore_errors=True)

    def ctl(self, *args, check=True):
        r = subprocess.run([f"{BIN}/aurora-ctl", "--addr", f"unix://{self.socket}", "-o", "json", *args], capture_output=True, text=True, timeout=30)
        assert not check or r.returncode == 0, f"aurora-ctl {args} exited {r.returncode}: {r.stderr}{r.stdout}"
        return r

    def create_key(self, name="e2e", *args):
        """Returns (id, secret) once the data plane accepts it."""
        made = json.loads(self.ctl("keys", "create", "--name", name, *args).stdout)
        until(lambda: self.models(made["value"]).status == 200, "the new key is accepted")
        return made["id"], made["value"]

    def models(self, key):
        return self.request(self.proxy, "GET", "/v1/models", headers={"authorization": f"Bearer {key}"})

    def chat(self, key, model="demo/demo", text="hello", timeout=30, **more):
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        return request(self.proxy, "POST", "/v1/chat/completions", body, {"authorization": f"Bearer {key}"}, timeout)

    def open_stream(self, key, model="demo/demo-slow", words=400):
        """A running SSE response: (connection, response)."""
        connection = http.client.HTTPConnection(*self.proxy, timeout=30)
        body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "word " * words}]}
        connection.request("POST", "/v1/chat/completions", json.dumps(body),
                           {"authorization": f"Bearer {key}", "content-type": "application/json"})
        response = connection.getresponse()
        assert response.status == 200, response.read()
        assert response.readline(), "no first event"
        return connection, response

    def demo_json(self, path):
        return request(self.demo, "GET", path).json()
