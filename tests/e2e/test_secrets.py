"""Marked secrets stand wherever one may stand; two real nodes are used in every way; then each place they write to is searched."""
import base64, glob, json, os, re, socket, subprocess, types

import pytest
import leaks
from browser import Balancer, Browser, why_none
from cluster import Cluster
from leaks import mark
from node import BIN, Node, free_address, request, until
from upstream import Scripted

HERE = os.path.dirname(os.path.abspath(__file__))
# Not a secret: the name of a node, a provider and a key. Where this is not found, a secret would not be found either.
CANARY = f"canary-{mark()[:12]}"
MARKS = {name: mark() for name in (
    "master key", "encryption key", "previous encryption key", "gossip key", "gossip key installed", "provider key in the file", "provider key in a file of its own",
    "provider key in the environment", "provider key over REST", "provider key over gRPC", "provider key refused", "provider key in bad JSON",
    "provider key of a wrong type", "password of the proxy", "wrong API key", "wrong admin token", "wrong API key in the query", "prompt", "streamed prompt",
    "prompt of a refused request", "header of the client")}
MASTER = f'mk-"{MARKS["master key"]}\\'  # what JSON has to escape
PROVIDER = {name: f'sk-"{MARKS[name]}"' for name in MARKS if name.startswith("provider key")}


def b64(name):
    return base64.b64encode(MARKS[name].encode()).decode()


def echo(connection, head, body):
    """A provider that says in its error what it was sent."""
    sent = re.search(r"(?im)^authorization: (.*?)\r?$", head)[1]
    said = json.loads(body)["messages"][0]["content"]
    connection.answer(json.dumps({"error": {"message": f"Incorrect API key provided: {sent} {said}", "type": "invalid_request_error", "code": "invalid_api_key"}}),
                      status=401)


class Planted(Node):
    echo = None

    def file(self, name, text):
        path = f"{self.dir}/{name}"
        with open(path, "w", opener=lambda p, flags: os.open(p, flags, 0o600)) as f:
            f.write(text + "\n")
        return path

    def env(self):
        keep = super().env()
        outbound = f"http://user:{MARKS['password of the proxy']}@{self.host}:9"
        keep.update({"AURORA_LOG_LEVEL": "debug", "HTTPS_PROXY": outbound, "CLUSTER_NODE_NAME": CANARY,
                     "OPENAI_EAST_API_KEY": PROVIDER["provider key in the environment"], "OPENAI_EAST_BASE_URL": f"http://{self.host}:9400/v1",
                     "CLUSTER_GOSSIP_KEYS_FILE": self.file("gossip.key", b64("gossip key"))})
        if keep["CLUSTER_NODE_ID"] == CANARY:  # one node by files, one by variables
            del keep["AURORA_MASTER_KEY"], keep["AURORA_ENCRYPTION_KEY"]
            keep["AURORA_MASTER_KEY_FILE"] = self.file("master.key", MASTER)
            keep["AURORA_ENCRYPTION_KEY_FILE"] = self.file("encryption.key", b64("encryption key"))
            keep["AURORA_ENCRYPTION_KEY_PREVIOUS_FILE"] = self.file("previous.key", b64("previous encryption key"))
        else:
            keep.update(AURORA_MASTER_KEY=MASTER, AURORA_ENCRYPTION_KEY=b64("encryption key"),
                        AURORA_ENCRYPTION_KEY_PREVIOUS=b64("previous encryption key"))
        return keep

    def write_config(self):
        self.token = MASTER
        own = self.file("provider.key", PROVIDER["provider key in a file of its own"])
        url = f"http://{self.host}:9400/v1"
        self.toml = (f"[providers.by-value]\ntype = \"openai\"\nbase_url = \"{url}\"\napi_key = '{PROVIDER['provider key in the file']}'\n"
                     f'[providers.by-file]\ntype = "openai"\nbase_url = "{url}"\napi_key_file = "{own}"\n'
                     + Planted.echo.toml("echo").replace('"up-secret"', f"'{PROVIDER['provider key in the file']}'"))
        super().write_config()

    def ctl_over_tcp(self, *args, token=MASTER, **more):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AURORA")}
        return subprocess.run([f"{BIN}/aurora-ctl", "--addr", f"{self.host}:7948", *args], capture_output=True, text=True, timeout=30,
                              env={**environment, "AURORA_CTL_TOKEN": token}, **more)

    def admin(self, method, path, body=None, **headers):
        return request(self.rest, method, f"/admin/api/v1/{path}", body, {"authorization": f"Bearer {self.token}", **headers})


