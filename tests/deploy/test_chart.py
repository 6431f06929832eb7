"""The chart: what helm renders is valid, safe, upgradable, and what our processes accept."""
import base64, http.server, os, re, subprocess, threading

import pytest
import yaml

import chart
from chart import CHART, CI, Pod, containers, leaks, notes, one, pod, refusal, render, secret_values

pytestmark = pytest.mark.skipif(not chart.HELM, reason="NO HELM: tools/install-deps test makes it (a Go 1.26 and its modules are needed)")
CRDS = {"ServiceMonitor", "PrometheusRule", "Certificate"}
PER_FILE = pytest.mark.parametrize("values", CI)


def valid(doc, version):
    import kubernetes_validate
    if doc["kind"] in CRDS:
        assert doc["apiVersion"] in ("monitoring.coreos.com/v1", "cert-manager.io/v1") and doc["spec"]
        return
    kubernetes_validate.validate(doc, version, strict=True)


def test_lint_has_nothing_to_say():
    for values in CI:
        r = chart.helm("lint", "--strict", "--kube-version", chart.KUBE, "-f", chart.values_file(values), CHART)
        assert r.returncode == 0 and "[WARNING]" not in r.stdout, r.stdout + r.stderr


@PER_FILE
def test_every_object_is_one_the_api_knows(values):
    for doc in render(values):
        valid(doc, "1.37.0")
    old = {"container": "1.27.0", "extra-env": "1.29.0"}.get(values)
    for doc in render(values, kube=old) if old else ():
        valid(doc, old)


def test_the_validation_sees_unknown_fields_and_wrong_types():
    import kubernetes_validate
    for spoil in ({"replicas": "three"}, {"replicaz": 3}):
        doc = yaml.safe_load(yaml.safe_dump(one(render("default"), "StatefulSet")))
        doc["spec"].update(spoil)
        with pytest.raises(kubernetes_validate.ValidationError):
            valid(doc, "1.37.0")


def private(docs):
    return {k: v for k, v in secret_values(docs).items() if not k.endswith(".crt")}


@PER_FILE
def test_no_secret_is_outside_a_secret(values):
    docs = render(values)
    assert leaks(private(docs), docs, notes(values)) == []
    for c in containers(docs).values():
        assert "args" not in c and len(c["command"]) == 1
        for entry in c["env"]:
            secret = re.search(r"(MASTER_KEY|ENCRYPTION_KEY|ENCRYPTION_KEY_PREVIOUS|GOSSIP_KEYS|_API_KEY)$", entry["name"])
            assert not secret, f"{entry['name']} holds a secret itself, not a file's name"
            assert "secretKeyRef" not in entry.get("valueFrom", {})


def test_a_secret_outside_a_secret_is_seen_in_every_form():
    held = private(render("inline"))
    own = {f"gw-aurora-secrets/{key}" for key in ("master-key", "encryption-key", "encryption-key-previous", "gossip-keys", "OPENAI_API_KEY")}
    assert own | {"gw-aurora-tls/tls.key"} <= set(held), set(held)
    for name, value in held.items():
        for form in (value, value.strip().splitlines()[-2 if "\n" in value.strip() else -1], base64.b64encode(value.encode()).decode()):
            docs = render("inline")
            pod(docs)["metadata"]["annotations"]["note"] = f"see {form} there"
            assert name in leaks(held, docs)
    assert leaks(held, render("inline"), f"token: {held['gw-aurora-secrets/master-key']}") == ["gw-aurora-secrets/master-key"]


def test_each_process_sees_only_the_secrets_it_needs():
    docs = render("inline")
    mounts = {name: {m["name"] for m in c["volumeMounts"]} for name, c in containers(docs).items()}
    assert "control-plane-secrets" not in mounts["data-plane"] and "cluster-tls" in mounts["data-plane"]  # it serves 7950
    files = {v["name"]: [i["path"] for s in v["projected"]["sources"] for i in s["secret"]["items"]] for v in pod(docs)["spec"]["volumes"]
             if "projected" in v}
    assert files["data-plane-secrets"] == ["encryption-key", "encryption-key-previous"]
    assert files["control-plane-secrets"] == ["encryption-key", "encryption-key-previous", "master-key", "gossip-keys"]


