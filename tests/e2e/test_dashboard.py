"""The dashboard as a person uses it: a real browser, three real nodes behind a balancer that gives each request to the next one."""
import gzip, json, os, re, signal

import pytest
from browser import Balancer, Browser, why_none
from failover import ActivePassive
from node import Node, free_address, request, until

pytestmark = pytest.mark.skipif(bool(why_none()), reason=why_none())
SHOTS = os.environ.get("AURORA_SHOTS", "")
FIRST_LOAD_MAX = 200 * 1024


@pytest.fixture(scope="module")
def browser():
    own = Browser()
    yield own
    own.stop()


def balancer_of(nodes):
    return Balancer([node.rest for node in nodes], free_address())


@pytest.fixture(scope="module")
def balanced(trio):
    balancer = balancer_of(trio.nodes)
    yield balancer
    balancer.stop()


def sign_in(browser, url, token, page="cluster", **options):
    browser.open(**options)
    browser.goto(f"{url}/admin/dashboard/{page}")
    browser.fill("input[type=password]", token)
    browser.press("Enter")
    browser.see("main#main")
    return browser


def quiet(browser, *expected):
    """Nothing was complained about but what is `expected`; the answers since the last look."""
    seen = browser.send(seen=True)
    odd = [e for e in seen["errors"] if not any(re.search(x, e) for x in (*expected, "404.*/failover/"))]
    assert not odd, odd
    return seen["answers"]


def look(browser, name):
    """Axe finds nothing; the picture is kept where someone wants to look at it."""
    found = browser.send(axe=True)
    if SHOTS:
        os.makedirs(SHOTS, exist_ok=True)
        browser.screenshot(f"{SHOTS}/{name}.png")
    assert found == [], f"{name}: {found}"
    width = browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width <= 0, f"{name}: {width} px wider than the window"


def row(node):
    return f'[data-node="{node}"]'


def session_cookie(url, token):
    host = url.removeprefix("http://").split(":")
    answer = request((host[0], int(host[1])), "POST", "/admin/api/v1/session", {"token": token})
    assert answer.status == 200
    return answer.headers["set-cookie"].split(";")[0], answer.json()["csrf_token"]


def test_signing_in_behind_a_balancer_works_on_every_node_and_leaves_nothing_to_scripts(browser, balanced, trio):
    browser.open()
    browser.goto(f"{balanced.url}/admin")
    browser.see("text=Admin token")
    look(browser, "signin")
    browser.fill("input[type=password]", "not the token")
    browser.press("Enter")
    browser.see("text=That is not this cluster's admin token")
    assert browser.send(cookies=True) == []
    browser.fill("input[type=password]", trio.nodes[0].token)
    browser.press("Enter")
    browser.see(row("n3"))
    [cookie] = [c for c in browser.send(cookies=True) if c["name"] == "aurora_session"]
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and cookie["path"] == "/admin", cookie
    assert browser.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0
    answered = set()

    def everyone():
        browser.click("text=Refresh now")
        answered.update(node for status, _, url, node in quiet(browser, "401") if "/api/v1/cluster" in url and status == 200)
        return answered == {"n1", "n2", "n3"}
    until(everyone, lambda: f"every node has answered, not only {answered}", 20)
    browser.call("reload")
    browser.see(row("n1"))
    browser.click("text=Sign out")
    browser.see("text=Admin token")
    assert [c for c in browser.send(cookies=True) if c["name"] == "aurora_session"] == []
    quiet(browser, "401")


def test_a_change_with_the_cookie_alone_is_refused_on_every_node(balanced, trio):
    cookie, csrf = session_cookie(balanced.url, trio.nodes[0].token)
    for node in trio.nodes:
        for method, path in (("POST", "auth-keys"), ("DELETE", "auth-keys/none"), ("PUT", "aliases/a"), ("DELETE", "session")):
            answer = node.request(node.rest, method, f"/admin/api/v1/{path}", {"name": "x"}, {"cookie": cookie})
            assert answer.status == 403, (method, path, answer.body)
        assert node.request(node.rest, "GET", "/admin/api/v1/auth-keys", headers={"cookie": cookie}).status == 200
        made = node.request(node.rest, "POST", "/admin/api/v1/auth-keys", {"name": "csrf"}, {"cookie": cookie, "x-aurora-csrf": csrf})
        assert made.status == 201
    changed = cookie[:-2] + ("AA" if not cookie.endswith("AA") else "BB")
    assert trio.nodes[0].request(trio.nodes[0].rest, "GET", "/admin/api/v1/auth-keys", headers={"cookie": changed}).status == 401