def provider(name, url, key):
    return {"type": "openai", "base_url": url, "credentials": [{"id": "main", "api_key": key}], "models": ["demo"]}


def manage(node, secrets):
    """Keys and providers over every face, with success and with failure."""
    url = f"http://{node.host}:9400/v1"
    made = json.loads(node.ctl("keys", "create", "--name", CANARY, "--wait", "all").stdout)
    secrets["API key"] = made["value"]
    old = node.admin("POST", "auth-keys", {"name": "over REST"}).json()
    secrets["API key rotated away"] = old["value"]
    new = node.admin("POST", f"auth-keys/{old['id']}/rotate", {})
    secrets["API key rotated to"] = new.json()["value"]
    assert node.admin("POST", f"auth-keys/{old['id']}/deactivate", {}).status == 200
    assert node.admin("PUT", f"providers/{CANARY}", provider(CANARY, url, PROVIDER["provider key over REST"])).status in (200, 201)
    document = {"kind": "Provider", "name": "over-grpc", "spec": provider("over-grpc", url, PROVIDER["provider key over gRPC"])}
    answer = node.ctl_over_tcp("apply", "-f", "-", input=json.dumps(document))
    assert answer.returncode == 0, answer.stderr
    refusals = [node.admin("PUT", "providers/refused", provider("refused", "no url", PROVIDER["provider key refused"])),
                node.admin("PUT", "providers/refused", f'{{"credentials": [{{"api_key": "{MARKS["provider key in bad JSON"]}'.encode()),
                node.admin("PUT", "providers/refused", {**provider("refused", url, ""), "credentials": [{"id": "main", "api_key": [MARKS["provider key of a wrong type"]]}]})]
    assert all(400 <= r.status < 500 for r in refusals), [(r.status, r.body) for r in refusals]
    bad = node.ctl_over_tcp("apply", "-f", "-", input=json.dumps({**document, "spec": provider("x", "no url", PROVIDER["provider key refused"])}))
    assert bad.returncode != 0
    wrong = MARKS["wrong admin token"]
    assert request(node.rest, "GET", "/admin/api/v1/config", headers={"authorization": f"Bearer {wrong}"}).status == 401
    assert request(node.rest, "POST", "/admin/api/v1/session", {"token": wrong}).status == 401
    denied = node.ctl_over_tcp("status", token=wrong)
    assert denied.returncode == 4
    installed = node.ctl("keyring", "install", "-f", node.file("gossip2.key", b64("gossip key installed")))
    said = [r.body for r in refusals] + [t.encode() for r in (bad, denied, installed, answer) for t in (r.stdout, r.stderr)]
    return made["value"], {f"said: answer {k}": data for k, data in enumerate(said)}


def ask(node, key):
    """Requests to each provider, with success and with failure."""
    def post(path, body, **headers):
        return request(node.proxy, "POST", path, body, {"authorization": f"Bearer {key}", **headers})

    def chat(model, text, **more):
        return {"model": model, "messages": [{"role": "user", "content": text}], **more}
    for name in ("by-value", "by-file", "openai-east", CANARY, "over-grpc", "demo"):
        until(lambda: post("/v1/chat/completions", chat(f"{name}/demo", MARKS["prompt"])).status == 200, f"{name} answers")
        stream = post("/v1/chat/completions", chat(f"{name}/demo", MARKS["streamed prompt"], stream=True))
        assert stream.status == 200, stream.body
    assert post("/v1/chat/completions", chat("echo/echo", MARKS["prompt"]), **{"x-title": MARKS["header of the client"]}).status in (401, 502)
    answers = [post("/v1/chat/completions", chat("none-such", MARKS["prompt of a refused request"])),
               post("/v1/chat/completions", f'{{"model": "demo/demo", "messages": [{{"content": "{MARKS["prompt of a refused request"]}'.encode()),
               post("/v1/chat/completions", chat("demo/demo-429", MARKS["prompt of a refused request"])),
               request(node.proxy, "POST", "/v1/chat/completions", chat("demo/demo", "x"), {"authorization": f"Bearer {MARKS['wrong API key']}"}),
               request(node.proxy, "POST", "/v1/messages", chat("demo/demo", "x"), {"x-api-key": MARKS["wrong API key"]}),
               request(node.proxy, "GET", f"/v1/models?key={MARKS['wrong API key in the query']}"),
               request(node.proxy, "GET", f"/p/by-value/models?key={MARKS['wrong API key in the query']}")]
    assert all(r.status >= 400 for r in answers[:2] + answers[3:]), [r.status for r in answers]
    return {f"said: refusal {k} of {node.host}": r.body for k, r in enumerate(answers)}


