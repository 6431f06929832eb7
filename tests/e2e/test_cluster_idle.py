"""What three idle control planes of one cluster cost. The targets are 1 % of a core and 30 MB each; CPU is noisy, so ten times that."""
import os, time

from member import three, whole
from node import until

SECONDS = float(os.environ.get("AURORA_E2E_IDLE", "10"))


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pss_mb(pid):
    return next(int(line.split()[1]) for line in open(f"/proc/{pid}/smaps_rollup") if line.startswith("Pss:")) / 1000


def test_an_idle_control_plane_takes_little_of_a_core_and_of_memory(members):
    nodes = [n.start() for n in three(members)]
    until(lambda: whole(nodes), "three nodes in one cluster", 60)
    begin, before = time.monotonic(), [cpu_seconds(n.process.pid) for n in nodes]
    until(lambda: time.monotonic() - begin >= SECONDS, "the time is over", SECONDS + 30)
    wall = time.monotonic() - begin
    cores = [(cpu_seconds(n.process.pid) - b) / wall for n, b in zip(nodes, before)]
    memory = [pss_mb(n.process.pid) for n in nodes]
    print("of a core: %s %%; PSS: %s MB" % (["%.2f" % (100 * c) for c in cores], ["%.1f" % m for m in memory]))
    assert max(cores) < 0.10 and max(memory) < 30