def test_the_first_load_is_small_and_its_files_are_kept_for_good(balanced, trio):
    host = (balanced.url.split("/")[2].split(":")[0], int(balanced.url.rsplit(":", 1)[1]))
    page = request(host, "GET", "/admin/dashboard/cluster", headers={"accept-encoding": "gzip"})
    assert page.headers["content-encoding"] == "gzip" and page.headers["cache-control"] == "no-cache"
    assert "unsafe" not in page.headers["content-security-policy"]
    assert request(host, "GET", "/admin/dashboard/", headers={"if-none-match": page.headers["etag"], "accept-encoding": "gzip"}).status == 304
    html = gzip.decompress(page.body).decode()
    wanted, total = set(re.findall(r'"/admin/dashboard/(assets/[^"]+)"', html)), len(page.body)
    fetched = {}
    while wanted - set(fetched):
        for name in wanted - set(fetched):
            answer = request(host, "GET", f"/admin/dashboard/{name}", headers={"accept-encoding": "gzip"})
            assert answer.status == 200 and "immutable" in answer.headers["cache-control"] and answer.headers["x-content-type-options"] == "nosniff"
            fetched[name] = len(answer.body)
            # All that it could ever load, so the first load is no more than this.
            wanted |= set(re.findall(r'"\.?/?(?:assets/)?([\w-]+-[\w-]{8}\.(?:js|css))"', gzip.decompress(answer.body).decode()))
            wanted = {w if w.startswith("assets/") else f"assets/{w}" for w in wanted}
    assert len(fetched) >= 5, fetched
    assert total + sum(fetched.values()) <= FIRST_LOAD_MAX, fetched


def test_the_cluster_page_sorts_filters_groups_and_keeps_it_in_its_address(browser, balanced, trio):
    sign_in(browser, balanced.url, trio.nodes[0].token)
    browser.see(row("n3"))
    assert "Healthy" in browser.text("dl.tiles") and "3 / 3" in browser.text("dl.tiles")
    browser.click("th button:has-text('Node')")
    names = lambda: browser.evaluate("[...document.querySelectorAll('tr[data-node]')].map(r => r.dataset.node)")
    assert names() == ["n3", "n2", "n1"]
    assert browser.count("th[aria-sort=descending]") == 1
    browser.fill("input[type=search]", "n2")
    until(lambda: names() == ["n2"], "one row is left")
    assert "q=n2" in browser.evaluate("location.search") and "sort=-node_id" in browser.evaluate("location.search")
    browser.call("reload")
    browser.see(row("n2"))
    assert names() == ["n2"]
    browser.fill("input[type=search]", "nothing like it")
    browser.see("text=No node fits")
    browser.fill("input[type=search]", "")
    browser.select("select[aria-label=Group]", "region")
    browser.see("tr.group:has-text('3 of 3 healthy')")
    title = browser.evaluate("document.querySelector('tr[data-node=n1] time').title")
    assert re.search(r"\d{4}", title), title
    browser.click(f"{row('n2')} button.link")
    browser.see("dialog.drawer:has-text('Sync address')")
    assert "node=n2" in browser.evaluate("location.search")
    browser.see("dialog.drawer >> text=/As n\\d has seen it/")
    look(browser, "drawer")
    browser.press("Escape")
    browser.gone("dialog.drawer")
    assert browser.evaluate("document.activeElement.closest('tr')?.dataset.node") == "n2"
    quiet(browser)


def test_switching_over_and_draining_wait_for_the_typed_name(browser, balanced, trio):
    sign_in(browser, balanced.url, trio.nodes[0].token, "cluster?node=n2")
    browser.click("dialog.drawer >> text=/^Drain…/")
    browser.see("dialog >> text=Type n2 to go on")
    look(browser, "drain")
    assert browser.call("isDisabled", "dialog button[type=submit]")
    browser.fill("dialog input", "n3")
    assert browser.call("isDisabled", "dialog button[type=submit]")
    browser.fill("dialog input", "n2")
    assert not browser.call("isDisabled", "dialog button[type=submit]")
    browser.press("Escape")
    browser.see("dialog.drawer")
    quiet(browser)


