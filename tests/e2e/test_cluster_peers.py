"""Peers that do not fit or do not behave, on the sync port and the gossip port: each is told, none breaks the cluster."""
import random, shutil, socket, time

import grpc
import pytest
from member import whole
from node import until
from syncpeer import Stream, hello, sync_pb2


@pytest.fixture(scope="module")
def solo(module_members):
    """A cluster of one, founded."""
    node = module_members("solo").start()
    until(lambda: node.get("status").get("cluster_id"), "founds alone", 40)
    return node


def said(node, event, *parts):
    """Until the event is there with all of `parts` in its text; the log has the same line."""
    text = lambda: [e for e in node.told() if e["type"] == event and all(p in e["message"] for p in parts)]
    try:
        found = until(text, f"{node.id} tells {event} {parts}", 60)
    except AssertionError as e:
        raise AssertionError(f"{e}; it told {[(t['type'], t['message']) for t in node.told()]}") from None
    until(lambda: event in node.log() and parts[0] in node.log(), "the log has it too", 10)  # written off the loop
    return found


def unharmed(node):
    assert node.process.poll() is None
    status = node.get("status")
    assert status["node_count"] == 1 and status["state"] == "healthy", status


def test_another_protocol_version_is_refused_with_both_versions_named(solo):
    with Stream(solo.host) as peer:
        bye = peer.send(hello("future", protocol_min=7, protocol_max=9, version="77.1")).bye()
    assert bye.reason == sync_pb2().Bye.REASON_PROTOCOL_VERSION
    assert "future" in bye.message and "7-9" in bye.message and "77.1" in bye.message and "upgrade" in bye.message
    said(solo, "protocol_version", "future", "7-9")
    unharmed(solo)


def test_a_peer_that_refuses_our_version_is_an_event_here_too(members):
    solo = members("solo").start()
    until(lambda: solo.get("status").get("cluster_id"), "founds alone", 40)
    bye = sync_pb2().Bye(reason=sync_pb2().Bye.REASON_PROTOCOL_VERSION, message="solo speaks 1, strict speaks 2")
    with Stream(solo.host) as peer:
        peer.send(hello("strict")).next()
        peer.send(sync_pb2().ControlFrame(bye=bye))
        said(solo, "protocol_version", "strict", "strict speaks 2")


def test_another_label_and_another_cluster_are_refused_by_name(solo):
    with Stream(solo.host) as peer:
        bye = peer.send(hello("labelled", label="elsewhere")).bye()
    assert bye.reason == sync_pb2().Bye.REASON_LABEL and "elsewhere" in bye.message
    said(solo, "label_mismatch", "labelled", "elsewhere")
    with Stream(solo.host) as peer:
        bye = peer.send(hello("stranger", cluster_id="f" * 32)).bye()
    assert bye.reason == sync_pb2().Bye.REASON_FOREIGN_CLUSTER and "f" * 32 in bye.message
    said(solo, "foreign_cluster", "stranger", "f" * 32)
    unharmed(solo)


def test_what_is_no_protocol_ends_the_stream_and_nothing_else(solo):
    rng = random.Random(7)
    endings = []
    for first in (b"", b"\xff" * 64, rng.randbytes(4096), b"\x0a\x00", b"x" * (2 << 20)):
        with Stream(solo.host, raw=True) as peer:
            bye = peer.send(first).bye()  # with a Bye, without a word or with an error: it ends
            endings.append((bye and bye.reason, peer.error))
    assert all(r in (None, sync_pb2().Bye.REASON_BAD_FRAME) and e is not grpc.StatusCode.DEADLINE_EXCEEDED for r, e in endings), endings
    with Stream(solo.host) as peer:  # fields out of bounds
        assert peer.send(hello("long", zone="z" * 600)).bye().reason == sync_pb2().Bye.REASON_BAD_FRAME
    with Stream(solo.host) as peer:
        assert peer.send(hello("", node_uid="no uid")).bye().reason == sync_pb2().Bye.REASON_BAD_FRAME
    for port in (7946, 7947):
        for noise in (b"\x00" * 64, rng.randbytes(4096), b"GET / HTTP/1.1\r\n\r\n", b"\x0a\xff\xff\xff\xff"):
            with socket.create_connection((solo.host, port), 5) as s:
                s.sendall(noise)
                s.shutdown(socket.SHUT_WR)
                s.settimeout(15)
                try:
                    while s.recv(65536):
                        pass
                except ConnectionError:
                    pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for size in (0, 1, 2, 100, 1400, 60000):
            s.sendto(rng.randbytes(size), (solo.host, 7946))
    unharmed(solo)


