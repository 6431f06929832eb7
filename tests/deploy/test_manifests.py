"""deploy/k8s/manifests: what the chart renders today, valid, without a secret in it."""
import pytest

import chart
from chart import CHART, ROOT, documents

WHERE = f"{ROOT}/deploy/k8s/manifests"
TEXT = open(f"{WHERE}/aurora.yaml").read()
pytestmark = pytest.mark.skipif(not chart.HELM, reason="NO HELM: tools/install-deps test makes it (a Go 1.26 and its modules are needed)")


def test_the_file_is_what_the_chart_renders():
    r = chart.helm("template", "aurora", CHART, "--namespace", "aurora", "--kube-version", chart.KUBE, "--skip-tests", "-f", f"{WHERE}/values.yaml")
    assert r.returncode == 0, r.stderr
    assert r.stdout == TEXT, "render it again, as its README says"


def test_every_object_is_one_the_api_knows_and_none_is_a_secret():
    import kubernetes_validate
    for doc in documents(TEXT):
        assert doc["kind"] != "Secret", doc["metadata"]
        kubernetes_validate.validate(doc, "1.37.0", strict=True)