IMMUTABLE = ("serviceName", "podManagementPolicy", "selector", "volumeClaimTemplates")
OFF = {"replicaCount": 1, "cluster": {"enabled": False, "tls": {"enabled": False}}, "adminService": {"enabled": False}}
ONE = {"replicaCount": 1, "cluster": {"tls": {"enabled": False}}, "adminService": {"enabled": False}}
THREE = {"cluster": {"tls": {"enabled": False}}, "adminService": {"enabled": False}}
UPGRADES = {"off to on": (OFF, ONE), "one to three": (ONE, THREE), "TLS on": (THREE, {}), "off to everything": (OFF, "extra-env"),
            "an image and labels": ({}, {"image": {"tag": "9.9.9"}, "commonLabels": {"team": "x"}, "podLabels": {"a": "b"}}),
            "native to container": ({}, "container"), "own secrets": ({}, "secrets"), "own certificates": ({}, "tls")}


@pytest.mark.parametrize("name", UPGRADES)
def test_an_upgrade_touches_nothing_immutable(name):
    before, after = (render(v) for v in UPGRADES[name])
    old, new = one(before, "StatefulSet"), one(after, "StatefulSet")
    assert old["metadata"]["name"] == new["metadata"]["name"]
    for field in IMMUTABLE:
        assert old["spec"].get(field) == new["spec"].get(field), field
    for doc in before:
        same = [d for d in after if (d["kind"], d["metadata"]["name"]) == (doc["kind"], doc["metadata"]["name"])]
        if doc["kind"] == "Service" and same:
            assert doc["spec"].get("clusterIP") == same[0]["spec"].get("clusterIP")
        if doc["kind"] == "Secret" and same:
            assert doc["type"] == same[0]["type"]


def test_a_chart_version_rolls_no_pod_and_changes_nothing_immutable():
    assert "helm.sh/chart" not in yaml.safe_dump(pod(render("default")))
    text = yaml.safe_dump({f: one(render("default"), "StatefulSet")["spec"][f] for f in IMMUTABLE})
    assert "helm.sh/chart" not in text and "version" not in text.replace("apiVersion", "")


def test_replicas_alone_do_not_roll_the_pods_of_a_cluster():
    assert pod(render({**THREE, "replicaCount": 3})) == pod(render({**THREE, "replicaCount": 7}))


@PER_FILE
def test_both_processes_accept_the_environment(values, tmp_path):
    docs = render(values)
    for number in (0, 2):
        p = Pod(docs, str(tmp_path / str(number)), number, "10.0.0.7" if values != "ephemeral-ipv6" else "fd00::7")
        for name, c in containers(docs).items():
            r = p.run(c, "--check-config")
            assert r.returncode == 0, f"{name}: {r.stderr}"
            assert "is ignored" not in r.stdout + r.stderr, f"{name}: {r.stdout}{r.stderr}"
            shown = p.run(c, "--print-config").stdout
            for variable, value in p.environment(c).items():
                if value and variable.startswith(("AURORA_", "CLUSTER_")) and variable != "AURORA_CONFIG":
                    assert f"# environment {variable}\n" in shown, f"{name} does not read {variable}"


def test_every_failover_mode_on_offer_is_one_the_processes_take(tmp_path):
    import json
    modes = json.load(open(f"{CHART}/values.schema.json"))["properties"]["cluster"]["properties"]["failoverMode"]["enum"]
    assert modes
    for mode in modes:
        docs = render({**THREE, "cluster": {"tls": {"enabled": False}, "failoverMode": mode}})
        p = Pod(docs, str(tmp_path / mode))
        for c in containers(docs).values():
            assert p.run(c, "--check-config").returncode == 0


