"""Outbound proxies, TLS on 8080 with reload, /admin on 8080, the role page."""
import os, re, socket, ssl, struct, subprocess, time

import pytest

from node import Node, free_address, request, until
from test_faults import Traffic
from upstream import Certificates, ConnectProxy, Scripted


def ok(c, head, body):
    c.answer('{"id":"1","choices":[]}')
    return True


@pytest.fixture(scope="module")
def certificates():
    return Certificates()


def own_address():
    """An address of this machine that is not loopback: loopback never goes through a proxy."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
            return s.getsockname()[0]
        except OSError:
            return None


def test_https_proxy_is_used_by_traffic_and_discovery_and_no_proxy_is_not(certificates):
    far = Scripted({"m": ok}, context=certificates.server_context("far", "DNS:provider.test"))
    proxy = ConnectProxy(far.port)
    near_host = own_address()
    near = near_host and Scripted({"m": ok}, host="0.0.0.0", context=certificates.server_context("near", f"IP:{near_host}"))
    toml = far.toml("far", scheme="https", host="provider.test", extra=f'ca_file = "{certificates.ca}"\n')
    toml += (f'[providers.listed]\ntype = "openai"\nbase_url = "https://provider.test:{far.port}/v1"\napi_key = "up-secret"\n'
             f'ca_file = "{certificates.ca}"\n')
    if near:
        toml += near.toml("near", scheme="https", host=near_host, extra=f'ca_file = "{certificates.ca}"\n')
    node = Node(toml, HTTPS_PROXY=f"http://user:pass@127.0.0.1:{proxy.port}", NO_PROXY=f"other.test,{near_host}", no_proxy="")
    node.extra_env["no_proxy"] = node.extra_env["NO_PROXY"]
    try:
        key = node.start().create_key()[1]
        asked = lambda: [h.split("\r\n")[0] for h in proxy.asked]
        until(lambda: any(h.startswith("GET /v1/models ") for h in far.heads), "discovery asks through the proxy")
        before = len(proxy.asked)
        assert node.chat(key, "far/m").status == 200
        assert asked()[before:] == [f"CONNECT provider.test:{far.port} HTTP/1.1"], "provider.test has no address but through the proxy"
        assert "proxy-authorization: basic dxnlcjpwyxnz" in proxy.asked[-1].lower()
        assert "proxy-authorization" not in far.heads[-1].lower() and "up-secret" not in "".join(proxy.asked)
        if near:
            before = len(proxy.asked)
            assert node.chat(key, "near/m").status == 200
            assert len(proxy.asked) == before, "NO_PROXY goes straight"
        assert node.chat(key, "demo/demo").status == 200, "loopback goes straight"
    finally:
        node.stop()
        for u in filter(None, (far, near, proxy)):
            u.stop()


def test_a_proxy_that_refuses_is_a_502_that_says_so(certificates):
    far = Scripted({"m": ok})
    proxy = ConnectProxy(far.port, "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
    node = Node(far.toml("far", scheme="https", host="provider.test"), HTTPS_PROXY=f"http://127.0.0.1:{proxy.port}", NO_PROXY="", no_proxy="")
    try:
        r = node.start().chat(node.create_key()[1], "far/m")
        assert r.status == 502 and "407" in r.json()["error"]["message"] and r.json()["error"]["code"] == "provider_unreachable"
    finally:
        node.stop()
        far.stop()
        proxy.stop()


def test_the_certificate_on_8080_is_reloaded_and_a_bad_one_is_not(certificates):
    host = free_address()
    chain, key_file = certificates.leaf("first", f"IP:{host}")
    next_chain, next_key = certificates.leaf("second", f"IP:{host}")
    live = [f"{certificates.directory}/live.pem", f"{certificates.directory}/live.key"]

    def install(*files):
        for source, target in zip(files, live):
            with open(source, "rb") as f, open(target + ".new", "wb") as g:
                g.write(f.read())
            os.rename(target + ".new", target)
    install(chain, key_file)
    node = Node(host=host, AURORA_SERVER_TLS_CERT=live[0], AURORA_SERVER_TLS_KEY=live[1])
    context = ssl.create_default_context(cafile=certificates.ca)
    node.write_config()

    def connect():
        return context.wrap_socket(socket.create_connection(node.proxy, 10), server_hostname=host)

    def name():
        with connect() as s:
            return dict(x[0] for x in s.getpeercert()["subject"])["commonName"]

    def ask(s):
        s.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        return s.recv(65536).startswith(b"HTTP/1.1 200")
    try:
        for child in ("demo", "controlplane", "dataplane"):
            node.spawn(child)
        until(lambda: node.get_status(node.dataplane_ops) == 200, "ready", 20)
        assert name() == "first"
        old = connect()
        assert ask(old)
        install(next_chain, next_key)
        until(lambda: name() == "second", "new connections see the new certificate")
        assert ask(old), "the old connection goes on"
        ends = float(re.search(r'aurora_tls_certificate_not_after_timestamp_seconds\{.*role="server".*\} (\S+)',
                               request(node.dataplane_ops, "GET", "/metrics").body.decode())[1])
        assert 0 < ends - time.time() < 3 * 86400
        install(chain, next_key)
        until(lambda: "certificate not reloaded" in node.log("dataplane"), "a key that does not fit is refused aloud")
        assert name() == "second" and ask(old)
        with socket.create_connection(node.proxy, 10) as plain:
            plain.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"200" not in plain.recv(100)
    finally:
        node.stop()


def test_admin_on_8080_is_the_admin_api_and_nothing_else(node):
    path, token = "/admin/api/v1/auth-keys", {"authorization": f"Bearer {node.token}"}
    key_id, secret = node.create_key("seen")
    for method, body in (("GET", None), ("HEAD", None)):
        direct, through = (request(where, method, path, body, token) for where in (node.rest, node.proxy))
        assert (through.status, through.body) == (direct.status, direct.body) and through.status == 200
    made = request(node.proxy, "POST", path, {"name": "through 8080"}, token)
    assert made.status in (200, 201) and made.json()["value"].startswith("sk_aur_")
    until(lambda: node.models(made.json()["value"]).status == 200, "the new key works")
    assert request(node.proxy, "GET", path).status == 401
    assert request(node.proxy, "GET", path, headers={"authorization": f"Bearer {secret}"}).status in (401, 403)
    for evil in ("/admin/../v1/models", "/admin%2fapi/v1/auth-keys", "/admin/api/v1/../../../livez"):
        assert request(node.proxy, "GET", evil, headers=token).status in (400, 401, 404), evil
    node.kill("controlplane")
    assert request(node.proxy, "GET", path, headers=token).status == 502
    assert node.chat(secret).status == 200


def test_admin_is_not_on_8080_when_it_is_switched_off():
    node = Node(AURORA_ADMIN_ON_PROXY_PORT="false")
    try:
        node.start()
        r = request(node.proxy, "GET", "/admin/api/v1/auth-keys", headers={"authorization": f"Bearer {node.token}"})
        assert r.status == 404
    finally:
        node.stop()


@pytest.mark.parametrize("what,offset", [("magic", 0), ("version", 8), ("boot id", 16)])
def test_a_role_page_that_does_not_match_is_rewritten_and_traffic_goes_on(node, what, offset):
    _, key = node.create_key()
    page = f"{node.runtime}/role.page"
    with open(page, "rb") as f:
        good = f.read(32)
    metric = lambda where, name: int(float(re.search(rf"(?m)^{name}(?:{{.*}})? (\S+)$", request(where, "GET", "/metrics").body.decode())[1]))
    with Traffic(node, key) as traffic:
        node.kill("controlplane")
        with open(page, "r+b") as f:
            f.seek(offset)
            f.write(struct.pack("<Q", 0xDEADBEEF))
        until(lambda: metric(node.dataplane_ops, "aurora_role_page_valid") == 0, "the data plane counts it as absent")
        until(lambda: metric(node.dataplane_ops, "aurora_role_page_problems_total") == 1, "and once")
        assert "the role page counts as absent" in node.log("dataplane")
        before = traffic.ok
        until(lambda: traffic.ok > before + 50, "traffic goes on")
        node.spawn("controlplane")
        until(lambda: metric(node.dataplane_ops, "aurora_role_page_valid") == 1, "rewritten")
        until(lambda: node.get_status(node.controlplane_ops) == 200, "the control plane is ready")
        assert metric(node.controlplane_ops, "aurora_rolepage_rewrites_total") == 1
        assert "role page header rewritten" in node.log("controlplane")
        with open(page, "rb") as f:
            assert f.read(32) == good
        node.create_key("after")
    assert traffic.bad == []


def test_a_second_start_on_the_same_ports_exits_2_and_names_one(node):
    for name, port in (("dataplane", "8080"), ("controlplane", "9092|794[89]")):
        env = {**node.env(), "AURORA_STORAGE_STATE_DIR": f"{node.dir}/other", "AURORA_STORAGE_RUNTIME_DIR": f"{node.dir}/other-run"}
        r = subprocess.run(node.command(name), env=env, capture_output=True, text=True, timeout=20)
        assert r.returncode == 2 and re.search(port, r.stderr), (r.returncode, r.stderr)
    assert not node.dead()
