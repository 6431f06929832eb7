import pytest
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