def test_node_ids_differ_and_seeds_name_this_release(tmp_path):
    docs = render("three")
    c = containers(docs)["control-plane"]
    envs = [Pod(docs, str(tmp_path / str(k)), k).environment(c) for k in range(3)]
    assert [e["CLUSTER_NODE_ID"] for e in envs] == ["gw-aurora-0", "gw-aurora-1", "gw-aurora-2"]
    assert len({e["CLUSTER_SEED_NODES"] for e in envs}) == 1
    headless = one(docs, "Service", "-headless")
    assert one(docs, "StatefulSet")["spec"]["serviceName"] == headless["metadata"]["name"]
    assert headless["spec"]["clusterIP"] == "None" and headless["spec"]["publishNotReadyAddresses"] is True
    name = f"{headless['metadata']['name']}.ai.svc"
    assert envs[0]["CLUSTER_SEED_NODES"] == f"gw-aurora-0.{name}:7946,{name}:7946"


def test_who_founds_follows_the_replicas_up_to_three(tmp_path):
    def expected(**values):
        docs = render({**THREE, **values})
        return Pod(docs, str(tmp_path / "pod")).environment(containers(docs)["control-plane"])["CLUSTER_BOOTSTRAP_EXPECT"]
    assert [expected(replicaCount=n) for n in (1, 2, 3, 9)] == ["0", "2", "3", "3"]
    assert expected(cluster={"tls": {"enabled": False}, "bootstrapExpect": 5}) == "5"


