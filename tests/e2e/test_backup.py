"""Backups and disks that went back, were lost or copied, on real processes: nothing acknowledged is lost, no revocation comes undone."""
import json, os, shutil, sqlite3

import pytest
from cluster import Cluster
from member import TOKEN, three, whole
from node import request, until


def rows(state):
    """What a node holds, row by row, with the digest the nodes compare; None while it has no database yet."""
    if not os.path.exists(f"{state}/aurora.db"):
        return None
    db = sqlite3.connect(f"file:{state}/aurora.db?mode=ro", uri=True, timeout=5)
    try:
        return db.execute("SELECT kind, id, hex(digest) FROM row ORDER BY kind, id").fetchall()
    except sqlite3.OperationalError:
        return None
    finally:
        db.close()


def same(*states):
    held = [rows(s) for s in states]
    return held[0] is not None and all(h == held[0] for h in held)


def shown(node, *args):
    answer = node.ctl(*args)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return json.loads(answer.stdout)


def events(node):
    return {e["type"]: e["message"] for e in shown(node, "events", "tail")["events"]}


def rest(node, method, path, body=None):
    return request((node.host, 7949), method, f"/admin/api/v1/{path}", body, {"authorization": f"Bearer {TOKEN}"})


def make_key(node, name):
    return shown(node, "keys", "create", "--name", name, "--wait", "local")["id"]


def revoke(node, key):
    until(lambda: rest(node, "GET", f"auth-keys/{key}").status == 200, f"{node.id} has the key", 10)
    answer = node.ctl("keys", "deactivate", key, "--wait", "local")
    assert answer.returncode == 0, answer.stderr


def revoked(node, key):
    answer = rest(node, "GET", f"auth-keys/{key}")
    return answer.status == 200 and answer.json()["deactivated_at"] is not None


def state(node):
    return f"{node.dir}/state"


def up(node):
    until(lambda: node.rest("node/status").get("store_state") == "ok", f"{node.id} is up", 20)


def wipe(node):
    shutil.rmtree(state(node))


def test_a_restore_brings_back_what_is_gone_and_leaves_what_is_newer(node):
    key, secret = node.create_key("kept")
    revoked_key, revoked_secret = node.create_key("revoked-later")
    alias = {"targets": [{"model": "demo/demo", "weight": 1}]}
    assert rest(node, "PUT", "aliases/a", alias).status == 201
    made = shown(node, "backup", "create", "before")
    assert (made["name"], made["cluster_id"], made["rows"]) == ("before", "", len(rows(node.state)))
    assert [b["name"] for b in shown(node, "backup", "list")["backups"]] == ["before"]
    assert shown(node, "backup", "verify", "before")["sha256"] == made["sha256"]
    assert oct(os.stat(f"{node.state}/backups").st_mode)[-3:] == "700"
    assert oct(os.stat(f"{node.state}/backups/before.backup").st_mode)[-3:] == "600"

    assert node.ctl("keys", "deactivate", revoked_key).returncode == 0
    alias["targets"][0]["model"] = "demo/demo-slow"
    assert rest(node, "PUT", "aliases/a", alias).status == 200
    _, later = node.create_key("later")
    restored = shown(node, "backup", "restore", "before")
    assert (restored["rows"], restored["changed"], restored["conflicts"]) == (made["rows"], 0, 0)
    assert rest(node, "GET", "aliases/a").json()["targets"][0]["model"] == "demo/demo-slow"
    assert [node.models(s).status for s in (secret, revoked_secret, later)] == [200, 401, 200]
    assert {"backup_created", "backup_restored"} <= set(events(node))
    audit = [(e["action"], e["id"]) for e in shown(node, "audit", "tail")["entries"] if e["kind"] == "Backup"]
    assert sorted(audit) == [("create", "before"), ("restore", "before")]
    metrics = request(node.controlplane_ops, "GET", "/metrics").body.decode()
    stamp = [line for line in metrics.splitlines() if line.startswith("aurora_backup_last_success_timestamp_seconds ")]
    assert float(stamp[0].split()[1]) > 1.6e9


