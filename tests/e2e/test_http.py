"""The HTTP safety table, second half: sizes, times, encodings, methods, paths. The first half is test_safety.py."""
import gzip, json, re, socket, time

import pytest

from node import Node, request, until
from upstream import Scripted

BODY = '{"model":"up/m","messages":[{"role":"user","content":"hi"}]}'


def ok(c, head, body):
    c.answer('{"id":"1","choices":[]}', headers="x-length: %d\r\n" % len(body))
    return True


@pytest.fixture(scope="module")
def rig():
    """(node, upstream, key); "up" has the models m and denied, "other" the same."""
    upstream = Scripted({"m": ok, "denied": ok, "default": ok})
    node = Node(upstream.toml("up") + upstream.toml("other"), AURORA_SERVER_LIMITS_HEAD_TIMEOUT="1s", AURORA_SERVER_LIMITS_BODY_TIMEOUT="1s",
                AURORA_SERVER_LIMITS_IDLE_TIMEOUT="2s")
    try:
        yield node.start(), upstream, node.create_key()[1]
    finally:
        node.stop()
        upstream.stop()


class Raw:
    """One socket to the proxy."""

    def __init__(self, rig):
        self.socket = socket.create_connection(rig[0].proxy, 10)
        self.socket.settimeout(15)
        self.key, self.data = rig[2], b""

    def send(self, text):
        self.socket.sendall(text.replace("{key}", self.key).encode("latin-1") if isinstance(text, str) else text)
        return self

    def rest(self):
        """All of it until the proxy closes."""
        try:
            while chunk := self.socket.recv(65536):
                self.data += chunk
        except ConnectionResetError:
            pass
        return self.data.decode("latin-1")

    def until(self, mark):
        while mark.encode() not in self.data:
            chunk = self.socket.recv(65536)
            assert chunk, self.data
            self.data += chunk
        return self.data.decode("latin-1")


HEAD = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"


def statuses(text):
    return [int(s) for s in re.findall(r"HTTP/1\.1 (\d{3})", text)]