def routes():
    """Each thing that can be asked of the admin API, from the code's own tables."""
    text = "".join(open(f).read() for f in glob.glob(f"{HERE}/../../controlplane/admin/rest_*.cc"))
    return sorted(set(re.findall(r'Route\{Method::kGet, "([^"]+)"', text)))


def read_all(node, ask):
    """{route: its answer}; what is listed is asked for by name too."""
    out = {}

    def keep(path):
        answer = ask(path)
        out[path] = leaks.plain(answer.headers.items(), answer.body)
        return answer
    for route in routes():
        if ":" not in route and "*" not in route:
            assert keep(route).status == 200, route
    assert keep("events?last=1000").status == 200
    for key in json.loads(out["auth-keys"])["auth_keys"]:
        assert keep(f"auth-keys/{key['id']}").status == 200
    for each in json.loads(out["providers"])["providers"]:
        assert keep(f"providers/{each['name']}").status == 200
    return out


@pytest.fixture(scope="module")
def used():
    """The cluster after use: .secrets {name: mark}, .places {name: bytes}, .nodes, .argv."""
    Planted.echo = Scripted({"echo": echo})
    cluster = Cluster(make=Planted, names=(CANARY, "n2"))
    argv = leaks.Argv()
    try:
        cluster.start()
        secrets, places = dict(MARKS), {}
        issued = {}
        key, said = manage(cluster.nodes[0], issued)
        places.update(said)
        for node in cluster.nodes:
            places.update(ask(node, key))
        # Without what is shown of it to tell keys apart.
        secrets.update({name: value[len("sk_aur_"):-4] for name, value in issued.items()})
        yield types.SimpleNamespace(nodes=cluster.nodes, secrets=secrets, places=places, argv=argv, key=key)
    finally:
        argv.stop()
        cluster.stop()
        Planted.echo.stop()


def own_places(node, name):
    """What a node writes down and tells without the dashboard."""
    out = {}
    for process in ("controlplane", "dataplane"):
        out[f"log: {process} of {name}"] = node.log(process).encode()
        ops = node.controlplane_ops if process == "controlplane" else node.dataplane_ops
        out[f"metrics: {process} of {name}"] = request(ops, "GET", "/metrics").body
        out[f"ops: {process} of {name}"] = request(ops, "GET", "/readyz").body + request(ops, "GET", "/livez").body
        out[f"argv: {process} of {name}"] = open(f"/proc/{node.children[process].pid}/cmdline", "rb").read()
        shown = subprocess.run([*node.command(process), "--print-config"], env=node.env(), capture_output=True, timeout=30)
        assert shown.returncode == 0, shown.stderr
        out[f"config: {process} of {name}"] = shown.stdout + shown.stderr
    bundle = f"{node.dir}/bundle.json"
    node.ctl("debug", "bundle", "-f", bundle)
    out[f"bundle: {name}"] = open(bundle, "rb").read()
    answers = read_all(node, lambda path: node.admin("GET", path))
    out.update({f"rest: {path} of {name}": body for path, body in answers.items()})
    for command in (("status",), ("keys", "list"), ("providers", "list"), ("config", "view"), ("nodes", "list"), ("keyring", "list")):
        r = node.ctl_over_tcp(*command, "-o", "wide")
        out[f"ctl: {' '.join(command)} of {name}"] = (r.stdout + r.stderr).encode()
    return out


