"""Settings whose effect no other file shows, and the ends of all that have a range, on real processes."""
import json, os, re, signal, socket, subprocess, threading, time

import pytest
from cluster import Cluster
from node import BIN, Node, free_address, request, until

REFERENCE = os.path.join(os.path.dirname(__file__), "../../docs/configuration.md")
UNBOUNDED = str(2**63 - 1)
ROW = re.compile(r"\| `(?P<key>[a-z_.]+)` \| (?:`(?P<variable>[A-Z_]+)` )?\| (?:integer|duration|size) "
                 r"\| (?:from (?P<least>\S+)|(?P<low>\S+) to (?P<high>\S+)) \|")


def ends(which):
    """(key, variable or None, value) for each setting with a range, as the reference has it."""
    with open(REFERENCE) as f:
        rows = [m for line in f if (m := ROW.match(line))]
    assert len(rows) > 25, "the reference's rows are not read any more"
    for row in rows:
        low, high = row["low"] or row["least"], row["high"] or UNBOUNDED
        yield row["key"], row["variable"], low if which == "low" else high


def ending(name):
    return signal.SIGTERM if name != "demo" else signal.SIGKILL


@pytest.fixture
def start():
    made = []

    def make(toml="", **kwargs):
        made.append(Node(toml, **kwargs))
        return made[-1].start()
    yield make
    for node in made:
        node.stop()


@pytest.mark.parametrize("which", ["low", "high"])
def test_a_node_with_every_range_at_one_end_serves_and_stops(start, which):
    host, toml, env, providers = free_address(), "", {}, []
    for key, variable, value in ends(which):
        if variable is None:
            name = re.sub("[._]", "-", key)
            providers.append(name)
            value = value if value.isdigit() else f'"{value}"'
            toml += (f'[providers.{name}]\ntype = "openai"\nbase_url = "http://{host}:9400/v1"\napi_key = "demo"\nmodels = ["demo"]\n'
                     f"{key} = {value}\n")
        elif not key.startswith("cluster.") and key != "server.limits.connections_max":  # that one is below
            env[variable] = value if value != "0" or "_DRAIN_" not in variable else "0s"
    env["AURORA_SERVER_DRAIN_GRACE"] = "0s"  # the end must not last an hour
    node = start(toml, host=host, **env)
    _, key = node.create_key()
    assert len(providers) >= 8
    for name in providers:  # 10 ms may be too short once
        until(lambda: node.chat(key, model=f"{name}/demo").status == 200, f"{name} answers", 40)
    for name in ("dataplane", "controlplane"):
        assert node.kill(name, ending(name)) == 0, node.log(name)[-1500:]


@pytest.mark.parametrize("which", ["low", "high"])
def test_a_clustered_control_plane_with_every_range_at_one_end_serves_and_stops(members, which):
    env = {variable: value for key, variable, value in ends(which) if key.startswith("cluster.") and not key.endswith("_port")}
    assert len(env) >= 5
    one = members("n1", **env).start()
    until(lambda: one.get("status").get("node_id") == "n1", "its status", 20)
    one.stop()


def test_listeners_on_the_wildcard_of_ipv6_take_callers_over_ipv4_too():
    """The chart's listenAddress "::" is for IPv6 and dual stack."""
    held = [socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) for _ in range(3)]
    proxy, dataplane, controlplane = ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    node = Node(AURORA_SERVER_LISTEN=f"[::]:{proxy}", AURORA_METRICS_DATAPLANE_LISTEN=f"[::]:{dataplane}",
                AURORA_METRICS_CONTROLPLANE_LISTEN=f"[::]:{controlplane}")
    node.proxy, node.controlplane_ops = ("127.0.0.1", proxy), ("127.0.0.1", controlplane)
    try:
        node.start()
        for host in ("::1", "127.0.0.1"):
            for port in ports:
                assert request((host, port), "GET", "/livez").status == 200, (host, port)
    finally:
        node.stop()