@pytest.mark.parametrize("name,head,status", [
    ("a header block of 200 KiB", HEAD + "".join(f"x-{i}: {'y' * 1000}\r\n" for i in range(200)) + "\r\n", 431),
    ("one header of 100 KiB", HEAD + "x: " + "y" * 100_000 + "\r\n\r\n", 431),
    ("a thousand headers", HEAD + "".join(f"x-{i}: y\r\n" for i in range(1000)) + "\r\n", 431),
    ("a target of 100 KiB", "GET /v1/" + "a" * 100_000 + " HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    ("HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("HTTP/3.7", "GET /v1/models HTTP/3.7\r\nHost: a\r\n\r\n", 505),
    ("a method nobody knows", "BREW /v1/models HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ("CONNECT", "CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n", 501),
    ("no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a NUL in the target", "GET /v1/mo\0dels HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a header without a colon", HEAD + "nonsense\r\n\r\n", 400),
    ("a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
])
def test_a_head_that_is_too_large_or_no_http_is_answered_and_closed(rig, name, head, status):
    before = rig[1].seen()
    answer = Raw(rig).send(head).rest()
    assert statuses(answer) == [status], answer[:300]
    assert "connection: close" in answer.lower() and rig[1].seen() == before


def test_a_body_that_is_too_large_is_refused_before_it_comes_and_while_it_comes(rig):
    declared = Raw(rig).send(HEAD + "Content-Length: 40000000\r\n\r\n").until("\r\n\r\n")
    assert statuses(declared) == [413] and "connection: close" in declared.lower()
    chunked = Raw(rig).send(HEAD + "Transfer-Encoding: chunked\r\n\r\n")
    try:
        for _ in range(40):
            chunked.send(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")
    except OSError:
        pass
    assert statuses(chunked.rest()) == [413]


def test_a_head_or_body_that_does_not_come_in_time_is_408_and_closed(rig):
    for sent in ("POST /v1/chat/completions HTTP/1.1\r\nHos", HEAD + "Content-Length: 100\r\n\r\n{"):
        began = time.monotonic()
        answer = Raw(rig).send(sent).rest()
        assert statuses(answer) == [408], answer
        assert 0.9 < time.monotonic() - began < 10


def test_a_head_dripped_byte_by_byte_does_not_outlive_its_timeout(rig):
    raw, began = Raw(rig), time.monotonic()
    try:
        for c in HEAD * 20:
            raw.send(c if c != "{" else "")
            time.sleep(0.05)  # the slowness is the attack
            if time.monotonic() - began > 10:
                break
    except OSError:
        pass
    assert time.monotonic() - began < 8, "closed at its timeout, however busy it looks"


def test_a_connection_that_says_nothing_is_closed(rig):
    began = time.monotonic()
    assert Raw(rig).rest() == ""
    assert time.monotonic() - began < 10


def test_expect_100_continue_is_answered_only_when_the_body_is_wanted(rig):
    raw = Raw(rig).send(HEAD + f"Expect: 100-continue\r\nConnection: close\r\nContent-Length: {len(BODY)}\r\n\r\n")
    assert statuses(raw.until("\r\n\r\n")) == [100]
    assert statuses(raw.send(BODY).rest()) == [100, 200]
    refused = Raw(rig).send("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n").rest()
    assert statuses(refused) == [401] and "connection: close" in refused.lower()


def test_head_has_the_head_of_get_and_no_body(rig):
    authorization = "Authorization: Bearer {key}\r\n"
    get = Raw(rig).send(f"GET /v1/models HTTP/1.1\r\nHost: a\r\n{authorization}Connection: close\r\n\r\n").rest()
    head = Raw(rig).send(f"HEAD /v1/models HTTP/1.1\r\nHost: a\r\n{authorization}Connection: close\r\n\r\n").rest()
    strip = lambda text: re.sub(r"(?i)x-request-id: .*", "", text)
    assert strip(head) == strip(get).split("\r\n\r\n")[0] + "\r\n\r\n"
    assert "allow: POST" in Raw(rig).send(f"HEAD /v1/chat/completions HTTP/1.1\r\nHost: a\r\n{authorization}Connection: close\r\n\r\n").rest().replace("Allow", "allow")


def test_pipelined_requests_behind_a_refusal_are_not_served(rig):
    bad = HEAD + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc"
    good = HEAD + f"Content-Length: {len(BODY)}\r\n\r\n{BODY}"
    before = rig[1].seen()
    assert statuses(Raw(rig).send(bad + good).rest()) == [400] and rig[1].seen() == before


def test_upgrade_is_not_for_us(rig):
    raw = Raw(rig).send(HEAD + f"Connection: close, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}")
    assert statuses(raw.rest()) == [200]
    assert not re.search("(?i)upgrade|websocket", rig[1].heads[-1])
    realtime = Raw(rig).send("GET /v1/realtime HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert statuses(realtime.until("\r\n\r\n")) == [501]


def send_encoded(rig, encoding, data):
    return Raw(rig).send(HEAD + f"Connection: close\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(data)}\r\n\r\n").send(data).rest()


def test_compressed_bodies_are_inflated_within_the_limit_or_refused(rig):
    plain = BODY[:-1] + ',"pad":"' + "y" * 100_000 + '"}'
    good = send_encoded(rig, "gzip", gzip.compress(plain.encode()))
    assert statuses(good) == [200] and f"x-length: {len(plain.replace('up/m', 'm'))}" in good.lower()
    before = rig[1].seen()
    bomb = gzip.compress(b" " * 40_000_000, 1)  # the limit is 32 MiB
    began = time.monotonic()
    assert statuses(send_encoded(rig, "gzip", bomb)) == [413] and time.monotonic() - began < 5
    assert statuses(send_encoded(rig, "gzip", b"not gzip at all")) == [400]
    assert statuses(send_encoded(rig, "gzip", gzip.compress(BODY.encode())[:-10])) == [400]
    assert statuses(send_encoded(rig, "br", b"x")) == [415]
    assert statuses(send_encoded(rig, "gzip, gzip", b"x")) == [415]
    assert rig[1].seen() == before


def passthrough(rig, path, method="GET", body=None, key=None, **headers):
    return request(rig[0].proxy, method, path, body, {"authorization": f"Bearer {key or rig[2]}", **headers})


@pytest.mark.parametrize("path", ["/p/up/../admin", "/p/up/a/../../x", "/p/up/%2e%2e/x", "/p/up/.%2E/x", "/p/up/a%2fb", "/p/up/a%2Fb", "/p/up/a%5cb",
                                  "/p/up/a\\b", "/p/up/./x", "/p/up/a/..", "/p/up/%00", "/p/%2e%2e/up/x"])
def test_a_passthrough_path_that_two_parsers_read_differently_is_refused(rig, path):
    before = rig[1].seen()
    assert statuses(Raw(rig).send(f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {{key}}\r\nConnection: close\r\n\r\n").rest()) == [400]
    assert rig[1].seen() == before


def test_passthrough_keeps_path_query_and_body_and_swaps_the_credential(rig):
    r = passthrough(rig, "/p/up/fine_tuning/jobs?limit=2&after=x%20y", "POST", b'{"a": 1}', cookie="a=b")
    assert r.status == 200
    line, *headers = rig[1].heads[-1].split("\r\n")
    assert line == "POST /v1/fine_tuning/jobs?limit=2&after=x%20y HTTP/1.1"
    text = "\n".join(headers).lower()
    assert "bearer up-secret" in text and rig[2] not in text and "cookie" not in text and "content-length: 8" in text
    assert passthrough(rig, "/p/up/v1/models").status == 200 and rig[1].heads[-1].startswith("GET /v1/models HTTP/1.1")
    assert passthrough(rig, "/p/up/files/1", "DELETE").status == 200 and rig[1].heads[-1].startswith("DELETE /v1/files/1 ")
    assert passthrough(rig, "/p/nobody/x").status == 404
    assert request(rig[0].proxy, "GET", "/p/up/models").status == 401


def test_passthrough_holds_to_the_key_s_rules(rig):
    node, upstream, _ = rig
    narrow = node.create_key("narrow", "--models", "up/m")[1]
    one = json.loads(node.ctl("keys", "create", "--name", "one", "--providers", "up").stdout)["value"]
    until(lambda: node.models(one).status == 200, "the key works")
    before = upstream.seen()
    refused = [("GET", "/p/up/files", None), ("POST", "/p/up/chat/completions", b"not json"), ("POST", "/p/up/chat/completions", b"{}"),
               ("POST", "/p/up/chat/completions", b'{"model":"denied"}'), ("POST", "/p/up/models/denied:generate", b'{"model":"m"}'),
               ("POST", "/p/up/chat/completions", b'{"model":"m","model":"denied"}'), ("POST", "/p/other/chat/completions", b'{"model":"m"}'),
               ("POST", "/p/up/models/%64enied:generate", b'{"model":"m"}')]
    for method, path, body in refused:
        r = passthrough(rig, path, method, body, narrow)
        assert r.status == 403, (path, body, r.body)
    assert passthrough(rig, "/p/other/files", key=one).status == 403
    assert upstream.seen() == before
    assert passthrough(rig, "/p/up/chat/completions", "POST", b'{"model":"m"}', narrow).status == 200
    assert passthrough(rig, "/p/up/files", key=one).status == 200


def test_passthrough_is_metered(rig):
    node, _, _ = rig
    secret = node.create_key("metered")[1]
    assert passthrough(rig, "/p/up/chat/completions", "POST", b'{"model":"m"}', secret).status == 200

    def logged():
        r = request(node.rest, "GET", "/admin/api/v1/usage/log?page_size=100", headers={"authorization": f"Bearer {node.token}"})
        return r.status == 200 and b"passthrough" in r.body
    until(logged, "the passthrough request in the usage log")
