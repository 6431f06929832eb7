"""The dashboards: of the shape Grafana takes, with queries that parse, on metrics that exist."""
import glob, json, os, re, shutil, subprocess

import pytest
import yaml

import chart
from chart import CHART, ROOT, one, render

FILES = {os.path.basename(f)[: -len(".json")]: f for f in sorted(glob.glob(f"{ROOT}/deploy/grafana/*.json"))}
BOARDS = {name: json.load(open(f)) for name, f in FILES.items()}
QUERIES = [(name, p["title"], t["expr"]) for name, b in BOARDS.items() for p in b["panels"] for t in p["targets"]]
PER_BOARD = pytest.mark.parametrize("name", FILES)
# Shown for each peer, or once something went wrong: their names are in the source.
NOT_AT_ONCE = {"aurora_sync_streaming", "aurora_sync_replication_lag_seconds", "aurora_retries_total", "aurora_fallbacks_total",
               "aurora_upstream_connection_errors_total"}


def test_there_are_three_dashboards_whose_names_differ():
    assert list(FILES) == ["cluster", "overview", "providers"]
    assert len({b["uid"] for b in BOARDS.values()}) == len({b["title"] for b in BOARDS.values()}) == 3


@PER_BOARD
def test_a_dashboard_has_the_shape_grafana_takes(name):
    board = BOARDS[name]
    assert board["uid"] == f"aurora-{name}" and board["schemaVersion"] >= 38 and "id" not in board and "__inputs" not in board
    assert [v["name"] for v in board["templating"]["list"]] == ["datasource", "namespace", "job", "instance"]
    ids, places = [p["id"] for p in board["panels"]], []
    assert len(ids) == len(set(ids)) and len({p["title"] for p in board["panels"]}) == len(ids)
    for p in board["panels"]:
        assert p["description"].endswith(".") and p["fieldConfig"]["defaults"]["unit"] and p["targets"], p["title"]
        assert p["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        refs = [t["refId"] for t in p["targets"]]
        assert len(refs) == len(set(refs)) and all(t["legendFormat"] and t["datasource"] == p["datasource"] for t in p["targets"])
        at = p["gridPos"]
        assert at["x"] + at["w"] <= 24
        places += [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
    assert len(places) == len(set(places)), "panels overlap"


def test_every_query_asks_for_the_nodes_that_are_chosen():
    for name, title, expr in QUERIES:
        for selector in re.findall(r"aurora_[a-z0-9_]+(\{[^}]*\})?", expr):
            assert all(f'{v}=~"${v}"' in selector for v in ("namespace", "job", "instance")), f"{name}/{title}: {expr}"


@pytest.mark.skipif(not shutil.which("promtool"), reason="NO PROMTOOL: it is in the package prometheus")
def test_every_query_is_one_prometheus_parses(tmp_path):
    rules = [{"record": f"q:{k}", "expr": e.replace("$__rate_interval", "5m")} for k, (_, _, e) in enumerate(QUERIES)]
    check = lambda some: (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "q", "rules": some}]})) and subprocess.run(
        ["promtool", "check", "rules", str(tmp_path / "rules.yml")], capture_output=True, text=True, timeout=60)
    r = check(rules)
    assert r.returncode == 0, r.stdout + r.stderr
    assert check(rules + [{"record": "q:bad", "expr": "sum by (rate(x[5m])"}]).returncode != 0


def test_the_dashboards_are_on_metrics_a_node_shows():
    text = chart.shown_metrics()
    shown = set(re.findall(r"^(aurora_\w+)", text, re.M))
    rest = {m for _, _, e in QUERIES for m in re.findall(r"aurora_[a-z0-9_]+", e)} - shown
    assert rest <= NOT_AT_ONCE, rest - NOT_AT_ONCE
    assert not chart.not_in_source(rest)


@pytest.mark.skipif(not chart.HELM, reason="NO HELM: tools/install-deps test makes it (a Go 1.26 and its modules are needed)")
def test_the_chart_ships_the_files_as_they_are():
    doc = one(render("monitoring"), "ConfigMap", "-dashboards")
    assert doc["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert {k: json.loads(v) for k, v in doc["data"].items()} == {f"aurora-{n}.json": b for n, b in BOARDS.items()}
    assert all(d["kind"] != "ConfigMap" or not d["metadata"]["name"].endswith("-dashboards") for d in render("default"))
    assert sorted(os.listdir(f"{CHART}/files/dashboards")) == sorted(os.path.basename(f) for f in FILES.values())