def test_a_loop_takes_its_share_of_connections_and_no_more(start):
    node = start(AURORA_SERVER_LOOPS="1", AURORA_SERVER_LIMITS_CONNECTIONS_MAX="4")
    held = []

    def answered():
        s = socket.create_connection(node.proxy, timeout=10)
        held.append(s)
        try:
            s.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            return s.recv(100).startswith(b"HTTP/1.1 200")
        except ConnectionError:
            return False
    try:
        until(lambda: sum(answered() for _ in range(6)) <= 4, "a fifth is let go", 10)
        assert not answered()
        held[0].close()
        until(answered, "room for another one", 10)
    finally:
        for s in held:
            s.close()


def test_a_body_above_the_limit_is_answered_413(start):
    node = start(AURORA_SERVER_LIMITS_BODY_MAX_BYTES="1KiB")
    _, key = node.create_key()
    assert node.chat(key, text="x" * 100).status == 200
    assert node.chat(key, text="x" * 2000).status == 413


def test_a_revoked_key_s_streams_run_on_where_they_may(start):
    node = start(AURORA_SERVER_REVOKE_RUNNING_STREAMS="false")
    made, key = node.create_key()
    connection, stream = node.open_stream(key, words=40)
    node.ctl("keys", "deactivate", made)
    until(lambda: node.models(key).status == 401, "the key is refused")
    assert b"[DONE]" in stream.read()
    connection.close()


def test_a_drain_takes_connections_for_its_grace_and_cuts_what_runs_after_its_timeout(start):
    node = start(AURORA_SERVER_DRAIN_GRACE="2s", AURORA_SERVER_DRAIN_TIMEOUT="1s")
    _, key = node.create_key()
    connection, stream = node.open_stream(key, words=10000)
    began = time.monotonic()
    node.children["dataplane"].terminate()
    until(lambda: node.get_status(node.proxy) == 503, "not ready")
    assert node.models(key).status == 200, "connections are still taken"
    assert node.children["dataplane"].wait(30) == 0
    assert 3 <= time.monotonic() - began < 15
    assert b"[DONE]" not in stream.read()
    connection.close()


def test_the_log_is_as_terse_and_in_the_format_asked_for(start):
    text = start(AURORA_LOG_FORMAT="text")
    for name in ("dataplane", "controlplane"):
        assert text.log(name).startswith('time="') and 'level="info"' in text.log(name)
    terse = start(AURORA_LOG_LEVEL="error")
    assert terse.log("dataplane") == terse.log("controlplane") == ""


def test_what_grpc_has_to_say_is_a_line_of_the_log_like_any_other(start, tmp_path):
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=a", "-days", "1",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    node = start(AURORA_ADMIN_TLS_CERT=str(cert), AURORA_ADMIN_TLS_KEY=str(key))
    with socket.create_connection((node.host, 7948), timeout=10) as clear:
        clear.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        while clear.recv(1000):
            pass
    until(lambda: "Handshake failed" in node.log("controlplane"), "gRPC's complaint")
    for line in node.log("controlplane").splitlines():
        json.loads(line)


def test_a_slow_client_s_provider_is_paused_at_the_watermark(start):
    """What the kernel's buffers hold comes on top: a few MiB."""
    host, sent = free_address(), [0]
    server = socket.create_server((host, 0))

    def provide():
        while True:
            try:
                connection = server.accept()[0]
            except OSError:
                return
            with connection:
                connection.recv(65536)  # what comes after it is not read
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
                try:
                    while True:
                        sent[0] += connection.send(b"data: " + b"x" * 4096 + b"\n\n")
                except OSError:
                    pass
    threading.Thread(target=provide, daemon=True).start()
    taken = {}
    toml = f'[providers.up]\ntype = "openai"\nbase_url = "http://{host}:{server.getsockname()[1]}/v1"\nmodels = ["m"]\n'
    for watermark in ("16KiB", "128MiB"):
        node = start(toml, AURORA_SERVER_SLOW_CLIENT_WATERMARK_BYTES=watermark)
        _, key = node.create_key()
        sent[0] = 0
        connection, _ = node.open_stream(key, model="up/m")
        before = [-1, 0.0]

        def still():
            if sent[0] != before[0]:
                before[:] = sent[0], time.monotonic()
            return time.monotonic() - before[1] > 1
        until(still, "the provider is paused", 30)
        taken[watermark] = sent[0]
        connection.close()
    server.close()
    assert taken["16KiB"] < 64 << 20 < 128 << 20 <= taken["128MiB"], taken