def confirm(browser, node, action):
    """Opens the node's panel, asks for `action` and types its name."""
    browser.click(f"{row(node)} button.link")
    browser.click(f"dialog.drawer >> text=/^{action}/")
    browser.fill("dialog input", node)
    browser.click("dialog button[type=submit]")


def test_a_typed_switchover_moves_the_lead_and_a_drained_node_gives_it_away(browser):
    cluster = ActivePassive()
    balancer = None
    try:
        cluster.start()
        balancer = balancer_of(cluster.nodes)
        leader = cluster.id(cluster.settled())
        target = next(n for n in ("n1", "n2", "n3") if n != leader)
        sign_in(browser, balancer.url, cluster.nodes[0].token, "cluster?refresh=2")
        browser.see(f"{row(leader)} .chip:has-text('Leader')")
        browser.see("dl.facts:has-text('2 of 3')")
        look(browser, "active-passive")
        confirm(browser, target, "Make leader")
        browser.see(f"text=/{target} leads now, after/", 30)
        browser.click("dialog button.primary")
        browser.press("Escape")
        browser.see(f"{row(target)} .chip:has-text('Leader')")
        assert cluster.id(until(cluster.settled, "all agree", 20)) == target
        confirm(browser, target, "Drain")
        browser.see(f"text=/{target} drains/")
        browser.click("dialog button.primary")
        browser.press("Escape")
        browser.gone(f"{row(target)} .chip:has-text('Leader')", 30)
        browser.see(f"{row(target)} .chip:has-text('Drained')")
        look(browser, "drained")
        confirm(browser, target, "Undrain")
        browser.see(f"text=/{target} may lead again/")
        browser.click("dialog button.primary")
        browser.press("Escape")
        browser.gone(f"{row(target)} .chip:has-text('Drained')", 20)
        quiet(browser)
    finally:
        if balancer is not None:
            balancer.stop()
        cluster.stop()


def test_a_node_that_fails_and_comes_back_is_seen_within_a_refresh(browser, own):
    balancer = balancer_of(own.nodes)
    try:
        sign_in(browser, balancer.url, own.nodes[0].token, "cluster?refresh=2")
        browser.see(f"{row('n3')} .badge:has-text('Healthy')")
        victim = own.nodes[2]
        for name in ("dataplane", "controlplane"):
            victim.kill(name)
        browser.see(f"{row('n3')} .badge:has-text('Failed')", 40)
        browser.see("text=2 / 3")
        browser.see("text=/n3 has failed/")
        look(browser, "degraded")
        for name in ("controlplane", "dataplane"):
            victim.spawn(name)
        victim.wait_ready(60)
        browser.see(f"{row('n3')} .badge:has-text('Healthy')", 40)
        browser.see("text=3 / 3", 20)
        browser.click(f"{row('n3')} button.link")
        browser.see("dialog.drawer .events >> text=/n3/", 20)
        browser.press("Escape")
        quiet(browser, "502")

        balancer.closed = True
        browser.see("[data-testid=stale]", 20)
        assert browser.count("tr[data-node]") == 3  # what was known stays
        balancer.closed = False
        browser.gone("[data-testid=stale]", 20)

        browser.click("text=Pause")
        browser.see("text=Paused")
        before = len(balancer.said)
        browser.click("text=Refresh now")
        until(lambda: len(balancer.said) > before, "it asks when it is told to")
        browser.click("text=Resume")
        browser.send(clearCookies=True)
        browser.see("text=Your session has ended", 20)
        quiet(browser, "401", "503", "502")
    finally:
        balancer.stop()


