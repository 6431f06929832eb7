import shutil, signal

import pytest
from cluster import Cluster
from member import Member
from node import Node


@pytest.fixture(scope="session")
def shared():
    """A node for tests that break nothing."""
    node = Node()
    try:
        yield node.start()
    finally:
        node.stop()


@pytest.fixture
def node():
    """A node of its own, for tests that kill something."""
    own = Node()
    try:
        yield own.start()
    finally:
        own.stop()


@pytest.fixture(scope="session")
def key(shared):
    return shared.create_key("shared")[1]


def member_maker():
    made = []

    def make(*args, **env):
        made.append(Member(*args, **env))
        return made[-1]
    yield make
    late = []
    for member in made:  # all at once, as a stopped cluster does
        if member.process and member.process.poll() is None:
            member.process.send_signal(signal.SIGCONT)
            member.process.terminate()
    for member in made:
        try:
            member.stop()
        except AssertionError as e:
            late.append(str(e))
        shutil.rmtree(member.dir, ignore_errors=True)
    assert not late, late


@pytest.fixture
def members():
    yield from member_maker()


@pytest.fixture(scope="module")
def module_members():
    yield from member_maker()


def three_nodes():
    cluster = Cluster()
    try:
        yield cluster.start()
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def trio():
    """Three nodes, both processes each, for tests that leave them as they were."""
    yield from three_nodes()


@pytest.fixture
def own():
    yield from three_nodes()