def test_no_secret_is_in_what_a_node_writes_or_tells(used):
    places = dict(used.places)
    for name, node in zip(("n1", "n2"), used.nodes):
        until(lambda: node.admin("GET", "usage/summary").json()["total"]["requests"] >= 10, "the requests are metered", 15)
        places.update(own_places(node, name))
    places["argv: all"] = used.argv.stop()
    assert b"aurora-ctl" in places["argv: all"] and b"aurora-dataplane" in places["argv: all"]
    assert leaks.found(used.secrets, places) == []
    # The search sees: what is no secret and stands in the same way is found in each kind of place.
    seen = {place for _, place in leaks.found({"canary": CANARY}, places)}
    for kind in ("log: controlplane of n2", "log: dataplane of n1", "metrics: dataplane of n1", "config: controlplane of n1", "bundle: n1",
                 "rest: auth-keys of n1", "rest: providers of n2", "rest: audit/log of n1", "rest: usage/log of n1", "rest: config of n1",
                 "rest: cluster/nodes of n2", "ctl: keys list of n1"):
        assert kind in seen, f"nothing would have been found in {kind}"


def test_no_secret_is_on_disk_but_where_the_operator_put_it(used):
    secrets = {k: v for k, v in used.secrets.items() if "prompt" not in k}
    for name, node in zip(("n1", "n2"), used.nodes):
        files = [f for f in glob.glob(f"{node.state}/**", recursive=True) + glob.glob(f"{node.runtime}/**", recursive=True) if os.path.isfile(f)]
        assert any(f.endswith("aurora.db") for f in files) and any(f.endswith("traffic.db") for f in files)
        places = {f"{name}: {f}": open(f, "rb").read() for f in files}
        assert leaks.found({**secrets, "prompt": MARKS["prompt"], "streamed prompt": MARKS["streamed prompt"]}, places) == []
        assert leaks.found({"canary": CANARY}, places), "nothing would have been found"


def test_the_environment_of_a_process_holds_only_what_was_given_in_it(used):
    for node in used.nodes:
        given = json.dumps(node.env()).encode()
        for process in ("controlplane", "dataplane"):
            own = open(f"/proc/{node.children[process].pid}/environ", "rb").read()
            there = {s for s, _ in leaks.found(used.secrets, {"environ": own})}
            assert there <= {s for s, _ in leaks.found(used.secrets, {"given": given})}, there
    assert leaks.found({"master key": MARKS["master key"]}, {"n1": json.dumps(used.nodes[0].env()).encode()}) == []


def dashboard_places(balancer, cookies=()):
    """Each answer a browser got: its address, what came, and the headers (a session's own cookie aside)."""
    out = {}
    for n, (method, path, _, _, headers, body) in enumerate(balancer.said):
        kept = [(k, v) for k, v in headers if k.lower() != "set-cookie"]
        out[f"{n}: {method} {path}"] = path.encode() + json.dumps(kept).encode() + leaks.plain(headers, body)
    return out


def test_no_secret_is_in_what_a_session_reads_from_either_node(used):
    """Every route, as the dashboard asks: with its cookie."""
    for name, node in zip(("n1", "n2"), used.nodes):
        signed = request(node.rest, "POST", "/admin/api/v1/session", {"token": MASTER})
        cookie = signed.headers["set-cookie"].split(";")[0]
        answers = read_all(node, lambda path: request(node.rest, "GET", f"/admin/api/v1/{path}", headers={"cookie": cookie}))
        answers["session"] = signed.body + request(node.rest, "GET", "/admin/api/v1/session", headers={"cookie": cookie}).body
        secrets = {**used.secrets, "session": cookie.split("=", 1)[1]}
        assert leaks.found(secrets, {**answers, "log": node.log("controlplane").encode()}) == []
        assert len(leaks.found({"canary": CANARY}, answers)) > 5