def test_a_key_is_made_shown_once_rotated_and_deactivated_with_what_each_node_says(browser, balanced, trio):
    sign_in(browser, balanced.url, trio.nodes[0].token, "keys")
    before = len(balanced.said)
    browser.click("text=Create key")
    look(browser, "create")
    browser.fill("label:has-text('Name') + input", "from the browser")
    browser.press("Enter")
    browser.see("text=Enforced on 3 of 3 nodes")
    secret = browser.text("[data-testid=secret]")
    assert secret.startswith("sk_aur_")
    look(browser, "created")
    browser.click("dialog .secret button")
    browser.see("text=Copied")
    assert browser.evaluate("navigator.clipboard.readText()") == secret
    for node in trio.nodes:
        assert node.models(secret).status == 200
    browser.click("text=Done")
    browser.gone("dialog")
    assert secret not in browser.call("content")
    browser.call("reload")
    browser.see('[data-key="from the browser"]')
    assert secret not in browser.call("content")
    look(browser, "keys")

    browser.click("[aria-label='Rotate from the browser']")
    browser.click("dialog button[type=submit]")
    browser.see("[data-testid=secret]")
    rotated = browser.text("[data-testid=secret]")
    assert rotated != secret
    browser.see("text=Enforced on 3 of 3 nodes")
    assert [n.models(secret).status for n in trio.nodes] == [401] * 3
    browser.click("text=Done")

    victim = trio.nodes[2]
    victim.children["dataplane"].send_signal(signal.SIGSTOP)
    try:
        browser.click("[aria-label='Deactivate from the browser']")
        browser.fill("dialog input", "from the browser")
        browser.click("dialog button[type=submit]")
        browser.see("dialog >> text=Enforced on 2 of 3 nodes", 20)
        browser.see("dialog li:has-text('n3'):has-text('Pending')")
        browser.see("dialog li:has-text('n1'):has-text('Enforced')")
        look(browser, "deactivated")
    finally:
        victim.children["dataplane"].send_signal(signal.SIGCONT)
    browser.click("text=Done")
    browser.select("select[aria-label=Show]", "all")
    browser.see('[data-key="from the browser"] .badge:has-text("Deactivated")')
    until(lambda: [n.models(rotated).status for n in trio.nodes] == [401] * 3, "no node takes it")

    token = trio.nodes[0].token
    for method, path, _, status, headers, body in balanced.said[before:]:
        assert token.encode() not in body and token not in str(headers), (method, path)
        shows = method == "POST" and re.search(r"/auth-keys\?|/rotate\?", path)
        for value in (secret, rotated):
            assert shows or value.encode() not in body, f"a secret in the answer to {method} {path}"
        if "/api/" in path:
            assert ("Cache-Control", "no-store") in headers, path
    cookies = {c["value"] for c in browser.send(cookies=True)}
    for node in trio.nodes:
        log = node.log("controlplane") + node.log("dataplane")
        for value in {token, secret, rotated} | {c for c in cookies if len(c) > 20}:
            assert value not in log, "a secret in a log"
    quiet(browser)


def test_usage_and_settings_are_shown_with_their_sources(browser, balanced, trio):
    for node in trio.nodes:
        _, key = node.create_key(f"usage on {node.host}")
        for i in range(20):
            assert node.chat(key, stream=i % 2 == 0, max_tokens=20).status == 200
        node.chat(key, model="demo/none-such")
    def metered(node):
        answer = trio.rest(node, "GET", "usage/summary")
        return answer.json()["total"]["requests"] >= 20
    until(lambda: all(metered(n) for n in trio.nodes), "the requests are metered", 30)
    sign_in(browser, balanced.url, trio.nodes[0].token, "overview")
    browser.see("figure:has-text('Requests') rect.fill-1")
    assert re.search(r"What n\d has metered", browser.text("main"))
    browser.see("text=/p95 .* · last/")
    browser.select("select[aria-label=Range]", "7d")
    browser.see("figure:has-text('Tokens') rect.fill-2")
    browser.goto(f"{balanced.url}/admin/dashboard/settings")
    browser.see('tr[data-key="cluster.node_id"]')
    line = browser.text('tr[data-key="cluster.node_id"]')
    assert "CLUSTER_NODE_ID" in line and "Set by environment" in line and re.search(r"\bn\d\b", line), line
    assert "Default" in browser.text('tr[data-key="cluster.max_staleness"]')
    assert browser.count("main input") == 0
    quiet(browser)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_is_accessible_in_both_themes_and_on_a_phone(browser, balanced, trio, dark, width):
    sign_in(browser, balanced.url, trio.nodes[0].token, dark=dark, width=width, height=860 if width > 760 else 844)
    for page, sign in (("cluster", row("n3")), ("cluster?group=region&node=n1", "dialog.drawer .facts"), ("overview", "dl.tiles"),
                       ("keys", "main .card"), ("settings/routing", '[data-key="cluster.node_id"]'), ("settings/preferences", "text=This browser")):
        browser.goto(f"{balanced.url}/admin/dashboard/{page}")
        browser.see(sign)
        name = re.sub(r"\W+", "-", page.replace("?group=region&node=n1", "-drawer"))
        look(browser, f"{name}-{'dark' if dark else 'light'}-{width}")
    quiet(browser)


