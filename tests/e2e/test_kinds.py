"""Guardrails, workflows, prices and budgets: applied by aurora-ctl, read over REST."""
import json

from node import request, until

DOCUMENTS = """
kind: Guardrail
name: no-secrets
spec:
  type: regex_block
  config: {patterns: ["(?i)top secret"]}
---
kind: Workflow
name: demo/#/team
spec:
  description: the team's
  guardrails: [{ref: no-secrets, step: 1}]
---
kind: Pricing
name: demo/demo@2026-01-01T00:00:00Z
spec: {input_per_mtok: 2, output_per_mtok: 8}
---
{"kind": "Budget", "name": "path:/team@month", "spec": {"limit_usd": 100}}
"""


def rest(node, method, path, body=None):
    return request(node.rest, method, f"/admin/api/v1/{path}", body, {"authorization": f"Bearer {node.token}"})


def apply(node, documents, check=True):
    path = f"{node.dir}/kinds.yaml"
    with open(path, "w", encoding="utf-8") as f:
        f.write(documents)
    return node.ctl("apply", "-f", path, check=check)


def test_all_four_kinds_are_applied_once_and_read_back(node):
    first = apply(node, DOCUMENTS)
    assert [row["result"] for row in json.loads(first.stdout)["applied"]] == ["created"] * 4
    assert first.stderr.count("stored, not enforced by this version") >= 3
    again = apply(node, DOCUMENTS)
    assert [row["result"] for row in json.loads(again.stdout)["applied"]] == ["unchanged"] * 4

    assert rest(node, "GET", "guardrails/no-secrets").json()["config"]["patterns"] == ["(?i)top secret"]
    workflow = rest(node, "GET", "workflows").json()["workflows"][0]
    assert workflow["active"] and workflow["scope"] == "demo/#/team" and workflow["features"]["guardrails"]
    assert rest(node, "GET", "model-pricing/demo/demo").json()["output_per_mtok"] == 8
    assert rest(node, "GET", "budgets/path:/team@month").json()["limit_usd"] == 100

    assert json.loads(node.ctl("workflows", "deactivate", workflow["id"], "--wait", "local").stdout)["active"] is False
    assert node.ctl("workflows", "get", "demo/#/team", check=False).returncode == 5
    for group, name in (("guardrails", "no-secrets"), ("workflows", workflow["id"]), ("pricing", "demo/demo"),
                        ("budgets", "path:/team@month")):
        node.ctl(group, "delete", name)
        assert list(json.loads(node.ctl(group, "list").stdout).values()) == [[]]


def test_a_mistake_in_the_last_document_writes_none(node):
    bad = DOCUMENTS + '---\n{"kind": "Guardrail", "name": "g", "spec": {"type": "regex_block", "config": {"patterns": ["(["]}}}\n'
    answer = apply(node, bad, check=False)
    assert answer.returncode == 2 and "config.patterns[0]" in answer.stderr and "RE2" in answer.stderr
    assert json.loads(node.ctl("guardrails", "list").stdout) == {"guardrails": []}


def test_kinds_survive_a_restart(node):
    apply(node, DOCUMENTS)
    node.kill("controlplane")
    node.spawn("controlplane")
    node.wait_ready()
    assert rest(node, "GET", "workflows").json()["workflows"][0]["active"]
    assert rest(node, "GET", "model-pricing/demo/demo").json()["input_per_mtok"] == 2


def test_a_request_costs_what_the_price_in_force_says(node):
    apply(node, DOCUMENTS)
    _, key = node.create_key()

    def summary():
        return json.loads(node.ctl("usage", "summary", "--group-by", "model").stdout)
    assert summary()["total"]["cost_usd"] == 0
    # A price is in force once the data plane has loaded it.
    until(lambda: node.chat(key).status == 200 and summary()["total"]["cost_usd"] > 0, "a cost in the summary", 15)
    node.ctl("pricing", "delete", "demo/demo")
    answer = json.loads(node.ctl("pricing", "list").stdout)
    assert answer == {"model_pricing": []}

    log = rest(node, "GET", "usage/log").json()["entries"]
    priced = [e for e in log if e["cost_nano_usd"] > 0]
    assert priced
    for e in priced:
        assert e["cost_nano_usd"] == e["input_tokens"] * 2000 + e["output_tokens"] * 8000
