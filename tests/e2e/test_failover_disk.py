"""election.db on a disk that takes a second or is full: renewing a lease writes nothing, so whoever is active stays so."""
import os, shutil, subprocess, tempfile, time

import pytest
from failover import ActivePassive
from load import Load
from node import until


@pytest.fixture(scope="module")
def shimmed():
    if not shutil.which("cc"):
        pytest.skip("no C compiler: no slow and no full disk was tested")
    place = tempfile.mkdtemp(prefix="aurora-shim-")
    shim, says = f"{place}/disk_shim.so", f"{place}/says"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, os.path.join(os.path.dirname(__file__), "disk_shim.c"), "-ldl"], check=True)
    open(says, "w").write("good")
    cluster = ActivePassive(LD_PRELOAD=shim, AURORA_DISK_SHIM=says)

    def disk(what):
        with open(says + ".new", "w") as f:
            f.write(what)
        os.rename(says + ".new", says)
    cluster.disk = disk
    try:
        yield cluster.start()
    finally:
        cluster.stop()
        shutil.rmtree(place, ignore_errors=True)


@pytest.mark.parametrize("what", ["slow 1000", "full"])
def test_a_bad_disk_under_election_db_costs_nobody_the_lead(shimmed, what):
    shimmed.disk("good")
    active = until(shimmed.settled, "one active node", 30)
    term = shimmed.status(active)["term"]
    with Load([n.proxy for n in shimmed.nodes], shimmed.key, rate=10) as load:
        until(lambda: len(load.good()) > 20, "load runs")
        shimmed.disk(what)
        began = time.monotonic()
        until(lambda: time.monotonic() > began + 8, "eight seconds of it", 10)
    assert load.bad() == [] and shimmed.settled() is active
    assert shimmed.status(active)["term"] == term, "no churn"


def test_with_a_full_disk_everywhere_nobody_follows_until_there_is_room(shimmed):
    shimmed.disk("good")
    active = until(shimmed.settled, "one active node", 30)
    others = [n for n in shimmed.nodes if n is not active]
    shimmed.disk("full")
    active.kill("dataplane"), active.kill("controlplane")

    def complained(node):
        return "election_disk" in [e["type"] for e in shimmed.rest(node, "GET", "events?page_size=1000").json()["events"]]
    until(lambda: any(complained(n) for n in others), "who campaigns says what is wrong", 30)
    until(lambda: any("election.db does not take writes" in " ".join(shimmed.status(n).get("reasons", [])) for n in others),
          "the status says it too", 30)
    assert shimmed.active() == []
    shimmed.disk("good")
    until(lambda: shimmed.settled(others), "with room again one takes over", 30)
    shimmed.revive()