def test_the_theme_and_the_interval_are_remembered_without_local_storage(browser, balanced, trio):
    sign_in(browser, balanced.url, trio.nodes[0].token, "settings/preferences")
    browser.select("label:has-text('Theme') + select", "dark")
    browser.select("label:has-text('Refresh every') + select", "60")
    browser.goto(f"{balanced.url}/admin/dashboard/cluster")
    browser.see(row("n1"))
    assert browser.evaluate("document.documentElement.dataset.theme") == "dark"
    assert browser.call("inputValue", "select[aria-label='Refresh every']") == "60"
    assert browser.evaluate("localStorage.length") == 0


def test_the_keyboard_alone_reaches_a_node_and_comes_back(browser, balanced, trio):
    sign_in(browser, balanced.url, trio.nodes[0].token)
    browser.see(row("n1"))
    browser.call("reload")
    browser.see(row("n1"))
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.className") == "skip"
    for _ in range(60):
        browser.press("Tab")
        if browser.evaluate("document.activeElement.closest('[data-node=n1]') !== null"):
            break
    browser.press("Enter")
    browser.see("dialog.drawer")
    for _ in range(30):  # the focus stays inside
        browser.press("Tab")
        assert browser.evaluate("document.activeElement === document.body || document.activeElement.closest('dialog') !== null")
    browser.press("Escape")
    browser.gone("dialog.drawer")
    assert browser.evaluate("document.activeElement.closest('[data-node=n1]') !== null")


def test_a_refusal_an_error_and_nothing_at_all_are_said_in_words(browser, balanced, trio):
    sign_in(browser, balanced.url, trio.nodes[0].token, "settings")
    url = "**/api/v1/cluster/status"

    def error(status, code, message):
        return {"url": url, "status": status, "contentType": "application/json",
                "body": json.dumps({"error": {"type": "x", "message": message, "param": None, "code": code}})}
    for status, code, message, words in ((403, "permission_denied", "not for you", "You may not see this"),
                                         (500, "internal", "a bug", "The node could not answer"),
                                         (501, "not_implemented", "", "Not available on this version")):
        browser.send(fulfil=error(status, code, message))
        browser.goto(f"{balanced.url}/admin/dashboard/cluster")
        browser.see(f"[role=alert]:has-text('{words}')")
        look(browser, f"error-{status}")
        browser.send(unfulfil=url)
        browser.click("text=Try again")
        browser.see(row("n1"))
    browser.send(fulfil={"url": "**/api/v1/cluster/nodes", "status": 200, "contentType": "application/json", "body": '{"nodes":[]}'})
    browser.goto(f"{balanced.url}/admin/dashboard/cluster")
    browser.see("text=No nodes yet")
    browser.send(unfulfil="**/api/v1/cluster/nodes")
    browser.goto(f"{balanced.url}/admin/dashboard/none/such")
    browser.see("text=There is no such page")
    quiet(browser, "403", "500", "501")


def test_a_node_on_its_own_says_so_and_has_no_controls_also_on_the_client_port(browser, shared):
    sign_in(browser, shared.url, shared.token)
    browser.see("text=Clustering is off on this node")
    assert browser.count("tr[data-node]") == 0 and "Switch over" not in browser.text("main") and "Drain" not in browser.text("main")
    look(browser, "single")
    browser.goto(f"{shared.url}/admin/dashboard/keys")
    browser.see("text=Create key")
    quiet(browser)


def test_a_node_without_an_admin_token_says_what_to_set(browser):
    node = Node(AURORA_MASTER_KEY="")
    try:
        node.start()
        browser.open()
        browser.goto(f"http://{node.host}:7949/admin/dashboard/")
        browser.see("text=This node accepts no admin token")
        look(browser, "no-token")
        answer = node.request(node.rest, "POST", "/admin/api/v1/session", {"token": ""})
        assert answer.status == 403 and "AURORA_MASTER_KEY" in json.loads(answer.body)["error"]["message"]
    finally:
        node.stop()
