"""What the chart generates is generated once: an API server that knows little but secrets answers helm's look-ups."""
import http.server, json, threading

import pytest

import chart
from chart import CHART, documents, one

pytestmark = pytest.mark.skipif(not chart.HELM, reason="NO HELM: tools/install-deps test makes it")


APPS = {"groupVersion": "apps/v1", "version": "v1"}


class Api(http.server.BaseHTTPRequestHandler):
    """The five documents of discovery, secrets by name, and the StatefulSet that runs."""
    secrets = {}
    running = None

    def do_GET(self):
        path = self.path.split("?")[0]
        name = path.rsplit("/", 1)[-1]
        answers = {"/version": {"major": "1", "minor": "31", "gitVersion": "v1.31.0"}, "/api": {"kind": "APIVersions", "versions": ["v1"]},
                   "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [
                       {"name": "apps", "versions": [APPS], "preferredVersion": APPS}]},
                   "/apis/apps/v1": {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "apps/v1", "resources": [
                       {"name": "statefulsets", "singularName": "statefulset", "kind": "StatefulSet", "namespaced": True, "verbs": ["get"]}]},
                   "/api/v1": {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "v1",
                               "resources": [{"name": "secrets", "singularName": "secret", "kind": "Secret", "namespaced": True, "verbs": ["get"]}]}}
        if path.startswith("/api/v1/namespaces/ai/secrets/") and name in self.secrets:
            answers[path] = self.secrets[name]
        if path == "/apis/apps/v1/namespaces/ai/statefulsets/gw-aurora" and self.running:
            answers[path] = self.running
        status = 200 if path in answers else 404
        body = json.dumps(answers.get(path, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404})).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def api(tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = {"apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
              "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {}}]}
    (tmp_path / "kubeconfig").write_text(json.dumps(config))

    def render(values):
        r = chart.helm("template", "gw", CHART, "--namespace", "ai", "--dry-run=server", "--kube-version", chart.KUBE,
                       "--kubeconfig", str(tmp_path / "kubeconfig"), "-f", "-", text=json.dumps(values))
        assert r.returncode == 0, r.stderr
        return documents(r.stdout)
    Api.secrets, Api.running = {}, None
    yield render
    server.shutdown()
    server.server_close()


def keep(docs):
    Api.secrets = {d["metadata"]["name"]: {**d, "metadata": {**d["metadata"], "namespace": "ai"}} for d in docs if d["kind"] == "Secret"}


def test_generated_secrets_survive_upgrades(api):
    first = api({})
    assert one(first, "Secret", "-secrets")["data"] != one(api({}), "Secret", "-secrets")["data"], "nothing was generated"
    keep(first)
    again = api({})
    assert again == first, "an upgrade that changes no value changes nothing"
    more = api({"replicaCount": 5, "providers": {"apiKeys": {"OPENAI_API_KEY": "sk-x"}}, "image": {"tag": "2"}})
    for suffix in ("-secrets", "-tls"):
        old, new = one(first, "Secret", suffix)["data"], one(more, "Secret", suffix)["data"]
        assert old.items() <= new.items()


def test_a_secret_that_lacks_a_key_gets_it_and_keeps_the_rest(api):
    first = api({"cluster": {"gossip": {"existingSecret": "own"}}})
    keep(first)
    second = api({})
    assert one(first, "Secret", "-secrets")["data"].items() < one(second, "Secret", "-secrets")["data"].items()


def test_an_upgrade_keeps_the_number_the_autoscaler_chose(api):
    first = one(api({"autoscaling": {"enabled": True}}), "StatefulSet")
    assert first["spec"]["replicas"] == 3
    Api.running = {**first, "metadata": {**first["metadata"], "namespace": "ai"}, "spec": {**first["spec"], "replicas": 7}}
    assert one(api({"autoscaling": {"enabled": True}}), "StatefulSet")["spec"]["replicas"] == 7
    assert one(api({}), "StatefulSet")["spec"]["replicas"] == 3