def test_a_node_that_lost_its_disk_serves_again_from_a_backup(node):
    _, secret = node.create_key("kept")
    shown(node, "backup", "create", "all")
    for name in ("controlplane", "dataplane"):
        node.kill(name)
    shutil.move(f"{node.state}/backups", f"{node.dir}/backups")
    shutil.rmtree(node.state)
    os.mkdir(node.state)
    shutil.move(f"{node.dir}/backups", f"{node.state}/backups")
    for name in ("controlplane", "dataplane"):
        node.spawn(name)
    node.wait_ready()
    assert node.models(secret).status == 401
    assert shown(node, "backup", "restore", "all")["changed"] > 0
    until(lambda: node.models(secret).status == 200, "the key works again", 5)
    assert float(request(node.controlplane_ops, "GET", "/metrics").body.decode().split("\naurora_backup_last_success_timestamp_seconds ")[1]
                 .split()[0]) > 1.6e9, "a backup of an earlier start counts"


def test_a_damaged_backup_and_a_name_that_is_none_are_refused_in_one_line(node):
    node.create_key("k")
    shown(node, "backup", "create", "bad")
    path = f"{node.state}/backups/bad.backup"
    with open(path, "r+b") as f:
        data = bytearray(f.read())
        data[len(data) // 2:len(data) // 2 + 2000] = b"\xa5" * 2000
        f.seek(0)
        f.write(data)
    before = rows(node.state)
    for verb in ("verify", "restore"):
        answer = node.ctl("backup", verb, "bad", check=False)
        assert answer.returncode == 1 and "bad.backup" in answer.stderr and answer.stderr.count("\n") == 1, answer.stderr
    assert rows(node.state) == before and {"backup_damaged", "backup_restore_failed"} <= set(events(node))
    for name in ("../aurora", "a/b", "..", "/etc/passwd", "-x-", ""):
        for verb in ("verify", "restore", "create"):
            if name or verb != "create":
                answer = node.ctl("backup", verb, "--", name, check=False)
                assert answer.returncode == 1 and "name: " in answer.stderr, (name, verb, answer.stderr)
    assert node.ctl("backup", "restore", "gone", check=False).returncode == 5
    assert node.ctl("backup", "create", "bad", check=False).returncode == 6
    assert os.listdir(f"{node.state}/backups") == ["bad.backup"]


def test_a_backup_restored_on_one_node_of_three_undoes_nothing_anywhere():
    cluster = Cluster()
    try:
        n1, n2, n3 = cluster.start().nodes
        revoked_key, revoked_secret = n1.create_key("revoked-later", "--wait", "all")
        _, kept = n1.create_key("kept", "--wait", "all")
        shown(n3, "backup", "create", "old")
        assert n1.ctl("keys", "deactivate", revoked_key).returncode == 0
        _, later = n2.create_key("later", "--wait", "all")
        assert shown(n3, "backup", "restore", "old")["changed"] == 0
        secrets = [revoked_secret, kept, later]
        for n in (n1, n2, n3):
            assert [n.models(s).status for s in secrets] == [401, 200, 200], n.host
        until(lambda: same(n1.state, n2.state, n3.state), "three equal nodes", 20)
        assert "backup_restored" in events(n3)

        # The same backup put in the place of the database: this disk has gone back.
        for name in ("controlplane", "dataplane"):
            n3.kill(name)
        for suffix in ("-wal", "-shm"):
            if os.path.exists(f"{n3.state}/aurora.db{suffix}"):
                os.unlink(f"{n3.state}/aurora.db{suffix}")
        shutil.copyfile(f"{n3.state}/backups/old.backup", f"{n3.state}/aurora.db")
        for name in ("controlplane", "dataplane"):
            n3.spawn(name)

        def refused_or_not_yet():
            try:
                status = n3.models(revoked_secret).status
            except OSError:
                return False
            assert status in (401, 503), f"the revoked key was answered {status}"
            return status == 401
        until(refused_or_not_yet, "n3 serves, and refuses what was revoked since", 30)
        until(lambda: same(n1.state, n2.state, n3.state), "three equal nodes", 20)
        for n in (n1, n2, n3):
            until(lambda: [n.models(s).status for s in secrets] == [401, 200, 200], f"{n.host} enforces", 10)
        assert {"aurora_db_rolled_back", "disk_rolled_back"} & set(events(n3))
    finally:
        cluster.stop()


def test_a_node_with_a_wiped_disk_gets_everything_again_and_says_so(members):
    nodes = [n.start() for n in three(members)]
    until(lambda: whole(nodes), "three nodes in one cluster", 40)
    gone, kept = make_key(nodes[1], "gone"), make_key(nodes[0], "kept")
    revoke(nodes[2], gone)
    until(lambda: same(*map(state, nodes)), "equal", 20)
    nodes[0].kill()
    wipe(nodes[0])
    nodes[0].start()
    until(lambda: whole(nodes), "n1 is back", 60)
    until(lambda: same(*map(state, nodes)), "equal again", 20)
    assert revoked(nodes[0], gone) and not revoked(nodes[0], kept)
    assert {"node_disk_lost", "node_superseded"} & (set(nodes[1].events()) | set(nodes[2].events()))


def test_a_lost_aurora_db_beside_an_election_db_is_filled_again_before_the_node_counts_as_caught_up(members):
    nodes = [n.start() for n in three(members)]
    until(lambda: whole(nodes), "three nodes in one cluster", 40)
    gone = make_key(nodes[1], "gone")
    revoke(nodes[1], gone)
    until(lambda: same(*map(state, nodes)), "equal", 20)
    nodes[2].kill()
    for name in os.listdir(state(nodes[2])):
        if name.startswith("aurora.db"):
            os.unlink(f"{state(nodes[2])}/{name}")
    nodes[2].start()
    until(lambda: whole(nodes), "n3 is back", 60)
    until(lambda: same(*map(state, nodes)), "equal again", 20)
    assert revoked(nodes[2], gone) and "aurora_db_missing" in nodes[2].events()


def test_a_state_directory_copied_twice_is_refused_until_the_copies_are_made_nodes_of_their_own(members):
    nodes = [n.start() for n in three(members)]
    cluster_id = until(lambda: whole(nodes), "three nodes in one cluster", 40)
    key = make_key(nodes[0], "kept")
    until(lambda: same(*map(state, nodes)), "equal", 20)
    nodes[2].kill()  # a copy of a disk at rest
    clones = [members(f"n{k}", [nodes[0].host]) for k in (4, 5)]
    for clone in clones:
        shutil.copytree(state(nodes[2]), state(clone), ignore=shutil.ignore_patterns("*.lock"))
    nodes[2].start()
    until(lambda: whole(nodes), "n3 is back", 60)
    for clone in clones:
        clone.start()
        up(clone)
    for node in [*clones, nodes[0]]:
        told = until(lambda: [e["message"] for e in node.told() if e["type"] == "duplicate_node_id"], f"{node.id} says what is wrong", 40)
        assert "a copied state directory" in told[0] and "election.db" in told[0], told
    late = make_key(nodes[2], "while the copies knock")
    until(lambda: same(*map(state, nodes)), "the three go on", 20)
    assert all(n.status_of(m.id) == "alive" for n in nodes for m in nodes)
    assert all(rest(clone, "GET", f"auth-keys/{late}").status == 404 for clone in clones), "a copy is no member"
    for clone in clones:
        clone.kill()
        for name in os.listdir(state(clone)):
            if name.startswith("election.db"):
                os.unlink(f"{state(clone)}/{name}")
        clone.start()
    everyone = nodes + clones
    assert until(lambda: whole(everyone, 5), "five nodes in one cluster", 60) == cluster_id
    assert all("election_db_missing" in clone.events() for clone in clones)
    late = [late, make_key(clones[0], "from a former copy")]
    until(lambda: same(*map(state, everyone)), "five equal nodes", 30)
    assert all(rest(n, "GET", f"auth-keys/{k}").status == 200 for n in everyone for k in (key, *late))


@pytest.mark.parametrize("survivor", [0, 1])
def test_one_node_that_is_left_of_three_keeps_everything_and_two_fresh_ones_get_it(members, survivor):
    nodes = [n.start() for n in three(members)]
    cluster_id = until(lambda: whole(nodes), "three nodes in one cluster", 40)
    gone, kept = make_key(nodes[0], "gone"), make_key(nodes[2], "kept")
    revoke(nodes[1], gone)
    until(lambda: same(*map(state, nodes)), "equal", 20)
    for node in nodes:
        node.kill()
    others = [n for n in nodes if n is not nodes[survivor]]
    for node in others:
        wipe(node)
    for node in [*others, nodes[survivor]] if survivor else [nodes[survivor], *others]:
        node.start()
    assert until(lambda: whole(nodes), "three nodes again", 60) == cluster_id
    until(lambda: same(*map(state, nodes)), "equal again", 30)
    assert all(revoked(n, gone) and not revoked(n, kept) for n in nodes)
    told = nodes[survivor].events()
    assert {"node_disk_lost", "node_superseded"} & set(told), told
    assert all("cluster_joined" in n.events() for n in others)


def test_clustering_is_turned_on_and_off_and_on_again_without_losing_policy(members):
    first = members("n1", CLUSTER_ENABLED="false").start()
    up(first)
    gone, kept = make_key(first, "gone"), make_key(first, "kept")
    revoke(first, gone)
    shown(first, "backup", "create", "alone")
    first.stop()
    first.extra["CLUSTER_ENABLED"] = "true"
    second = members("n2", [first.host])
    first.start()
    second.start()
    cluster_id = until(lambda: whole([first, second], 2), "two nodes in one cluster", 60)
    until(lambda: same(state(first), state(second)), "equal", 20)
    assert "cluster_founded" in first.events() and "cluster_joined" in second.events()
    assert revoked(second, gone) and not revoked(second, kept)
    restored = shown(first, "backup", "restore", "alone")  # its own, of before it had a cluster
    assert restored["changed"] == 0
    first.stop()
    first.extra["CLUSTER_ENABLED"] = "false"
    first.start()
    up(first)
    made = make_key(first, "made while off")
    revoke(second, kept)
    first.stop()
    first.extra["CLUSTER_ENABLED"] = "true"
    first.start()
    assert until(lambda: whole([first, second], 2), "together again", 60) == cluster_id
    until(lambda: same(state(first), state(second)), "equal again", 20)
    assert all(revoked(n, gone) and revoked(n, kept) and not revoked(n, made) for n in (first, second))


def test_when_all_nodes_are_gone_a_new_cluster_takes_the_backup_of_the_old_one(members):
    old = members("n1").start()
    until(lambda: whole([old]), "the old cluster", 40)
    gone, kept = make_key(old, "gone"), make_key(old, "kept")
    revoke(old, gone)
    shown(old, "backup", "create", "last")
    old_id = old.get("status")["cluster_id"]
    old.kill()
    first = members("m1").start()
    second = members("m2", [first.host]).start()
    until(lambda: whole([first, second], 2), "the new cluster", 60)
    os.makedirs(f"{state(first)}/backups")
    shutil.copy(f"{state(old)}/backups/last.backup", f"{state(first)}/backups/")
    answer = first.ctl("backup", "restore", "last")
    assert answer.returncode == 6 and "--new-cluster" in answer.stderr and old_id in answer.stderr, answer.stderr
    assert "backup_restore_failed" in first.events()
    assert shown(first, "backup", "restore", "last", "--new-cluster")["changed"] > 0
    until(lambda: same(state(first), state(second)), "both have it", 20)
    assert all(revoked(n, gone) and not revoked(n, kept) for n in (first, second))
    told = [e["message"] for e in first.told() if e["type"] == "backup_restored"]
    assert len(told) == 1 and old_id in told[0] and "new cluster" in told[0]
    first.kill()  # nobody to wait for: it starts as any member does
    first.start()
    until(lambda: whole([first, second], 2), "together again", 60)
    until(lambda: json.loads(first.ctl("sync", "status").stdout or "{}").get("caught_up"), "m1 has caught up", 20)
