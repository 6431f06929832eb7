"""The names operations promises, after traffic that touches each of them."""
import re, shutil, subprocess

import pytest

from node import Node, request, until

# One answers nobody, so that a request for the bare name "demo" moves on from it to the demo provider.
FALLBACK = '[providers.a-dead]\ntype = "openai"\nbase_url = "http://{host}:1/v1"\napi_key = "x"\nmodels = ["demo"]\n'

DATA_PLANE = """aurora_build_info aurora_http_requests_total aurora_http_request_duration_seconds aurora_http_requests_in_flight
aurora_http_request_size_bytes aurora_http_response_size_bytes aurora_connections aurora_connections_total
aurora_connection_errors_total aurora_request_overhead_duration_seconds aurora_upstream_requests_total
aurora_upstream_request_duration_seconds aurora_upstream_time_to_first_token_seconds
aurora_upstream_time_per_output_token_seconds aurora_tokens_total aurora_retries_total aurora_fallbacks_total
aurora_provider_up aurora_provider_circuit_state aurora_provider_key_up aurora_auth_attempts_total
aurora_control_plane_connected aurora_config_revision_info aurora_config_last_reload_successful
aurora_config_last_reload_timestamp_seconds aurora_event_loop_lag_seconds aurora_secrets_decrypt_errors_total
aurora_usage_records_dropped_total aurora_usage_records_written_total aurora_role_page_valid""".split()
STORE = """aurora_build_info aurora_db_size_bytes aurora_db_wal_size_bytes aurora_store_writable aurora_audit_events_total
aurora_rolepage_rewrites_total grpc_server_handled_total
aurora_db_query_duration_seconds aurora_db_errors_total aurora_db_busy_total""".split()
LABELS = {
    "aurora_http_requests_total": {"route", "method", "code"}, "aurora_http_request_duration_seconds": {"route", "method"},
    "aurora_connections": {"listener", "state"}, "aurora_request_overhead_duration_seconds": {"stage"},
    "aurora_upstream_requests_total": {"provider", "model", "operation", "outcome"},
    "aurora_upstream_request_duration_seconds": {"provider", "model", "operation"},
    "aurora_fallbacks_total": {"from_provider", "to_provider", "reason"}, "aurora_provider_key_up": {"provider", "key_id"},
}


@pytest.fixture(scope="module")
def busy():
    node = Node(FALLBACK)
    try:
        _, key = node.start().create_key()
        assert node.chat(key, "demo").status == 200
        node.open_stream(key, "demo/demo", words=20)[1].read()
        assert node.models("sk_aur_wrong").status == 401
        assert node.chat(key, "demo/demo-429").status == 429
        yield node
    finally:
        node.stop()


def scrape(node, where="dataplane_ops"):
    """[(name, labels, value)]"""
    body = request(getattr(node, where), "GET", "/metrics").body.decode()
    found = re.findall(r"^([a-z_]+)(?:\{(.*)\})? (\S+)", body, re.M)
    return [(name, dict(re.findall(r'([a-z_]+)="([^"]*)"', labels)), float(value)) for name, labels, value in found]


def value(samples, name, **labels):
    return sum(v for n, l, v in samples if n == name and all(l.get(k) == w for k, w in labels.items()))


@pytest.mark.parametrize("where,names", [("dataplane_ops", DATA_PLANE), ("controlplane_ops", STORE)])
def test_every_promised_metric_is_there_after_traffic(busy, where, names):
    def missing():
        bare = {re.sub(r"_(bucket|sum|count)$", "", n) for n, _, _ in scrape(busy, where)} | {n for n, _, _ in scrape(busy, where)}
        return [n for n in names if n not in bare]
    until(lambda: not missing(), f"all of {missing()}", 5)


def test_the_labels_are_those_promised(busy):
    samples = scrape(busy)
    for name, labels in LABELS.items():
        found = [set(l) - {"le"} for n, l, _ in samples if n in (name, name + "_bucket")]
        assert found and all(f == labels for f in found), (name, found[:1])


def test_what_the_metrics_say_is_what_happened(busy):
    until(lambda: value(scrape(busy), "aurora_provider_key_up", provider="demo", key_id="environment") == 0, "the rested key")
    samples = scrape(busy)
    assert value(samples, "aurora_fallbacks_total", from_provider="a-dead", to_provider="demo", reason="connect") == 1
    assert value(samples, "aurora_upstream_requests_total", provider="demo", outcome="rate_limited") == 1
    assert value(samples, "aurora_upstream_time_per_output_token_seconds_count", model="demo") == 1
    assert value(samples, "aurora_auth_attempts_total", result="unauthenticated") >= 1
    sent = value(samples, "aurora_http_request_size_bytes_sum", route="/v1/chat/completions")
    got = value(samples, "aurora_http_response_size_bytes_sum", route="/v1/chat/completions")
    assert 100 < sent < 10000 and 100 < got < 100000
    assert value(samples, "aurora_request_overhead_duration_seconds_count") == 3
    assert value(samples, "aurora_usage_records_dropped_total") == 0
    until(lambda: value(scrape(busy), "aurora_usage_records_written_total") >= 3, "the usage rows are counted")


def test_the_store_counts_its_writes(busy):
    writes = lambda: value(scrape(busy, "controlplane_ops"), "aurora_db_query_duration_seconds_count", op="write")
    before = writes()
    busy.create_key("counted")
    assert writes() > before
    assert value(scrape(busy, "controlplane_ops"), "aurora_db_errors_total") == 0


def test_metrics_of_both_processes_satisfy_promtool(busy):
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed")
    for where in ("dataplane_ops", "controlplane_ops"):
        body = request(getattr(busy, where), "GET", "/metrics").body
        check = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True)
        assert check.returncode == 0, check.stderr.decode() + check.stdout.decode()