def test_the_admin_socket_is_where_it_was_asked_for(start, tmp_path):
    path = str(tmp_path / "own" / "a.sock")
    node = start(AURORA_ADMIN_SOCKET=path)
    assert not os.path.exists(node.socket)
    node.socket = path
    node.ctl("keys", "list")


def test_without_the_free_space_asked_for_usage_is_not_written_and_policy_is(start):
    node = start(AURORA_STORAGE_MIN_FREE_BYTES="1024TiB")
    _, key = node.create_key()
    assert node.chat(key).status == 200
    until(lambda: "usage is not written" in node.log("dataplane"), "the alarm")


def test_a_provider_s_answer_ends_with_its_total_and_with_its_idle_timeout(start):
    host = free_address()
    toml = "".join(f'[providers.{name}]\ntype = "openai"\nbase_url = "http://{host}:9400/v1"\napi_key = "demo"\nmodels = ["demo-slow"]\n'
                   f'timeouts.{name} = "{value}"\n' for name, value in (("total", "500ms"), ("idle", "10ms")))
    node = start(toml, host=host)
    _, key = node.create_key()
    for name in ("total", "idle"):
        connection, stream = node.open_stream(key, model=f"{name}/demo-slow", words=10000)
        assert b"provider_timeout" in stream.read(), name
        connection.close()


def test_a_provider_that_takes_no_connection_or_gives_no_answer_is_waited_for_as_long_as_it_says(start):
    silent = socket.create_server(("127.0.0.1", 0), backlog=64)
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    filling = []
    try:
        for _ in range(4):  # the kernel drops who comes next
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(full.getsockname())
            filling.append(s)
        toml = "".join(f'[providers.{name}]\ntype = "openai"\nbase_url = "http://127.0.0.1:{s.getsockname()[1]}/v1"\nmodels = ["m"]\n'
                       f'timeouts.{key} = "500ms"\n' for name, s, key in (("full", full, "connect"), ("silent", silent, "first_byte")))
        node = start(toml)
        _, key = node.create_key()
        for name, what in (("full", b"did not accept a connection in time"), ("silent", b"did not answer in time")):
            began = time.monotonic()
            answer = node.chat(key, model=f"{name}/m")
            assert answer.status == 504 and what in answer.body, (name, answer.status, answer.body)
            assert 0.5 <= time.monotonic() - began < 4, name
    finally:
        for s in [silent, full, *filling]:
            s.close()


def test_the_least_staleness_outlasts_the_silence_of_a_quiet_member_and_ends_when_it_is_gone():
    cluster = Cluster(names=("n1", "n2"), CLUSTER_STALE_POLICY="refuse", CLUSTER_MAX_STALENESS="15s")
    try:
        n1, n2 = cluster.start().nodes
        began = time.monotonic()
        until(lambda: n1.get_status(n1.proxy) != 200 or time.monotonic() - began > 13, "13 quiet seconds", 20)
        assert n1.get_status(n1.proxy) == 200, "a quiet member counts as gone"
        n2.kill("controlplane")
        n2.kill("dataplane")
        until(lambda: n1.get_status(n1.proxy) == 503, "n1 has been without a member too long", 25)
        assert b"stale_policy" in n1.chat("any").body
    finally:
        cluster.stop()


@pytest.mark.parametrize("process", ["dataplane", "controlplane"])
def test_a_check_of_the_settings_says_what_is_nearly_one_of_them(process):
    env = {"AURORA_SERVER_LOOP": "3"}
    r = subprocess.run([f"{BIN}/aurora-{process}", "--check-config"], env=env, capture_output=True, text=True, timeout=30)
    assert r.returncode == 0 and "did you mean AURORA_SERVER_LOOPS?" in r.stderr, r.stderr + r.stdout
