"""The alerts: well formed, each shown to fire and to stay quiet, on metrics that exist, with a page on what to do."""
import re, shutil, subprocess

import pytest
import yaml

from chart import ROOT, not_in_source, shown_metrics

WHERE = f"{ROOT}/deploy/prometheus"
RULES = [r for g in yaml.safe_load(open(f"{WHERE}/alerts.yml"))["groups"] for r in g["rules"]]
CASES = ("alerts_test.yml", "alerts_days_test.yml")
needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="NO PROMTOOL: it is in the package prometheus")


def promtool(*args):
    r = subprocess.run(["promtool", *args], cwd=WHERE, capture_output=True, text=True, timeout=120)
    assert r.returncode == 0, r.stdout + r.stderr


def metrics():
    """Names of ours in the expressions, without what a histogram adds."""
    return {re.sub(r"_bucket$", "", m) for r in RULES for m in re.findall(r"aurora_[a-z0-9_]+", r["expr"])}


@needs_promtool
def test_the_rules_are_well_formed():
    promtool("check", "rules", "--lint=all", "--lint-fatal", "alerts.yml")


@needs_promtool
def test_each_alert_fires_and_stays_quiet():
    promtool("test", "rules", *CASES)


def test_each_alert_has_both_cases():
    seen = {}
    for case in [c for f in CASES for c in yaml.safe_load(open(f"{WHERE}/{f}"))["tests"]]:
        for t in case.get("promql_expr_test", []):
            name = re.search(r'alertname="(\w+)"', t["expr"]).group(1)
            seen.setdefault(name, set()).add(bool(t["exp_samples"]))
    assert seen == {r["alert"]: {True, False} for r in RULES}


def test_each_alert_has_a_page_and_each_page_an_alert():
    headings = re.findall(r"^### (\w+)$", open(f"{ROOT}/docs/runbooks/README.md").read(), re.M)
    assert headings == [r["alert"] for r in RULES]
    for r in RULES:
        assert r["annotations"]["runbook"] == f"docs/runbooks/README.md#{r['alert'].lower()}" and r["annotations"]["summary"]
        assert r["labels"]["severity"] in ("critical", "warning")


def test_the_alerts_are_on_metrics_a_node_shows():
    shown = set(re.findall(r"^# TYPE (\w+)", shown_metrics(), re.M))
    # These are shown for each peer, or with TLS: their names are in the source.
    rest = metrics() - shown
    assert rest <= {"aurora_sync_streaming", "aurora_sync_replication_lag_seconds", "aurora_tls_certificate_not_after_timestamp_seconds"}, rest
    assert not not_in_source(rest)