def test_a_peer_that_says_nothing_is_let_go_and_many_take_no_place_from_a_real_one(solo, module_members):
    silent = [Stream(solo.host) for _ in range(80)]
    began = time.monotonic()
    try:
        ends = [peer.bye() for peer in silent[:5]]
        assert time.monotonic() - began < 30 and all(b is None or b.reason in (sync_pb2().Bye.REASON_BAD_FRAME, sync_pb2().Bye.REASON_FULL)
                                                     for b in ends), ends
    finally:
        for peer in silent:
            peer.close()
    second = module_members("second", [solo.host]).start()
    until(lambda: whole([solo, second]), "a real node joins", 60)
    second.stop()
    until(lambda: solo.status_of("second") == "left", "and leaves", 30)
    unharmed(solo)


def test_a_peer_that_floods_is_let_go(members):
    solo = members("solo").start()
    until(lambda: solo.get("status").get("cluster_id"), "founds alone", 40)
    with Stream(solo.host) as peer:
        peer.send(hello("flood"))
        for k in range(3000):
            peer.send(sync_pb2().ControlFrame(heartbeat=sync_pb2().Heartbeat(sequence=k)))
        assert peer.bye().reason == sync_pb2().Bye.REASON_BAD_FRAME
    assert solo.process.poll() is None


def test_a_clock_far_off_is_welcome_and_told(module_members):
    node = module_members("clock").start()
    cluster_id = until(lambda: node.get("status").get("cluster_id"), "founds alone", 40)
    with Stream(node.host) as peer:
        answer = peer.send(hello("late", cluster_id=cluster_id, wall_unix_ms=int(time.time() * 1000) - 3_600_000)).next()
        assert answer.WhichOneof("frame") == "hello", answer
        assert abs(answer.hello.wall_unix_ms - time.time() * 1000) < 30_000, "so that the other side can tell too"
        said(node, "clock_skew", "late", "s off")
        until(lambda: any("clock" in r for r in node.get("status")["reasons"]), "the status says why it is degraded", 10)
    assert node.process.poll() is None


def test_a_second_node_under_a_taken_id_is_told_on_both_sides_and_changes_nothing(members):
    first = members("n1").start()
    second = members("n2", [first.host]).start()
    until(lambda: whole([first, second]), "two nodes in one cluster", 60)
    other = members("n2", [first.host]).start()
    told = {"duplicate_node_id", "gossip_name_conflict"}
    until(lambda: told & set(first.events()) and told & set(other.events()), "both say it", 60)
    assert any("n2" in e["message"] for e in first.told() if e["type"] in told)
    assert other.process.poll() is None and not other.get("status").get("cluster_id"), "it founds nothing of its own"
    until(lambda: whole([first, second]), "the two are one cluster", 30)
    other.stop()
    until(lambda: whole([first, second]), "and stay it when the third goes", 30)
    assert "node_failed" not in first.events()


def copied(members):
    """Two nodes in a cluster, the second stopped, and a third with a copy of its disk."""
    first = members("n1").start()
    second = members("n2", [first.host]).start()
    until(lambda: whole([first, second]), "two nodes in one cluster", 60)
    second.stop()
    copy = members("n3", [first.host])
    shutil.copytree(f"{second.dir}/state", f"{copy.dir}/state")
    return first, second, copy


def test_a_copied_state_directory_is_told_on_both_sides(members):
    first, second, copy = copied(members)
    second.start()
    until(lambda: whole([first, second]), "two nodes again", 60)
    copy.start()
    said(first, "duplicate_node_id", "copied state directory")
    said(copy, "duplicate_node_id", "copied state directory")
    both = lambda: first.status_of("n2") == "alive" and second.status_of("n1") == "alive"
    until(both, "the two are unharmed; that the copy is there degrades them", 30)


def test_a_copy_that_comes_before_its_original_is_told_too_and_the_original_is_in_again_when_it_goes(members):
    first, second, copy = copied(members)
    copy.start()
    until(lambda: first.status_of("n3") == "alive", "the disk of n2 is taken for n2 under a new id", 60)
    second.start()
    for node in (first, second, copy):
        said(node, "duplicate_node_id", "copied state directory")
    copy.stop()
    until(lambda: first.status_of("n2") == "alive" and second.status_of("n1") == "alive", "n2 is in again", 60)
