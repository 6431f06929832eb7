"""tools/up and tools/down: what they print works, and up.json is enough to start a killed process again."""
import json, os, re, shutil, socket, subprocess, tempfile

import pytest

from node import BIN, request, until

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
NET = f"127.78.{os.getpid() % 250}"
# A proxy for the way out that would answer nobody here: nothing of a local cluster goes through it.
PROXIED = {"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}


@pytest.fixture(scope="module")
def up():
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", 9400))  # tools/up has the demo provider there and nowhere else
        except OSError:
            pytest.skip("127.0.0.1:9400 is taken: a local cluster runs")
    home = tempfile.mkdtemp(prefix="aurora-up-")
    command = [f"{ROOT}/tools/up", "--home", home, "--net", NET, "--bin", BIN, "--no-install", "--detach"]
    r = subprocess.run(command, env={**os.environ, **PROXIED}, capture_output=True, text=True, timeout=120)
    try:
        assert r.returncode == 0, r.stdout + r.stderr
        yield home, r.stdout
    finally:
        down = subprocess.run([f"{ROOT}/tools/down", "--home", home, "--wipe"], capture_output=True, text=True, timeout=60)
        shutil.rmtree(home, ignore_errors=True)
    assert down.returncode == 0, down.stdout + down.stderr
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 9400))  # nothing was left behind


def test_the_printed_curl_answers(up):
    out = up[1].replace("\\\n", " ")
    line = next(line for line in out.splitlines() if re.match(r"\s*(\$ )?curl ", line))
    r = subprocess.run(["bash", "-c", re.sub(r"^\s*\$ ", "", line)], env={**os.environ, **PROXIED}, capture_output=True, text=True, timeout=30)
    assert r.returncode == 0 and json.loads(r.stdout)["choices"], r.stdout + r.stderr


def test_three_nodes_are_the_default_and_one_of_them_is_active(up):
    spec = json.load(open(f"{up[0]}/up.json"))
    assert spec["mode"] == "active_passive" and [n["id"] for n in spec["nodes"]] == ["n1", "n2", "n3"]
    hosts = [n["proxy"].removeprefix("http://").split(":") for n in spec["nodes"]]
    statuses = lambda path: sorted(request((h, int(p)), "GET", path, timeout=5).status for h, p in hosts)
    assert statuses("/readyz") == [200, 200, 200] and statuses("/active") == [200, 503, 503]


def test_the_printed_aurora_ctl_line_works(up):
    line = next(line for line in up[1].splitlines() if "aurora-ctl" in line)
    r = subprocess.run(["bash", "-c", line[line.index(re.search(r"\S*aurora-ctl", line)[0]):]], capture_output=True, text=True, timeout=30)
    assert r.returncode == 0, r.stdout + r.stderr


@pytest.mark.parametrize("process", ["dataplane", "controlplane"])
def test_up_json_is_enough_to_start_a_killed_process_again(up, process):
    spec = json.load(open(f"{up[0]}/up.json"))
    assert os.stat(f"{up[0]}/up.json").st_mode & 0o777 == 0o600
    node = spec["nodes"][0]
    proxy = re.sub("^http://", "", node["proxy"]).split(":")
    where = (proxy[0], int(proxy[1]))
    ask = lambda: request(where, "GET", "/v1/models", headers={"authorization": f"Bearer {spec['api_key']}"}, timeout=5).status
    assert ask() == 200
    os.kill(node["pids"][process], 9)
    again = subprocess.Popen(node["commands"][process], env={**os.environ, **node["env"]}, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    ops = re.match("http://(.*):(.*)/metrics", node[f"{process}_metrics"])

    def back():
        try:
            return again.poll() is None and ask() == 200 and request((ops[1], int(ops[2])), "GET", "/readyz", timeout=5).status == 200
        except OSError:
            return False
    until(back, f"the {process} serves again", 20)