@pytest.mark.skipif(bool(why_none()), reason=why_none())
def test_no_secret_is_in_the_traffic_of_the_dashboard_but_a_new_key_once(used):
    balancer, browser = Balancer([n.rest for n in used.nodes], free_address()), Browser()
    try:
        browser.open()
        browser.goto(f"{balancer.url}/admin/dashboard/cluster?refresh=2")
        browser.fill("input[type=password]", MARKS["wrong admin token"])
        browser.press("Enter")
        browser.see("text=That is not this cluster's admin token")
        browser.fill("input[type=password]", MASTER)
        browser.press("Enter")
        browser.see('[data-node="n2"]')
        browser.click('[data-node="n2"] button.link')
        browser.see("dialog.drawer >> text=/As \\S+ has seen it/")
        browser.press("Escape")
        for page, sign in (("overview", "dl.tiles"), ("settings/routing", '[data-key="cluster.node_id"]'), ("settings/preferences", "text=This browser"),
                           ("keys", f'[data-key="{CANARY}"]')):
            browser.goto(f"{balancer.url}/admin/dashboard/{page}")
            browser.see(sign)
        before = len(balancer.said)
        browser.click("text=Create key")
        browser.fill("label:has-text('Name') + input", "marked")
        browser.press("Enter")
        browser.see("[data-testid=secret]")
        made = browser.text("[data-testid=secret]")
        browser.click("text=Done")
        browser.call("reload")
        browser.see('[data-key="marked"]')
        page = browser.call("content").encode()
        cookies = {c["name"]: c["value"] for c in browser.send(cookies=True)}
        urls = "\n".join(url for _, _, url, _ in browser.send(seen=True)["answers"]).encode()
        secrets = {**used.secrets, "session": cookies["aurora_session"]}
        places = {**dashboard_places(balancer), "urls": urls, "page": page,
                  "cookies without the session": json.dumps([v for k, v in cookies.items() if k != "aurora_session"]).encode(),
                  **{f"log of {n.host}": (n.log("controlplane") + n.log("dataplane")).encode() for n in used.nodes}}
        assert leaks.found(secrets, places) == []
        shows = [place for _, place in leaks.found({"made": made[len("sk_aur_"):-4]}, places)]
        assert len(shows) == 1 and re.match(rf"\d+: POST /admin/api/v1/auth-keys", shows[0]), shows
        assert int(shows[0].split(":")[0]) >= before
        assert len(leaks.found({"canary": CANARY}, places)) > 5, "nothing would have been found"
    finally:
        browser.stop()
        balancer.stop()


@pytest.mark.parametrize("flag", ["--token", "--token="])
def test_a_token_given_as_an_argument_leaves_the_command_line(flag):
    secret = mark()
    silent = socket.create_server(("127.0.0.1", 0))
    arguments = [f"--token={secret}"] if flag.endswith("=") else [flag, secret]
    ctl = subprocess.Popen([f"{BIN}/aurora-ctl", "--addr", "127.0.0.1:%d" % silent.getsockname()[1], "--timeout", "25s", *arguments, "status"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        line = lambda: open(f"/proc/{ctl.pid}/cmdline", "rb").read()
        until(lambda: b"*" * len(secret) in line(), lambda: f"its place is starred: {line()}")
        assert leaks.found({"token": secret}, {"argv": line()}) == [] and ctl.poll() is None
    finally:
        ctl.kill()
        ctl.wait()
        silent.close()


def test_a_leak_is_found_in_every_form_whole_or_half():
    secret = mark()
    for part in (secret, secret[:16], secret[16:]):
        for written in (part, base64.b64encode(f"sk-{part}".encode()).decode(), base64.urlsafe_b64encode(f"a{part}z".encode()).decode(),
                        base64.b64encode(f"user:{part}".encode()).decode(), part.encode().hex(), part.encode().hex().upper(),
                        json.dumps({"a": json.dumps(f'"{part}"')}), "".join(f"\\x{b:02x}" for b in part.encode())):
            assert leaks.found({"s": secret}, {"p": f"level=info msg={written} x".encode()}) == [("s", "p")], written
    assert leaks.found({"s": secret}, {"p": mark().encode() * 100}) == []
