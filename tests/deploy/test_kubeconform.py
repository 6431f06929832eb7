"""kubeconform, strict, over all that the chart renders: the API's schemas, no network, and kinds of others skipped by name."""
import glob, json, os, subprocess

import pytest
import yaml

import chart
import kube_schemas
from chart import CHART, CI, ROOT, documents, one, render

KUBECONFORM = os.environ.get("AURORA_KUBECONFORM", "")
pytestmark = [pytest.mark.skipif(not chart.HELM, reason="NO HELM: tools/install-deps test makes it (a Go 1.26 and its modules are needed)"),
              pytest.mark.skipif(not KUBECONFORM, reason="NO KUBECONFORM: tools/install-deps test makes it; kubernetes-validate alone has checked")]
# Kinds of other projects: their schemas are not the Kubernetes API's.
SKIPPED = {"ServiceMonitor": "monitoring.coreos.com/v1", "PrometheusRule": "monitoring.coreos.com/v1", "Certificate": "cert-manager.io/v1"}
OTHER_VERSIONS = {"container": "1.27.0", "extra-env": "1.29.0"}


@pytest.fixture(scope="session")
def schemas(tmp_path_factory):
    return str(tmp_path_factory.mktemp("schemas"))


def conform(text, where, version=chart.KUBE):
    """kubeconform's exit code, its verdict on each object, and its summary. A schema that is not there is an error, never a request."""
    env = {"PATH": os.environ["PATH"], "https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    r = subprocess.run([KUBECONFORM, "-strict", "-summary", "-verbose", "-output", "json", "-kubernetes-version", version, "-skip", ",".join(SKIPPED),
                        "-schema-location", kube_schemas.lay_out(version, where), "-"],
                       input=text, capture_output=True, text=True, timeout=60, env=env)
    assert r.stdout.startswith("{"), r.stdout + r.stderr
    answer = json.loads(r.stdout)
    return r.returncode, answer["resources"], answer["summary"]


def check(text, where, version=chart.KUBE):
    code, verdicts, summary = conform(text, where, version)
    docs = documents(text)
    foreign = [d for d in docs if d["kind"] in SKIPPED]
    assert code == 0 and summary == {"valid": len(docs) - len(foreign), "invalid": 0, "errors": 0, "skipped": len(foreign)}, verdicts
    assert sorted(v["kind"] for v in verdicts if v["status"] == "statusSkipped") == sorted(d["kind"] for d in foreign)
    assert all(d["apiVersion"] == SKIPPED[d["kind"]] and d["spec"] for d in foreign)
    assert summary["valid"] > 0


@pytest.mark.parametrize("values", CI)
def test_what_is_rendered_conforms(values, schemas):
    for version in (chart.KUBE, OTHER_VERSIONS.get(values)):
        if version:
            r = chart.template(values, kube=version)
            assert r.returncode == 0, r.stderr
            check(r.stdout, schemas, version)


@pytest.mark.parametrize("path", sorted(set(glob.glob(f"{ROOT}/deploy/k8s/manifests/*.yaml")) - {f"{ROOT}/deploy/k8s/manifests/values.yaml"}),
                         ids=os.path.basename)
def test_the_manifests_as_they_stand_conform(path, schemas):
    with open(path) as f:
        check(f.read(), schemas)


def test_each_kind_that_is_skipped_is_rendered_somewhere_and_nothing_else_is():
    kinds = {d["kind"] for values in CI for d in render(values) if "." in d["apiVersion"].split("/")[0] and "k8s.io" not in d["apiVersion"]}
    assert kinds == set(SKIPPED)


WRONG = {"a number as text": ("StatefulSet", lambda d: d["spec"].update(replicas="three")),
         "a field there is not": ("StatefulSet", lambda d: d["spec"].update(replicaz=3)),
         "a field there is not, deep": ("StatefulSet", lambda d: d["spec"]["template"]["spec"]["containers"][0]["securityContext"].update(readOnly=True)),
         "a field that must be there": ("StatefulSet", lambda d: d["spec"].pop("selector")),
         "a version that is gone": ("PodDisruptionBudget", lambda d: d.update(apiVersion="policy/v1beta1")),
         "a kind there is not": ("NetworkPolicy", lambda d: d.update(kind="NetworkPolicies"))}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_manifest_is_refused(what, schemas):
    kind, spoil = WRONG[what]
    doc = yaml.safe_load(yaml.safe_dump(one(render("default"), kind)))
    assert conform(yaml.safe_dump(doc), schemas)[0] == 0
    spoil(doc)
    code, verdicts, summary = conform(yaml.safe_dump(doc), schemas)
    assert code == 1 and summary["valid"] == 0 and verdicts[0]["status"] in ("statusInvalid", "statusError"), verdicts


def test_a_field_that_is_there_twice_is_refused(schemas):
    text = yaml.safe_dump(one(render("default"), "ServiceAccount"))
    assert conform(text, schemas)[0] == 0
    assert conform(text + "automountServiceAccountToken: true\nautomountServiceAccountToken: false\n", schemas)[0] == 1
