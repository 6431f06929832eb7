"""HTTP/1.1 on raw sockets: what one parser could read in two ways is refused, and nothing of it reaches the provider."""
import socket

import pytest

from node import Node, until

HEAD = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
BODY = '{"model":"demo/demo","messages":[{"role":"user","content":"hi"}]}'
REFUSED = {
    "content-length and chunked": "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two content-lengths": "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "negative content-length": "Content-Length: -1\r\n\r\n",
    "signed content-length": "Content-Length: +5\r\n\r\nhello",
    "chunked not last": "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "unknown transfer coding": "Transfer-Encoding: gzip\r\n\r\n",
    "space before the colon": "X-A : b\r\nContent-Length: 0\r\n\r\n",
    "folded header": "X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "bare CR in a value": "X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "bare LF line ends": "X-A: b\nContent-Length: 0\n\n",
    "NUL in a value": "X-A: b\0c\r\nContent-Length: 0\r\n\r\n",
    "space in a chunk size": "Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
    "chunk size overflow": "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff0\r\nabc\r\n0\r\n\r\n",
    "chunk longer than its size": "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
}


def exchange(shared, data):
    """Everything the proxy answers until it closes or goes quiet."""
    with socket.create_connection(shared.proxy, 10) as s:
        s.settimeout(2)
        s.sendall(data)
        out = b""
        try:
            while chunk := s.recv(65536):
                out += chunk
        except (socket.timeout, ConnectionResetError):
            pass
        return out


@pytest.mark.parametrize("name", REFUSED)
def test_ambiguous_requests_are_refused(shared, key, name):
    before = shared.demo_json("/stats")["requests"]
    answer = exchange(shared, (HEAD.format(key=key) + REFUSED[name]).encode("latin-1"))
    status = answer.split(b" ", 2)[1:2]
    assert status and status[0] in (b"400", b"411", b"501"), answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1, "the connection must not go on after a refusal"
    assert shared.demo_json("/stats")["requests"] == before


def test_two_hosts_and_a_missing_host_are_refused(shared, key):
    for hosts in ("", "Host: a\r\nHost: b\r\n"):
        answer = exchange(shared, f"GET /v1/models HTTP/1.1\r\n{hosts}Authorization: Bearer {key}\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 400"), answer[:100]


def test_a_second_request_hidden_in_a_body_is_not_served(shared, key):
    hidden = f"GET /v1/models HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n"
    data = HEAD.format(key=key) + f"Connection: close\r\nContent-Length: {len(BODY) + len(hidden)}\r\n\r\n{BODY}{hidden}"
    answer = exchange(shared, data.encode())
    assert answer.count(b"HTTP/1.1 ") == 1, answer[:300]


def test_pipelined_requests_are_answered_in_order(shared, key):
    one = HEAD.format(key=key) + f"Content-Length: {len(BODY)}\r\n"
    data = one + "\r\n" + BODY + one + "Connection: close\r\n\r\n" + BODY
    assert exchange(shared, data.encode()).count(b"HTTP/1.1 200") == 2


def test_duplicate_model_is_refused(shared, key):
    body = '{"model":"demo/demo","model":"demo/demo-big","messages":[]}'
    data = HEAD.format(key=key) + f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    assert exchange(shared, data.encode()).startswith(b"HTTP/1.1 400")


def test_the_admin_token_is_no_api_key(shared):
    assert shared.models(shared.token).status == 401


def test_answers_carry_a_request_id_and_no_internal_header(shared, key):
    r = shared.chat(key)
    assert r.status == 200 and r.headers["x-request-id"]
    assert not [h for h in r.headers if h.startswith("x-aurora-")]


def test_a_stored_provider_may_be_kept_off_private_addresses_while_the_operators_own_is_not():
    node = Node(AURORA_ADMIN_ALLOW_PRIVATE_NETWORKS="false")
    try:
        key = node.start().create_key("public-only")[1]
        spec = {"type": "openai", "base_url": f"http://{node.host}:9400/v1", "credentials": [{"id": "main", "api_key": "demo"}], "models": ["demo"]}
        made = node.request(node.rest, "PUT", "/admin/api/v1/providers/stored", spec, {"authorization": f"Bearer {node.token}"})
        assert made.status in (200, 201), made.body
        answer = until(lambda: (r := node.chat(key, "stored/demo")).status != 404 and r, "the provider is known")
        assert answer.status == 502 and b"admin.allow_private_networks" in answer.body, answer.body
        assert node.chat(key, "demo/demo").status == 200
    finally:
        node.stop()