@PER_FILE
def test_ports_probes_and_selectors_meet(values):
    docs = render(values)
    labels, names = pod(docs)["metadata"]["labels"], {}
    for c in containers(docs).values():
        own = {p["name"] for p in c["ports"]}
        names.update({p["name"]: p["containerPort"] for p in c["ports"]})
        assert len(own) == len(c["ports"])
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if probe in c:
                assert c[probe]["httpGet"]["port"] in own
    cp, dp = containers(docs)["control-plane"], containers(docs)["data-plane"]
    assert "readinessProbe" not in cp and dp["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert dp["livenessProbe"]["httpGet"]["path"] == cp["livenessProbe"]["httpGet"]["path"] == "/livez"
    reachable = set()
    for doc in docs:
        selector = doc["spec"]["selector"] if doc["kind"] == "Service" else doc.get("spec", {}).get("selector", {}).get("matchLabels")
        if doc["kind"] in ("Service", "StatefulSet", "PodDisruptionBudget"):
            assert selector and selector.items() <= labels.items(), doc["metadata"]["name"]
        if doc["kind"] == "NetworkPolicy":
            assert doc["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
            reachable = {p["port"] for rule in doc["spec"]["ingress"] for p in rule["ports"]}
        if doc["kind"] == "Service":
            assert all(p["targetPort"] in names for p in doc["spec"]["ports"]), doc["metadata"]["name"]
        if doc["kind"] == "ServiceMonitor":
            target = one(docs, "Service", "-headless")
            assert doc["spec"]["selector"]["matchLabels"].items() <= target["metadata"]["labels"].items()
            assert {e["port"] for e in doc["spec"]["endpoints"]} <= {p["name"] for p in target["spec"]["ports"]}
    assert not reachable or reachable == set(names.values())


@PER_FILE
def test_containers_are_locked_down(values):
    docs = render(values)
    spec = pod(docs)["spec"]
    assert spec["automountServiceAccountToken"] is False and spec["enableServiceLinks"] is False
    assert spec["serviceAccountName"] == one(docs, "ServiceAccount")["metadata"]["name"]
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] == spec["securityContext"]["fsGroup"] == 65532
    assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    for c in containers(docs).values():
        context = c["securityContext"]
        assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"] and context["capabilities"]["drop"] == ["ALL"]
        assert c["resources"]["requests"]["cpu"] and c["resources"]["limits"]["memory"] and not c["image"].endswith(":latest")
        names = [e["name"] for e in c["env"]]
        assert len(names) == len(set(names)), "one variable twice"
        mounted = [m["mountPath"] for m in c["volumeMounts"]]
        assert {"/var/lib/aurora", "/run/aurora", "/tmp"} <= set(mounted) and len(mounted) == len(set(mounted))
    grace = containers(docs)["data-plane"]["env"]
    drain = sum(int(e["value"][:-1]) for e in grace if e["name"] in ("AURORA_SERVER_DRAIN_GRACE", "AURORA_SERVER_DRAIN_TIMEOUT"))
    assert spec["terminationGracePeriodSeconds"] >= drain + 30
    assert all("lifecycle" not in c for c in containers(docs).values())


def test_the_control_plane_outlives_the_data_plane_as_a_sidecar():
    spec = pod(render("default"))["spec"]
    assert [(c["name"], c["restartPolicy"]) for c in spec["initContainers"]] == [("control-plane", "Always")]
    assert [c["name"] for c in spec["containers"]] == ["data-plane"]
    plain = pod(render("container"))["spec"]
    assert "initContainers" not in plain and [c["name"] for c in plain["containers"]] == ["data-plane", "control-plane"]
    assert all("restartPolicy" not in c for c in plain["containers"])


def test_the_certificate_is_for_the_names_in_use(tmp_path):
    docs = render("default")
    held = secret_values(docs)
    for name in ("tls.crt", "ca.crt"):
        (tmp_path / name).write_text(held[f"gw-aurora-tls/{name}"])
    for host in ("gw-aurora-admin.ai.svc", "gw-aurora-0.gw-aurora-headless.ai.svc", "gw-aurora-admin.ai.svc.cluster.local", "localhost"):
        r = subprocess.run(["openssl", "verify", "-CAfile", tmp_path / "ca.crt", "-verify_hostname", host, "-purpose", "sslserver",
                            tmp_path / "tls.crt"], capture_output=True, text=True)
        assert r.returncode == 0, f"{host}: {r.stderr}"
    r = subprocess.run(["openssl", "verify", "-CAfile", tmp_path / "ca.crt", "-purpose", "sslclient", tmp_path / "tls.crt"], capture_output=True)
    assert r.returncode == 0


def test_the_rule_object_is_the_alert_file():
    doc = one(render("monitoring"), "PrometheusRule")
    assert doc["spec"]["groups"] == yaml.safe_load(open(f"{CHART}/files/alerts.yml"))["groups"]


def test_an_ingress_leads_to_the_client_api_alone_and_an_autoscaler_to_the_pods():
    docs = render("edge")
    paths = [p for rule in one(docs, "Ingress")["spec"]["rules"] for p in rule["http"]["paths"]]
    client = next(d for d in docs if d["kind"] == "Service" and d["metadata"]["name"] == paths[0]["backend"]["service"]["name"])
    assert len(paths) == 1 and client["metadata"]["labels"]["app.kubernetes.io/component"] == "client-api"
    assert paths[0]["backend"]["service"]["port"]["number"] in [p["port"] for p in client["spec"]["ports"]]
    scaler = one(docs, "HorizontalPodAutoscaler")["spec"]
    assert scaler["scaleTargetRef"]["name"] == one(docs, "StatefulSet")["metadata"]["name"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 8) and scaler["behavior"]["scaleDown"]["policies"][0]["value"] == 1
    assert not [d for d in render("default") if d["kind"] in ("Ingress", "HorizontalPodAutoscaler")]


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response({"/readyz": self.server.ready, "/v1/models": 401}[self.path])
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def test_helm_test_asks_the_services_and_fails_where_nobody_is_ready():
    docs = render("default")
    tester = one(docs, "Pod")
    assert tester["metadata"]["annotations"]["helm.sh/hook"] == "test"
    c = tester["spec"]["containers"][0]
    env = {e["name"]: e["value"] for e in c["env"]}
    services = {d["metadata"]["name"]: [p["port"] for p in d["spec"]["ports"]] for d in docs if d["kind"] == "Service"}
    assert int(env["CLIENT_PORT"]) in services[env["CLIENT"]] and 9091 in services[env["NODES"]]
    for doc in docs:  # it is no node: nothing selects it
        if doc["kind"] in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
            selector = doc["spec"].get("podSelector", doc["spec"]["selector"] if doc["kind"] == "Service" else doc["spec"].get("selector", {}))
            assert not selector.get("matchLabels", selector).items() <= tester["metadata"]["labels"].items(), doc["metadata"]["name"]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        def run(**more):
            script = c["command"][-1].replace(" 9091 ", f" {server.server_port} ")
            own = {"PATH": os.environ["PATH"], "PAUSE": "0.01", **env, "NODES": "127.0.0.1", "CLIENT": "127.0.0.1", "CLIENT_PORT": str(server.server_port), **more}
            return subprocess.run([*c["command"][:-1], script], env=own, capture_output=True, text=True, timeout=30)
        server.ready = 200
        assert run().returncode == 0 and "401" in run().stdout
        assert run(CLIENT_TLS="x").returncode == 0
        assert run(CLIENT_PORT="1").returncode == 1
        server.ready = 503
        assert run().returncode == 1
    finally:
        server.shutdown()
        server.server_close()


REFUSED_BY_SCHEMA = [
    ({"replicaCount": 0}, "replicaCount"), ({"replicaCount": 17}, "replicaCount"), ({"replicaCount": "3"}, "replicaCount"),
    ({"replicas": 3}, "replicas"), ({"cluster": {"failoverMode": "both"}}, "cluster/failoverMode"),
    ({"cluster": {"seedNodes": ["10.0.0.1"]}}, "cluster/seedNodes/0"), ({"cluster": {"advertiseUrl": "ai.example.com"}}, "cluster/advertiseUrl"),
    ({"cluster": {"heartbeatIntervalSeconds": 0}}, "heartbeatIntervalSeconds"), ({"cluster": {"tls": {"mode": "auto"}}}, "cluster/tls/mode"),
    ({"cluster": {"maxStaleness": "5 minutes"}}, "maxStaleness"), ({"cluster": {"gossip": {"keys": "short"}}}, "cluster/gossip/keys"),
    ({"encryption": {"key": "secret"}}, "encryption/key"), ({"auth": {"masterKey": "short"}}, "auth/masterKey"),
    ({"providers": {"apiKeys": {"openai": "x"}}}, "providers/apiKeys"), ({"providers": {"env": {"OPENAI_API_KEY": "x"}}}, "providers/env"),
    ({"persistence": {"accessModes": ["ReadWriteMany"]}}, "persistence/accessModes"), ({"persistence": {"size": "big"}}, "persistence/size"),
    ({"service": {"port": 0}}, "service/port"), ({"image": {"digest": "abc"}}, "image/digest"), ({"controlPlane": {"mode": "sidecar"}}, "controlPlane/mode"),
    ({"dataPlane": {"drain": {"timeoutSeconds": "2m"}}}, "dataPlane/drain/timeoutSeconds"), ({"listenAddress": "localhost"}, "listenAddress"),
    ({"log": {"level": "verbose"}}, "log/level"), ({"extraEnv": [{"value": "x"}]}, "extraEnv/0"), ({"fullnameOverride": "1gw"}, "fullnameOverride"),
    ({"ingress": {"enabled": "yes"}}, "ingress/enabled"), ({"ingress": {"className": "My Class"}}, "ingress/className"),
    ({"ingress": {"annotations": {"a": 3600}}}, "ingress/annotations/a"), ({"ingress": {"host": "https://ai.example.com"}}, "ingress/host"),
    ({"ingress": {"host": "ai..example.com"}}, "ingress/host"), ({"ingress": {"host": "10.0.0.1"}}, "ingress/host"),
    ({"ingress": {"host": "ai.example.com:443"}}, "ingress/host"), ({"ingress": {"host": 7}}, "ingress/host"),
    ({"ingress": {"tlsSecret": "Tls_Secret"}}, "ingress/tlsSecret"),
    ({"ingress": {"hosts": ["ai.example.com"]}}, "hosts"), ({"ingress": "nginx"}, "ingress"),
    ({"autoscaling": {"enabled": 1}}, "autoscaling/enabled"), ({"autoscaling": {"minReplicas": 0}}, "autoscaling/minReplicas"),
    ({"autoscaling": {"maxReplicas": 17}}, "autoscaling/maxReplicas"), ({"autoscaling": {"maxReplicas": "8"}}, "autoscaling/maxReplicas"),
    ({"autoscaling": {"targetCPUUtilizationPercentage": 0}}, "autoscaling/targetCPUUtilizationPercentage"),
    ({"autoscaling": {"targetCPUUtilizationPercentage": 101}}, "autoscaling/targetCPUUtilizationPercentage"),
    ({"autoscaling": {"targetMemoryUtilizationPercentage": 80}}, "targetMemoryUtilizationPercentage"),
    ({"autoscaling": {"behavior": {"scaledown": {}}}}, "scaledown"),
    ({"autoscaling": {"behavior": {"scaleUp": {"stabilizationWindowSeconds": 3601}}}}, "autoscaling/behavior/scaleUp/stabilizationWindowSeconds"),
    ({"autoscaling": {"behavior": {"scaleDown": {"policies": [{"type": "Pod", "value": 1, "periodSeconds": 60}]}}}}, "behavior/scaleDown/policies/0/type"),
    ({"autoscaling": {"behavior": {"scaleDown": {"policies": [{"type": "Pods", "value": 1}]}}}}, "behavior/scaleDown/policies/0"),
    ({"metrics": {"grafana": {"enabled": "true"}}}, "metrics/grafana/enabled"), ({"metrics": {"grafana": {"folder": "x"}}}, "folder"),
    ({"metrics": {"grafana": {"labels": {"grafana_dashboard": 1}}}}, "metrics/grafana/labels/grafana_dashboard"),
    ({"metrics": {"grafana": {"labels": {"team": "not a label"}}}}, "metrics/grafana/labels/team"),
    ({"metrics": {"grafana": {"labels": ["a"]}}}, "metrics/grafana/labels")]


@pytest.mark.parametrize("values,where", REFUSED_BY_SCHEMA, ids=[f"{w}-{k}" for k, (_, w) in enumerate(REFUSED_BY_SCHEMA)])
def test_a_bad_value_is_refused_by_its_name(values, where):
    why = refusal(values)
    assert "schema" in why and (where in why or where.replace("/", ".") in why), why


REFUSED_TOGETHER = [
    ({"cluster": {"enabled": False}}, "replicaCount is 3 but cluster.enabled is false"),
    ({"cluster": {"tls": {"enabled": False}}}, "adminService.enabled needs cluster.tls.enabled"),
    ({"cluster": {"tls": {"mode": "existingSecret"}}}, "needs cluster.tls.existingSecret"),
    ({"cluster": {"tls": {"existingSecret": "x"}}}, "cluster.tls.mode is selfSigned"),
    ({"cluster": {"tls": {"mode": "certManager"}}}, "needs cluster.tls.issuerRef.name"),
    ({"terminationGracePeriodSeconds": 60}, "want at least 155"),
    ({"auth": {"masterKey": "x" * 20, "existingSecret": "y"}}, "auth.masterKey and auth.existingSecret are both set"),
    ({"providers": {"existingSecret": "x"}}, "without providers.existingSecretKeys"),
    ({"providers": {"existingSecretKeys": ["OPENAI_API_KEY"]}}, "without providers.existingSecret"),
    ({"providers": {"existingSecret": "x", "existingSecretKeys": ["A_API_KEY"], "apiKeys": {"A_API_KEY": "y"}}}, "want one of them"),
    ({"extraEnv": [{"name": "AURORA_MASTER_KEY", "value": "x"}]}, "AURORA_MASTER_KEY is a secret"),
    ({"dataPlane": {"extraEnv": [{"name": "OPENAI_API_KEY", "value": "x"}]}}, "OPENAI_API_KEY is a secret"),
    ({"config": '[providers.x]\n  api_key = "sk"\n'}, "no place for secrets"),
    ({"config": 'providers = {x = {type = "openai", "api_key" = "sk"}}\n'}, "it becomes a ConfigMap"),
    ({"cluster": {"failoverMode": "active_passive"}, "persistence": {"enabled": False}}, "needs persistence.enabled=true"),
    ({"autoscaling": {"enabled": True, "minReplicas": 2}, "cluster": {"failoverMode": "active_passive"}}, "want at least 3, those vote"),
    ({"autoscaling": {"enabled": True, "maxReplicas": 2}}, "below autoscaling.minReplicas 3"),
    ({"autoscaling": {"enabled": True}, "replicaCount": 1, "cluster": {"enabled": False}}, "autoscaling.enabled needs cluster.enabled"),
    ({"autoscaling": {"enabled": True}, "controlPlane": {"resources": {"requests": {"cpu": None}}}}, "needs controlPlane.resources.requests.cpu"),
    ({"ingress": {"enabled": True}}, "ingress.enabled needs ingress.host"),
    ({"encryption": {"existingSecret": "mine", "previousKey": "cHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHA="}}, "name its entry in encryption.existingSecretPreviousKey"),
    ({"encryption": {"existingSecretPreviousKey": "before"}}, "want encryption.previousKey"),
    ({"config": "[storage]\nencryption_key_previous = \"x\"\n"}, "no place for secrets"),
    ({"cluster": {"zone": "a", "zoneFromPodLabel": "b"}}, "both set")]


@pytest.mark.parametrize("values,why", REFUSED_TOGETHER, ids=[w for _, w in REFUSED_TOGETHER])
def test_values_that_contradict_each_other_are_refused_with_what_to_do(values, why):
    assert why in refusal(values)


def test_an_old_cluster_is_told_about_the_container_mode():
    assert "set controlPlane.mode=container" in refusal({}, kube="1.28.5")
    assert "kubeVersion" in refusal({}, kube="1.26.0")


def test_a_release_whose_name_no_service_may_have_is_refused():
    r = chart.helm("template", "1gw", CHART, "--kube-version", chart.KUBE)
    assert r.returncode != 0 and "set fullnameOverride" in r.stderr


@PER_FILE
def test_the_notes_say_how_to_go_on(values):
    text = notes(values)
    assert "aurora-ctl keys create" in text and "gw-aurora-0" in text
    assert ("persistence is off" in text) == (values == "ephemeral-ipv6")


def test_every_value_is_explained():
    """Each key of values.yaml has a comment above it, or above the block without a gap that it is in, or is in the README."""
    lines = open(f"{CHART}/values.yaml").read().split("\n")
    readme = open(f"{CHART}/README.md").read()
    for number, line in enumerate(lines):
        key = re.match(r"( *)([A-Za-z0-9]+):", line)
        if not key:
            continue
        above = number - 1
        while above >= 0 and lines[above].strip() and not lines[above].strip().startswith("#"):
            above -= 1
        assert above >= 0 and lines[above].strip().startswith("#") or key.group(2) in readme, f"values.yaml:{number + 1}: {line}"


def test_the_readme_names_every_group_of_values():
    readme = open(f"{CHART}/README.md").read()
    for key in yaml.safe_load(open(f"{CHART}/values.yaml")):
        assert f"`{key}" in readme, key
