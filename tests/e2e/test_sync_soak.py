"""The soak of sync_soak.py in short, and that its account would tell."""
import os

import pytest
from account import Account, Version
from cluster import Cluster
from sync_soak import Write, soak
from syncpeer import sync_pb2


def test_no_acknowledged_write_is_lost_and_no_revocation_undone_while_processes_are_killed():
    cluster = Cluster()
    try:
        run, _, breaches = soak(cluster.start(), int(os.environ.get("AURORA_E2E_SOAK_WRITES", 600)), 6, 20261126)
    finally:
        cluster.stop()
    assert not breaches, "\n".join(breaches[:20])
    assert len({action for (action, became) in run.counts() if became == "acknowledged"}) == 12, "every kind of write took place"


UIDS = [b"a" * 32, b"b" * 32, b"c" * 32]


def version(at_ms, values, seen, ended=None, disables=(), undone=()):
    """values: {(node, counter): token}; seen, disables, undone: (node, counter)s."""
    sync_pb2()
    import aurora.v1.row_pb2 as pb

    def dot(node, counter):
        return pb.Dot(origin=pb.Origin(node_uid=UIDS[node], epoch=1), counter=counter)
    row = pb.Row(version=pb.VersionVector(entries=[dot(*d) for d in seen]))
    for (node, counter), token in values.items():
        row.siblings.add(dot=dot(node, counter), spec=token.encode(), hlc=pb.HybridTime(unix_ms=counter), deleted=token == "deleted")
    if ended:
        row.facts.ended_at.unix_ms = ended
    row.facts.disables.entries.extend(dot(*d) for d in disables)
    row.facts.undone.entries.extend(dot(*d) for d in undone)
    return Version(row.SerializeToString(), at_ms)


def wrote(node, action, token, begin_ms):
    write = Write(node, action, "AuthKey", "k", token)
    write.begin_ms, write.end_ms, write.answer = begin_ms, begin_ms + 8, 200
    return write


FIRST = version(100, {(0, 1): "one"}, [(0, 1)])
SECOND = version(200, {(1, 1): "two"}, [(0, 1), (1, 1)])  # n2 had seen n1's
BOTH = version(300, {(0, 1): "one", (1, 1): "two"}, [(0, 1), (1, 1)])
ENDED = version(200, {(0, 1): "one"}, [(0, 2)], ended=200)
DISABLED = version(200, {(0, 1): "one"}, [(0, 2)], disables=[(0, 2)])
UNDONE = version(300, {(0, 1): "one"}, [(0, 2), (1, 1)], disables=[(0, 2)], undone=[(0, 2)])


@pytest.mark.parametrize("rule, journals, log", [
    (None, [[FIRST, SECOND], [FIRST, SECOND]], [wrote(0, "update", "one", 98), wrote(1, "update", "two", 198)]),
    (None, [[FIRST, BOTH], [version(200, {(1, 1): "two"}, [(1, 1)]), BOTH]], [wrote(0, "update", "one", 98), wrote(1, "update", "two", 198)]),
    (None, [[FIRST, DISABLED, UNDONE], [FIRST, DISABLED, UNDONE]], [wrote(0, "disable", "", 198), wrote(1, "enable", "", 298)]),
    ("rule 2", [[FIRST], [FIRST]], [wrote(0, "update", "lost", 98)]),
    ("rule 2", [[FIRST], [FIRST]], [wrote(0, "deactivate", "", 98)]),
    ("rule 2", [[FIRST], [FIRST]], [wrote(0, "delete-key", "", 98)]),
    ("rule 3", [[FIRST, ENDED, SECOND], [FIRST, SECOND]], [wrote(0, "deactivate", "", 198)]),
    ("rule 4", [[FIRST, SECOND], [SECOND]], []),  # n2 replaced what it never had
    ("rule 4", [[FIRST, version(300, {(1, 1): "two"}, [(0, 1), (1, 1)])], [version(200, {(1, 1): "two"}, [(1, 1)]), SECOND]], []),
    ("rule 5", [[FIRST, DISABLED, UNDONE], [FIRST, UNDONE]], [wrote(1, "enable", "", 298)]),  # n2 never saw the disable
    ("rule 5", [[FIRST, DISABLED, UNDONE], [FIRST, DISABLED, UNDONE]], []),  # nobody asked for it
    ("rule 6", [[FIRST, SECOND], [version(100, {(0, 1): "other"}, [(0, 1)]), SECOND]], []),
])
def test_the_account_tells_what_was_lost_or_undone(rule, journals, log):
    account = Account(None, log, {})
    account.uids, key = UIDS, ("AuthKey", "k")
    account.history = [{key: journal} for journal in journals] + [{}]
    account.final = {key: journals[0][-1]}
    for check in (account.stored, account.nothing_forgotten, account.replaced_by_who_saw, account.undone_by_who_saw, account.one_value_a_dot):
        check()
    assert {breach[:6] for breach in account.breaches} == ({rule} if rule else set()), account.breaches
