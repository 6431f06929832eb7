"""What happens when something dies: processes, files, clients, the provider."""
import json, os, shutil, signal, subprocess, threading, time

import pytest

from node import BIN, request, until


class Traffic:
    """Requests one after another until stopped; counts those that did not answer 200."""

    def __init__(self, node, key):
        self.node, self.key, self.ok, self.bad, self.over = node, key, 0, [], False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over:
            try:
                r = self.node.chat(self.key, timeout=10)
                self.ok += r.status == 200
                if r.status != 200:
                    self.bad.append((r.status, r.body[:200]))
            except OSError as e:
                self.bad.append(repr(e))

    def __enter__(self):
        self.thread.start()
        until(lambda: self.ok > 20, "traffic runs")
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join()


def test_killing_the_control_plane_fails_no_request(node):
    _, key = node.create_key()
    with Traffic(node, key) as traffic:
        node.kill("controlplane")
        before = traffic.ok
        until(lambda: traffic.ok > before + 100, "100 requests without a control plane")
        node.spawn("controlplane")
        node.wait_ready()
        _, fresh = node.create_key("after")
        assert node.chat(fresh).status == 200
    assert traffic.bad == []


def test_a_killed_data_plane_serves_again_at_once(node):
    _, key = node.create_key()
    node.kill("dataplane")
    started = time.monotonic()
    node.spawn("dataplane")

    def served():
        try:
            return node.chat(key, timeout=2).status == 200
        except OSError:
            return False

    until(served, "the data plane serves again", 10)
    print(f"data plane serves {time.monotonic() - started:.3f} s after its restart")


def delete(node):
    for name in ("aurora.db", "aurora.db-wal", "aurora.db-shm"):
        if os.path.exists(f"{node.state}/{name}"):
            os.unlink(f"{node.state}/{name}")


def replace(node):
    shutil.copy(f"{node.state}/aurora.db", f"{node.dir}/copy.db")
    os.rename(f"{node.dir}/copy.db", f"{node.state}/aurora.db")


def corrupt(node):
    """Every page of both files, behind the backs of two processes that have them open."""
    for name in ("aurora.db", "aurora.db-wal"):
        with open(f"{node.state}/{name}", "r+b") as f:
            f.write(os.urandom(os.path.getsize(f"{node.state}/{name}")))


@pytest.mark.parametrize("harm", [delete, replace, corrupt])
def test_a_policy_file_that_is_harmed_takes_no_traffic_down_and_everyone_says_so(node, harm):
    _, key = node.create_key()
    harm(node)
    until(lambda: node.ctl("keys", "create", "--name", "x", check=False).returncode != 0, "writes are refused", 10)
    until(lambda: node.get_status(node.controlplane_ops) == 503, "the control plane's /readyz is 503", 10)

    def told():
        ready = request(node.proxy, "GET", "/readyz")
        metrics = request(node.dataplane_ops, "GET", "/metrics").body
        return (ready.status == 200 and b"warnings" in ready.body and b"aurora_config_last_reload_successful 0" in metrics
                and b"aurora_store_writable 0" in request(node.controlplane_ops, "GET", "/metrics").body)
    until(told, "/readyz and the metrics of both processes tell", 10)
    for _ in range(50):
        assert node.chat(key).status == 200
    assert not node.dead()


def test_a_second_start_on_the_same_state_exits_2(node):
    for name in ("dataplane", "controlplane"):
        r = subprocess.run(node.command(name), env=node.env(), capture_output=True, text=True, timeout=20)
        assert r.returncode == 2, r.stderr
        assert len(r.stderr.strip().splitlines()) >= 1
    assert not node.dead()


def test_an_answer_that_cannot_be_written_is_no_success(node):
    with open("/dev/full", "w") as full:
        r = subprocess.run([f"{BIN}/aurora-ctl", "--addr", f"unix://{node.socket}", "keys", "create", "--name", "lost"],
                           stdout=full, stderr=subprocess.PIPE, text=True, timeout=20)
    assert r.returncode == 1 and "could not be written" in r.stderr, r


@pytest.mark.parametrize("name", ["dataplane", "controlplane"])
def test_a_settings_file_that_is_not_there_is_told_with_the_variable_that_names_it(node, name):
    r = subprocess.run([*node.command(name), "--check-config"], env={**node.env(), "AURORA_CONFIG": "/nowhere.toml"},
                       capture_output=True, text=True, timeout=20)
    assert r.returncode == 2 and "(environment AURORA_CONFIG)" in r.stderr, r


def test_a_forged_role_page_crashes_nobody(node):
    _, key = node.create_key()
    with open(f"{node.runtime}/role.page", "r+b") as page:
        page.write(os.urandom(os.path.getsize(f"{node.runtime}/role.page")))
    for _ in range(50):
        assert node.chat(key).status == 200
    assert not node.dead()


def test_a_client_that_leaves_cancels_the_provider_request(shared, key):
    seen = len(shared.demo_json("/cancellations")["cancellations"])
    connection, response = shared.open_stream(key)
    left = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    response.close()
    connection.close()
    cancelled = until(lambda: shared.demo_json("/cancellations")["cancellations"][seen:], "the provider sees the client leave")
    took_ms = (cancelled[0]["t_ns"] - left) / 1e6
    print(f"cancelled upstream {took_ms:.1f} ms after the client left")
    assert took_ms < 500


def test_a_provider_that_dies_mid_stream_gives_an_error_and_no_done(shared, key):
    body = {"model": "demo/demo-reset", "stream": True, "messages": [{"role": "user", "content": "a b c d e f"}]}
    r = request(shared.proxy, "POST", "/v1/chat/completions", body, {"authorization": f"Bearer {key}"})
    text = r.body.decode()
    assert r.status == 200 and "[DONE]" not in text
    last = [line for line in text.splitlines() if line.startswith("data: ")][-1]
    assert "error" in json.loads(last[6:])


def test_a_hanging_provider_does_not_stop_others(shared, key):
    import http.client
    hung = http.client.HTTPConnection(*shared.proxy, timeout=30)
    hung.request("POST", "/v1/chat/completions", json.dumps({"model": "demo/demo-hang", "messages": []}),
                 {"authorization": f"Bearer {key}", "content-type": "application/json"})
    for _ in range(20):
        assert shared.chat(key).status == 200
    hung.close()


def test_sigterm_lets_a_running_stream_finish(node):
    _, key = node.create_key()
    connection, response = node.open_stream(key, words=20)  # about a second
    node.children["dataplane"].send_signal(signal.SIGTERM)
    rest = response.read().decode()
    assert "[DONE]" in rest
    connection.close()
    assert node.children.pop("dataplane").wait(20) == 0
